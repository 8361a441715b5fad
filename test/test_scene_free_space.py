import math
from functools import cache

import pytest
from bench_frames import BIN, Block, bench_frame, walls_of

from vlm_bt.scene.free_space import REACH_M, find_free, find_spot
from vlm_bt.scene.geometry import line_angle
from vlm_bt.scene.tabletop import segment
from vlm_bt.types import Box, Footprint, HeldObject, LocatedObject, VerifiedObject, Zone

LEFT = Zone("left", (0.06, 0.38), (0.34, 0.58))
CENTRE = Zone("centre", (0.26, 0.46), (-0.17, 0.17))
ZONES = (LEFT, CENTRE, BIN)


def held(length=0.15, width=0.02, yaw=0.3, centre=(0.5, 0.0), offset=(0.0, 0.0), yaw_offset=0.0):
    shape = Footprint(centre, length, width, yaw, 0.012, length * width)
    tool = VerifiedObject(LocatedObject("object-1", "overhead-1", 0, Box(0, 0, 9, 9), shape, 0.0), "wrench", "v1")
    return HeldObject(tool, "v1", width, 0.0105, offset, yaw_offset)


@cache
def bench(blocks=()):
    return segment(bench_frame(list(blocks)), [BIN])


def lies_in(zone, spot, length, width):
    half_x = (abs(math.cos(spot.yaw_rad)) * length + abs(math.sin(spot.yaw_rad)) * width) / 2
    half_y = (abs(math.sin(spot.yaw_rad)) * length + abs(math.cos(spot.yaw_rad)) * width) / 2
    x, y = spot.centre
    slack = 0.0045
    return (
        zone.x[0] - slack <= x - half_x
        and x + half_x <= zone.x[1] + slack
        and zone.y[0] - slack <= y - half_y
        and y + half_y <= zone.y[1] + slack
    )


@pytest.mark.parametrize(("zone", "yaw"), [(LEFT, math.pi / 2), (CENTRE, 0.0)])
def test_in_an_empty_zone_a_thing_lies_across_it_wholly_inside(zone, yaw):
    spot = find_spot(bench(), zone, held())
    assert spot.zone == zone.name and spot.drop_m == 0.0
    assert line_angle(spot.yaw_rad, yaw) < 1e-6
    assert lies_in(zone, spot, 0.15, 0.02)


def test_things_are_laid_side_by_side_until_the_zone_is_full():
    blocks, spots = (), []
    while (spot := find_spot(bench(blocks), LEFT, held(width=0.03))) is not None:
        spots.append(spot)
        blocks += (Block(*spot.centre, 0.15, 0.03, 0.012, spot.yaw_rad),)
        assert len(spots) < 20
    assert len(spots) >= 5
    straight = [s for s in spots if line_angle(s.yaw_rad, math.pi / 2) < 0.01]
    assert len(straight) >= 5
    for one in spots:
        for other in spots:
            if one is not other and line_angle(one.yaw_rad, other.yaw_rad) < 0.01:
                apart = math.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1])
                assert apart > 0.03 + 0.004


def test_the_fingers_find_room_beside_the_thing():
    spot = find_spot(bench(), LEFT, held())
    guard = Block(spot.centre[0] - 0.030, spot.centre[1], 0.01, 0.01, 0.02)
    middle = find_spot(bench((guard,)), LEFT, held())
    assert math.hypot(middle.centre[0] - spot.centre[0], middle.centre[1] - spot.centre[1]) > 0.004
    far_grip = held(offset=(0.06, 0.0))
    beside = find_spot(bench((guard,)), LEFT, far_grip)
    assert beside.centre == pytest.approx(find_spot(bench(), LEFT, far_grip).centre, abs=1e-6)


def test_the_thing_in_the_hand_is_in_nobodys_way():
    blocks = (Block(0.22, 0.46, 0.30, 0.22, 0.02),)
    found = bench(blocks)
    assert find_spot(found, LEFT, held(length=0.2, width=0.1)) is None
    assert find_spot(found, LEFT, held(length=0.2, width=0.1), without=0) is not None


def test_places_that_were_tried_are_avoided():
    first = find_spot(bench(), LEFT, held())
    second = find_spot(bench(), LEFT, held(), avoid=[first.centre])
    assert math.hypot(first.centre[0] - second.centre[0], first.centre[1] - second.centre[1]) >= 0.015


def test_a_thing_longer_than_the_zone_is_wide_still_has_its_middle_inside():
    spot = find_spot(bench(), LEFT, held(length=0.26))
    assert LEFT.holds(spot.centre, -0.012)


def test_a_hand_out_of_reach_is_no_place():
    far = Zone("far", (0.72, 0.78), (0.40, 0.60))
    assert find_spot(bench(), far, held(length=0.05)) is None


def test_into_a_container_a_thing_is_dropped_over_the_middle_and_then_beside_the_heap():
    spot = find_spot(bench(tuple(walls_of(BIN))), BIN, held(length=0.03, width=0.006))
    assert spot.centre == pytest.approx((0.46, -0.46))
    assert spot.drop_m == pytest.approx(0.06)
    heap = (*walls_of(BIN), Block(0.46, -0.46, 0.03, 0.03, 0.02))
    beside = find_spot(bench(heap), BIN, held(length=0.03, width=0.006))
    assert beside.centre != spot.centre and BIN.holds(beside.centre, -0.03)


def test_a_put_aside_place_is_near_outside_every_zone_and_free():
    thing = held(centre=(0.36, 0.0))
    spot = find_free(bench(), ZONES, thing)
    assert spot.zone == ""
    assert not any(zone.holds(spot.centre, 0.02) for zone in ZONES)
    assert REACH_M[0] <= math.hypot(*spot.centre) <= REACH_M[1]
    assert math.hypot(spot.centre[0] - 0.36, spot.centre[1]) < 0.30
    blocked = bench((Block(*spot.centre, 0.05, 0.05, 0.02),))
    assert find_free(blocked, ZONES, thing).centre != spot.centre
