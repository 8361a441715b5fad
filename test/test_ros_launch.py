"""The launch files: what they are made of, everywhere; how ROS's launch runs them, where it is installed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlm_bt.places import share_dir
from vlm_bt.ros.processes import ARGUMENTS, SETUPS
from vlm_bt.ros.supervisor import GUARD

FILES = sorted(share_dir("launch").glob("*.launch.py"))
RUN = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch import LaunchDescription
path, *given = sys.argv[1:]
service = LaunchService(argv=given)
source = PythonLaunchDescriptionSource(path)
pairs = [tuple(text.split(":=", 1)) for text in given]
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=pairs)]))
sys.exit(service.run())
"""
FAKE = """
from launch import LaunchDescription
from launch.actions import OpaqueFunction
from vlm_bt.ros.launching import _Started
from vlm_bt.ros.processes import Process
import sys
def generate_launch_description():
    made = [Process(name, (sys.executable, "-c", code), end=end, again_at_most=2) for name, end, code in {processes}]
    return LaunchDescription([action for process in made for action in _Started(process).actions()])
"""
WAITS = "import time; print('here', flush=True); time.sleep(60)"


@pytest.fixture
def ros_launch():
    """ROS's own `launch`, not our folder of that name."""
    try:
        from launch import LaunchDescription
    except ImportError as missing:
        pytest.skip(f"ROS's launch can't be imported ({missing}); on a ROS 2 machine: apt install ros-jazzy-launch-ros")
    return LaunchDescription


def launched(path: Path, *given: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != GUARD}
    return subprocess.run(
        [sys.executable, "-c", RUN, str(path), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
        env=environment | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )


def fake(folder: Path, *processes: tuple[str, str, str]) -> Path:
    path = folder / "fake.launch.py"
    path.write_text(FAKE.format(processes=repr(processes)), encoding="utf-8")
    return path


def test_every_setup_has_its_launch_file() -> None:
    assert [path.name.removesuffix(".launch.py") for path in FILES] == sorted(SETUPS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_launch_file_starts_the_setup_of_its_name_and_says_how_it_is_called(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.name.removesuffix(".launch.py")
    assert f"ros2 launch vlm_bt {path.name}" in (ast.get_docstring(tree) or "")
    assert f'describe("{name}")' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_arguments_are_documented_for_show_args(ros_launch, path: Path) -> None:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    declared = get_launch_description_from_python_launch_file(str(path)).get_launch_arguments()
    setup = SETUPS[path.name.removesuffix(".launch.py")]
    assert {one.name: one.description for one in declared} == {name: ARGUMENTS[name].help for name in setup.takes}


def test_a_launch_ends_with_zero_when_its_mission_is_done(ros_launch, tmp_path) -> None:
    ended = launched(fake(tmp_path, ("robot", "fails", WAITS), ("client", "ends", "print('done')")))
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(("end", "code"), [("ends", 1), ("ends", 130), ("fails", 0), ("fails", 2)])
def test_a_launch_ends_with_one_when_something_failed(ros_launch, tmp_path, end, code) -> None:
    ended = launched(fake(tmp_path, ("robot", "fails", WAITS), ("client", end, f"exit({code})")))
    assert ended.returncode == 1, ended.stdout
    assert f"client ended with {code}" in ended.stdout


def test_what_is_started_again_is_not_started_for_ever(ros_launch, tmp_path) -> None:
    ended = launched(fake(tmp_path, ("camera", "again", "print('click')"), ("client", "ends", WAITS)))
    assert ended.returncode == 1, ended.stdout
    assert ended.stdout.count("] click") == 3


@pytest.mark.ros
def test_a_whole_mission_runs_from_its_launch_file(ros_launch, tmp_path) -> None:
    path = share_dir("launch") / "embedded.launch.py"
    ended = launched(path, "set:=simulation.items=2", f"record:={tmp_path}", limit_s=110.0)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert list(tmp_path.rglob("report.html"))
