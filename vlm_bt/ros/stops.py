"""Watches from outside whether arm and gripper have goals under way, and asks for missions: for measurements."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionClient
from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import Trigger
from vlm_bt_interfaces.action import Grip, MoveArm, RunMission
from vlm_bt_interfaces.msg import Evidence

from vlm_bt.ros.guardian import LATCHED, STATE_TOPIC
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.standstill import STATUS, UNDER_WAY

LOOK_S = 0.001
TIDIES_WITHIN_S = 20.0


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
        self._missions = ActionClient(node, RunMission, "run_mission", callback_group=group)
        self._move = ActionClient(node, MoveArm, actions[0], callback_group=group)
        self._grip = ActionClient(node, Grip, actions[1], callback_group=group)
        self._abort = node.create_client(Trigger, "abort", callback_group=group)

    @property
    def under_way(self) -> list[bytes]:
        return [goal for goal, (status, _) in list(self.goals.items()) if status in UNDER_WAY]

    @property
    def moving(self) -> list[bytes]:
        """Goals that nobody has told to stop."""
        return [goal for goal in self.under_way if goal not in self.stopping_s]

    def begin(self, tree: str, overrides: tuple[str, ...] = (), within_s: float = 60.0) -> tuple[Any, float] | None:
        """Ask until a mission is accepted: the goal's handle, and when the acceptance came. None: it never was."""
        by_s = time.monotonic() + within_s
        while time.monotonic() < by_s:
            if self._missions.wait_for_server(timeout_sec=1.0):
                sent = self._missions.send_goal_async(RunMission.Goal(tree=tree, overrides=list(overrides)))
                if wait(sent.done, 5.0) and sent.result().accepted:
                    return sent.result(), time.monotonic()
            time.sleep(0.1)
        return None

    def first_tick_s(self, since_s: float, within_s: float = 30.0) -> float | None:
        """When the first tick of a mission was heard of that had none before `since_s`."""
        wait(lambda: any(first_s > since_s for first_s in list(self._ticked.values())), within_s)
        return min((first_s for first_s in self._ticked.values() if first_s > since_s), default=None)

    def tidy(self) -> None:
        """Open the hand and fold the arm, as a person does after a stop: it may stand in the camera's view."""
        for client, goal in (
            (self._grip, Grip.Goal(width_m=0.08, time_limit_s=5.0)),
            (self._move, MoveArm.Goal(named="home", time_limit_s=15.0)),
        ):
            if client.wait_for_server(timeout_sec=TIDIES_WITHIN_S):
                sent = client.send_goal_async(goal)
                if wait(sent.done, 5.0) and sent.result().accepted:
                    wait(sent.result().get_result_async().done, TIDIES_WITHIN_S)

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
