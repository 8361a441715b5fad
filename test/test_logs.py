"""Logs as lines of JSON: what a line holds, what it must never hold, and that nobody waits for it."""

from __future__ import annotations

import json
import logging
import time

import pytest
from py_trees.behaviours import Success
from typer.testing import CliRunner

from vlm_bt import app
from vlm_bt.cli import app as command_line
from vlm_bt.cli.run import changed
from vlm_bt.errors import ConfigError
from vlm_bt.executive import Snapshot
from vlm_bt.operations import logs
from vlm_bt.operations.attached import operations
from vlm_bt.operations.logs import HIDDEN, JsonLog, secrets_of
from vlm_bt.operations.mission_log import MissionLog
from vlm_bt.places import share_dir
from vlm_bt.settings import load

log = logging.getLogger("vlm_bt.somewhere")


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_mission_is_told_from_begin_to_end_in_lines_of_json(tmp_path):
    chosen = changed(changed(load(), "simulation.fidelity", "fast"), "simulation.kinds", ("hammer", "pliers"))
    chosen = changed(changed(chosen, "logging.file", str(tmp_path / "log")), "logging.level", "debug")
    with operations(chosen, print) as watching:
        tree = share_dir("trees") / "organise_workbench.yaml"
        with app.build(
            chosen, tree, seed=11, human="scripted", out=tmp_path / "out", **vars(watching.attached("bench-1"))
        ) as mission:
            result = mission.run()
    told = lines(tmp_path / "log")
    assert {"time", "level", "logger", "mission", "tick", "node", "message", "data"} <= told[0].keys()
    assert {line["mission"] for line in told} == {"bench-1"}
    assert told[0]["message"] == "the mission began" and told[0]["data"] == {"seed": 11}
    assert told[-1]["message"] == "the mission ended" and told[-1]["data"]["outcome"] == result.outcome
    motions = [line for line in told if line["message"] == "a motion ended"]
    assert len(motions) >= result.motions > 0 and all(line["node"] for line in motions)
    assert [line["tick"] for line in told] == sorted(line["tick"] for line in told)
    changes = [line for line in told if line["message"] == "a node changed"]
    assert {line["level"] for line in changes} <= {"debug", "warning"} and max(line["tick"] for line in changes) > 100


def test_what_somebody_said_stays_data_and_never_reaches_a_terminal_as_control_characters(tmp_path):
    with JsonLog(str(tmp_path / "log")) as opened:
        mission = MissionLog(opened.standing, "one")
        mission.note("said", {"t": 1.0, "text": 'stop\x9b31m\x1b[2J %s {x}\n{"level": "error"}', "by": "somebody"})
    text = (tmp_path / "log").read_text()
    assert text.isascii() and text.isprintable() is False and "\x1b" not in text and text.count("\n") == 1
    (line,) = lines(tmp_path / "log")
    assert line["message"] == "a person said something" and line["level"] == "info"
    assert line["data"]["text"] == 'stop\x9b31m\x1b[2J %s {x}\n{"level": "error"}'


def test_no_secret_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", 'k"\\ey-of-a-service')
    monkeypatch.setenv("MODEL_ACCESS", "opensesame")
    with JsonLog(str(tmp_path / "log"), secret_variables=["MODEL_ACCESS"]):
        log.warning("refused: %s", 'k"\\ey-of-a-service', extra={"data": {"headers": ["Bearer abc.def-123"]}})
        try:
            raise ValueError("opensesame is wrong")
        except ValueError:
            log.exception("at https://joe:hunter2secret@example.org/v1 with sk-abcdefghijklmnop1234")
    text = (tmp_path / "log").read_text()
    for secret in ("ey-of-a-service", "abc.def", "opensesame", "hunter2", "abcdefghijklmnop"):
        assert secret not in text
    first, second = lines(tmp_path / "log")
    assert first["message"] == f"refused: {HIDDEN}" and first["data"] == {"headers": [f"Bearer {HIDDEN}"]}
    assert "ValueError" in second["trace"] and "example.org/v1" in second["message"]


def test_short_values_of_variables_that_sound_secret_are_no_secrets():
    found = secrets_of([("USE_TOKENS", "true"), ("HOME", "/home/somebody"), ("A_TOKEN", "a" * 9)], {"X"})
    assert found == ("a" * 9,)


@pytest.mark.parametrize(
    ("channel", "entry", "level"),
    [
        ("motion", {"outcome": "done"}, "info"),
        ("motion", {"outcome": "grasp_failed"}, "warning"),
        ("event", {"what": "motion refused"}, "warning"),
        ("event", {"what": "report"}, "info"),
        ("answer", {"result": {"failed": "model_lost"}}, "warning"),
        ("status", {"tick": 4, "path": [0], "name": "look", "outcome": "camera_lost"}, "warning"),
        ("status", {"tick": 4, "path": [0], "name": "look", "outcome": "no"}, None),
        ("status", {"tick": 4, "path": [], "name": "all", "outcome": "camera_lost"}, None),
        ("answer", {"result": {}}, None),
        ("detections", {"items": []}, None),
        ("result", {"outcome": "done"}, "info"),
        ("result", {"outcome": "timed_out"}, "error"),
    ],
)
def test_what_went_wrong_stands_out(tmp_path, channel, entry, level):
    with JsonLog(str(tmp_path / "log")) as opened:
        mission = MissionLog(opened.standing, "one")
        mission.note("nodes", {"nodes": [{"path": []}, {"path": [0]}]})
        mission.note(channel, {"t": 0.2, **entry})
    told = lines(tmp_path / "log")
    assert [line["level"] for line in told] == ([level] if level else [])
    if "path" in entry and told:
        assert (told[0]["tick"], told[0]["node"]) == (4, "look")


def test_every_logger_of_the_program_tells_where_the_mission_stands(tmp_path):
    with JsonLog(str(tmp_path / "log"), "warning") as opened:
        mission = MissionLog(opened.standing, "one")
        mission.after_tick(Snapshot(7, 0.35, Success("leaf"), ()))
        log.warning("the disk is slow")
        log.info("too little to tell")
        logging.getLogger("a.library").warning("of somebody else")
    ours, other = lines(tmp_path / "log")
    assert (ours["mission"], ours["tick"], ours["message"]) == ("one", 8, "the disk is slow")
    assert other["logger"] == "a.library" and other["mission"] == "one"


def test_a_disk_that_hangs_costs_lines_and_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "ROOM", 5)
    write = logs._File.emit
    monkeypatch.setattr(logs._File, "emit", lambda self, record: (time.sleep(0.02), write(self, record)))
    with JsonLog(str(tmp_path / "log")):
        began = time.perf_counter()
        for number in range(100):
            log.warning("line %d", number)
        assert time.perf_counter() - began < 0.5
    told = lines(tmp_path / "log")
    lost = sum(line["data"]["count"] for line in told if line["message"] == "log lines were lost")
    assert lost > 50 and lost + sum(line["message"].startswith("line ") for line in told) == 100


def test_a_full_disk_is_told_once(capsys):
    with JsonLog("/dev/full"):
        for number in range(5):
            log.warning("line %d", number)
    assert capsys.readouterr().err.count("log lines cannot be written any more") == 1


def test_a_closed_log_leaves_logging_as_it_was(tmp_path):
    before = (logging.getLogger().handlers[:], logging.getLogger("vlm_bt").level)
    opened = JsonLog(str(tmp_path / "log"), "debug")
    assert (logging.getLogger().handlers[:], logging.getLogger("vlm_bt").level) != before
    opened.close()
    opened.close()
    assert (logging.getLogger().handlers[:], logging.getLogger("vlm_bt").level) == before


def test_a_file_is_added_to_and_may_be_rotated_from_outside(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"message": "of before"}\n')
    with JsonLog(str(path)):
        log.warning("first")
        until = time.monotonic() + 5
        while len(lines(path)) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        path.rename(tmp_path / "log.1")
        log.warning("second")
    assert [line["message"] for line in lines(tmp_path / "log.1")] == ["of before", "first"]
    assert [line["message"] for line in lines(path)] == ["second"]


def test_a_file_that_cannot_be_written_is_told_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match=r"--log-json .*/none/log: cannot be written \(No such file.*name a file in"):
        JsonLog(str(tmp_path / "none" / "log"))
    arguments = ["run", "organise_workbench", "--log-json", "/none/log", "--out", str(tmp_path)]
    assert isinstance(CliRunner().invoke(command_line, arguments).exception, ConfigError)


def test_lines_may_go_to_standard_error(capsys):
    with JsonLog("-"):
        log.warning("to whoever collects")
    out, err = capsys.readouterr()
    assert out == "" and json.loads(err)["message"] == "to whoever collects"
