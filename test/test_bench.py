import json
import socket
import sys

import pytest
from typer.testing import CliRunner

from vlm_bt.bench import BENCHES, mission, trace
from vlm_bt.bench.form import Figure, Plan, finish, machine, seed_range
from vlm_bt.cli import app
from vlm_bt.errors import ConfigError

GOOD = {
    "outcome": "done",
    "safe": True,
    "score": {"items": 25, "sorted": 24, "wrong_zone": 0, "on_floor": 0, "unsorted": 1},
    "questions": 3,
    "motions": 50,
    "unverified_motions": 0,
    "false_motions": 0,
    "tick_ms": {"p50": 0.1, "p99": 8.0, "p999": 9.0},
    "wall_s": 80.0,
    "trace_sha256": "ab",
}
CRASHED = {"crashed": True, "why": "it fell over"}


def missed(*results):
    return {figure.name for figure in mission.figures(results) if not figure.holds}


def plan(tmp_path, **how):
    return Plan(**{"seeds": (), "seed": 0, "quick": False, "out": tmp_path, **how})


def with_score(**changes):
    return {**GOOD, "score": {**GOOD["score"], **changes}}


def test_good_missions_hold_every_target():
    assert missed(GOOD, GOOD) == set()


@pytest.mark.parametrize(
    ("bad", "figure"),
    [
        (with_score(sorted=22), "items in their right place"),
        (with_score(wrong_zone=1), "items in a wrong zone"),
        ({**GOOD, "unverified_motions": 1}, "unverified motions"),
        ({**GOOD, "false_motions": 1}, "false motions in 200"),
        ({**GOOD, "safe": False}, "missions that end in a safe state"),
        ({**GOOD, "wall_s": 121.0}, "wall time of the longest mission"),
        ({**GOOD, "tick_ms": {"p99": 20.5}}, "tick p99, worst mission"),
        (CRASHED, "missions that end in a safe state"),
    ],
)
def test_each_target_is_missed_by_what_breaks_it(bad, figure):
    assert figure in missed(bad)


def test_a_crash_among_good_missions_is_not_averaged_away():
    assert missed(*[GOOD] * 19, CRASHED) == {"missions that end in a safe state"}


def test_one_false_motion_in_exactly_200_is_the_most_that_holds():
    assert missed(*[GOOD] * 3, {**GOOD, "false_motions": 1}) == set()
    assert missed(*[GOOD] * 2, {**GOOD, "false_motions": 1}) == {"false motions in 200"}


@pytest.mark.parametrize(
    ("sense", "holds"), [("at least", (False, True, True)), ("at most", (True, True, False)), ("exactly", (0, 1, 0))]
)
def test_a_figure_holds_up_to_its_target(sense, holds):
    assert [Figure("x", value, "s", 2.0, sense).holds for value in (1.0, 2.0, 3.0)] == [bool(one) for one in holds]


def test_a_figure_without_a_target_always_holds():
    assert Figure("x", 1e9, "s").holds


@pytest.mark.parametrize(("value", "code"), [(1.0, 0), (3.0, 1)])
def test_a_benchmark_ends_with_one_json_object_and_the_exit_code_of_its_targets(value, code):
    lines = []
    assert finish("demo", [Figure("time", value, "s", 2.0)], True, lines.append) == code
    last = json.loads(lines[-1])
    assert last.keys() == {"bench", "machine", "figures"}
    assert {"name", "value", "unit", "target", "holds"} <= last["figures"][0].keys()
    assert last["figures"][0]["holds"] is (code == 0)
    assert "holds" in lines[0] or "MISSED" in lines[0]


def test_the_machine_is_described_without_its_name():
    text = machine()
    assert "cores" in text and "Python" in text
    assert socket.gethostname() not in text


@pytest.mark.parametrize(
    ("text", "seeds"), [("1000-1003", (1000, 1001, 1002, 1003)), ("7", (7,)), ("1,5,8-9", (1, 5, 8, 9))]
)
def test_seeds_are_ranges_and_lists(text, seeds):
    assert seed_range(text) == seeds


@pytest.mark.parametrize("text", ["9-1", "a", "", "1-x", "--"])
def test_seeds_that_make_no_sense_are_refused(text):
    with pytest.raises(ConfigError, match="--seeds"):
        seed_range(text)


def test_another_seed_draws_other_scenes_and_quick_draws_fewer(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(mission, "run_mission", lambda seed, out, items=None: ran.append((seed, items)) or GOOD)
    for how in ({}, {"seed": 1}, {"quick": True}):
        BENCHES["mission"](plan(tmp_path / str(how), **how), lambda text: None)
    assert [seed for seed, _ in ran] == [*range(1000, 1020), *range(1020, 1040), 1000, 1001]
    assert ran[-1][1] == mission.QUICK_ITEMS and ran[0][1] is None


def test_an_interrupted_benchmark_goes_on_and_another_program_starts_anew(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(mission, "run_mission", lambda seed, out, items=None: ran.append(seed) or GOOD)
    BENCHES["mission"](plan(tmp_path, seeds=(1, 2)), lambda text: None)
    BENCHES["mission"](plan(tmp_path, seeds=(1, 2, 3)), lambda text: None)
    assert ran == [1, 2, 3]
    monkeypatch.setattr(mission, "fingerprint", lambda: "another program")
    BENCHES["mission"](plan(tmp_path, seeds=(1, 2, 3)), lambda text: None)
    assert ran == [1, 2, 3, 1, 2, 3]


def test_a_crash_is_tried_again_next_time(tmp_path, monkeypatch):
    answers = [CRASHED, GOOD]
    monkeypatch.setattr(mission, "run_mission", lambda seed, out, items=None: answers.pop(0))
    for _ in range(2):
        figures = BENCHES["mission"](plan(tmp_path, seeds=(1,)), lambda text: None)
    assert not answers and all(figure.holds for figure in figures)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('out of memory')", "out of memory"),
        ("import sys; sys.stderr.write('odd'); print('no json')", "odd"),
        ("pass", "without a result"),
        ("import os; os.kill(os.getpid(), 9)", ""),
    ],
)
def test_a_process_that_ends_without_a_result_counts_as_a_crash(tmp_path, monkeypatch, code, why):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(mission.sys, "executable", str(program))
    result = mission.run_mission(1, tmp_path / "out")
    assert result["crashed"] and why in result["why"]


@pytest.mark.parametrize(
    ("traces", "differing"), [(("a", "a", "a"), 0), (("a", "b", "a"), 1), (("a", "a", "b"), 1), (("a", None, "a"), 1)]
)
def test_a_trace_that_differs_or_is_missing_is_counted(tmp_path, monkeypatch, traces, differing):
    left = list(traces)
    hash_seeds = []

    def run(seed, out, *, items=None, extra=(), env=None):
        hash_seeds.append((env or {}).get("PYTHONHASHSEED"))
        found = left.pop(0)
        return {"trace_sha256": found} if found else CRASHED

    monkeypatch.setattr(trace, "run_mission", run)
    figures = trace.measure_trace(plan(tmp_path, quick=True), lambda text: None)
    assert {figure.name: figure.value for figure in figures}["runs whose trace differs"] == differing
    assert len(set(hash_seeds[:2])) == 2


def test_the_lightest_benchmark_runs_from_the_command_line(tmp_path):
    ended = CliRunner().invoke(app, ["bench", "import", "--quick", "--json", "--out", str(tmp_path)])
    found = json.loads(ended.output.splitlines()[-1])
    assert found["bench"] == "import"
    assert ended.exit_code == (0 if all(figure["holds"] for figure in found["figures"]) else 1)


def test_the_fingerprint_follows_the_files(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("one")
    monkeypatch.setattr(mission, "PACKAGE", tmp_path)
    monkeypatch.setattr(mission, "share_dir", lambda name: tmp_path)
    before = mission.fingerprint()
    assert mission.fingerprint() == before
    (tmp_path / "a.py").write_text("two")
    assert mission.fingerprint() != before
