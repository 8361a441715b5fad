"""How the mission node is, on /diagnostics: ticks, models, arm, camera, guardian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node

from vlm_bt.ros.request import Running

EVERY_S = 1.0
LATEST_TICKS = 1200
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

Row = tuple[str, Any, str, Mapping[str, Any]]
"""Name, level, message and values."""


class Diagnostics:
    """Published from a timer.

    Args:
        mission: The one that runs, if any.
        more: Of the node itself.
    """

    def __init__(
        self,
        node: Node,
        mission: Callable[[], Running | None],
        more: Callable[[], list[Row]],
    ) -> None:
        self._node = node
        self._mission = mission
        self._more = more
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(EVERY_S, self.publish, clock=RosClock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        mission = self._mission()
        rows = self._more()
        if mission is not None:
            rows += [_ticks(mission), *_models(mission), _arm(mission), *_monitors(mission)]
        name = self._node.get_name()
        report = DiagnosticArray(status=[_status(f"{name}: {row[0]}", *row[1:]) for row in rows])
        report.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(report)


def _status(name: str, level: Any, message: str, values: Mapping[str, Any]) -> Any:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, values=pairs)


def _ticks(mission: Running) -> Row:
    latest = np.asarray(mission.executive.tick_s[-LATEST_TICKS:] or [0.0]) * 1e3
    period_ms = mission.clock.period_s * 1e3
    p50, p99 = (round(float(value), 3) for value in np.percentile(latest, [50, 99]))
    late = p99 > period_ms
    values = {"p50_ms": p50, "p99_ms": p99, "period_ms": period_ms, "tick": mission.clock.tick}
    return "ticks", WARN if late else OK, "a tick takes longer than its period" if late else "in time", values


def _models(mission: Running) -> list[Row]:
    rows: list[Row] = []
    for name, lane in mission.vision.lanes.items():
        state = "gone" if lane.gone else "ready" if lane.ready is not None else "starting"
        level = {"gone": ERROR, "starting": WARN}.get(state, OK)
        rows.append((f"model {name}", level, lane.gone or state, {"state": state, "restarts": lane.restarts}))
    return rows


def _arm(mission: Running) -> Row:
    state = mission.arm.state
    in_hand = mission.ledger.in_hand
    values = {
        "moving": state.moving,
        "gripper_width_m": round(state.gripper_width_m, 4),
        "last_motion_age_s": round(mission.clock.now_s - state.last_motion_s, 2),
        "in hand": in_hand.label if in_hand is not None else "",
        "motions": mission.arm.motions,
    }
    return "arm", OK if state.healthy else ERROR, "well" if state.healthy else "not well, or not heard", values


def _monitors(mission: Running) -> list[Row]:
    """The site's monitors; and what else it says of its devices, such as the age of the cameras' images."""
    rows: list[Row] = []
    for name, monitor in mission.site.monitors.items():
        reading = monitor.read()
        age_s = round(mission.clock.now_s - reading.stamp_s, 2)
        rows.append((name, OK if reading.ok else WARN, reading.detail, {"age_s": age_s}))
    said: Mapping[str, Mapping[str, Any]] = getattr(mission.site, "health", dict)()
    for name, values in said.items():
        rows.append((name, WARN if values.get("fault") else OK, str(values.get("fault", "") or "well"), values))
    return rows
