"""The simulated world: it steps between ticks and carries out what the scenario has staged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import mujoco

from vlm_bt.frames import FrameStore
from vlm_bt.simulation.arm import SimulatedArm
from vlm_bt.simulation.cameras import SimulatedCameras
from vlm_bt.simulation.kinematics import Kinematics
from vlm_bt.simulation.monitor import WorkspaceMonitor
from vlm_bt.simulation.motion import PHYSICS_STEP_S
from vlm_bt.simulation.person import WALK_S, move_person
from vlm_bt.simulation.robot import OWN_ARM
from vlm_bt.simulation.scenario import PARKED, REACH_M, SCATTER_X, SCATTER_Y, ZONES, Item, Scenario
from vlm_bt.simulation.scene import build_scene, item_pose

_CLEARANCE_M = 0.012
_SETTLE_S = 2.0
_LINGERS_S = 1.0


class World:
    """Bench, items, arm, cameras and person of one scenario. Belongs to the thread that made it.

    Args:
        frames: Where the cameras put their pictures; None leaves the world without cameras and monitor, so that it
            needs no drawing library.
        robot: Which arm stands on the bench, see `vlm_bt.simulation.robot.add_arm`.
        staged: Whether items turn up late, one slips and the person visits, as the scenario says.

    Raises:
        ConfigError: The robot is not known or cannot be had.
        DrawingError: Cameras are wanted and nothing can draw here.
    """

    def __init__(
        self, scenario: Scenario, frames: FrameStore | None = None, *, robot: str = OWN_ARM, staged: bool = True
    ) -> None:
        self.scenario = scenario
        self.model = build_scene(scenario, robot=robot).compile()
        self.data = mujoco.MjData(self.model)
        self.arm = self._make_arm(Kinematics(robot))
        self._ticks = 0
        self._now_s = 0.0
        self._visits = scenario.person_visits if staged else ()
        self._late = sorted((item for item in scenario.items if item.appears_s > 0), key=lambda item: item.appears_s)
        self._in_persons_hand = ""
        self._taken: list[str] = []
        self._slipping = scenario.items[scenario.slip].name if staged and scenario.slip is not None else ""
        self._lay_out(staged)
        self.settle()
        self._cameras = self._make_cameras(frames) if frames is not None else None
        self._monitor = self._make_monitor()

    @property
    def seed(self) -> int:
        return self.scenario.seed

    @property
    def now_s(self) -> float:
        """Simulated time since the mission began."""
        return self._now_s

    @property
    def cameras(self) -> SimulatedCameras:
        if self._cameras is None:
            raise RuntimeError("this world was made without cameras: give it a FrameStore")
        return self._cameras

    @property
    def monitor(self) -> WorkspaceMonitor:
        if self._monitor is None:
            raise RuntimeError("this world was made without a monitor: give it a FrameStore")
        return self._monitor

    @property
    def waiting(self) -> tuple[str, ...]:
        """Names of the items that have not turned up yet."""
        return tuple(item.name for item in self._late)

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of the items that a person has taken out of the gripper."""
        return tuple(self._taken)

    def person_comes(self) -> None:
        """Somebody walks up to the bench and stays until `person_goes`."""
        self._visits = (*self._visits, (self._now_s + WALK_S, math.inf))

    def person_takes(self) -> None:
        """The person at the bench closes a hand on what the gripper holds; they have it once the fingers let go."""
        items = (item.name for item in self.scenario.items)
        self._in_persons_hand = next((name for name in items if self._between_fingers(name)), "")

    def person_goes(self) -> None:
        """Whoever was asked to come walks away after a moment."""
        leaves_s = self._now_s + _LINGERS_S
        self._visits = tuple(
            (begins, max(begins, leaves_s) if math.isinf(ends) else ends) for begins, ends in self._visits
        )

    def advance(self, period_s: float) -> None:
        """Let one tick period pass: physics, staged events, the monitor, and last the pictures that were asked for."""
        begin_s = self._ticks * period_s
        steps = round(period_s / PHYSICS_STEP_S)
        # The clock counts ticks too: stamps must equal its times to the last bit.
        self._ticks += 1
        self._now_s = self._ticks * period_s
        for index in range(1, steps + 1):
            self.arm.step(self._now_s if index == steps else begin_s + index * PHYSICS_STEP_S)
            mujoco.mj_step(self.model, self.data)
        move_person(self.model, self.data, self._now_s, self._visits)
        self._stage()
        # Poses belong to the step before the last integration; pictures show the state after it.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        if self._monitor is not None:
            self._monitor.observe(self._now_s)
        if self._cameras is not None:
            self._cameras.serve(self._now_s, self._ticks * steps)

    def settle(self) -> None:
        """Let everything come to rest before time begins."""
        for _ in range(round(_SETTLE_S / PHYSICS_STEP_S)):
            self.arm.step(0.0)
            mujoco.mj_step(self.model, self.data)
            # The arm's own tree never sleeps.
            if self.data.ntree_awake <= 1:
                break
        self.data.time = 0.0
        mujoco.mj_forward(self.model, self.data)

    def close(self) -> None:
        """Idempotent."""
        if self._cameras is not None:
            self._cameras.close()
        if self._monitor is not None:
            self._monitor.close()

    def _make_arm(self, kinematics: Kinematics) -> SimulatedArm:
        return SimulatedArm(self.model, self.data, kinematics)

    def _make_cameras(self, frames: FrameStore) -> SimulatedCameras:
        return SimulatedCameras(self, frames)

    def _make_monitor(self) -> WorkspaceMonitor | None:
        if self._cameras is None:
            return None
        monitor = WorkspaceMonitor(self.model, self.data, self.arm.link_segments)
        monitor.observe(0.0)
        return monitor

    def _lay_out(self, staged: bool) -> None:
        self.arm.reset()
        if not staged:
            for item in self._late:
                self._put(item, item.x, item.y)
            self._late = []
        move_person(self.model, self.data, 0.0, self._visits)
        mujoco.mj_forward(self.model, self.data)

    def _stage(self) -> None:
        if self._late and self._now_s >= self._late[0].appears_s and self._put_down(self._late[0]):
            self._late.pop(0)
        if self._in_persons_hand and not self._between_fingers(self._in_persons_hand):
            self._carry_off(self._in_persons_hand)
            self._in_persons_hand = ""
        if self._slipping and self.arm.phase == "close" and self._between_fingers(self._slipping):
            self._slipping = ""
            self.arm.slip_next()

    def _carry_off(self, name: str) -> None:
        index, item = next((n, item) for n, item in enumerate(self.scenario.items) if item.name == name)
        self._put(item, PARKED[0], PARKED[1] + 0.1 * index, PARKED[2] + 0.02)
        mujoco.mj_kinematics(self.model, self.data)
        self._taken.append(name)

    def _put_down(self, item: Item) -> bool:
        """Put a late item on its place, or the free one nearest to it; False where there is none now."""
        joint = self.model.joint(f"{item.name}_free")
        address = int(joint.qposadr[0])
        parked = self.data.qpos[address : address + 7].copy()
        for x, y in _places(item):
            self._put(item, x, y)
            mujoco.mj_kinematics(self.model, self.data)
            if self._is_clear(item):
                return True
        self.data.qpos[address : address + 7] = parked
        mujoco.mj_kinematics(self.model, self.data)
        return False

    def _put(self, item: Item, x: float, y: float, z: float | None = None) -> None:
        joint = self.model.joint(f"{item.name}_free")
        address, dof = int(joint.qposadr[0]), int(joint.dofadr[0])
        position, quaternion = item_pose(item)
        self.data.qpos[address : address + 7] = (x, y, position[2] if z is None else z, *quaternion)
        self.data.qvel[dof : dof + 6] = 0.0

    def _is_clear(self, item: Item) -> bool:
        body = self.model.body(item.name).id
        own = [g for g in range(self.model.ngeom) if self.model.geom_bodyid[g] == body and self.model.geom_contype[g]]
        bench = self.model.geom("bench").id
        for other in range(self.model.ngeom):
            if other == bench or not self.model.geom_contype[other] or other in own:
                continue
            for geom in own:
                if mujoco.mj_geomDistance(self.model, self.data, geom, other, 2 * _CLEARANCE_M, None) < _CLEARANCE_M:
                    return False
        x, y, z = self.arm.state.tcp
        px, py, _ = self.data.xpos[body]
        return bool(z > 0.20 or math.hypot(x - px, y - py) > 0.12)

    def _between_fingers(self, name: str) -> bool:
        body = self.model.body(name).id
        fingers = {self.model.body("left_finger").id, self.model.body("right_finger").id}
        for contact in self.data.contact:
            first, second = self.model.geom_bodyid[contact.geom1], self.model.geom_bodyid[contact.geom2]
            if (first == body and second in fingers) or (second == body and first in fingers):
                return True
        return False


def _places(item: Item) -> Iterator[tuple[float, float]]:
    """Where a late item may be put: its own place, then others on widening rings, in reach and outside the zones."""
    yield item.x, item.y
    for ring in range(1, 11):
        for step in range(12):
            angle = 2 * math.pi * step / 12
            x, y = item.x + 0.04 * ring * math.cos(angle), item.y + 0.04 * ring * math.sin(angle)
            inside = SCATTER_X[0] <= x <= SCATTER_X[1] and SCATTER_Y[0] <= y <= SCATTER_Y[1]
            reachable = REACH_M[0] <= math.hypot(x, y) <= REACH_M[1]
            if inside and reachable and not any(zone.holds((x, y), 0.02) for zone in ZONES):
                yield x, y
