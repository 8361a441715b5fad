"""What MoveIt is asked for: goals, constraints and straight lines; and what its answers mean. Needs moveit_msgs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import Quaternion
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import (
    BoundingVolume,
    Constraints,
    JointConstraint,
    MoveItErrorCodes,
    OrientationConstraint,
    PositionConstraint,
)
from moveit_msgs.srv import GetCartesianPath
from shape_msgs.msg import SolidPrimitive

from vlm_bt.ros.messages import pose_message
from vlm_bt.ros_settings import MoveItArmSettings
from vlm_bt.types import Outcome, Pose

POSITION_TOLERANCE_M = 0.001
ANGLE_TOLERANCE_RAD = 0.005
JOINT_TOLERANCE_RAD = 0.001
FREE_RAD = 2 * math.pi
ROOM_M = 10.0
"""A floor is told as a box above it, so large that it ends nowhere else."""
JUMP_RAD = 0.5
"""A joint that turns by more within one step of a straight line has changed over to another posture."""
WHOLE = 0.999
"""Less of a straight line than this is none."""
_CODE = MoveItErrorCodes
NO_WAY = {
    _CODE.PLANNING_FAILED: "no way was found",
    _CODE.INVALID_MOTION_PLAN: "no way without a collision was found",
    _CODE.TIMED_OUT: "no way was found in time",
    _CODE.START_STATE_IN_COLLISION: "the arm touches something where it stands",
    _CODE.START_STATE_VIOLATES_PATH_CONSTRAINTS: "the way's constraints do not hold where it begins",
    _CODE.GOAL_IN_COLLISION: "there the arm would touch something",
    _CODE.GOAL_VIOLATES_PATH_CONSTRAINTS: "the way's constraints do not hold where it ends",
    _CODE.GOAL_CONSTRAINTS_VIOLATED: "the goal's constraints cannot be kept",
    _CODE.GOAL_STATE_INVALID: "the arm cannot be so",
    _CODE.NO_IK_SOLUTION: "it is out of reach",
}
STOPPED = {
    _CODE.MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE: Outcome("blocked", "MoveIt: something came into the way"),
    _CODE.TIMED_OUT: Outcome("timed_out", "MoveIt: the motion took longer than planned, and was stopped"),
    _CODE.PREEMPTED: Outcome("cancelled", "MoveIt: somebody stopped the motion"),
    _CODE.CONTROL_FAILED: Outcome("arm_fault", "MoveIt: the controller failed"),
}


class Asking:
    """Writes requests for one arm, from where it is now, in the base frame."""

    def __init__(self, settings: MoveItArmSettings, base_frame: str) -> None:
        self._settings = settings
        self._base_frame = base_frame

    def to_pose(self, pose: Pose, scale: float, way: Any) -> Any:
        """A MoveGroup goal. `way`: moveit_msgs/Constraints of the whole path; `scale`: of the speed limits."""
        return self._plan(Constraints(**self._there(pose)), scale, way)

    def to_posture(self, posture: Mapping[str, float], scale: float, way: Any) -> Any:
        """A MoveGroup goal. `posture`: angles by joint, radians."""
        return self._plan(
            Constraints(
                joint_constraints=[
                    JointConstraint(
                        joint_name=name,
                        position=float(angle),
                        tolerance_above=JOINT_TOLERANCE_RAD,
                        tolerance_below=JOINT_TOLERANCE_RAD,
                        weight=1.0,
                    )
                    for name, angle in posture.items()
                ]
            ),
            scale,
            way,
        )

    def straight(self, pose: Pose, scale: float, way: Any) -> Any:
        """A request of GetCartesianPath."""
        request = GetCartesianPath.Request(group_name=self._settings.group, link_name=self._settings.tcp_link)
        request.header.frame_id = self._base_frame
        request.start_state.is_diff = True
        request.waypoints = [pose_message(pose)]
        request.max_step = self._settings.step_m
        request.revolute_jump_threshold = JUMP_RAD
        request.avoid_collisions = True
        request.path_constraints = way
        request.max_velocity_scaling_factor = request.max_acceleration_scaling_factor = scale
        return request

    def way(self, path: Any, start: Pose) -> Any:
        """moveit_msgs/Constraints for our PathConstraints, on a way that begins at `start`."""
        found = Constraints()
        if path.use_floor:
            middle = Pose((0.0, 0.0, float(path.floor_m) + ROOM_M / 2))
            box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[ROOM_M] * 3)
            found.position_constraints = [self._within(box, middle)]
        if path.tilt_rad > 0:
            # Turned about x and then about y the axis tilts by less than the root of both squares.
            found.orientation_constraints = [self._turned(start, float(path.tilt_rad) / math.sqrt(2), FREE_RAD)]
        return found

    def _plan(self, goal: Any, scale: float, way: Any) -> Any:
        asked = MoveGroup.Goal()
        request, options = asked.request, asked.planning_options
        request.group_name = self._settings.group
        request.pipeline_id, request.planner_id = self._settings.pipeline, self._settings.planner
        request.start_state.is_diff = True
        request.goal_constraints, request.path_constraints = [goal], way
        request.allowed_planning_time = self._settings.planning_s
        request.num_planning_attempts = self._settings.planning_attempts
        request.max_velocity_scaling_factor = request.max_acceleration_scaling_factor = scale
        options.planning_scene_diff.is_diff = options.planning_scene_diff.robot_state.is_diff = True
        return asked

    def _there(self, pose: Pose) -> dict[str, Any]:
        ball = SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[POSITION_TOLERANCE_M])
        return {
            "position_constraints": [self._within(ball, pose)],
            "orientation_constraints": [self._turned(pose, ANGLE_TOLERANCE_RAD, ANGLE_TOLERANCE_RAD)],
        }

    def _within(self, shape: Any, pose: Pose) -> Any:
        found = PositionConstraint(link_name=self._settings.tcp_link, weight=1.0)
        found.header.frame_id = self._base_frame
        found.constraint_region = BoundingVolume(primitives=[shape], primitive_poses=[pose_message(pose)])
        return found

    def _turned(self, pose: Pose, tilt_rad: float, turn_rad: float) -> Any:
        w, x, y, z = pose.quaternion
        found = OrientationConstraint(link_name=self._settings.tcp_link, weight=1.0)
        found.header.frame_id = self._base_frame
        found.orientation = Quaternion(w=w, x=x, y=y, z=z)
        found.absolute_x_axis_tolerance = found.absolute_y_axis_tolerance = tilt_rad
        found.absolute_z_axis_tolerance = turn_rad
        return found


def no_line(response: Any) -> Outcome | None:
    """Why a straight line cannot be followed; None where it can."""
    code = int(response.error_code.val)
    if code != _CODE.SUCCESS:
        return _unplanned(response.error_code)
    if response.fraction < WHOLE or not response.solution.joint_trajectory.points:
        return Outcome("unreachable", f"only {response.fraction:.0%} of the straight line can be followed")
    return None


def ended(code: Any, *, moved: bool) -> Outcome:
    """What a MoveItErrorCodes means. `moved`: something was planned, so the arm may have begun to move."""
    if code.val == _CODE.SUCCESS:
        return Outcome()
    if not moved:
        return _unplanned(code)
    return STOPPED.get(code.val) or Outcome("arm_fault", f"MoveIt: {_said(code)}")


def _unplanned(code: Any) -> Outcome:
    if code.val == _CODE.PREEMPTED:
        return STOPPED[code.val]
    if code.val in NO_WAY:
        return Outcome("unreachable", f"MoveIt: {NO_WAY[code.val]}")
    return Outcome("arm_fault", f"MoveIt: {_said(code)}")


def _said(code: Any) -> str:
    return f"error {code.val}" + (f", {code.message}" if code.message else "")
