import math

import pytest
from bench_frames import Block, bench_frame, screwdriver

from vlm_bt.scene.geometry import line_angle
from vlm_bt.scene.grasps import LIMITS, plan_grasps
from vlm_bt.scene.tabletop import segment

WRENCH = Block(0.35, 0.2, 0.17, 0.014, 0.006, 0.7)


def grasps_of(blocks, at):
    found = segment(bench_frame(blocks, seed=4))
    region = min(found.regions, key=lambda r: math.hypot(r.footprint.centre[0] - at[0], r.footprint.centre[1] - at[1]))
    return plan_grasps(found, region.index)


def in_frame_of(block, grasp):
    """(along, across) of a grasp in a block's own axes, metres."""
    dx, dy = grasp.position[0] - block.x, grasp.position[1] - block.y
    c, s = math.cos(block.yaw_rad), math.sin(block.yaw_rad)
    return c * dx + s * dy, c * dy - s * dx


def test_a_wrench_is_taken_across_its_shaft_near_the_middle():
    grasps = grasps_of([WRENCH], (WRENCH.x, WRENCH.y))
    best = grasps[0]
    along, across = in_frame_of(WRENCH, best)
    assert abs(along) < 0.02 and abs(across) < 0.003
    assert line_angle(best.yaw_rad, WRENCH.yaw_rad) < math.radians(5)
    assert best.opening_m == pytest.approx(WRENCH.width_m + 2 * 0.008, abs=0.004)
    assert best.position[2] == LIMITS.lowest_z_m
    assert 0.7 < best.score <= 1.0


def test_candidates_are_ranked_diverse_and_at_most_twelve():
    grasps = grasps_of([WRENCH], (WRENCH.x, WRENCH.y))
    assert 6 <= len(grasps) <= 12
    assert [g.score for g in grasps] == sorted((g.score for g in grasps), reverse=True)
    assert len({(round(g.position[0], 3), round(g.position[1], 3), round(g.yaw_rad, 1)) for g in grasps}) == len(grasps)


def test_a_screwdriver_is_taken_by_its_handle_at_half_its_height():
    blocks = screwdriver(0.35, 0.2, 0.4)
    best = grasps_of(blocks, (0.35, 0.2))[0]
    along, _ = in_frame_of(blocks[0], best)
    assert abs(along) < blocks[0].length_m / 2
    assert best.position[2] == pytest.approx(0.0135, abs=0.001)
    assert best.opening_m == pytest.approx(0.027 + 0.016, abs=0.004)


def test_a_screw_is_taken_across():
    screw = Block(0.35, 0.2, 0.022, 0.006, 0.005, -0.5)
    best = grasps_of([screw], (screw.x, screw.y))[0]
    assert line_angle(best.yaw_rad, screw.yaw_rad) < math.radians(20)
    assert math.hypot(*in_frame_of(screw, best)) < 0.005


def test_a_compact_thing_may_be_taken_both_ways_and_opens_the_jaws_wide():
    tape = Block(0.35, 0.2, 0.064, 0.058, 0.032, 0.2)
    grasps = grasps_of([tape], (tape.x, tape.y))
    assert grasps[0].position[2] == pytest.approx(0.016, abs=0.001)
    assert grasps[0].opening_m <= 0.078
    turned = [line_angle(g.yaw_rad, tape.yaw_rad) for g in grasps]
    assert min(turned) < 0.2


def test_a_thing_wider_than_the_jaws_has_no_grasp():
    assert grasps_of([Block(0.35, 0.2, 0.12, 0.10, 0.03)], (0.35, 0.2)) == []


def test_fingers_never_land_on_a_neighbour():
    neighbour = Block(0.35 - 0.02 * math.sin(0.7), 0.2 + 0.02 * math.cos(0.7), 0.05, 0.012, 0.02, 0.7)
    free, crowded = (grasps_of(b, (WRENCH.x, WRENCH.y)) for b in ([WRENCH], [WRENCH, neighbour]))
    assert abs(in_frame_of(WRENCH, free[0])[0]) < 0.02
    sound = [g for g in crowded if g.score > 0]
    assert sound
    for grasp in sound:
        assert abs(in_frame_of(WRENCH, grasp)[0]) > 0.025 + LIMITS.finger_wide_m / 2 - 0.002


def test_between_close_neighbours_the_jaws_open_less():
    walls = [Block(0.35, 0.2 + side * 0.0205, 0.20, 0.01, 0.02) for side in (-1, 1)]
    bar = Block(0.35, 0.2, 0.15, 0.012, 0.012)
    assert grasps_of([bar, *walls], (0.35, 0.2)) == []
    walls = [Block(0.35, 0.2 + side * 0.0305, 0.20, 0.01, 0.02) for side in (-1, 1)]
    grasps = grasps_of([bar, *walls], (0.35, 0.2))
    assert grasps and all(g.score > 0 and g.opening_m < 0.012 + 2 * 0.0075 for g in grasps)


def test_a_grasp_without_clearance_comes_last_with_a_score_below_zero():
    walls = [Block(0.35, 0.2 + side * 0.0265, 0.20, 0.01, 0.02) for side in (-1, 1)]
    grasps = grasps_of([Block(0.35, 0.2, 0.15, 0.012, 0.012), *walls], (0.35, 0.2))
    assert grasps and all(g.score < 0 for g in grasps)


def test_nothing_tall_stands_under_the_hand():
    post = Block(0.35, 0.27, 0.03, 0.03, 0.08)
    bar = Block(0.35, 0.2, 0.03, 0.012, 0.012)
    for grasp in grasps_of([bar, post], (0.35, 0.2)):
        assert line_angle(grasp.yaw_rad, math.pi / 2) < math.radians(60)
    assert any(line_angle(g.yaw_rad, 0.0) < 0.1 for g in grasps_of([bar], (0.35, 0.2)))


def test_the_same_bench_gives_the_same_grasps():
    assert grasps_of([WRENCH], (WRENCH.x, WRENCH.y)) == grasps_of([WRENCH], (WRENCH.x, WRENCH.y))
