"""Where the hand is for given joints, and which joints bring it somewhere: inverse kinematics with mink."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.handling import nearest_half_turn
from vlm_bt.simulation.robot import JOINTS, LINK_CAPSULES, OWN_ARM, arm_spec
from vlm_bt.types import Pose

Joints = NDArray[np.float64]
Point3 = tuple[float, float, float]

POSITION_TOLERANCE_M = 0.0005
ANGLE_TOLERANCE_RAD = math.radians(0.3)
_LIMIT_MARGIN_RAD = 0.02
_ITERATIONS = 24
_LARGEST_STEP_RAD = 0.4
# Hover poses straight ahead at these distances are solved once and then turned about the first joint as a start.
_RADII_M = (0.30, 0.40, 0.50, 0.60, 0.70)
_SEED_HEIGHT_M = 0.14
_TURN_SPACING_RAD = 0.15
_READY = (0.0, -0.2, 0.0, -2.2, 0.0, 2.0, math.pi / 4)


@dataclass(frozen=True)
class Unreachable:
    """No joint position brings the hand there. `position` in metres, base frame."""

    position: Point3
    yaw_rad: float

    def __str__(self) -> str:
        x, y, z = self.position
        return f"({x:.2f}, {y:.2f}, {z:.2f}) at {math.degrees(self.yaw_rad):.0f} degrees is out of reach"


def top_down(yaw_rad: float) -> NDArray[np.float64]:
    """(3, 3) rotation of a hand that points straight down, its x axis at `yaw_rad`; columns are the hand's axes."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])


class Kinematics:
    """Forward and inverse kinematics of the arm alone, with models of its own: it never touches the simulation.

    Results depend on the arguments only, not on calls before.
    """

    def __init__(self, robot: str = OWN_ARM) -> None:
        spec = arm_spec(robot)
        _drop_fingers(spec)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site("tcp").id
        self._links = [self._model.body(f"link{i}").id for i in range(1, 8)]
        self._hand = self._model.body("hand").id
        self.lower = self._model.jnt_range[: len(JOINTS), 0].copy()
        self.upper = self._model.jnt_range[: len(JOINTS), 1].copy()
        self._configuration = mink.Configuration(self._model)
        self._reach = mink.FrameTask("tcp", "site", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-6)
        self._posture = mink.PostureTask(self._model, cost=2e-3)
        self._limits = [mink.ConfigurationLimit(self._model)]
        self._seeds = self._solve_seeds()

    def tcp(self, joints: Joints) -> Point3:
        """Tool centre point, metres, base frame."""
        self._forward(joints)
        x, y, z = self._data.site_xpos[self._site]
        return float(x), float(y), float(z)

    def yaw(self, joints: Joints) -> float:
        """Direction of the hand's x axis seen from above."""
        self._forward(joints)
        matrix = self._data.site_xmat[self._site]
        return math.atan2(matrix[3], matrix[0])

    def solve(self, position: Point3, yaw_rad: float, start: Joints | None = None) -> Joints | Unreachable:
        """Joints for a hand that points straight down with its tool centre point at `position`.

        Args:
            position: Metres, base frame.
            yaw_rad: Direction of the hand's x axis; taken as it is, see `choose_yaw` for the gripper's symmetry.
            start: Joints to begin from and stay near to; without it a posture made for this place.
        """
        seed = self.seed(position, yaw_rad) if start is None else start
        found = self._reached(mink.SO3.from_matrix(top_down(yaw_rad)), position, seed)
        return Unreachable(position, yaw_rad) if found is None else found

    def solve_pose(self, pose: Pose, start: Joints) -> Joints | Unreachable:
        """Joints for any pose of the tool centre point, near to `start`; or near to a hand that points down there."""
        turn = mink.SO3(np.asarray(pose.quaternion, dtype=np.float64))
        matrix = turn.as_matrix()
        yaw = math.atan2(matrix[1, 0], matrix[0, 0])
        for seed in (self.seed(pose.position, yaw), start):
            found = self._reached(turn, pose.position, seed)
            if found is not None:
                return found
        return Unreachable(pose.position, yaw)

    def pose(self, joints: Joints) -> Pose:
        """Of the tool centre point, base frame."""
        self._forward(joints)
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        w, i, j, k = (float(v) for v in quaternion)
        x, y, z = (float(v) for v in self._data.site_xpos[self._site])
        return Pose((x, y, z), (w, i, j, k))

    def line_pose(self, start: Joints, end: Pose, spacing_m: float = 0.03) -> list[Joints] | Unreachable:
        """As `line`, to any pose; the hand turns evenly on the way."""
        begin = self.pose(start)
        first, last = np.array(begin.position), np.array(end.position)
        turn = mink.SO3(np.asarray(begin.quaternion))
        whole = (turn.inverse() @ mink.SO3(np.asarray(end.quaternion))).log()
        angle = float(np.linalg.norm(whole))
        count = max(1, math.ceil(float(np.linalg.norm(last - first)) / spacing_m), math.ceil(angle / _TURN_SPACING_RAD))
        found = [start]
        for index in range(1, count + 1):
            x, y, z = first + (last - first) * (index / count)
            guess = found[-1] if len(found) < 2 else 2 * found[-1] - found[-2]
            joints = self._reached(turn @ mink.SO3.exp(whole * (index / count)), (float(x), float(y), float(z)), guess)
            if joints is None:
                return Unreachable((float(x), float(y), float(z)), self.yaw(found[-1]))
            found.append(joints)
        return found

    def _reached(self, turn: mink.SO3, position: Point3, seed: Joints) -> Joints | None:
        target = mink.SE3.from_rotation_and_translation(turn, np.asarray(position, dtype=np.float64))
        self._reach.set_target(target)
        self._posture.set_target(seed)
        self._configuration.update(np.clip(seed, self.lower + _LIMIT_MARGIN_RAD, self.upper - _LIMIT_MARGIN_RAD))
        for _ in range(_ITERATIONS):
            error = self._reach.compute_error(self._configuration)
            if _close(error):
                return self._joints()
            velocity = mink.solve_ik(
                self._configuration, [self._reach, self._posture], 1.0, "daqp", damping=1e-6, limits=self._limits
            )
            largest = float(np.abs(velocity).max())
            self._configuration.integrate_inplace(velocity * min(1.0, _LARGEST_STEP_RAD / max(largest, 1e-9)), 1.0)
        return self._joints() if _close(self._reach.compute_error(self._configuration)) else None

    def _joints(self) -> Joints:
        return np.array(self._configuration.q)

    def line(self, start: Joints, end: Point3, yaw_rad: float, spacing_m: float = 0.03) -> list[Joints] | Unreachable:
        """Joints along the straight line from where `start` has the hand to `end`, `start` included."""
        begin = np.array(self.tcp(start))
        step = np.asarray(end) - begin
        count = max(1, math.ceil(float(np.linalg.norm(step)) / spacing_m))
        found = [start]
        for index in range(1, count + 1):
            x, y, z = begin + step * (index / count)
            # Where the last step led is the best guess of the next one.
            guess = found[-1] if len(found) < 2 else 2 * found[-1] - found[-2]
            joints = self.solve((float(x), float(y), float(z)), yaw_rad, guess)
            if isinstance(joints, Unreachable):
                return joints
            found.append(joints)
        return found

    def choose_yaw(self, position: Point3, yaw_rad: float, near: Joints | None = None) -> tuple[float, ...]:
        """`yaw_rad` and its half turn, the one with more room to the last joint's limits (or less travel) first."""
        options = [nearest_half_turn(yaw_rad), nearest_half_turn(yaw_rad) + math.pi]

        def effort(yaw: float) -> float:
            last = float(self.seed(position, yaw)[-1])
            room = max(0.0, abs(last - float(self.lower[-1] + self.upper[-1]) / 2) - 2.2)
            return 4.0 * room + abs(last - float(_READY[-1] if near is None else near[-1]))

        return tuple(sorted(options, key=effort))

    def seed(self, position: Point3, yaw_rad: float) -> Joints:
        """A hover posture turned to face `position`: where solving begins."""
        bearing = math.atan2(position[1], position[0])
        radius = min(max(math.hypot(position[0], position[1]), _RADII_M[0]), _RADII_M[-1])
        joints = np.array([np.interp(radius, _RADII_M, column) for column in self._seeds.T])
        joints[0] += bearing
        # Seen from above the last joint turns the hand the other way round.
        turn = (bearing - yaw_rad + math.pi) % (2 * math.pi) - math.pi
        joints[-1] += turn
        middle = (self.lower[-1] + self.upper[-1]) / 2
        if joints[-1] - middle > math.pi:
            joints[-1] -= 2 * math.pi
        elif joints[-1] - middle < -math.pi:
            joints[-1] += 2 * math.pi
        return joints

    def link_segments(self, joints: Joints) -> list[tuple[Point3, Point3, float]]:
        """Capsules around the links and the hand: ends in the base frame and radius, metres."""
        self._forward(joints)
        found = [((0.0, 0.0, 0.05), (0.0, 0.0, 0.14), 0.08)]
        for body, capsules in zip(self._links, LINK_CAPSULES, strict=True):
            found += [(self._at(body, start), self._at(body, end), radius) for start, end, radius, _, _ in capsules]
        found.append((self._at(self._hand, (0.0, -0.09, 0.03)), self._at(self._hand, (0.0, 0.09, 0.03)), 0.05))
        found.append((self._at(self._hand, (0.0, 0.0, 0.0)), self._at(self._hand, (0.0, 0.0, 0.105)), 0.055))
        return found

    def _solve_seeds(self) -> NDArray[np.float64]:
        self._seeds = np.array([_READY] * len(_RADII_M))
        rows: list[Joints] = []
        for radius in _RADII_M:
            start = rows[-1] if rows else np.array(_READY)
            joints = self.solve((radius, 0.0, _SEED_HEIGHT_M), 0.0, start)
            rows.append(start if isinstance(joints, Unreachable) else joints)
        return np.array(rows)

    def _forward(self, joints: Joints) -> None:
        self._data.qpos[:] = joints
        mujoco.mj_kinematics(self._model, self._data)

    def _at(self, body: int, local: Sequence[float]) -> Point3:
        x, y, z = self._data.xpos[body] + self._data.xmat[body].reshape(3, 3) @ np.asarray(local)
        return float(x), float(y), float(z)


def _close(error: NDArray[np.float64]) -> bool:
    return bool(np.linalg.norm(error[:3]) < POSITION_TOLERANCE_M and np.linalg.norm(error[3:]) < ANGLE_TOLERANCE_RAD)


def _drop_fingers(spec: mujoco.MjSpec) -> None:
    """Leave only the seven joints, and what refers to nothing else."""
    for group in (spec.actuators, spec.tendons, spec.equalities, spec.excludes):
        for element in list(group):
            spec.delete(element)
    for name in ("left_finger", "right_finger"):
        spec.delete(spec.body(name))
