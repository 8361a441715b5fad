import math

import numpy as np
import pytest
from bench_frames import Block, bench_frame, screwdriver

from vlm_bt.scene.crops import FILL, crop, crops
from vlm_bt.scene.tabletop import segment

BENCH = (190, 150, 105)


def picture_of(blocks, near=(0.35, 0.2), variant=0, seed=0):
    frame = bench_frame(blocks, seed=seed)
    found = segment(frame)
    region = min(
        found.regions,
        key=lambda r: math.hypot(r.footprint.centre[0] - near[0], r.footprint.centre[1] - near[1]),
    )
    return crop(frame, region, variant=variant).astype(int)


def is_red(picture):
    return (picture[..., 0] > 140) & (picture[..., 1] < 100)


@pytest.mark.parametrize("yaw", [0.0, 0.8, math.pi / 2, -1.0])
def test_a_long_thing_lies_level_and_nearly_fills_the_width_whatever_its_yaw(yaw):
    red = is_red(picture_of([Block(0.35, 0.2, 0.18, 0.02, 0.012, yaw)]))
    rows, columns = np.nonzero(red)
    assert np.ptp(columns) == pytest.approx(96 / 1.15, abs=5)
    assert np.ptp(rows) == pytest.approx(96 / 1.15 / 9, abs=5)
    assert (rows.mean(), columns.mean()) == pytest.approx((47.5, 47.5), abs=2)


@pytest.mark.parametrize("yaw", [0.3, 0.3 + math.pi])
def test_the_heavier_half_is_on_the_left_and_the_second_look_turns_it_round(yaw):
    handle = [screwdriver(0.35, 0.2, yaw)[0], screwdriver(0.35, 0.2, yaw)[1]]
    assert np.nonzero(is_red(picture_of(handle)))[1].mean() < 40
    assert np.nonzero(is_red(picture_of(handle, variant=1)))[1].mean() > 56


def test_the_third_look_shows_the_thing_as_it_lies():
    red = is_red(picture_of([Block(0.35, 0.2, 0.18, 0.02, 0.012, 0.0)], variant=2))
    rows, columns = np.nonzero(red)
    assert np.ptp(rows) > 4 * np.ptp(columns)


def test_a_small_thing_is_shown_in_a_window_of_at_least_45_millimetres():
    red = is_red(picture_of([Block(0.35, 0.2, 0.02, 0.010, 0.008)]))
    assert np.ptp(np.nonzero(red)[1]) == pytest.approx(96 * 20 / 45, abs=6)


def test_the_bench_far_from_the_thing_is_flat_and_a_border_of_it_stays():
    picture = picture_of([Block(0.35, 0.2, 0.18, 0.02, 0.012)])
    assert (picture[:25] == FILL).all() and (picture[-25:] == FILL).all()
    border = picture[48 - 8, 30:66].mean(0)
    assert np.abs(border - BENCH).max() < 0.6 * np.abs(np.array(BENCH) - FILL).max()


def test_a_neighbour_is_greyed_out_even_within_the_border():
    own, other = Block(0.35, 0.2, 0.18, 0.02, 0.012), Block(0.35, 0.229, 0.18, 0.02, 0.012, colour=(20, 220, 20))
    alone, beside = picture_of([own]), picture_of([own, other], near=(0.35, 0.2))
    green = (beside[..., 1] > 180) & (beside[..., 0] < 90)
    assert green.sum() == 0
    assert is_red(beside).sum() == pytest.approx(is_red(alone).sum(), rel=0.08)


def test_a_thing_at_the_edge_of_the_picture_is_padded_with_flat_grey():
    picture = picture_of([Block(0.75, 0.2, 0.16, 0.03, 0.012, 0.1)], near=(0.75, 0.2))
    assert picture.shape == (96, 96, 3)
    assert is_red(picture).any()


def test_many_crops_are_the_single_ones_in_order():
    frame = bench_frame([Block(0.35, 0.2, 0.18, 0.02, 0.012), Block(0.5, -0.2, 0.06, 0.06, 0.03)])
    regions = segment(frame).regions
    many = crops(frame, regions, size=64, variant=1)
    assert many.shape == (2, 64, 64, 3) and many.dtype == np.uint8
    for one, region in zip(many, regions, strict=True):
        assert (one == crop(frame, region, size=64, variant=1)).all()
    assert crops(frame, []).shape == (0, 96, 96, 3)


def test_an_unknown_variant_is_an_error():
    frame = bench_frame([Block(0.35, 0.2, 0.18, 0.02, 0.012)])
    with pytest.raises(ValueError, match="variant 3 is unknown; known: 0 to 2"):
        crop(frame, segment(frame).regions[0], variant=3)
