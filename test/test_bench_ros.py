"""`vlm-bt bench ros`: what its figures are made of, that it goes on where it was interrupted, and a small run of it."""

from __future__ import annotations

import pytest

from vlm_bt.bench import ros
from vlm_bt.bench.form import Plan
from vlm_bt.bench.kept import Kept
from vlm_bt.bench.ros_restarts import figures
from vlm_bt.bench.ros_stops import abort_figures, kill_figures, start_figures
from vlm_bt.bench.ros_stream import stream_figures

HELD = {"handles": 60, "threads": 30, "children": 2}


def nobody():
    raise AssertionError("a trial that is known already was done again")


def kept(tmp_path, rows, **subject):
    made = Kept(tmp_path / "part.jsonl", subject)
    for row in rows:
        made.add(row)
    return made


def missed(figures):
    return {figure.name for figure in figures if not figure.holds}


def test_an_interrupted_part_goes_on_where_it_was(tmp_path):
    kept(tmp_path, [{"n": 0}, {"n": 1}], program="a")
    with (tmp_path / "part.jsonl").open("a") as file:
        file.write('{"n": 2')  # killed while it wrote
    again = Kept(tmp_path / "part.jsonl", {"program": "a"})
    assert again.complete(2, lambda number: nobody()) == [{"n": 0}, {"n": 1}]
    assert again.complete(3, lambda number: {"n": number})[-1] == {"n": 2}
    assert Kept(tmp_path / "part.jsonl", {"program": "a"}).rows[-1] == {"n": 2}


def test_what_another_program_measured_is_begun_anew(tmp_path):
    kept(tmp_path, [{"n": 0}], program="a")
    assert Kept(tmp_path / "part.jsonl", {"program": "b"}).rows == []


def test_one_pair_may_be_lost_and_one_in_a_hundred_may_be_late(tmp_path):
    good = [5.0] * 178 + [90.0]
    assert missed(stream_figures(kept(tmp_path, [{"latencies_ms": good}]), print)) == set()
    late = kept(tmp_path / "late", [{"latencies_ms": [5.0] * 176 + [21.0] * 2}])
    assert missed(stream_figures(late, print)) == {
        "RGB-D pairs that arrived, of 180 at 30 Hz",
        "RGB-D pair latency, p99",
    }
    assert len(missed(stream_figures(kept(tmp_path / "none", [{"latencies_ms": []}]), print))) == 2


def test_a_mission_that_never_started_or_started_late_misses(tmp_path):
    assert missed(start_figures(nobody, kept(tmp_path, [{"took_s": 0.4}]), 1, print)) == set()
    late = kept(tmp_path / "late", [{"took_s": None}, {"took_s": 0.6}])
    assert missed(start_figures(nobody, late, 2, print)) == {"missions that started", "accepted to first tick, slowest"}


def test_a_stop_that_came_late_or_never_misses(tmp_path):
    good = {"stood": True, "stop_ms": [20.0], "tick_s": 0.05}
    assert missed(abort_figures(nobody, kept(tmp_path, [good]), 1, 0, print)) == set()
    late = kept(tmp_path / "late", [{**good, "stop_ms": [61.0]}, {**good, "stood": False}])
    assert missed(abort_figures(nobody, late, 2, 0, print)) == {
        "aborts after which no goal was left",
        "abort to stop command, slowest",
    }
    kills = kept(tmp_path / "kills", [{"stood": True, "took_s": 0.4}, {"stood": False, "took_s": None}])
    assert missed(kill_figures(nobody, kills, 2, 0, print)) == {"kills after which no goal was left"}


@pytest.mark.parametrize(
    ("last", "missing"),
    [
        ({"how": "went on", "well": True, **HELD}, set()),
        ({"how": "hung", "well": False, **HELD}, {"restarts that the mission survived or ended safely"}),
        ({"how": "went on", "well": True, **HELD, "handles": 90}, {"file handles more at the end"}),
        ({"how": "went on", "well": True, **HELD, "threads": 35}, {"threads more at the end"}),
        ({"how": "went on", "well": True, **HELD, "children": 3}, {"processes more at the end"}),
    ],
)
def test_a_mission_that_hangs_or_a_node_that_keeps_what_it_no_longer_needs_misses(last, missing):
    assert missed(figures([{"how": "arm_fault", "well": True, **HELD}] * 5 + [last])) == missing


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_quick_version_stops_every_mission_and_leaves_nothing_behind(tmp_path):
    pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
    measured = {figure.name: figure for figure in ros.measure_ros(Plan((), 0, True, tmp_path), print)}
    for name in (
        "missions that started",
        "aborts after which no goal was left",
        "kills after which no goal was left",
        "restarts that the mission survived or ended safely",
        "processes left over",
        "shared memory left over",
    ):
        assert measured[name].holds, measured[name]
