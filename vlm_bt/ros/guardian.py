"""The guardian: a process of its own that stops the arm when whoever commands it has fallen silent.

It knows nothing of missions. It hears heartbeats, and cancels every goal of the arm and the gripper when they stay
away: the sender was killed, hangs, or cannot be heard any more. It is no safety function of a robot cell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from vlm_bt_interfaces.msg import Heartbeat

from vlm_bt.ros.heart import BEATS
from vlm_bt.ros.heartbeat import TOPIC
from vlm_bt.ros.standstill import Standstill
from vlm_bt.ros_settings import GuardianSettings

ROUND_S = 0.02
REPORT_EVERY_S = 1.0
STATE_TOPIC = "guardian_state"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
WATCHING, STOPPING, STOPPED = "watching", "stopping", "stopped"
"""What the state topic's value "state" says: all is well; goals are being cancelled; none is left and none may come."""


@dataclass
class _Sender:
    instance: int
    heard_s: float
    silent_after_s: float
    suspected: bool = False


@dataclass
class _Alarm:
    """What is held against a sender until another instance of it beats."""

    sender: str
    instance: int
    began_s: float
    silence_s: float
    confirmed_s: float | None = None
    successor: _Sender | None = None


class Guardian:
    """Watches every sender of heartbeats; keeps the actions still while one of them is missing.

    Args:
        actions: The actions that are cancelled, such as "move_arm" and "grip".
        say: Told what happens, in words.
        now: Real time, seconds.
    """

    def __init__(
        self,
        node: Node,
        settings: GuardianSettings,
        actions: Sequence[str],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._settings = settings
        self._now = now
        self._lock = threading.RLock()
        self._senders: dict[str, _Sender] = {}
        self._alarms: dict[str, _Alarm] = {}
        self._actions = [Standstill(node, action, now) for action in actions]
        self._round_s = now()
        self._reported_s = -REPORT_EVERY_S
        self.alarms = 0
        self._state = node.create_publisher(DiagnosticStatus, STATE_TOPIC, LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_subscription(Heartbeat, TOPIC, self._hear, BEATS)
        node.create_timer(ROUND_S, self.round, clock=RosClock(clock_type=ClockType.STEADY_TIME))
        self._report()

    def round(self) -> None:
        """Look at the clock: who is silent, what still moves. Called by a timer."""
        with self._lock:
            now_s = self._now()
            since_s = now_s - self._round_s
            self._round_s = now_s
            # While it slept itself it could not hear: that time is held against nobody.
            slept_s = since_s if since_s > self._settings.silent_s / 3 else 0.0
            for name, sender in list(self._senders.items()):
                sender.heard_s = min(now_s, sender.heard_s + slept_s)
                if name in self._alarms or now_s - sender.heard_s <= sender.silent_after_s:
                    sender.suspected = False
                elif sender.suspected:
                    self._raise(name, sender, now_s)
                else:
                    # Beats may have come that another thread is about to take in: one more round.
                    sender.suspected = True
            if self._alarms:
                self._keep_still(now_s)
            if now_s - self._reported_s >= REPORT_EVERY_S:
                self._report()

    @property
    def state(self) -> str:
        if not self._alarms:
            return WATCHING
        return STOPPED if all(alarm.confirmed_s is not None for alarm in self._alarms.values()) else STOPPING

    def _hear(self, beat: Any) -> None:
        with self._lock:
            now_s = self._now()
            if beat.leaving:
                # What it said before it left stands: an alarm is not lifted by a goodbye.
                self._senders.pop(beat.sender, None)
                return
            period_s = beat.period_s if beat.period_s > 0 else self._settings.beat_s
            sender = _Sender(int(beat.instance), now_s, max(self._settings.silent_s, 3 * period_s))
            self._senders[beat.sender] = sender
            alarm = self._alarms.get(beat.sender)
            if alarm is not None and alarm.instance != sender.instance:
                alarm.successor = sender
                self._lift()

    def _raise(self, name: str, sender: _Sender, now_s: float) -> None:
        self.alarms += 1
        alarm = _Alarm(name, sender.instance, now_s, now_s - sender.heard_s)
        self._alarms[name] = alarm
        for action in self._actions:
            action.begin()
        self._node.get_logger().error(
            f"{name} has been silent for {alarm.silence_s:.2f} s: every goal of "
            f"{' and '.join(action.action for action in self._actions)} is cancelled"
        )
        self._report()

    def _keep_still(self, now_s: float) -> None:
        """Goals that come while an alarm stands are cancelled too, until another instance beats."""
        before = sum(action.cancelled for action in self._actions)
        for action in self._actions:
            action.hold()
        served = [action for action in self._actions if action.served]
        # A server that is gone moves nothing that we could stop; it is told apart in the report.
        still = all(action.still for action in served)
        for alarm in self._alarms.values():
            if still and alarm.confirmed_s is None:
                alarm.confirmed_s = now_s
                took_ms = (now_s - alarm.began_s) * 1e3
                told = f"{alarm.sender}: no goal is left under way, {took_ms:.0f} ms after the alarm"
                missing = [action.action for action in self._actions if not action.served]
                self._node.get_logger().warning(told + (f"; nobody serves {', '.join(missing)}" if missing else ""))
                self._report()
            elif not still and alarm.confirmed_s is not None:
                self._node.get_logger().error(f"{alarm.sender}: a goal came while the alarm stands; it is cancelled")
                alarm.confirmed_s = None
                self._report()
        self._lift()
        if sum(action.cancelled for action in self._actions) != before:
            self._report()

    def _lift(self) -> None:
        for name, alarm in list(self._alarms.items()):
            if alarm.successor is not None and alarm.confirmed_s is not None:
                del self._alarms[name]
                self._node.get_logger().warning(f"{name} has started anew: goals are let through again")
                self._report()

    def _report(self) -> None:
        self._reported_s = self._now()
        status = self._status()
        self._state.publish(status)
        report = DiagnosticArray(status=[status])
        report.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(report)

    def _status(self) -> Any:
        state = self.state
        level = {WATCHING: DiagnosticStatus.OK, STOPPED: DiagnosticStatus.WARN, STOPPING: DiagnosticStatus.ERROR}[state]
        silent = ", ".join(f"{alarm.sender} fell silent" for alarm in self._alarms.values())
        heard = "everybody is heard" if self._senders else "nobody has been heard yet"
        values = {
            "state": state,
            "silent": ",".join(f"{alarm.sender}:{alarm.instance}" for alarm in self._alarms.values()),
            "heard": ",".join(f"{name}:{sender.instance}" for name, sender in self._senders.items()),
            "alarms": str(self.alarms),
            "goals cancelled": str(sum(action.cancelled for action in self._actions)),
            "goals under way": str(sum(len(action.goals) for action in self._actions)),
            "not served": ",".join(action.action for action in self._actions if not action.served),
        }
        return DiagnosticStatus(
            level=level,
            name="guardian",
            message=silent or heard,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
