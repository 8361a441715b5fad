"""The stepping world, what it stages, and the truth that only the scorer reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest

from vlm_bt.errors import DrawingError
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.simulation.drawing import enable
from vlm_bt.simulation.scenario import ZONES, Scenario
from vlm_bt.simulation.scene import item_pose
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.world import World
from vlm_bt.types import Box, Footprint, Grasp, LocatedObject, PlaceSpot, VerifiedObject

TICK_S = 0.05
ZONE = {zone.name: zone for zone in ZONES}


def run(world: World, ticket: Ticket[Any], limit_s: float = 15.0) -> None:
    end_s = world.now_s + limit_s
    while ticket.outcome is None and world.now_s < end_s:
        world.advance(TICK_S)


def pass_s(world: World, seconds: float) -> None:
    for _ in range(round(seconds / TICK_S)):
        world.advance(TICK_S)


def lay(world: World, name: str, x: float, y: float, z: float = 0.012) -> None:
    """Put an item somewhere, from above and by force."""
    item = world.scenario.item(name)
    address = int(world.model.joint(f"{name}_free").qposadr[0])
    world.data.qpos[address : address + 7] = (x, y, z, *item_pose(item)[1])
    mujoco.mj_forward(world.model, world.data)


def grip(world: World, name: str, yaw_rad: float) -> Ticket[Any]:
    """A pick of an item where it really lies."""
    x, y = (float(v) for v in world.data.body(name).xpos[:2])
    shape = Footprint((x, y), 0.15, 0.02, yaw_rad, 0.02, 0.002)
    located = LocatedObject(name, "f", 0, Box(0, 0, 1, 1), shape, world.now_s)
    tool = VerifiedObject(located, world.scenario.item(name).kind, "verdict-1")
    return world.arm.pick(tool, [Grasp((x, y, 0.010), yaw_rad, 0.05, 1.0)])


@pytest.fixture(scope="module")
def full() -> Scenario:
    return Scenario.from_seed(31)


def test_time_is_that_of_a_clock_that_counts_ticks() -> None:
    world = World(Scenario.from_seed(1, kinds=["screw"]))
    for tick in range(1, 60):
        world.advance(TICK_S)
        assert world.now_s == tick * TICK_S
    assert world.data.time == pytest.approx(world.now_s)


def test_a_full_bench_lies_still_while_the_arm_moves_above_it(full: Scenario) -> None:
    world = World(full, staged=False)
    truth = Truth(world)
    before = truth.positions()
    run(world, world.arm.move_to("look"))
    run(world, world.arm.move_to("home"))
    for old, new in zip(before, truth.positions(), strict=True):
        assert math.hypot(new.x - old.x, new.y - old.y) < 0.0005
    # Sleeping items are what makes a full bench cheap: only the arm is awake.
    assert world.data.ntree_awake == 1


def test_late_items_turn_up_at_their_time_and_lie_free(full: Scenario) -> None:
    first, second = sorted(full.late, key=lambda name: full.item(name).appears_s)
    hurried = tuple(
        replace(item, appears_s={first: 0.5, second: 1.0}[item.name]) if item.appears_s else item for item in full.items
    )
    world = World(replace(full, items=hurried))
    truth = Truth(world)
    assert world.waiting == (first, second)
    pass_s(world, 0.4)
    assert not any(place.on_bench for place in truth.positions() if place.name in (first, second))
    pass_s(world, 1.0)
    assert world.waiting == ()
    for name in (first, second):
        place = next(place for place in truth.positions() if place.name == name)
        assert place.on_bench and place.z < 0.02
        assert (place.x, place.y) == pytest.approx((full.item(name).x, full.item(name).y), abs=0.005)


def test_a_late_item_whose_place_is_taken_comes_to_rest_beside_it() -> None:
    scenario = Scenario.from_seed(2, kinds=["multi-tool", "screw"])
    late = replace(scenario.item("screw_1"), x=0.45, y=0.25, appears_s=0.3)
    scenario = replace(scenario.with_item_at("multi_tool_1", 0.45, 0.25), items=(scenario.items[0], late))
    world = World(scenario.with_item_at("multi_tool_1", 0.45, 0.25))
    pass_s(world, 1.0)
    screw, tool = world.data.body("screw_1").xpos, world.data.body("multi_tool_1").xpos
    assert 0.02 < math.hypot(screw[0] - tool[0], screw[1] - tool[1]) < 0.20
    assert 0 < screw[2] < 0.01 and abs(tool[0] - 0.45) < 0.001


def test_without_staging_everything_lies_there_from_the_start(full: Scenario) -> None:
    world = World(full, staged=False)
    assert world.waiting == () and all(place.on_bench for place in Truth(world).positions())


def test_the_item_that_slips_does_so_once() -> None:
    scenario = Scenario.from_seed(9, kinds=["combination wrench"])
    name = scenario.items[0].name
    world = World(replace(scenario.with_item_at(name, 0.5, -0.1, 0.3), slip=0))
    slipped = grip(world, name, 0.3)
    run(world, slipped)
    assert slipped.outcome is not None and slipped.outcome.reason == "dropped"
    rotation = world.data.body(name).xmat
    again = grip(world, name, math.atan2(rotation[3], rotation[0]))
    run(world, again)
    assert again.outcome is not None and again.outcome.ok


def test_the_same_seed_and_commands_give_the_same_world_to_the_last_bit() -> None:
    def played() -> str:
        world = World(Scenario.from_seed(14, items=9))
        wrench = next(item for item in world.scenario.items if item.kind == "combination wrench")
        ticket = grip(world, wrench.name, wrench.yaw_rad)
        run(world, ticket)
        if ticket.outcome is not None and ticket.outcome.ok:
            run(world, world.arm.place(ticket.value, PlaceSpot((0.22, 0.46), 0.2, "left")))
        return hashlib.sha256(world.data.qpos.tobytes() + world.data.qvel.tobytes()).hexdigest()

    assert played() == played()


def test_truth_names_what_covers_a_place_and_nothing_farther_than_40_mm(full: Scenario) -> None:
    world = World(full, staged=False)
    truth = Truth(world)
    for place in truth.positions():
        x, y, _ = world.data.body(place.name).xpos
        assert truth.kind_at(float(x), float(y)) == place.kind
    assert truth.kind_at(-0.2, 0.7) == ""


def test_of_two_things_near_a_place_the_one_that_covers_it_is_meant() -> None:
    scenario = Scenario.from_seed(3, kinds=["screw", "T-handle Allen wrench"])
    scenario = scenario.with_item_at("t_handle_allen_wrench_1", 0.45, 0.2, 0.0)
    # Between handle and tip, beside the shaft: inside the convex outline of the T, yet a screw lies there.
    world = World(scenario.with_item_at("screw_1", 0.45, 0.22, 0.0))
    assert Truth(world).kind_at(0.45, 0.221) == "screw"


@pytest.mark.parametrize(
    ("kind", "x", "y", "z", "judgement"),
    [
        ("screw", 0.46, -0.46, 0.012, "sorted"),
        ("screw", 0.20, 0.46, 0.012, "wrong_zone"),
        ("screw", 0.50, 0.25, 0.012, "unsorted"),
        ("screw", 1.20, 0.25, -0.70, "on_floor"),
        ("multi-tool", 0.36, 0.00, 0.012, "sorted"),
        ("T-handle Allen wrench", 0.22, 0.46, 0.012, "sorted"),
        ("hammer", 0.22, 0.46, 0.02, "wrong_zone"),
        ("hammer", 0.50, 0.25, 0.02, "sorted"),
    ],
)
def test_an_item_is_judged_by_where_it_ends(kind: str, x: float, y: float, z: float, judgement: str) -> None:
    world = World(Scenario.from_seed(4, kinds=[kind]))
    truth = Truth(world)
    name = world.scenario.items[0].name
    lay(world, name, x, y, z)
    score = truth.score(ZONE)
    assert score.details[0].judgement == judgement
    assert (score.items, getattr(score, judgement)) == (1, 1)


def test_a_thing_that_nobody_should_move_is_sorted_where_it_began_even_in_a_zone() -> None:
    scenario = Scenario.from_seed(4, kinds=["hammer"]).with_item_at("hammer_1", 0.22, 0.46)
    world = World(scenario)
    truth = Truth(world)
    assert truth.score(ZONE).sorted == 1
    lay(world, "hammer_1", 0.30, 0.46)
    assert truth.score(ZONE).wrong_zone == 1


def test_what_never_turned_up_is_unsorted_and_not_on_the_floor(full: Scenario) -> None:
    score = Truth(World(full)).score(ZONE)
    assert score.items == 25 and score.on_floor == 0
    assert score.sorted + score.wrong_zone + score.on_floor + score.unsorted == 25


def test_nothing_public_of_the_arm_leads_to_the_simulation(full: Scenario) -> None:
    world = World(full)
    secrets = (World, Scenario, Truth, mujoco.MjModel, mujoco.MjData)
    for name in dir(world.arm):
        if not name.startswith("_"):
            assert not isinstance(getattr(world.arm, name), secrets), name
    assert not any(isinstance(value, Truth) for value in vars(world).values())


@pytest.fixture
def frames() -> Iterator[FrameStore]:
    try:
        enable()
    except DrawingError as missing:
        pytest.skip(str(missing))
    store = FrameStore()
    yield store
    store.close()


def test_a_picture_bears_the_time_of_the_tick_that_takes_it(frames: FrameStore) -> None:
    world = World(Scenario.from_seed(5, kinds=["pliers"]), frames)
    ticket = world.cameras.request("overhead")
    assert ticket.outcome is None
    world.advance(TICK_S)
    frame = frames.get(ticket.value)
    assert frame.stamp_s == world.now_s
    assert world.arm.state.last_motion_s < frame.stamp_s
    world.close()


def test_the_monitor_sees_the_person_and_never_the_arm(frames: FrameStore) -> None:
    scenario = Scenario.from_seed(5, kinds=["combination wrench"]).with_item_at("combination_wrench_1", 0.5, 0.1, 0.4)
    world = World(replace(scenario, person_visits=((9.0, 11.0),)), frames)
    assert world.monitor.read().ok
    ticket = grip(world, "combination_wrench_1", 0.4)
    while ticket.outcome is None or world.arm.phase != "idle":
        world.advance(TICK_S)
        assert world.monitor.read().ok and world.now_s - world.monitor.read().stamp_s < 0.11
    home = world.arm.move_to("home")
    while home.outcome is None:
        world.advance(TICK_S)
        assert world.monitor.read().ok, world.monitor.read()
    pass_s(world, 10.0 - world.now_s)
    assert not world.monitor.read().ok
    pass_s(world, 5.0)
    assert world.monitor.read().ok
    world.close()


def test_a_world_without_frames_says_that_it_has_no_cameras() -> None:
    world = World(Scenario.from_seed(5, kinds=["screw"]))
    with pytest.raises(RuntimeError, match="FrameStore"):
        _ = world.cameras
    assert np.isfinite(world.data.qpos).all()
    world.close()
