"""A 7-axis arm with a parallel gripper: our own MJCF on the published kinematics of the Franka Emika Panda.

Lengths, joint limits and velocity limits: Franka Control Interface documentation, "Robot and interface
specifications" (Denavit-Hartenberg table and limits of the Panda). The look is ours: capsules, cylinders and boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from vlm_bt.errors import ConfigError

OWN_ARM = "built-in"
JOINTS = tuple(f"joint{i}" for i in range(1, 8))
FINGER_JOINTS = ("finger_joint1", "finger_joint2")
ACTUATORS = tuple(f"actuator{i}" for i in range(1, 8))
GRIPPER = "gripper"

LIMITS_RAD = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
MAX_SPEED_RAD_S = (2.1750, 2.1750, 2.1750, 2.1750, 2.6100, 2.6100, 2.6100)
STIFFNESS = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
DAMPING = (300.0, 300.0, 230.0, 230.0, 130.0, 130.0, 80.0)
TORQUE_NM = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)

MAX_OPENING_M = 0.080
FINGER_THICKNESS_M = 0.008
FINGER_WIDTH_M = 0.018
TIP_BELOW_TCP_M = 0.008
HAND_ABOVE_TCP_M = 0.0434
GRIP_STIFFNESS_N_M = 2000.0
GRIP_FORCE_N = 30.0

NAMED_POSES_RAD = {
    "home": (0.0, -1.40, 0.0, -1.90, 0.0, 0.95, 0.785),
    "look": (0.0, -0.55, 0.0, -2.35, 0.0, 1.80, 0.785),
    "hand_over": (0.0, 0.223, 0.0, -1.798, 0.0, 2.020, 0.785),
}

_WHITE = (0.92, 0.93, 0.94, 1.0)
_GREY = (0.55, 0.57, 0.60, 1.0)
_DARK = (0.20, 0.21, 0.23, 1.0)
_X90, _X270 = (1.0, 1.0, 0.0, 0.0), (1.0, -1.0, 0.0, 0.0)
# Where each link sits in its parent.
_CHAIN: tuple[tuple[tuple[float, float, float], tuple[float, float, float, float]], ...] = (
    ((0.0, 0.0, 0.333), (1.0, 0.0, 0.0, 0.0)),
    ((0.0, 0.0, 0.0), _X270),
    ((0.0, -0.316, 0.0), _X90),
    ((0.0825, 0.0, 0.0), _X90),
    ((-0.0825, 0.384, 0.0), _X270),
    ((0.0, 0.0, 0.0), _X90),
    ((0.088, 0.0, 0.0), _X90),
)
_Shape = tuple[tuple[float, float, float], tuple[float, float, float], float, tuple[float, ...], float]
# What each link looks like: capsules (from, to, radius, colour, mass in kg).
LINK_CAPSULES: tuple[tuple[_Shape, ...], ...] = (
    (((0.0, 0.0, -0.17), (0.0, 0.0, -0.02), 0.062, _WHITE, 2.8),),
    (
        ((0.0, 0.0, -0.065), (0.0, 0.0, 0.065), 0.060, _WHITE, 1.6),
        ((0.0, -0.03, 0.0), (0.0, -0.17, 0.0), 0.060, _WHITE, 1.2),
    ),
    (
        ((0.0, 0.0, -0.10), (0.0, 0.0, -0.02), 0.056, _WHITE, 1.4),
        ((0.02, 0.0, -0.01), (0.0825, 0.0, 0.0), 0.052, _WHITE, 1.0),
        ((0.0825, -0.055, 0.0), (0.0825, 0.055, 0.0), 0.052, _GREY, 0.8),
    ),
    (
        ((0.0, 0.0, 0.0), (-0.0825, 0.05, 0.0), 0.050, _WHITE, 1.4),
        ((-0.0825, 0.06, 0.0), (-0.0825, 0.13, 0.0), 0.052, _WHITE, 1.4),
    ),
    (
        ((0.0, 0.0, -0.24), (0.0, 0.0, -0.09), 0.046, _WHITE, 1.6),
        ((0.0, 0.0, -0.09), (0.0, 0.0, -0.01), 0.042, _GREY, 0.6),
    ),
    (
        ((0.0, 0.0, -0.05), (0.0, 0.0, 0.05), 0.046, _WHITE, 0.8),
        ((0.0, 0.0, 0.0), (0.088, 0.0, 0.0), 0.044, _WHITE, 0.5),
    ),
    (((0.0, 0.0, -0.01), (0.0, 0.0, 0.065), 0.042, _GREY, 0.6),),
)


def add_arm(spec: mujoco.MjSpec, name: str = OWN_ARM) -> None:
    """Put the arm at the origin of a scene. Only its hand and fingers can touch things; links pass through.

    Raises:
        ConfigError: `name` is no arm that is known here, or its files cannot be had.
    """
    if name == OWN_ARM:
        _add_own_arm(spec)
        return
    spec.worldbody.add_frame().attach_body(arm_spec(name).body("link0"), "", "")


def arm_spec(name: str = OWN_ARM) -> mujoco.MjSpec:
    """The robot alone: ours, or the Panda of the `mujoco-menagerie` library fitted with our gripper drive.

    Raises:
        ConfigError: Unknown name, library not installed, or its download failed.
    """
    if name == OWN_ARM:
        spec = mujoco.MjSpec()
        _add_own_arm(spec)
        return spec
    if name != "franka_emika_panda":
        raise ConfigError(f"robot {name!r} is not known; known: {OWN_ARM}, franka_emika_panda")
    try:
        import mujoco_menagerie  # type: ignore[import-not-found,unused-ignore]
    except ImportError as missing:
        raise ConfigError(f"robot {name!r} comes with a library: pip install mujoco-menagerie") from missing
    try:
        spec = mujoco_menagerie.get(name).spec("panda")
    except Exception as cause:
        raise ConfigError(
            f"robot {name!r} is downloaded when first used, and that failed ({cause}); {OWN_ARM!r} needs no download"
        ) from cause
    _fit_menagerie_panda(spec)
    return spec


def _add_own_arm(spec: mujoco.MjSpec) -> None:
    # A spec may count its angles in degrees; quaternions and lengths do not care.
    unit = math.degrees(1.0) if spec.compiler.degree else 1.0
    base = spec.worldbody.add_body(name="link0", gravcomp=1)
    _capsule(base, (0.0, 0.0, 0.07), (0.0, 0.0, 0.12), 0.064, _WHITE, 2.0)
    _box(base, (-0.07, 0.0, 0.012), (0.085, 0.085, 0.012), _GREY, 1.0)
    parent = base
    for index, (position, quaternion) in enumerate(_CHAIN):
        link = parent.add_body(name=f"link{index + 1}", pos=position, quat=quaternion, gravcomp=1)
        link.add_joint(
            name=JOINTS[index],
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=(0.0, 0.0, 1.0),
            range=[limit * unit for limit in LIMITS_RAD[index]],
            limited=mujoco.mjtLimited.mjLIMITED_TRUE,
            armature=0.1,
            damping=1.0,
        )
        for start, end, radius, colour, mass in LINK_CAPSULES[index]:
            _capsule(link, start, end, radius, colour, mass)
        _drive(spec, index)
        parent = link
    _add_hand(spec, parent)


def _drive(spec: mujoco.MjSpec, index: int) -> None:
    actuator = spec.add_actuator(name=ACTUATORS[index], target=JOINTS[index], trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(kp=STIFFNESS[index], kv=DAMPING[index])
    actuator.forcerange = (-TORQUE_NM[index], TORQUE_NM[index])
    actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE


def _add_hand(spec: mujoco.MjSpec, flange: Any) -> None:
    eighth = math.pi / 8
    hand = flange.add_body(
        name="hand", pos=(0.0, 0.0, 0.107), quat=(math.cos(eighth), 0.0, 0.0, -math.sin(eighth)), gravcomp=1
    )
    _box(hand, (0.0, 0.0, 0.030), (0.022, 0.098, 0.030), _WHITE, 0.6, collides=True)
    _capsule(hand, (0.0, 0.0, -0.03), (0.0, 0.0, 0.0), 0.032, _DARK, 0.1)
    _box(hand, (0.058, 0.0, 0.010), (0.012, 0.045, 0.011), _DARK, 0.05)
    _box(hand, (0.034, 0.0, 0.010), (0.014, 0.012, 0.006), _DARK, 0.02)
    _add_tool_centre(hand)
    for name, joint, turn in (
        ("left_finger", FINGER_JOINTS[0], (1.0, 0.0, 0.0, 0.0)),
        ("right_finger", FINGER_JOINTS[1], (0.0, 0.0, 0.0, 1.0)),
    ):
        _add_finger(hand, name, joint, turn)
    spec.add_exclude(bodyname1="left_finger", bodyname2="right_finger")
    equality = spec.add_equality(
        name="fingers_move_together", type=mujoco.mjtEq.mjEQ_JOINT, name1=FINGER_JOINTS[0], name2=FINGER_JOINTS[1]
    )
    equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
    equality.data[:2] = (0.0, 1.0)
    equality.solref[:2] = (0.004, 1.0)
    _drive_fingers(spec)


def _add_tool_centre(hand: Any) -> None:
    """The site `tcp` between the fingertips, and the wrist camera that looks past the hand at them."""
    hand.add_site(name="tcp", pos=(0.0, 0.0, 0.1034), size=(0.002, 0.002, 0.002), group=4)
    tilt = math.radians(17.0)
    across = np.array([0.0, 1.0, 0.0])
    backwards = np.array([math.sin(tilt), 0.0, -math.cos(tilt)])
    rotation = np.stack([across, np.cross(backwards, across), backwards], axis=1)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    hand.add_camera(name="wrist", pos=(0.064, 0.0, 0.022), quat=quaternion, fovy=58.0, resolution=(640, 480))


def _add_finger(hand: Any, name: str, joint: str, turn: Sequence[float]) -> None:
    finger = hand.add_body(name=name, pos=(0.0, 0.0, 0.0584), quat=turn, gravcomp=1)
    finger.add_joint(
        name=joint,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(0.0, 1.0, 0.0),
        range=(0.0, MAX_OPENING_M / 2),
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        armature=0.1,
        damping=2.0,
        solref_limit=(0.004, 1.0),
    )
    tip = 0.1034 - 0.0584 + TIP_BELOW_TCP_M
    half = (FINGER_WIDTH_M / 2, FINGER_THICKNESS_M / 2, tip / 2)
    pad = _box(finger, (0.0, FINGER_THICKNESS_M / 2, tip / 2), half, _DARK, 0.03, collides=True)
    _make_pad(pad)


def _make_pad(geom: Any) -> None:
    geom.friction = (1.5, 0.02, 0.001)
    geom.condim = 4
    geom.priority = 1
    # Stiff: with MuJoCo's defaults the pads sink millimetres into what they grip, and it creeps through them.
    geom.solref = (0.004, 1.0)
    geom.solimp[:3] = (0.97, 0.99, 0.001)


def _drive_fingers(spec: mujoco.MjSpec) -> None:
    """One drive for both fingers; its length and its control are the opening, metres."""
    tendon = spec.add_tendon(name="opening")
    for joint in FINGER_JOINTS:
        tendon.wrap_joint(joint, 1.0)
    actuator = spec.add_actuator(name=GRIPPER, target="opening", trntype=mujoco.mjtTrn.mjTRN_TENDON)
    actuator.set_to_position(kp=GRIP_STIFFNESS_N_M, kv=40.0)
    actuator.ctrlrange = (-0.02, MAX_OPENING_M)
    actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
    actuator.forcerange = (-GRIP_FORCE_N, GRIP_FORCE_N)
    actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE


def _fit_menagerie_panda(spec: mujoco.MjSpec) -> None:
    """Give the library's Panda the names, drives and pads that the rest of the simulation counts on."""
    for body in spec.bodies:
        if body.name != "world":
            body.gravcomp = 1
    for geom in spec.geoms:
        on_hand = geom.parent.name in ("hand", "left_finger", "right_finger")
        if not on_hand:
            geom.contype = geom.conaffinity = 0
        elif geom.parent.name != "hand" and geom.type == mujoco.mjtGeom.mjGEOM_BOX:
            _make_pad(geom)
    for index, actuator in enumerate(spec.actuators[:7]):
        actuator.name = ACTUATORS[index]
        actuator.set_to_position(kp=STIFFNESS[index], kv=DAMPING[index])
    for key in list(spec.keys):
        spec.delete(key)
    spec.delete(spec.actuators[7])
    for tendon in list(spec.tendons):
        spec.delete(tendon)
    _drive_fingers(spec)
    _add_tool_centre(spec.body("hand"))


def _capsule(
    body: Any, start: Sequence[float], end: Sequence[float], radius: float, colour: Sequence[float], mass: float
) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=(*start, *end),
        size=(radius, 0.0, 0.0),
        rgba=colour,
        mass=mass,
        contype=0,
        conaffinity=0,
        group=2,
    )


def _box(
    body: Any,
    centre: Sequence[float],
    half: Sequence[float],
    colour: Sequence[float],
    mass: float,
    collides: bool = False,
) -> Any:
    mask = 1 if collides else 0
    return body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=centre,
        size=half,
        rgba=colour,
        mass=mass,
        contype=mask,
        conaffinity=mask,
        group=2,
    )
