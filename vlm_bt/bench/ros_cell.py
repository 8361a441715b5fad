"""A robot cell for measurements: the simulated robot, the guardian and the mission node, each a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir

ENDS_WITHIN_S = 20.0
SEED = 11
FIRST_DOMAIN, DOMAINS = 60, 40
KINDS = "[pliers, combination wrench, tape measure, pliers, combination wrench, flat screwdriver]"
THINGS = ("--set", f"simulation.kinds={KINDS}", "--set", "simulation.staged_events=false")


class Cell:
    """Starts the processes and ends them. Use as a context manager.

    Args:
        folder: For what they say and for the missions' records.

    Raises:
        ConfigError: There is no rclpy, or no vlm_bt_interfaces.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("rclpy", "vlm_bt_interfaces") if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(f"{' and '.join(missing)} cannot be found: this benchmark needs ROS 2")
        from vlm_bt.ros.processes import environment
        from vlm_bt.ros.runtime import Runtime
        from vlm_bt.ros.stops import Witness

        folder.mkdir(parents=True, exist_ok=True)
        os.environ.update(environment(share_dir("config")))
        # Never in the domain of a robot that is really there: what is measured here commands an arm.
        os.environ["ROS_DOMAIN_ID"] = str(FIRST_DOMAIN + os.getpid() % DOMAINS)
        self.config = share_dir("config") / "ros_workbench.yaml"
        self.tick_s = _tick_s(self.config)
        self._folder = folder
        self._logs: list[IO[bytes]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._runtime = Runtime(threads=6)
        self.witness = Witness(self._runtime, ("move_arm", "grip"))

    def start_missions(self) -> None:
        """Start the mission node, anew after a kill."""
        self._start(
            "mission", "--config", str(self.config), "--human", "silent", "--record", str(self._folder / "missions")
        )

    def kill_missions(self) -> None:
        """kill -9."""
        self._processes["mission"].kill()
        self._processes["mission"].wait(ENDS_WITHIN_S)

    def __enter__(self) -> Cell:
        self._start_robot()
        self._start("guardian", "--config", str(self.config))
        self.start_missions()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("mission", "guardian", "sim"):
            self._end(name)
        self._runtime.close()
        for log in self._logs:
            log.close()

    def new_robot(self) -> None:
        """The bench as it was laid out: what was sorted or dropped lies in its place again."""
        self._end("sim")
        self._start_robot()

    def _start_robot(self) -> None:
        self._start("sim", "--config", str(self.config), "--seed", str(SEED), "--rate-hz", "4", *THINGS)

    def _end(self, name: str) -> None:
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ENDS_WITHIN_S)

    def _start(self, name: str, *words: str) -> None:
        log = (self._folder / f"{name}.txt").open("ab")
        self._logs.append(log)
        command = [sys.executable, "-m", "vlm_bt.cli", "ros", name, *words]
        self._processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _tick_s(config: Path) -> float:
    from vlm_bt import settings

    return settings.load(config).mission.tick_s
