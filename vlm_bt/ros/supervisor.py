"""Starts the processes of a setup, watches them, starts them again where that is said, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from vlm_bt.ros.processes import Process, again_after_s, in_order

LOOK_EVERY_S = 0.05
STEPS = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""How a process is asked to end, and how long it may take, seconds: a mission writes its report before it ends."""
GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"
"""ROS's wheels set it once the libraries' path is right; in a child with another Python it would be wrong."""


class Running:
    """One process that was started, or is about to be started again."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.starts = 0
        self.again_s: float | None = None
        self.child: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None

    @property
    def code(self) -> int | None:
        """As a shell says it; None while it runs."""
        code = self.child.poll() if self.child is not None else None
        return 128 - code if code is not None and code < 0 else code


class Supervisor:
    """Use `run`.

    Args:
        show: Told each line that a process prints, as (its name, line); called in several threads.
        env: For every process, under what each says itself.

    Attributes:
        hurry: Set: what does not end is killed at once. Safe from a signal handler.
    """

    def __init__(self, processes: Sequence[Process], show: Callable[[str, str], None], env: Mapping[str, str]) -> None:
        self.running = {process.name: Running(process) for process in in_order(tuple(processes))}
        self.hurry = threading.Event()
        self._show = show
        self._env = env

    def run(self, stopped: threading.Event) -> int:
        """Until one ends whose end means it, or `stopped` is set; the exit code, 130 where it was stopped.

        Nothing is left running afterwards, whatever happens.
        """
        try:
            for running in self.running.values():
                if not self._start(running):
                    return 1
            while not stopped.wait(LOOK_EVERY_S):
                code = self._look()
                if code is not None:
                    return code
            first = next((r for r in self.running.values() if r.process.end == "ends" and r.child is not None), None)
            if first is not None:
                self._stop(first)
            return 130
        finally:
            self.stop()

    def stop(self) -> None:
        """End what runs: what needs others before what is needed. Idempotent."""
        for running in reversed(self.running.values()):
            running.again_s = None
            self._stop(running)

    def _start(self, running: Running) -> bool:
        process = running.process
        environment = {name: value for name, value in os.environ.items() if name != GUARD}
        try:
            # A session of its own: Ctrl-C comes to the supervisor alone, which stops everything in order.
            running.child = subprocess.Popen(
                process.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**environment, **self._env, **process.env},
                start_new_session=True,
            )
        except OSError as error:
            self._show(process.name, f"cannot be started: {error}")
            return process.end == "may"
        running.starts += 1
        running.again_s = None
        assert running.child.stdout is not None
        running.reader = threading.Thread(target=self._read, args=(process.name, running.child.stdout), daemon=True)
        running.reader.start()
        return True

    def _look(self) -> int | None:
        """What the end of a process means; None: go on."""
        for running in self.running.values():
            if running.again_s is not None:
                if time.monotonic() >= running.again_s and not self._start(running):
                    return 1
                continue
            code = running.code
            if code is None or running.child is None:
                continue
            over = self._ended(running, code)
            if over is not None:
                return over
        return None

    def _ended(self, running: Running, code: int) -> int | None:
        process = running.process
        self._drain(running)
        running.child = None
        if process.end == "ends":
            self._show(process.name, f"ended with {code}: so does everything")
            return code
        if process.end == "again" and running.starts <= process.again_at_most:
            self._show(process.name, f"ended with {code}; it is started again")
            running.again_s = time.monotonic() + again_after_s(running.starts)
            return None
        self._show(process.name, f"ended with {code}")
        return None if process.end == "may" else code or 1

    def _stop(self, running: Running) -> None:
        child = running.child
        if child is None:
            return
        for number, limit_s in STEPS:
            if child.poll() is None:
                # Helpers that a process has started (models, renderers) go with it when it is killed.
                _tell(child, number, everybody=number == signal.SIGKILL)
                if not self._wait(child, limit_s):
                    self._show(running.process.name, f"does not end at {number.name}")
        self._drain(running)
        running.child = None

    def _wait(self, child: subprocess.Popen[str], limit_s: float) -> bool:
        by_s = time.monotonic() + limit_s
        while child.poll() is None and time.monotonic() < by_s and not self.hurry.is_set():
            time.sleep(LOOK_EVERY_S / 5)
        return child.poll() is not None

    def _drain(self, running: Running) -> None:
        if running.reader is not None:
            running.reader.join(1.0)

    def _read(self, name: str, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._show(name, line.rstrip())


def _tell(child: subprocess.Popen[str], number: signal.Signals, *, everybody: bool) -> None:
    try:
        if everybody:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
    except ProcessLookupError:
        pass
