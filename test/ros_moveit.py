"""A move_group over real message types: it plans with real kinematics, keeps a scene, and moves joints in real time.

What it knows of collisions: the tool centre point inside an object of the scene, and what is held below an obstacle's
top; both only where the allowed collisions do not let them touch. It takes scenes as MoveIt 2 does: a difference, the
matrix as a whole, and what is detached becomes an object of the world.
"""

from __future__ import annotations

import copy
import math
import time

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.msg import AllowedCollisionEntry, CollisionObject, MoveItErrorCodes, PlanningScene
from moveit_msgs.srv import ApplyPlanningScene, GetCartesianPath, GetPlanningScene
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_driving import PuppetJoints
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from vlm_bt.ros.messages import pose_message, pose_of
from vlm_bt.simulation.kinematics import Kinematics, Unreachable
from vlm_bt.types import Pose

CODE = MoveItErrorCodes
TOP_RAD_S = 1.5
SRDF = """<robot name="puppet">
  <group_state name="stretched" group="panda_arm"><joint name="panda_joint2" value="-0.8"/></group_state>
  <group_state name="open" group="hand"><joint name="panda_finger_joint1" value="0.04"/></group_state>
</robot>"""


class PuppetMoveIt(PuppetJoints):
    """Attributes:
    deaf: A goal that is cancelled goes on all the same; "to cancel": only the event stops it; "to all": nothing does.
    plans_s: How long planning takes. cannot_plan, fails_midway: what it answers instead of moving, and halfway.
    playing: Whether it moves the joints now.
    scene: As MoveIt keeps it.
    """

    def __init__(self, runtime, chosen, robot: str, base_frame: str = "base") -> None:
        super().__init__(runtime, chosen)
        self.kinematics, self._telling = Kinematics(robot), Kinematics(robot)
        self.base_frame = base_frame
        self.deaf, self.plans_s = "", 0.0
        self.cannot_plan, self.fails_midway, self.playing = 0, 0, False
        self.served_goals: list[object] = []
        self.scene = PlanningScene()
        for name in ("panda_link0", *chosen.hand_links):
            self.enter(name)
        self._stopped_s = float("-inf")
        self.serve(MoveGroup, "move_action", self._move)
        self.serve(ExecuteTrajectory, "execute_trajectory", self._execute)
        for kind, name, answer in (
            (GetCartesianPath, "compute_cartesian_path", self._line),
            (GetPlanningScene, "get_planning_scene", self._tell),
            (ApplyPlanningScene, "apply_planning_scene", self._apply),
        ):
            self.node.create_service(kind, name, answer, callback_group=self.group)
        self.node.create_subscription(String, "trajectory_execution_event", self._event, 10, callback_group=self.group)
        self._tf = self.node.create_publisher(TFMessage, "/tf", 10)
        self.node.create_timer(0.02, self._say_tf, callback_group=self.group)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._srdf = self.node.create_publisher(String, "robot_description_semantic", latched)
        self._srdf.publish(String(data=SRDF))

    # What is around.

    @property
    def attached(self) -> dict:
        return {one.object.id: one for one in self.scene.robot_state.attached_collision_objects}

    @property
    def world(self) -> dict:
        return {one.id: one for one in self.scene.world.collision_objects}

    def enter(self, name: str) -> None:
        matrix = self.scene.allowed_collision_matrix
        for entry in matrix.entry_values:
            entry.enabled = [*entry.enabled, False]
        matrix.entry_names = [*matrix.entry_names, name]
        matrix.entry_values = [
            *matrix.entry_values,
            AllowedCollisionEntry(enabled=[False] * len(matrix.entry_names)),
        ]

    def may_touch(self, one: str, other: str) -> bool:
        names = list(self.scene.allowed_collision_matrix.entry_names)
        if one not in names or other not in names:
            return False
        return bool(self.scene.allowed_collision_matrix.entry_values[names.index(one)].enabled[names.index(other)])

    def _tell(self, request, response):
        response.scene = copy.deepcopy(self.scene)
        return response

    def _apply(self, request, response):
        change, response.success = request.scene, True
        assert change.is_diff and change.robot_state.is_diff
        attached, world = self.attached, self.world
        for one in change.robot_state.attached_collision_objects:
            if one.object.operation == CollisionObject.ADD:
                attached[one.object.id] = one
                world.pop(one.object.id, None)
            elif one.object.id in attached:
                world[one.object.id] = attached.pop(one.object.id).object
            else:
                response.success = False
        for one in change.world.collision_objects:
            if one.operation == CollisionObject.ADD:
                world[one.id] = one
            elif world.pop(one.id, None) is None:
                response.success = False
        self.scene.robot_state.attached_collision_objects = list(attached.values())
        self.scene.world.collision_objects = list(world.values())
        matrix = change.allowed_collision_matrix
        if matrix.entry_names:
            assert all(len(row.enabled) == len(matrix.entry_names) for row in matrix.entry_values)
            assert len(matrix.entry_names) == len(matrix.entry_values) == len(set(matrix.entry_names))
            self.scene.allowed_collision_matrix = matrix
        return response

    def _collides(self, joints) -> bool:
        pose = self.kinematics.pose(joints)
        position = np.array(pose.position)
        for name, box in self.world.items():
            half = np.array(box.primitives[0].dimensions) / 2
            middle = np.array(pose_of(box.pose).position)
            inside = bool((np.abs(position - middle) < half + 0.005).all())
            if inside and not all(self.may_touch(name, link) for link in self.chosen.hand_links):
                return True
            for held in self.attached.values():
                size = held.object.primitives[0].dimensions
                low = position[2] - held.object.pose.position.z - size[2] / 2
                over = bool((np.abs(position - middle) < half)[:2].all())
                if over and low < middle[2] + half[2] + 0.01 and not self.may_touch(name, held.object.id):
                    return True
        return False

    # What moves.

    def _event(self, said: String) -> None:
        if said.data == "stop" and self.deaf != "to all":
            self.halt()

    def halt(self) -> None:
        self._stopped_s = time.monotonic()

    def _move(self, handle):
        asked, result = handle.request, MoveGroup.Result()
        self.served_goals.append(asked)
        assert asked.request.group_name == self.chosen.group and asked.planning_options.planning_scene_diff.is_diff
        time.sleep(self.plans_s)
        if handle.is_cancel_requested:
            result.error_code.val = CODE.PREEMPTED
            handle.canceled()
            return result
        end, code = self._end(asked.request)
        if code == CODE.SUCCESS:
            way = [self.joints, end]
            result.planned_trajectory.joint_trajectory = self._timed(way, asked.request.max_velocity_scaling_factor)
            code = self._played(handle, result.planned_trajectory.joint_trajectory)
        result.error_code.val = code
        self._over(handle, code)
        return result

    def _end(self, request):
        if self.cannot_plan:
            return None, self.cannot_plan
        (goal,) = request.goal_constraints
        if goal.joint_constraints:
            end = self.joints.copy()
            for one in goal.joint_constraints:
                end[self.chosen.joints.index(one.joint_name)] = one.position
        else:
            (place,), (turn,) = goal.position_constraints, goal.orientation_constraints
            assert place.link_name == turn.link_name == self.chosen.tcp_link
            position, to = pose_of(place.constraint_region.primitive_poses[0]).position, turn.orientation
            end = self.kinematics.solve_pose(Pose(position, (to.w, to.x, to.y, to.z)), self.joints)
            if isinstance(end, Unreachable):
                return None, CODE.NO_IK_SOLUTION
        if self._collides(end):
            return None, CODE.GOAL_IN_COLLISION
        if any(not self._keeps(request.path_constraints, joints) for joints in np.linspace(self.joints, end, 20)):
            return None, CODE.PLANNING_FAILED
        return end, CODE.SUCCESS

    def _keeps(self, way, joints) -> bool:
        pose = self.kinematics.pose(joints)
        for one in way.position_constraints:
            (box,), (at,) = one.constraint_region.primitives, one.constraint_region.primitive_poses
            middle = np.array(pose_of(at).position)
            if (np.abs(np.array(pose.position) - middle) > np.array(box.dimensions) / 2).any():
                return False
        for one in way.orientation_constraints:
            wanted = np.array([one.orientation.w, one.orientation.x, one.orientation.y, one.orientation.z])
            x, y = _tilt(wanted, np.array(pose.quaternion))
            if abs(x) > one.absolute_x_axis_tolerance or abs(y) > one.absolute_y_axis_tolerance:
                return False
        return True

    def _line(self, request, response):
        self.served_goals.append(request)
        assert request.avoid_collisions and request.max_step > 0
        response.error_code.val = CODE.SUCCESS
        line = self.kinematics.line_pose(self.joints, pose_of(request.waypoints[0]), spacing_m=0.01)
        if isinstance(line, Unreachable):
            return response
        kept = 1
        while kept < len(line) and not self._collides(line[kept]) and self._keeps(request.path_constraints, line[kept]):
            kept += 1
        response.fraction = (kept - 1) / (len(line) - 1)
        response.solution.joint_trajectory = self._timed(line[:kept], request.max_velocity_scaling_factor)
        return response

    def _execute(self, handle):
        self.served_goals.append(handle.request)
        result = ExecuteTrajectory.Result()
        result.error_code.val = self._played(handle, handle.request.trajectory.joint_trajectory)
        self._over(handle, result.error_code.val)
        return result

    def _over(self, handle, code: int) -> None:
        if code == CODE.SUCCESS:
            handle.succeed()
        elif code == CODE.PREEMPTED and handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()

    def _timed(self, way, scale: float):
        trajectory = MoveGroup.Result().planned_trajectory.joint_trajectory
        trajectory.joint_names = list(self.chosen.joints)
        passed_s = 0.0
        for before, after in zip([way[0], *way], way, strict=False):
            passed_s += float(np.abs(np.array(after) - before).max()) / (TOP_RAD_S * scale)
            point = JointTrajectoryPoint(positions=list(map(float, after)))
            point.time_from_start.sec, point.time_from_start.nanosec = int(passed_s), int(passed_s % 1 * 1e9)
            trajectory.points.append(point)
        return trajectory

    def _played(self, handle, trajectory) -> int:
        self.playing = True
        try:
            return self._play(handle, trajectory)
        finally:
            self.playing = False

    def _play(self, handle, trajectory) -> int:
        began = time.monotonic()
        times = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in trajectory.points]
        table = np.array([point.positions for point in trajectory.points])
        while (passed := time.monotonic() - began) < times[-1]:
            if (handle.is_cancel_requested and not self.deaf) or self._stopped_s > began:
                return CODE.PREEMPTED
            if self.fails_midway and passed > times[-1] / 2:
                return self.fails_midway
            self.joints = np.array([np.interp(passed, times, column) for column in table.T])
            time.sleep(0.004)
        self.joints = table[-1]
        return CODE.SUCCESS

    def _say_tf(self) -> None:
        pose = self._telling.pose(self.joints)
        turn, (x, y, z) = pose_message(pose).orientation, pose.position
        moved = TransformStamped(child_frame_id=self.chosen.tcp_link)
        moved.header.frame_id, moved.header.stamp = self.base_frame, self.node.get_clock().now().to_msg()
        moved.transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=turn)
        self._tf.publish(TFMessage(transforms=[moved]))


def _tilt(wanted, is_) -> tuple[float, float]:
    """Turns about x and then y that bring the one's axes to the other's, as MoveIt's constraints count them."""
    aw, ax, ay, az = wanted * [1, -1, -1, -1]
    bw, bx, by, bz = is_
    w, x = aw * bw - ax * bx - ay * by - az * bz, aw * bx + ax * bw + ay * bz - az * by
    y, z = aw * by - ax * bz + ay * bw + az * bx, aw * bz + ax * by - ay * bx + az * bw
    # R = Rx(a) Ry(b) Rz(c): its third column is (sin b, -sin a cos b, cos a cos b).
    column = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
    return math.atan2(-column[1], column[2]), math.asin(max(-1.0, min(1.0, column[0])))
