"""The guardian beside a real action server, watching a sender in a process of its own that is killed or hangs."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/README.md")

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from ros_asking import LATCHED, until
from ros_found import found
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt.ros.action_client import SureActionClient
from vlm_bt.ros.guardian import Guardian
from vlm_bt.ros.heartbeat import LEASE_S
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros_settings import GuardianSettings

pytestmark = pytest.mark.ros

SILENT_S = 0.5
SETTINGS = GuardianSettings(beat_s=0.05, silent_s=SILENT_S)


class SlowArm:
    """Serves move_arm and grip: every goal goes on until it is cancelled, and takes a while to stand still."""

    def __init__(self, runtime: Runtime) -> None:
        self.node = runtime.node("arm")
        self.under_way = 0
        self.ending = False
        self.cancelled_s: list[float] = []
        group = ReentrantCallbackGroup()
        for kind, name in ((MoveArm, "move_arm"), (Grip, "grip")):
            ActionServer(
                self.node, kind, name, self._move, cancel_callback=self._cancel, callback_group=group
            )  # fmt: skip

    def _cancel(self, handle):
        self.cancelled_s.append(time.monotonic())
        return CancelResponse.ACCEPT

    def _move(self, handle):
        self.under_way += 1
        while not handle.is_cancel_requested and not self.ending:
            time.sleep(0.01)
        if self.ending:
            handle.abort()
        else:
            time.sleep(0.2)
            handle.canceled()
        self.under_way -= 1
        return MoveArm.Result() if "Move" in type(handle.request).__name__ else Grip.Result()


class Cell:
    """Arm and guardian in this process, what the guardian says, and senders that are started."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.arm = SlowArm(runtime)
        self.guardian = Guardian(runtime.node("guardian"), SETTINGS, ("move_arm", "grip"))
        self.said: list[dict[str, str]] = []
        runtime.node("reader").create_subscription(DiagnosticStatus, "guardian_state", self._hear, LATCHED)
        self.senders: list[subprocess.Popen] = []

    def _hear(self, status) -> None:
        self.said.append({pair.key: pair.value for pair in status.values})

    def sender(self, how: str) -> subprocess.Popen:
        script = Path(__file__).with_name("ros_sender.py")
        command = [sys.executable, str(script), how]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        self.senders.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("goes")
        return process

    def hears(self) -> None:
        """Until the guardian has heard the sender."""
        until(lambda: self.said and self.said[-1]["heard"], 10.0, "the beats")

    def state(self, wanted: str, within_s: float = 10.0) -> None:
        until(lambda: self.guardian.state == wanted, within_s, f"{wanted}, is {self.guardian.state}")


@pytest.fixture
def cell():
    with Runtime(threads=8) as runtime:
        cell = Cell(runtime)
        yield cell
        cell.arm.ending = True
        for process in cell.senders:
            process.kill()
            process.wait(10)


def test_a_killed_sender_leaves_no_goal_under_way(cell):
    sender = cell.sender("beat")
    until(lambda: cell.arm.under_way == 1, 10.0, "the goal")
    cell.hears()
    sender.kill()
    killed_s = time.monotonic()
    cell.state("stopped")
    assert cell.arm.under_way == 0
    assert SILENT_S * 0.8 < cell.arm.cancelled_s[0] - killed_s < SILENT_S + 0.5
    until(lambda: cell.said[-1]["state"] == "stopped", 5.0, "the report")
    assert cell.said[-1]["goals under way"] == "0"
    assert cell.said[-1]["silent"].startswith("sender:")


def test_goals_are_refused_until_another_instance_beats(cell):
    first = cell.sender("beat")
    cell.hears()
    first.kill()
    cell.state("stopped")
    client = SureActionClient(cell.runtime.node("stranger"), MoveArm, "move_arm")
    found(client)
    client.send_goal_async(MoveArm.Goal())
    until(lambda: cell.arm.under_way == 1, 5.0, "the goal starts")
    until(lambda: cell.arm.under_way == 0, 5.0, "the goal is cancelled")
    cell.state("stopped")
    cell.sender("beat")
    cell.state("watching")
    until(lambda: cell.arm.under_way == 1, 10.0, "the new one's goal")
    time.sleep(2 * SILENT_S)
    assert (cell.arm.under_way, cell.guardian.alarms) == (1, 1)


def test_a_sender_that_hangs_is_as_good_as_dead(cell):
    cell.sender("hang")
    until(lambda: cell.guardian.alarms == 1, 10.0, "the alarm")
    cell.state("stopped")
    assert cell.arm.under_way == 0


def test_a_sender_that_is_stopped_as_a_whole_is_as_good_as_dead(cell):
    sender = cell.sender("beat")
    cell.hears()
    sender.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    cell.state("stopped")
    assert cell.arm.cancelled_s[0] - stopped_s < LEASE_S + SILENT_S + 0.5


def test_a_sender_whose_threads_are_held_up_now_and_then_is_heard_all_the_time(cell):
    cell.sender("stall")
    cell.hears()
    time.sleep(5.0)
    assert (cell.guardian.alarms, cell.arm.under_way) == (0, 1)


def test_a_goodbye_is_no_alarm(cell):
    cell.sender("leave")
    cell.hears()
    until(lambda: not cell.said[-1]["heard"], 10.0, "the goodbye")
    time.sleep(2 * SILENT_S)
    assert cell.guardian.alarms == 0


def test_nobody_is_judged_by_a_guardian_that_slept(cell):
    cell.sender("beat")
    cell.hears()
    woken = threading.Event()
    with cell.guardian._lock:
        woken.wait(2 * SILENT_S)
    time.sleep(SILENT_S)
    assert cell.guardian.alarms == 0
