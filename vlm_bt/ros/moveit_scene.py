"""What MoveIt knows to be around: obstacles, what is held, and what may be touched. Needs moveit_msgs."""

from __future__ import annotations

from typing import Any

from moveit_msgs.msg import (
    AllowedCollisionEntry,
    AttachedCollisionObject,
    CollisionObject,
    PlanningScene,
    PlanningSceneComponents,
)
from moveit_msgs.srv import ApplyPlanningScene, GetPlanningScene
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from shape_msgs.msg import SolidPrimitive

from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.relay import Relay
from vlm_bt.ros_settings import MoveItArmSettings
from vlm_bt.types import Outcome, Pose

Pair = frozenset[str]
NEEDED = PlanningSceneComponents.ROBOT_STATE_ATTACHED_OBJECTS | PlanningSceneComponents.ALLOWED_COLLISION_MATRIX


class Scene:
    """Makes MoveIt's planning scene fit each goal before it is planned.

    Nothing is taken for granted from one goal to the next: a move_group that was started anew has lost it all. What
    was let go is no obstacle any more, for nobody knows where it came to lie; what the camera sees is MoveIt's own
    affair (its octomap, or whoever adds objects).
    """

    def __init__(self, node: Node, settings: MoveItArmSettings, base_frame: str, relay: Relay) -> None:
        self._settings = settings
        self._base_frame = base_frame
        self._relay = relay
        group = ReentrantCallbackGroup()
        self._get = node.create_client(GetPlanningScene, "get_planning_scene", callback_group=group)
        self._apply = node.create_client(ApplyPlanningScene, "apply_planning_scene", callback_group=group)
        self._allowed: frozenset[Pair] = frozenset()
        self._added: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        away = [client.srv_name for client in (self._get, self._apply) if not client.service_is_ready()]
        return f"nobody serves {away[0]}" if away else ""

    def fit(self, task: Task, end_s: float) -> Outcome | None:
        """Make it what the task's MoveArm goal says. Why that did not work; None where it did.

        Args:
            end_s: On the monotonic clock.
        """
        request = GetPlanningScene.Request(components=PlanningSceneComponents(components=NEEDED))
        failed, known = self._relay.ask(self._get, request, task, end_s)
        if failed is not None:
            return failed
        change = self._change(task.request, known.scene)
        failed, applied = self._relay.ask(self._apply, ApplyPlanningScene.Request(scene=change), task, end_s)
        if failed is None and not applied.success:
            failed = Outcome("arm_fault", f"MoveIt did not take the scene at {self._apply.srv_name}")
        return failed

    def _change(self, goal: Any, known: Any) -> Any:
        """The difference, as moveit_msgs/PlanningScene."""
        held = goal.attached[0] if goal.attached else None
        change = PlanningScene(is_diff=True)
        change.robot_state.is_diff = True
        change.world.collision_objects = [self._obstacle(name) for name in self._settings.obstacles]
        for attached in known.robot_state.attached_collision_objects:
            if attached.link_name == self._settings.tcp_link and (held is None or attached.object.id != held.id):
                # Detaching puts it into the world, from which it is taken then.
                gone = CollisionObject(id=attached.object.id, operation=CollisionObject.REMOVE)
                link = attached.link_name
                change.robot_state.attached_collision_objects.append(
                    AttachedCollisionObject(link_name=link, object=gone)
                )
                change.world.collision_objects.append(gone)
        if held is not None:
            change.robot_state.attached_collision_objects.append(self._held(held))
        change.allowed_collision_matrix = self._matrix(known.allowed_collision_matrix, self._pairs(goal, held))
        return change

    def _pairs(self, goal: Any, held: Any) -> frozenset[Pair]:
        """Who may touch whom during this goal."""
        chosen = self._settings
        pairs = {(obstacle, link) for obstacle in chosen.obstacles for link in chosen.standing_on}
        pairs |= {(thing, link) for thing in goal.may_touch for link in chosen.hand_links}
        if held is not None:
            pairs |= {(thing, held.id) for thing in goal.may_touch if thing != held.id}
            if goal.path.straight:
                pairs |= {(name, held.id) for name, obstacle in chosen.obstacles.items() if obstacle.surface}
        return frozenset(frozenset(pair) for pair in pairs)

    def _matrix(self, matrix: Any, pairs: frozenset[Pair]) -> Any:
        """MoveIt takes a matrix as a whole: its own, without what earlier goals were allowed, with these pairs."""
        without(matrix, self._added)
        for pair in self._allowed:
            allow(matrix, pair, False)
        self._allowed = pairs
        self._added = tuple(sorted({name for pair in pairs for name in pair} - set(matrix.entry_names)))
        for name in self._added:
            enter(matrix, name)
        for pair in pairs:
            allow(matrix, pair, True)
        return matrix

    def _obstacle(self, name: str) -> Any:
        box = self._settings.obstacles[name]
        return self._box(name, self._base_frame, pose_message(Pose(box.position)), list(box.size))

    def _held(self, held: Any) -> Any:
        size = [held.size.x, held.size.y, held.size.z]
        box = self._box(held.id, self._settings.tcp_link, held.pose, size)
        return AttachedCollisionObject(
            link_name=self._settings.tcp_link, object=box, touch_links=list(self._settings.hand_links)
        )

    def _box(self, name: str, frame: str, pose: Any, size: list[float]) -> Any:
        box = CollisionObject(id=name, operation=CollisionObject.ADD, pose=pose)
        box.header.frame_id = frame
        box.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size)]
        box.primitive_poses = [pose_message(Pose((0.0, 0.0, 0.0)))]
        return box


def without(matrix: Any, names: tuple[str, ...]) -> None:
    """Take these names out of a moveit_msgs/AllowedCollisionMatrix."""
    kept = [number for number, name in enumerate(matrix.entry_names) if name not in names]
    matrix.entry_values = [
        AllowedCollisionEntry(enabled=[matrix.entry_values[row].enabled[column] for column in kept]) for row in kept
    ]
    matrix.entry_names = [matrix.entry_names[number] for number in kept]


def enter(matrix: Any, name: str) -> None:
    """Add a name; what it may touch stays as the matrix' defaults have it."""
    defaults = dict(zip(matrix.default_entry_names, matrix.default_entry_values, strict=True))
    column = [_by_default(defaults, name, other) for other in matrix.entry_names]
    for entry, value in zip(matrix.entry_values, column, strict=True):
        entry.enabled = [*entry.enabled, value]
    matrix.entry_names = [*matrix.entry_names, name]
    matrix.entry_values = [*matrix.entry_values, AllowedCollisionEntry(enabled=[*column, False])]


def allow(matrix: Any, pair: Pair, value: bool) -> None:
    """Say of two names that are entered whether they may touch; of others nothing."""
    rows = [number for number, name in enumerate(matrix.entry_names) if name in pair]
    if len(rows) == 2:
        for row, column in (rows, rows[::-1]):
            enabled = list(matrix.entry_values[row].enabled)
            enabled[column] = value
            matrix.entry_values[row].enabled = enabled


def _by_default(defaults: dict[str, bool], name: str, other: str) -> bool:
    known = [defaults[one] for one in (name, other) if one in defaults]
    return bool(known) and all(known)
