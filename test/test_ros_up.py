"""`vlm-bt ros up`: what a setup starts, what the end of a process means, and that nothing is left running."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from vlm_bt.places import share_dir
from vlm_bt.ros.processes import ARGUMENTS, PROFILES, SETUPS, Process, complete, environment, in_order
from vlm_bt.ros.supervisor import Supervisor

NEVER = threading.Event()
ENDS = """
import signal, time
def bye(*_):
    print('bye', flush=True)
    exit(0)
signal.signal(signal.SIGINT, bye)
print('here', flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('here', flush=True)
time.sleep(60)
"""


def python(name: str, code: str, **more) -> Process:
    return Process(name, (sys.executable, "-c", code), **more)


class Heard:
    """What the processes said, as (name, line)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def wait(self, name: str, line: str, limit_s: float = 30.0) -> None:
        limit = time.monotonic() + limit_s
        while (name, line) not in self.lines and time.monotonic() < limit:
            time.sleep(0.005)
        assert (name, line) in self.lines, self.lines


@pytest.fixture
def heard() -> Heard:
    return Heard()


def alive(supervisor: Supervisor) -> list[str]:
    return [name for name, running in supervisor.running.items() if running.child is not None]


def test_everything_ends_with_the_code_of_the_mission(heard) -> None:
    supervisor = Supervisor(
        [python("robot", ENDS), python("client", "print('done'); exit(7)", needs=("robot",), end="ends")], heard, {}
    )
    assert supervisor.run(NEVER) == 7
    assert ("client", "done") in heard.lines
    assert not alive(supervisor)


def test_what_may_end_ends_nothing(heard) -> None:
    supervisor = Supervisor(
        [
            python("viewer", "exit(3)", end="may"),
            Process("missing", ("no-such-program",), end="may"),
            python("client", "import time; time.sleep(0.5)", end="ends"),
        ],
        heard,
        {},
    )
    assert supervisor.run(NEVER) == 0
    assert ("viewer", "ended with 3") in heard.lines


@pytest.mark.parametrize(("code", "expected"), [("exit(0)", 1), ("exit(5)", 5)])
def test_a_guardian_that_ends_is_a_failure(heard, code, expected) -> None:
    supervisor = Supervisor([python("guardian", code), python("client", ENDS, end="ends")], heard, {})
    assert supervisor.run(NEVER) == expected


def test_a_program_that_is_missing_is_a_failure(heard) -> None:
    assert Supervisor([Process("camera", ("no-such-program",))], heard, {}).run(NEVER) == 1
    assert "cannot be started" in heard.lines[0][1]


def test_a_camera_that_ends_is_started_again_and_not_for_ever(heard) -> None:
    camera = python("camera", "print('click')", end="again", again_at_most=2)
    assert Supervisor([camera, python("client", ENDS, end="ends")], heard, {}).run(NEVER) == 1
    assert heard.lines.count(("camera", "click")) == 3


def test_what_needs_others_starts_after_them_and_stops_before_them(heard) -> None:
    stopped = threading.Event()
    processes = [
        python("mission", ENDS, needs=("guardian", "robot")),
        python("guardian", ENDS, needs=("robot",)),
        python("robot", ENDS),
    ]
    supervisor = Supervisor(processes, heard, {})
    code: list[int] = []
    running = threading.Thread(target=lambda: code.append(supervisor.run(stopped)))
    running.start()
    for name in ("robot", "guardian", "mission"):
        heard.wait(name, "here")
    stopped.set()
    running.join(30.0)
    assert code == [130]
    assert [name for name, line in heard.lines if line == "bye"] == ["mission", "guardian", "robot"]


def test_what_does_not_listen_is_killed_when_there_is_no_time(heard) -> None:
    stopped = threading.Event()
    supervisor = Supervisor([python("stubborn", STUBBORN)], heard, {})
    running = threading.Thread(target=supervisor.run, args=(stopped,))
    running.start()
    heard.wait("stubborn", "here")
    supervisor.hurry.set()
    stopped.set()
    running.join(10.0)
    assert not running.is_alive()
    assert not alive(supervisor)


def test_a_circle_of_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="a, b"):
        in_order((Process("a", (), needs=("b",)), Process("b", (), needs=("a",))))


@pytest.mark.parametrize("name", SETUPS)
def test_every_setup_can_be_put_in_order_and_its_arguments_are_known(name) -> None:
    setup = SETUPS[name]
    assert set(setup.takes) <= set(ARGUMENTS)
    processes = in_order(setup.processes(complete(setup, {})))
    assert sum(process.end == "ends" for process in processes) == 1


def test_a_setup_takes_only_its_own_arguments() -> None:
    with pytest.raises(ValueError, match="takes no tree"):
        complete(SETUPS["vision"], {"tree": "x"})


def test_the_guardian_starts_before_the_missions_and_stops_after_them() -> None:
    setup = SETUPS["workbench"]
    names = [process.name for process in in_order(setup.processes(complete(setup, {})))]
    assert names.index("robot") < names.index("guardian") < names.index("mission") < names.index("client")


@pytest.mark.parametrize("arm", ["moveit", "trajectory"])
def test_the_arm_of_a_real_bench_is_the_one_that_was_chosen(arm) -> None:
    setup = SETUPS["realsense"]
    commands = {process.name: process.command for process in setup.processes(complete(setup, {"arm": arm}))}
    assert f"{arm}-arm" in commands["arm"]


def test_an_arm_that_nobody_serves_is_refused() -> None:
    setup = SETUPS["realsense"]
    with pytest.raises(ValueError, match="'trajectory' or 'moveit', not 'magic'"):
        setup.processes(complete(setup, {"arm": "magic"}))


def test_inputs_and_settings_reach_the_mission_as_they_were_given() -> None:
    setup = SETUPS["workbench"]
    given = complete(setup, {"tree": "get me it", "set": "simulation.items=6 'what=a b'", "seed": "12"})
    client = next(process for process in setup.processes(given) if process.name == "client")
    assert client.command[-7:] == (
        "get me it",
        "--set",
        "simulation.items=6",
        "--set",
        "what=a b",
        "--seed",
        "12",
    )


def test_fast_dds_gets_our_settings_unless_the_user_has_some(monkeypatch) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    assert {environment(share_dir("config"))[name] for name in PROFILES} == {str(share_dir("config") / "fastdds.xml")}
    monkeypatch.setenv(PROFILES[1], "mine.xml")
    assert not set(PROFILES) & set(environment(share_dir("config")))


def test_processes_can_be_listed_without_starting_them() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "vlm_bt.cli", "ros", "up", "workbench", "--dry", "--tree", "put_one_tool_away"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "ros run put_one_tool_away" in listed


@pytest.mark.ros
def test_a_mission_of_several_processes_ends_with_its_code_and_leaves_nothing(tmp_path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2's Python is not installed: see docs/05-ros.md")
    began = subprocess.run(
        [*up(tmp_path), "--set", "simulation.items=2", "--tree", "organise_workbench"],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert began.returncode == 0, began.stdout[-3000:] + began.stderr[-1000:]
    assert "client │" in began.stdout
    assert list(tmp_path.rglob("report.html"))
    assert not left_over(tmp_path)


@pytest.mark.ros
def test_ctrl_c_stops_a_mission_in_order_and_its_report_is_written(tmp_path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2's Python is not installed: see docs/05-ros.md")
    with subprocess.Popen(
        [*up(tmp_path), "--set", "simulation.items=20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as program:
        lines: list[str] = []
        for line in program.stdout:
            lines.append(line)
            if "client │" in line and " s  " in line:
                break
        program.send_signal(signal.SIGINT)
        lines += program.stdout
        assert program.wait(60) == 130, "".join(lines)
    assert list(tmp_path.rglob("report.html"))
    assert not left_over(tmp_path)


def up(folder) -> list[str]:
    return [sys.executable, "-m", "vlm_bt.cli", "ros", "up", "embedded", "--record", str(folder)]


def left_over(folder) -> list[str]:
    """Processes that were started for this test and still run."""
    limit = time.monotonic() + 5.0
    while True:
        found = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True).stdout.split()
        if not found or time.monotonic() > limit:
            return found
        time.sleep(0.1)
