"""Watches from outside whether arm and gripper have goals under way, and asks for missions: for measurements."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import Trigger
from unique_identifier_msgs.msg import UUID
from vlm_bt_interfaces.action import RunMission
from vlm_bt_interfaces.msg import Evidence

from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.guardian import LATCHED, STATE_TOPIC
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.standstill import STATUS, UNDER_WAY

LOOK_S = 0.001
ANSWERED_WITHIN_S = 5.0


class Asked:
    """A mission that was accepted.

    Attributes:
        sent_s, accepted_s: When it was asked for, and when it was heard that it is accepted.
        ends: The future result.
    """

    def __init__(self, port: ActionPort, goal_id: UUID, sent_s: float) -> None:
        self.sent_s, self.accepted_s = sent_s, time.monotonic()
        self.ends = port.result(goal_id)
        self._port, self._id = port, goal_id

    @property
    def outcome(self) -> Any:
        return self.ends.result().result.outcome

    def cancel(self) -> None:
        self._port.cancel(self._id)


class Witness:
    """A program beside the robot. All times are real, seconds, of this process.

    Args:
        actions: Of arm and gripper.

    Attributes:
        goals: Every goal that was ever seen, by id: its last status, and when that came.
        stopping_s: When each goal was first seen to be stopping or at its end.
    """

    def __init__(self, runtime: Runtime, actions: tuple[str, str]) -> None:
        self.goals: dict[bytes, tuple[int, float]] = {}
        self.stopping_s: dict[bytes, float] = {}
        self.guardian = ""
        self._ticked: dict[str, float] = {}
        node = runtime.node("witness")
        group = ReentrantCallbackGroup()
        for action in actions:
            node.create_subscription(
                GoalStatusArray, f"{action}/_action/status", self._hear, STATUS, callback_group=group
            )
        node.create_subscription(Evidence, "evidence", self._hear_evidence, 1000, callback_group=group)
        node.create_subscription(DiagnosticStatus, STATE_TOPIC, self._hear_guardian, LATCHED, callback_group=group)
        self._missions = ActionPort(node, RunMission, "run_mission")
        self._abort = node.create_client(Trigger, "abort", callback_group=group)

    @property
    def under_way(self) -> list[bytes]:
        return [goal for goal, (status, _) in list(self.goals.items()) if status in UNDER_WAY]

    @property
    def moving(self) -> list[bytes]:
        """Goals that nobody has told to stop."""
        return [goal for goal in self.under_way if goal not in self.stopping_s]

    def begin(self, tree: str, overrides: tuple[str, ...] = (), within_s: float = 60.0) -> Asked | None:
        """Ask until a mission is accepted. None: it never was."""
        by_s = time.monotonic() + within_s
        while time.monotonic() < by_s:
            if self._missions.served:
                goal_id, sent_s = UUID(uuid=list(uuid.uuid4().bytes)), time.monotonic()
                answer = self._missions.send(goal_id, RunMission.Goal(tree=tree, overrides=list(overrides)))
                if wait(answer.done, ANSWERED_WITHIN_S) and answer.result().accepted:
                    return Asked(self._missions, goal_id, sent_s)
            time.sleep(0.1)
        return None

    def first_tick_s(self, since_s: float, within_s: float = 30.0) -> float | None:
        """When the first tick of a mission was heard of that had none before `since_s`."""
        wait(lambda: any(first_s > since_s for first_s in list(self._ticked.values())), within_s)
        return min((first_s for first_s in self._ticked.values() if first_s > since_s), default=None)

    def forget(self) -> None:
        """The arm's server is another one from now on: what the last one had under way went with it."""
        self.goals.clear()
        self.stopping_s.clear()

    def abort(self) -> float:
        """Say stop; when it was said."""
        said_s = time.monotonic()
        self._abort.call_async(Trigger.Request())
        return said_s

    def _hear(self, statuses: Any) -> None:
        now_s = time.monotonic()
        for entry in statuses.status_list:
            goal = bytes(entry.goal_info.goal_id.uuid)
            if self.goals.get(goal, (None, 0.0))[0] != entry.status:
                self.goals[goal] = (entry.status, now_s)
            if entry.status not in (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING):
                self.stopping_s.setdefault(goal, now_s)

    def _hear_evidence(self, evidence: Any) -> None:
        if evidence.kind == "status":
            self._ticked.setdefault(evidence.mission, time.monotonic())

    def _hear_guardian(self, status: Any) -> None:
        self.guardian = next((pair.value for pair in status.values if pair.key == "state"), "")


def wait(true: Callable[[], Any], within_s: float) -> bool:
    """Until something is true; False where it never is."""
    by_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > by_s:
            return False
        time.sleep(LOOK_S)
    return True
