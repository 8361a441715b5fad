"""What a robot is made of: the processes of each setup, for the launch files and for `vlm-bt ros up` alike.

Imports next to nothing: ROS's launch reads it with the system's Python, which may lack what missions need.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlm_bt.places import share_dir
from vlm_bt.ros.watchdog import FROZEN

End = Literal["ends", "fails", "again", "may"]
"""What the end of a process means. `ends`: everything ends, with its exit code. `fails`: the same, with 1 where it
ended with 0. `again`: it is started again. `may`: nothing."""

PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Where Fast DDS looks for its settings: in Jazzy, and from Kilted on."""
AGAIN_AT_MOST = 20
AGAIN_AFTER_S, AGAIN_AFTER_AT_MOST_S = 0.5, 8.0
FROZEN_S = 10.0


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        command: Program and arguments.
        env: What is set in its environment, beside what is there.
        needs: Names of those that are started before it and stopped after it.
        again_at_most: Starts after the first, where its end means `again`; one more counts as `fails`.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    end: End = "fails"
    again_at_most: int = AGAIN_AT_MOST


@dataclass(frozen=True)
class Argument:
    """One argument of a setup, as `name:=value` of a launch file and `--name value` of `vlm-bt ros up`."""

    default: str
    help: str


def again_after_s(starts: int) -> float:
    """How long a process that has been started so often stays down: twice as long each time, up to a limit."""
    return float(min(AGAIN_AFTER_S * 2 ** (starts - 1), AGAIN_AFTER_AT_MOST_S))


ARGUMENTS: Mapping[str, Argument] = {
    "tree": Argument("organise_workbench", "Mission: the name of its tree, or a sentence that starts it."),
    "set": Argument("", "Inputs and settings, separated by spaces: 'simulation.items=6 left=pliers'."),
    "config": Argument("", "What the mission runs on: a file. Empty: the configuration of this setup."),
    "record": Argument("runs/ros", "Folder for the records and reports of missions."),
    "view": Argument("false", "true: py-trees-tree-viewer too, where it is installed."),
    "seed": Argument("7", "Draws the simulated bench."),
    "human": Argument("", "Who answers: scripted, silent, or nobody here (empty): a program or person on the robot."),
    "camera_serial": Argument("", "Serial number of the RealSense; empty: the only one there is."),
    "arm": Argument("trajectory", "Who plans the arm's ways: 'moveit' (MoveIt 2), or 'trajectory' (ours)."),
    "controllers": Argument(
        "", "ros2_control of your arm, and move_group with it: 'PACKAGE FILE.launch.py'. Empty: it runs already."
    ),
    "rate_hz": Argument("1.0", "Looks a second of the continuous scene understanding; 0: only what is asked."),
}


@dataclass(frozen=True)
class Setup:
    """Processes that belong together. `takes` are names of `ARGUMENTS`; `config` is its own file in `config/`."""

    name: str
    summary: str
    takes: tuple[str, ...]
    processes: Callable[[Mapping[str, str]], tuple[Process, ...]]
    config: str = ""


def program() -> tuple[str, ...]:
    """What runs `vlm-bt`: this very Python. ROS's launch runs in the system's, which lacks what missions need: there it
    is the first `python3` of the path, that of the virtual environment that is active."""
    inside = sys.prefix != sys.base_prefix
    return ((sys.executable if inside else shutil.which("python3")) or sys.executable, "-m", "vlm_bt.cli")


def environment(config_folder: Path) -> dict[str, str]:
    """What every process gets where the user has not set it: our Fast DDS settings, and an end where it freezes.

    Raises:
        FileNotFoundError.
    """
    profile = config_folder / "fastdds.xml"
    if not profile.is_file():
        raise FileNotFoundError(f"{profile}: the settings of Fast DDS are missing")
    given = {"PYTHONUNBUFFERED": "1", "RCUTILS_COLORIZED_OUTPUT": "0", FROZEN: str(FROZEN_S)}
    if not any(os.environ.get(name) for name in PROFILES):
        given |= {name: str(profile) for name in PROFILES}
    return {name: value for name, value in given.items() if name not in os.environ}


def complete(setup: Setup, given: Mapping[str, str]) -> dict[str, str]:
    """All arguments of a setup. Raises: ValueError: it does not take one of them."""
    unknown = [name for name in given if name not in setup.takes]
    if unknown:
        raise ValueError(f"{setup.name} takes no {', '.join(unknown)}; it takes: {', '.join(setup.takes)}")
    complete = {name: given.get(name, ARGUMENTS[name].default) for name in setup.takes}
    if setup.config and not complete["config"]:
        complete["config"] = str(share_dir("config") / setup.config)
    return complete


def in_order(processes: tuple[Process, ...]) -> tuple[Process, ...]:
    """Those that are needed first. Raises: ValueError: a need is missing, or a circle."""
    left, placed = list(processes), list[Process]()
    while left:
        known = {process.name for process in placed}
        ready = next((process for process in left if set(process.needs) <= known), None)
        if ready is None:
            raise ValueError(f"these need what is not there, or one another: {', '.join(p.name for p in left)}")
        left.remove(ready)
        placed.append(ready)
    return tuple(placed)


def _ours(*words: str, given: Mapping[str, str], takes: tuple[str, ...] = ("config",)) -> tuple[str, ...]:
    """`vlm-bt ros WORDS`, with those of the arguments that this command takes and that are given.

    `settings` are those of `set` that no tree has an input for.
    """
    command = [*program(), "ros", *words]
    for name in takes:
        option, values = name.replace("_", "-"), [given.get(name, "")]
        if name in ("set", "settings"):
            option, values = "set", shlex.split(given.get("set", ""))
        for value in values:
            wanted = value and (name != "settings" or "." in value.partition("=")[0])
            command += [f"--{option}", value] if wanted else []
    return tuple(command)


def _viewer(given: Mapping[str, str]) -> tuple[Process, ...]:
    return (Process("viewer", viewer_command(), end="may"),) if given.get("view", "").lower() in ("true", "1") else ()


def viewer_command() -> tuple[str, ...]:
    """The viewer has its name from its package's; both names are in use."""
    names = ("py-trees-tree-viewer", "py-trees-viewer")
    return (next((name for name in names if shutil.which(name)), names[0]),)


def _embedded(given: Mapping[str, str]) -> tuple[Process, ...]:
    words = ("mission", "--site", "embedded", "--speed", "max", "--human", given["human"] or "scripted")
    return (
        Process("mission", _ours(*words, given=given, takes=("config", "record"))),
        _client(given, "mission"),
        *_viewer(given),
    )


def _workbench(given: Mapping[str, str]) -> tuple[Process, ...]:
    return (
        Process("robot", _ours("sim", given=given, takes=("config", "seed", "human", "settings")), end="again"),
        _guardian(given, "robot"),
        Process("vision", _ours("vision", given=given), needs=("robot",), end="again"),
        _missions(given, "robot", "guardian", human=""),
        _client(given, "mission", "vision"),
        *_viewer(given),
    )


def _realsense(given: Mapping[str, str]) -> tuple[Process, ...]:
    serial = [f"serial_no:=_{given['camera_serial']}"] if given["camera_serial"] else []
    camera = ("ros2", "launch", "realsense2_camera", "rs_launch.py", "align_depth.enable:=true", "enable_sync:=true")
    controllers = shlex.split(given["controllers"])
    arm = (Process("controllers", ("ros2", "launch", *controllers)),) if controllers else ()
    return (
        Process("camera", (*camera, *serial), end="again"),
        *arm,
        Process(
            "arm",
            _ours(_arm(given), given=given, takes=("config",)),
            needs=tuple(p.name for p in arm),
            end="again",
        ),
        _guardian(given, "arm"),
        Process("vision", _ours("vision", given=given), needs=("camera",), end="again"),
        _missions(given, "camera", "arm", "guardian", human=given["human"]),
        _client(given, "mission"),
        *_viewer(given),
    )


def _arm(given: Mapping[str, str]) -> str:
    if given["arm"] not in ("trajectory", "moveit"):
        raise ValueError(f"arm is 'trajectory' or 'moveit', not {given['arm']!r}")
    return f"{given['arm']}-arm"


def _vision(given: Mapping[str, str]) -> tuple[Process, ...]:
    return (Process("vision", _ours("vision", given=given, takes=("config", "rate_hz")), end="ends"),)


def _view(given: Mapping[str, str]) -> tuple[Process, ...]:
    return (Process("viewer", viewer_command(), end="ends"),)


def _guardian(given: Mapping[str, str], *needs: str) -> Process:
    """Started before whatever commands the arm, and stopped after it."""
    return Process("guardian", _ours("guardian", given=given), needs=needs)


def _missions(given: Mapping[str, str], *needs: str, human: str) -> Process:
    who = ("--human", human) if human else ()
    words = ("mission", "--site", "robot", "--needs-guardian", *who)
    return Process("mission", _ours(*words, given=given, takes=("config", "record")), needs=needs)


def _client(given: Mapping[str, str], *needs: str) -> Process:
    command = _ours("run", given["tree"], given=given, takes=("set", "seed"))
    return Process("client", command, needs=needs, end="ends")


_OF_MISSIONS = ("tree", "set", "config", "record", "view", "human")
SETUPS: Mapping[str, Setup] = {
    setup.name: setup
    for setup in (
        Setup(
            "workbench",
            "The simulated workbench behind real topics and actions; robot, missions, vision, guardian in processes.",
            (*_OF_MISSIONS, "seed"),
            _workbench,
            "ros_workbench.yaml",
        ),
        Setup(
            "embedded",
            "The simulated workbench inside the mission node: nothing to be guarded.",
            (*_OF_MISSIONS, "seed"),
            _embedded,
        ),
        Setup(
            "realsense",
            "A RealSense, an arm of MoveIt or ros2_control, missions, vision and guardian.",
            (*_OF_MISSIONS, "camera_serial", "arm", "controllers"),
            _realsense,
            "ros_realsense.yaml",
        ),
        Setup(
            "vision",
            "The vision node alone: questions, and continuous scene understanding.",
            ("config", "rate_hz"),
            _vision,
        ),
        Setup("view", "The viewer of py_trees_ros.", (), _view),
    )
}
"""What `vlm-bt ros up NAME` and `ros2 launch vlm_bt NAME.launch.py` start."""
