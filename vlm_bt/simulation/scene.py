"""The workbench as a MuJoCo model: bench, zones, bin, items, lamp, cameras and the person.

Groups of geoms: 0 bench and person, 1 what items look like, 2 the arm, 3 what touches (never drawn).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vlm_bt.simulation import drawing
from vlm_bt.simulation.benchtop import bench_picture
from vlm_bt.simulation.outlines import Collider, Paint, ToolModel, Visual
from vlm_bt.simulation.scenario import BENCH_X, BENCH_Y, BENCHES, PARKED, ZONES, Item, Scenario
from vlm_bt.simulation.tools import make_tool
from vlm_bt.types import Zone

drawing.prefer()
import mujoco  # noqa: E402  (the drawing library is chosen before MuJoCo is imported)

FLOOR_Z = -0.75
BIN_WALL_M = 0.040
OVERHEAD_POSITION = (0.33, 0.0, 1.15)
OVERHEAD_FOVY_DEG = 42.0
MONITOR_POSITION = (0.35, 0.0, 2.6)
MONITOR_FOVY_DEG = 58.0
IMAGE_SIZES: dict[str, tuple[int, int]] = {
    "overhead": (1280, 720),
    "wrist": (640, 480),
    "monitor": (64, 48),
    "view": (1280, 720),
}
ITEM_GROUP = 1
COLLIDER_GROUP = 3
# Image right is -y and image up is +x: MuJoCo's cameras look along their -z, with x right and y up.
LOOKING_DOWN = (math.sqrt(0.5), 0.0, 0.0, -math.sqrt(0.5))

_SHINE = {"steel": (0.45, 0.55), "plastic": (0.35, 0.45), "rubber": (0.10, 0.10), "skin": (0.05, 0.05)}


def build_scene(
    scenario: Scenario,
    *,
    arm: bool = True,
    robot: str | None = None,
    person: bool = True,
    all_benches: bool = False,
) -> mujoco.MjSpec:
    """The scene, ready for `.compile()`; late items are parked on the floor far away.

    Args:
        arm: Whether the robot stands on it; `robot` names another one than our own.
        all_benches: Carry every bench top, so that `apply_look` can change it without compiling again.
    """
    spec = mujoco.MjSpec()
    _set_options(spec)
    _add_materials(spec)
    _add_sky(spec)
    _add_bench(spec, scenario, BENCHES if all_benches else (scenario.bench,))
    _add_bin(spec.worldbody, next(zone for zone in ZONES if zone.container))
    _add_lights(spec, scenario)
    _add_cameras(spec.worldbody, scenario)
    if arm:
        from vlm_bt.simulation.robot import OWN_ARM, add_arm

        add_arm(spec, robot or OWN_ARM)
    for item in scenario.items:
        _add_item(spec, item)
    if person:
        from vlm_bt.simulation.person import add_person

        add_person(spec)
    return spec


def item_pose(item: Item) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    """Where an item lies on the bench when nothing has touched it: position and quaternion, base frame."""
    half_height = make_tool(item.kind, item.tool_seed, item.size).half_height_m
    return (item.x, item.y, half_height + 0.0003), _yaw(item.yaw_rad)


def parked_pose(index: int) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    """Where the item with this index waits until it turns up."""
    return (PARKED[0], PARKED[1] + 0.1 * index, PARKED[2] + 0.02), (1.0, 0.0, 0.0, 0.0)


def apply_look(model: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Change light, bench top and shades of a compiled scene, in place; for training pictures.

    Colours keep their names: brightness moves by up to 12%, hue hardly.
    """
    lamp = model.light("lamp").id
    model.light_pos[lamp] = (rng.uniform(-0.3, 0.9), rng.uniform(-0.9, 0.9), rng.uniform(1.4, 2.3))
    model.light_dir[lamp] = _aimed(model.light_pos[lamp])
    strength, tint = rng.uniform(0.32, 0.65), rng.uniform(0.95, 1.05, 3)
    model.light_diffuse[lamp] = strength * tint
    room = rng.uniform(0.22, 0.40)
    model.vis.headlight.ambient[:] = room
    model.vis.headlight.diffuse[:] = rng.uniform(0.35, 0.70) * room
    tops = [i for i in range(model.nmat) if model.mat(i).name.startswith("bench ")]
    chosen = int(rng.choice(tops))
    model.geom_matid[model.geom("bench_top").id] = chosen
    model.mat_rgba[chosen, :3] = rng.uniform(0.80, 1.0) * rng.uniform(0.95, 1.0, 3)
    painted = np.flatnonzero(model.geom_group == ITEM_GROUP)
    factor = rng.uniform(0.88, 1.12, (len(painted), 1)) * rng.uniform(0.97, 1.03, (len(painted), 3))
    model.geom_rgba[painted, :3] = (model.geom_user[painted] * factor).clip(0, 1)


def _set_options(spec: mujoco.MjSpec) -> None:
    spec.option.timestep = 0.002
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    spec.option.enableflags |= mujoco.mjtEnableBit.mjENBL_SLEEP
    visual = spec.visual
    visual.global_.offwidth, visual.global_.offheight = 1280, 720
    visual.quality.shadowsize = 1024
    visual.quality.offsamples = 4
    visual.map.znear, visual.map.zfar = 0.02, 8.0
    spec.stat.extent, spec.stat.center = 1.0, (0.35, 0.0, 0.1)
    # A geom's user data is the colour it was painted with, which `apply_look` starts from.
    spec.nuser_geom = 3


def _add_materials(spec: mujoco.MjSpec) -> None:
    for name, (specular, shininess) in _SHINE.items():
        spec.add_material(name=name, specular=specular, shininess=shininess)


def _add_sky(spec: mujoco.MjSpec) -> None:
    """The wall behind the bench, which only the `view` camera sees."""
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.80, 0.83, 0.86),
        rgb2=(0.52, 0.55, 0.58),
        width=128,
        height=128,
    )


def _add_bench(spec: mujoco.MjSpec, scenario: Scenario, tops: tuple[str, ...]) -> None:
    geom, world = mujoco.mjtGeom, spec.worldbody
    for top in tops:
        picture = bench_picture(top, scenario.seed)
        texture = spec.add_texture(
            name=top, type=mujoco.mjtTexture.mjTEXTURE_2D, width=picture.shape[1], height=picture.shape[0], nchannel=3
        )
        texture.data = picture.tobytes()
        material = spec.add_material(name=f"bench {top}", specular=0.15, shininess=0.2, texrepeat=(1, 1))
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = top
    centre = ((BENCH_X[0] + BENCH_X[1]) / 2, (BENCH_Y[0] + BENCH_Y[1]) / 2)
    half = ((BENCH_X[1] - BENCH_X[0]) / 2, (BENCH_Y[1] - BENCH_Y[0]) / 2)
    world.add_geom(
        name="bench",
        type=geom.mjGEOM_BOX,
        size=(*half, 0.05),
        pos=(*centre, -0.05),
        group=COLLIDER_GROUP,
        friction=(1.0, 0.005, 0.0001),
    )
    world.add_geom(
        name="bench_top",
        type=geom.mjGEOM_PLANE,
        size=(*half, 1.0),
        pos=(*centre, 0.0),
        material=f"bench {scenario.bench}",
        contype=0,
        conaffinity=0,
    )
    _drawn_box(world, (*centre, -0.021), (half[0], half[1], 0.02), (0.30, 0.22, 0.15, 1.0))
    for x in (BENCH_X[0] + 0.05, BENCH_X[1] - 0.05):
        for y in (BENCH_Y[0] + 0.05, BENCH_Y[1] - 0.05):
            _drawn_box(world, (x, y, -0.395), (0.03, 0.03, 0.355), (0.25, 0.26, 0.28, 1.0))
    world.add_geom(
        name="floor", type=geom.mjGEOM_PLANE, size=(4, 4, 0.1), pos=(0, 0, FLOOR_Z), rgba=(0.46, 0.48, 0.50, 1)
    )


def _add_bin(world: Any, zone: Zone) -> None:
    """Four walls that stand inside the zone's edge, and a bottom that is only drawn.

    A thin solid bottom would swallow what is dropped: once past its middle, contacts push a thing down.
    """
    wall = 0.0025
    x, y = sum(zone.x) / 2, sum(zone.y) / 2
    half_x, half_y = (zone.x[1] - zone.x[0]) / 2, (zone.y[1] - zone.y[0]) / 2
    shapes = [((x, y, 0.0003), (half_x, half_y, 0.0003))]
    for sign in (1, -1):
        shapes.append(((x + sign * (half_x - wall), y, BIN_WALL_M / 2), (wall, half_y, BIN_WALL_M / 2)))
        shapes.append(((x, y + sign * (half_y - wall), BIN_WALL_M / 2), (half_x, wall, BIN_WALL_M / 2)))
    for index, (centre, half) in enumerate(shapes):
        colour = (0.10, 0.13, 0.17, 1.0) if index == 0 else (0.16, 0.22, 0.30, 1.0)
        geom = _drawn_box(world, centre, half, colour)
        geom.name = f"bin_{index}"
        geom.contype = geom.conaffinity = 1 if index > 0 else 0


def _drawn_box(world: Any, centre: Any, half: Any, colour: tuple[float, ...]) -> Any:
    return world.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=centre, size=half, rgba=colour, contype=0, conaffinity=0)


def _add_lights(spec: mujoco.MjSpec, scenario: Scenario) -> None:
    light = scenario.light
    spec.visual.headlight.ambient = (light.room,) * 3
    spec.visual.headlight.diffuse = (0.5 * light.room,) * 3
    spec.visual.headlight.specular = (0.1, 0.1, 0.1)
    spec.worldbody.add_light(
        name="lamp",
        pos=light.position,
        dir=_aimed(light.position),
        diffuse=light.lamp,
        specular=(0.35, 0.35, 0.35),
        ambient=(0, 0, 0),
        castshadow=True,
        cutoff=75.0,
        exponent=1.0,
    )


def _aimed(position: Any) -> tuple[float, float, float]:
    direction = np.array([0.4, 0.0, 0.0]) - np.asarray(position, float)
    direction /= np.linalg.norm(direction)
    return (float(direction[0]), float(direction[1]), float(direction[2]))


def _add_cameras(world: Any, scenario: Scenario) -> None:
    offset = scenario.camera_offset
    turn, down = np.zeros(4), np.zeros(4)
    angle = float(np.linalg.norm(offset.rotation))
    axis = np.array(offset.rotation) / angle if angle > 0 else np.array([0.0, 0.0, 1.0])
    mujoco.mju_axisAngle2Quat(turn, axis, angle)
    mujoco.mju_mulQuat(down, turn, np.array(LOOKING_DOWN))
    position = np.array(OVERHEAD_POSITION) + np.array(offset.position)
    world.add_camera(
        name="overhead", pos=position, quat=down, fovy=OVERHEAD_FOVY_DEG, resolution=IMAGE_SIZES["overhead"]
    )
    world.add_camera(
        name="monitor",
        pos=MONITOR_POSITION,
        quat=LOOKING_DOWN,
        fovy=MONITOR_FOVY_DEG,
        resolution=IMAGE_SIZES["monitor"],
    )
    eye, target = np.array([1.50, -0.80, 1.05]), np.array([0.22, -0.02, 0.16])
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    rotation, quaternion = np.stack([right, np.cross(back, right), back], axis=1), np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    world.add_camera(name="view", pos=eye, quat=quaternion, fovy=42.0, resolution=IMAGE_SIZES["view"])


def _add_item(spec: mujoco.MjSpec, item: Item) -> None:
    model = make_tool(item.kind, item.tool_seed, item.size)
    position, quaternion = parked_pose(_number(item)) if item.appears_s > 0 else item_pose(item)
    add_thing(spec, item.name, model, position, quaternion)


def add_thing(
    spec: mujoco.MjSpec,
    name: str,
    model: ToolModel,
    position: tuple[float, float, float],
    quaternion: tuple[float, float, float, float],
) -> None:
    """Put a tool model into a scene as a free body with a joint `<name>_free`."""
    body = spec.worldbody.add_body(name=name, pos=position, quat=quaternion)
    body.add_freejoint(name=f"{name}_free")
    for index, visual in enumerate(model.visuals):
        _add_visual(spec, body, f"{name}_{index}", visual)
    volume = sum(collider.volume_m3 for collider in model.colliders)
    for collider in model.colliders:
        _add_collider(body, collider, model.mass_kg * collider.volume_m3 / volume)


def _add_visual(spec: mujoco.MjSpec, body: Any, name: str, visual: Visual) -> None:
    mesh = spec.add_mesh(name=name)
    mesh.uservert = visual.vertices.ravel()
    mesh.userface = visual.faces.ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    paint: Paint = visual.paint
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        rgba=(*paint.rgb, 1.0),
        material=paint.finish,
        contype=0,
        conaffinity=0,
        group=ITEM_GROUP,
        mass=0,
        userdata=paint.rgb,
    )


def _add_collider(body: Any, collider: Collider, mass_kg: float) -> None:
    kind = mujoco.mjtGeom.mjGEOM_BOX if collider.shape == "box" else mujoco.mjtGeom.mjGEOM_CYLINDER
    body.add_geom(
        type=kind,
        size=(*collider.size, 0.0)[:3],
        pos=collider.position,
        quat=collider.quaternion,
        group=COLLIDER_GROUP,
        mass=mass_kg,
        friction=(1.0, 0.005, 0.0001),
        condim=4,
        rgba=(1.0, 0.0, 1.0, 0.4),
    )


def _number(item: Item) -> int:
    return int(item.name.rsplit("_", 1)[1])


def _yaw(yaw_rad: float) -> tuple[float, float, float, float]:
    return (math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2))
