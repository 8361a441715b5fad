"""A robot cell for measurements: each part of it a process of its own that can be killed and started again."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from vlm_bt import settings
from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.ros.abandoned import free_abandoned

ENDS_WITHIN_S = 20.0
SETTLES_S = 6.0
"""Before what is left over is looked for: shared memory counts as abandoned after some seconds."""
SEED = 11
RATE_HZ = 5
KINDS = "[pliers, combination wrench, tape measure, pliers, combination wrench, flat screwdriver]"
THINGS = ("--set", f"simulation.kinds={KINDS}", "--set", "simulation.staged_events=false")
SIM, MISSION, GUARDIAN, VISION, CAMERA = "sim", "mission", "guardian", "vision", "camera"
TOPICS = ("color/image_raw", "aligned_depth_to_color/image_raw", "color/camera_info")
DRIVEN, MADE = "/camera/camera", "/simulated/camera"
"""The overhead camera's topics: as the mission hears them from the driver, and as the simulation gives them to it."""


class Cell:
    """Starts the processes and ends them. Use as a context manager.

    Args:
        folder: For what they say and for the missions' records.
    """

    def __init__(self, folder: Path) -> None:
        from vlm_bt.ros.runtime import Runtime
        from vlm_bt.ros.stops import Witness

        folder.mkdir(parents=True, exist_ok=True)
        self.config = share_dir("config") / "ros_workbench.yaml"
        self.tick_s = settings.load(self.config).mission.tick_s
        self._folder = folder
        self._logs: list[IO[bytes]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands = self._described()
        self._runtime = Runtime(threads=6)
        self.witness = Witness(self._runtime, ("move_arm", "grip"))

    def start(self, name: str) -> None:
        """Start a part, anew after a kill."""
        log = (self._folder / f"{name}.txt").open("ab")
        self._logs.append(log)
        command = [sys.executable, "-m", *self._commands[name]]
        self._processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def kill(self, name: str) -> None:
        """kill -9, of this one process: what it has started must go by itself."""
        self._processes[name].kill()
        self._processes[name].wait(ENDS_WITHIN_S)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def new_robot(self) -> None:
        """The bench as it was laid out: what was sorted or dropped lies in its place again."""
        self._end(SIM)
        self.witness.forget()
        self.start(SIM)

    def left_over(self) -> int:
        """Processes that any part of this cell has started and that live on. After the end: 0."""
        return sum(len(_session(process.pid)) for process in self._processes.values())

    def __enter__(self) -> Cell:
        for name in self._commands:
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(self._commands):
            self._end(name)
        self._runtime.close()
        for log in self._logs:
            log.close()
        time.sleep(SETTLES_S)
        free_abandoned()

    def _end(self, name: str) -> None:
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(ENDS_WITHIN_S)

    def _described(self) -> dict[str, tuple[str, ...]]:
        """Module and arguments of each part, in the order of their start."""
        ros = ("vlm_bt.cli", "ros")
        config = ("--config", str(self.config))
        record = ("--record", str(self._folder / "missions"))
        given = [word for topic in TOPICS for word in ("-r", f"{DRIVEN}/{topic}:={MADE}/{topic}")]
        sim = (*ros, "sim", *config, "--seed", str(SEED), "--rate-hz", str(RATE_HZ), *THINGS)
        driver = ("vlm_bt.ros.camera_driver", *(f"{MADE}/{topic}:={DRIVEN}/{topic}" for topic in TOPICS))
        return {
            SIM: (*sim, "--", "--ros-args", *given),
            CAMERA: driver,
            GUARDIAN: (*ros, "guardian", *config),
            VISION: (*ros, "vision", *config),
            MISSION: (*ros, "mission", *config, "--human", "silent", *record),
        }


def isolate() -> None:
    """From now on this process and those that it starts are in a ROS domain of their own.

    Never in that of a robot that is really there: what is measured here commands an arm.

    Raises:
        ConfigError: There is no rclpy, or no vlm_bt_interfaces.
    """
    missing = [name for name in ("rclpy", "vlm_bt_interfaces") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"{' and '.join(missing)} cannot be found: this benchmark needs ROS 2")
    from vlm_bt.ros.domain import free_domain
    from vlm_bt.ros.processes import environment

    os.environ.update(environment(share_dir("config")))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())


def _session(leader: int) -> list[int]:
    """Living processes of a session; each part of the cell leads one of its own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found
