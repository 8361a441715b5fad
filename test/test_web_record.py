"""A record in the view: finished, still being written, or cut off; and what stood at any moment of it."""

import json
import time
import urllib.request

import pytest
from small_record import SmallMission, write_small_mission

from vlm_bt.cli.view import address, record_at
from vlm_bt.errors import ConfigError
from vlm_bt.web.log import MissionLog, as_json, standing
from vlm_bt.web.record_view import RecordView
from vlm_bt.web.server import ViewServer


def told(view):
    return view.log.at()[1]


def test_a_finished_record_opens_with_its_pictures(tmp_path) -> None:
    with RecordView(write_small_mission(tmp_path / "mission.mcap")) as view:
        shown = {one.channel for one in told(view)}
        last = next(one.data for one in reversed(told(view)) if one.channel == "detections")
        with ViewServer(view) as server:
            with urllib.request.urlopen(f"{server.url}picture/{last['frame']}") as answer:
                assert answer.read().startswith(b"\xff\xd8")
            with urllib.request.urlopen(f"{server.url}picture/{last['frame']}/depth") as answer:
                assert answer.read().startswith(b"\x89PNG")
    assert {"detections", "question", "reply", "motion", "verdict", "result", "tree"} <= shown
    assert (last["camera"], last["width"], last["height"]) == ("overhead", 64, 48)
    assert view.cameras == ("overhead",)


def test_a_record_that_is_being_written_is_followed(tmp_path) -> None:
    mission = SmallMission(tmp_path / "mission.mcap")
    mission.write("event", what="first")
    mission.recorder.flush()
    with RecordView(tmp_path / "mission.mcap") as view:
        assert [one.data["what"] for one in told(view)] == ["first"]
        mission.write("event", what="second")
        mission.recorder.flush()
        limit_s = time.monotonic() + 10
        while view.log.count < 2 and time.monotonic() < limit_s:
            time.sleep(0.05)
        assert [one.data["what"] for one in told(view)] == ["first", "second"]
    mission.close()


def test_a_record_that_was_cut_off_is_shown_as_far_as_it_goes(tmp_path) -> None:
    whole = write_small_mission(tmp_path / "mission.mcap", ends=False)
    with RecordView(whole) as view:
        before = view.log.count
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[:-7])
    with RecordView(cut) as view:
        assert 0 < view.log.count <= before


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" * 8])
def test_what_is_no_record_is_refused_with_a_reason(tmp_path, content) -> None:
    path = tmp_path / "mission.mcap"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="no MCAP file"):
        RecordView(path)


def test_nothing_can_be_done_in_a_record(tmp_path) -> None:
    with RecordView(write_small_mission(tmp_path / "mission.mcap")) as view:
        assert not view.do({"do": "abort"}, "control").result().ok
        assert not view.commands


def test_at_any_moment_stands_what_was_told_last_until_then() -> None:
    log = MissionLog()
    for t, status in ((1.0, "RUNNING"), (2.0, "SUCCESS"), (3.0, "RUNNING")):
        log.append("status", {"t": t, "path": [0], "status": status})
        log.append("motion", {"t": t, "id": f"motion-{t}"})
    _, entries = log.at(2.5)
    assert [(one.channel, one.t) for one in entries] == [("motion", 1.0), ("status", 2.0), ("motion", 2.0)]


def test_a_long_mission_keeps_what_stands_and_forgets_the_rest() -> None:
    log = MissionLog(room=1000)
    log.append("nodes", {"t": 0.0, "nodes": []})
    for number in range(5000):
        log.append("status", {"t": float(number), "path": [number % 7], "status": "RUNNING"})
    count, entries = log.at()
    assert count <= 5001
    assert [one.channel for one in entries].count("nodes") == 1
    assert len(standing(entries)) == 8
    assert log.since(10)[1] is None, "whoever is so far behind takes a snapshot"
    recent = log.since(count - 3)[1]
    assert recent is not None
    assert [one.t for one in recent] == [4997.0, 4998.0, 4999.0]
    assert log.from_t > 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", "</script>", {1: [float("nan")]}])
def test_whatever_was_said_is_json_that_a_browser_reads(value) -> None:
    text = as_json({"value": value})
    text.encode()
    assert "NaN" not in text
    assert "Infinity" not in text
    json.loads(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ("127.0.0.1", 8020)),
        ("9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_is_a_port_with_or_without_a_host(text, found) -> None:
    assert address(text) == found


@pytest.mark.parametrize("text", ["here", ":80", "70000", "host:", "1.2.3.4:x"])
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="PORT"):
        address(text)


def test_a_folder_means_its_record_and_a_folder_of_runs_its_newest(tmp_path) -> None:
    for name in ("older", "newer"):
        (tmp_path / name).mkdir()
        write_small_mission(tmp_path / name / "mission.mcap")
        time.sleep(0.01)
    assert record_at(tmp_path / "older") == tmp_path / "older" / "mission.mcap"
    assert record_at(tmp_path) == tmp_path / "newer" / "mission.mcap"
    with pytest.raises(ConfigError, match="no such record"):
        record_at(tmp_path / "nowhere")
