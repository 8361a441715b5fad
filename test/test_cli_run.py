import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from small_record import write_small_mission
from typer.testing import CliRunner

from vlm_bt.app import Progress, Result
from vlm_bt.cli import app
from vlm_bt.cli.finding import find_tree
from vlm_bt.cli.run import changed, interruptible, made, overridden, tell, watched
from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.settings import load

PROMISED = {"outcome", "score", "questions", "motions", "unverified_motions", "false_motions", "ticks", "tick_ms"}
PROMISED |= {"sim_s", "wall_s", "model_queries", "model_wait_s", "trace_sha256", "report"}
RESULT = Result(
    outcome="done",
    detail="",
    score={"items": 4, "sorted": 3, "wrong_zone": 0, "on_floor": 0, "unsorted": 1},
    questions=2,
    motions=7,
    unverified_motions=0,
    false_motions=0,
    ticks=100,
    tick_ms={"p50": 0.1, "p99": 1.0, "p999": 2.0},
    sim_s=5.0,
    wall_s=2.0,
    model_queries=3,
    model_wait_s=0.5,
    trace_sha256="ab",
    safe=True,
    report=Path("out/report.html"),
    closing="Left section contains 1 wrench.",
)


def settings():
    return load(share_dir("config") / "embedded.yaml")


def test_a_tree_is_found_by_path_by_name_and_by_what_a_supervisor_says(tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text("tree: mine")
    assert find_tree(str(own)) == own
    assert find_tree("organise_workbench").name == "organise_workbench.yaml"
    assert find_tree("  Organise this   WORKBENCH. ").name == "organise_workbench.yaml"


def test_a_key_with_a_dot_is_a_setting_and_one_without_an_input_of_the_tree():
    chosen, inputs = overridden(settings(), ["simulation.items=6", "groups={a: {zone: left}}", "of=a=b"])
    assert chosen.simulation.items == 6
    assert inputs == {"groups": "{a: {zone: left}}", "of": "a=b"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("simulation.items", -1), ("simulation.items", "many"), ("vision.models.shipped.backend", "magic"), ("a.b.c", 1)],
)
def test_a_setting_that_does_not_fit_is_refused_by_its_name(key, value):
    with pytest.raises(ConfigError, match=f"--set {key}"):
        changed(settings(), key, value)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="no folder can be made there"):
        made(tmp_path / "file" / "out")
    assert made(tmp_path / "a" / "b").is_dir()


class Interruptible:
    def __init__(self):
        self.interrupted = 0

    def interrupt(self):
        self.interrupted += 1


def send(number, wait_s):
    os.kill(os.getpid(), number)
    threading.Event().wait(wait_s)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_the_mission_and_the_handlers_are_put_back(number):
    before, mission = signal.getsignal(number), Interruptible()
    with interruptible(mission):
        send(number, 0.01)
        assert mission.interrupted == 1
    assert signal.getsignal(number) is before


def test_the_second_signal_ends_the_process_with_130():
    with pytest.raises(typer.Exit) as ended, interruptible(Interruptible()):
        send(signal.SIGINT, 0.01)
        send(signal.SIGINT, 1.0)
    assert ended.value.exit_code == 130


def test_the_last_line_is_one_json_object_with_every_promised_figure(capsys):
    tell(RESULT, json=True)
    lines = capsys.readouterr().out.splitlines()
    assert not PROMISED - json.loads(lines[-1]).keys()
    assert "Left section contains 1 wrench." in lines[0] and "report: out/report.html" in lines[-2]


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("interrupted", 130), ("timed_out", 1), ("arm_fault", 1)])
def test_the_exit_code_follows_the_outcome(outcome, code):
    assert replace(RESULT, outcome=outcome).exit_code == code


def test_progress_off_a_terminal_is_a_line_now_and_then_and_keeps_off_stdout(capsys):
    with watched(panel_is_fine=True) as show:
        for tick in range(400):
            show(Progress(tick, tick * 0.05, tick * 0.05, "[bold]pick[/bold] it up", 3, 9, 1, 0.5, 6))
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 2
    assert "[bold]pick[/bold] it up" in captured.err, "a node's name is text, not markup"


def test_a_report_is_written_anew_from_a_record_or_its_folder(tmp_path):
    record = write_small_mission(tmp_path / "mission.mcap")
    for named in (record, tmp_path):
        ended = CliRunner().invoke(app, ["report", str(named)])
        assert ended.exit_code == 0 and ended.output.strip().endswith("report.html")
    assert (tmp_path / "report.html").is_file() and (tmp_path / "report.md").is_file()


@pytest.mark.parametrize(
    ("form", "start"), [("text", "organise_workbench"), ("mermaid", "flowchart"), ("dot", "digraph")]
)
def test_a_tree_is_shown_in_every_form(form, start):
    ended = CliRunner().invoke(app, ["show", "organise_workbench", "--as", form])
    assert ended.exit_code == 0 and ended.output.lstrip().startswith(start)


def test_help_loads_nothing_heavy_and_comes_at_once():
    heavy = "{'torch', 'mujoco', 'numpy', 'pydantic', 'py_trees', 'PIL'}"
    code = f"import sys, vlm_bt.cli; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
    took_s = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "vlm_bt.cli", "--help"], capture_output=True, timeout=60, check=True)
        took_s.append(time.perf_counter() - began)
    assert min(took_s) < 0.5
