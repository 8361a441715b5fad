"""What the mission node says without being asked: MissionState and Evidence. From a timer, never in a tick."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from vlm_bt_interfaces.msg import Evidence, MissionState, Progress

from vlm_bt.ros.messages import outcome_message
from vlm_bt.ros.people import QuestionDesk
from vlm_bt.ros.worker import Run

LOOK_S = 0.05
STATE_EVERY_S = 0.5
EVIDENCE_KEPT = 2000
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
TOO_LONG = ("configuration", "tree")
"""Channels of the record that are files, not evidence."""


class Announcer:
    """Publishes `mission_state` on every change and now and then, and `evidence` as it comes.

    Args:
        current: The run that counts now, or the last one; None before the first.
    """

    def __init__(self, node: Node, desk: QuestionDesk, current: Callable[[], Run | None]) -> None:
        self._node = node
        self._desk = desk
        self._current = current
        self._said: tuple[Any, ...] = ()
        self._said_s = -STATE_EVERY_S
        self._evidence: deque[tuple[str, str, Mapping[str, Any]]] = deque(maxlen=EVIDENCE_KEPT)
        self.lost = 0
        self._states = node.create_publisher(MissionState, "mission_state", LATCHED)
        self._proofs = node.create_publisher(Evidence, "evidence", QoSProfile(depth=EVIDENCE_KEPT))
        node.create_timer(LOOK_S, self.look, clock=RosClock(clock_type=ClockType.STEADY_TIME))

    def onlooker(self, mission: str) -> Callable[[str, Mapping[str, Any]], None]:
        """Sees the entries of one mission's record. Called in ticks: it only puts them aside."""

        def hear(channel: str, entry: Mapping[str, Any]) -> None:
            if channel not in TOO_LONG:
                self.lost += len(self._evidence) == EVIDENCE_KEPT
                self._evidence.append((mission, channel, entry))

        return hear

    def look(self) -> None:
        """Publish what has changed."""
        while self._evidence:
            self._proofs.publish(self._proof(*self._evidence.popleft()))
        run, waiting = self._current(), self._desk.waiting()
        now = (_status(run), run.node if run else "", tuple(question.id for question in waiting), id(run))
        if now != self._said or time.monotonic() - self._said_s >= STATE_EVERY_S:
            self._said, self._said_s = now, time.monotonic()
            self._states.publish(self._state(run, waiting))

    def _state(self, run: Run | None, waiting: list[Any]) -> Any:
        state = MissionState(status=_status(run), questions=waiting)
        state.header.stamp = self._node.get_clock().now().to_msg()
        if run is not None:
            state.mission, state.tree, state.node = run.request.mission, run.tree or run.request.wanted, run.node
            state.path = list(run.path)
            state.progress = progress_message(run.standing)
            state.outcome = [outcome_message(run.outcome)] if run.outcome is not None else []
        return state

    def _proof(self, mission: str, channel: str, entry: Mapping[str, Any]) -> Any:
        proof = Evidence(mission=mission, kind=channel, json=json.dumps(dict(entry), default=str))
        proof.header.stamp = self._node.get_clock().now().to_msg()
        tick, frame = entry.get("tick"), entry.get("frame")
        proof.tick = tick if isinstance(tick, int) and tick >= 0 else 0
        proof.image_id = frame if isinstance(frame, str) else ""
        proof.text = _line(channel, entry)
        return proof


def progress_message(standing: Any) -> Any:
    """Of a run's `standing`; all zero where there is none yet."""
    if standing is None:
        return Progress()
    return Progress(
        tick=standing.tick,
        mission_s=float(standing.sim_s),
        wall_s=float(standing.wall_s),
        things_done=standing.sorted,
        things_seen=standing.items_seen,
        questions=standing.questions,
        motions=standing.motions,
    )


def _status(run: Run | None) -> int:
    if run is None:
        return int(MissionState.IDLE)
    if run.paused:
        return int(MissionState.PAUSED)
    states = {"starting": MissionState.STARTING, "running": MissionState.RUNNING, "stopping": MissionState.STOPPING}
    return int(states.get(run.status, MissionState.ENDED))


def _line(channel: str, entry: Mapping[str, Any]) -> str:
    """One line of plain text: the entry's short values."""
    parts = [str(value) for key, value in entry.items() if key != "t" and isinstance(value, str) and value]
    return " ".join(" ".join([channel, *parts]).split())[:200]
