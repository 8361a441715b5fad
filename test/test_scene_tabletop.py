import math
from dataclasses import replace

import numpy as np
import pytest
from bench_frames import BIN, LOOKING_DOWN, Block, bench_frame, moved, screwdriver, walls_of

from vlm_bt.scene.fixture import align
from vlm_bt.scene.geometry import line_angle
from vlm_bt.scene.plane import find_bench
from vlm_bt.scene.standing import standing
from vlm_bt.scene.tabletop import segment

WRENCH = Block(0.30, 0.45, 0.170, 0.014, 0.006, 0.7)
TAPE = Block(0.55, 0.30, 0.065, 0.060, 0.032, 0.2)
PLIERS = Block(0.45, -0.15, 0.160, 0.030, 0.012, -1.0)
SCREWS = [Block(0.30 + 0.05 * n, 0.05, 0.022, 0.006, 0.005, 0.5 * n) for n in range(3)]
DRIVERS = [(0.25, -0.25, 0.3), (0.60, -0.05, 2.2)]
HANGS_OFF = moved(LOOKING_DOWN, (0.004, -0.003, 0.003), (0.2, -0.15, 0.15))


@pytest.fixture(scope="module")
def clutter():
    blocks = [WRENCH, TAPE, PLIERS, *SCREWS, *walls_of(BIN, thick_m=0.005)]
    for driver in DRIVERS:
        blocks += screwdriver(*driver)
    return bench_frame(blocks, seed=3, true_pose=HANGS_OFF)


@pytest.fixture(scope="module")
def found(clutter):
    return segment(clutter, [BIN])


def nearest(found, x, y):
    return min(found.regions, key=lambda r: math.hypot(r.footprint.centre[0] - x, r.footprint.centre[1] - y))


def test_every_thing_is_found_once_and_nothing_else(found):
    assert found.error == ""
    assert len(found.regions) == 8
    assert found.contents == ()


@pytest.mark.parametrize("block", [WRENCH, TAPE, PLIERS, *SCREWS])
def test_a_footprint_says_where_a_thing_lies_and_how_large_it_is(found, block):
    shape = nearest(found, block.x, block.y).footprint
    assert shape.centre == pytest.approx((block.x, block.y), abs=0.004)
    assert shape.length_m == pytest.approx(block.length_m, abs=0.005)
    assert shape.width_m == pytest.approx(block.width_m, abs=0.005)
    assert shape.height_m == pytest.approx(block.top_m, abs=0.002)
    assert shape.area_m2 == pytest.approx(block.length_m * block.width_m, rel=0.35)
    if block.length_m > 2 * block.width_m:
        assert line_angle(shape.yaw_rad, block.yaw_rad) < math.radians(8)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_screwdriver_is_one_thing_from_its_handle_to_its_tip(found, driver):
    shape = nearest(found, *driver[:2]).footprint
    assert shape.length_m == pytest.approx(0.200, abs=0.010)
    assert line_angle(shape.yaw_rad, driver[2]) < math.radians(3)


def test_regions_come_by_row_and_then_column_and_carry_their_number(found):
    rows = [round(region.centroid[1]) for region in found.regions]
    assert rows == sorted(rows)
    assert [region.index for region in found.regions] == list(range(8))
    for region in found.regions:
        view = found.view
        part = found.labels[
            region.box.y0 - view.y0 : region.box.y1 - view.y0, region.box.x0 - view.x0 : region.box.x1 - view.x0
        ]
        assert ((part == region.index + 1) == region.mask).all()
        assert region.pixels == region.mask.sum()


def test_a_region_knows_its_colour(found):
    red, green, blue = nearest(found, PLIERS.x, PLIERS.y).colour
    assert red > 180 and green < 70 and blue < 70


def test_the_plane_says_how_the_camera_hangs(found):
    assert found.bench.noise_m == pytest.approx(0.001, abs=0.0003)
    assert math.degrees(found.bench.tilt_rad) == pytest.approx(math.hypot(0.2, 0.15), abs=0.04)
    assert found.bench.offset_m == pytest.approx(-0.003, abs=0.002)


def test_walls_of_known_place_correct_what_the_plane_cannot_see(clutter, found):
    assert found.bench.aligned == BIN.name
    uncorrected = segment(clutter)
    assert uncorrected.bench.aligned == ""

    def error(seen):
        shape = nearest(seen, WRENCH.x, WRENCH.y).footprint
        return math.hypot(shape.centre[0] - WRENCH.x, shape.centre[1] - WRENCH.y)

    assert error(found) < 0.003 < 0.004 < error(uncorrected)


def test_walls_that_are_not_where_they_should_be_correct_nothing(found):
    points, height = found.points, found.height_m
    far = replace(BIN, x=(0.2, 0.33))
    assert align(points, height, far, LOOKING_DOWN) is None


def test_things_six_millimetres_tall_are_found_on_every_of_many_noisy_frames():
    for seed in range(3):
        blocks = [replace(WRENCH, top_m=0.006), *[replace(s, top_m=0.0045) for s in SCREWS]]
        assert len(segment(bench_frame(blocks, seed=seed, noise_m=0.0011)).regions) == 4


def test_neighbours_ten_millimetres_apart_stay_two_things():
    side_by_side = [Block(0.3, 0.20, 0.15, 0.012, 0.012), Block(0.3, 0.222, 0.15, 0.012, 0.012)]
    end_to_end = [Block(0.3, -0.2, 0.10, 0.012, 0.008), Block(0.41, -0.2, 0.10, 0.012, 0.008)]
    found = segment(bench_frame(side_by_side + end_to_end, seed=1))
    assert len(found.regions) == 4


def test_an_empty_bench_shows_nothing():
    found = segment(bench_frame([], seed=5), [])
    assert found.regions == () and found.error == "" and found.hidden == 0.0


def test_what_lies_in_a_container_is_listed_apart_and_its_walls_are_nothing():
    screw = Block(0.46, -0.47, 0.03, 0.01, 0.012)
    found = segment(bench_frame([*walls_of(BIN, thick_m=0.005), screw], seed=2), [BIN])
    assert found.regions == ()
    assert [region.container for region in found.contents] == ["parts_bin"]
    assert found.contents[0].footprint.centre == pytest.approx((screw.x, screw.y), abs=0.003)
    assert found.region(0) is found.contents[0]


@pytest.mark.parametrize(
    ("shift", "turn", "text"),
    [((0, 0, 0.035), (0, 0, 0), "-35 mm"), ((0, 0, 0), (3, 0, 0), "3.0 deg")],
)
def test_a_bench_that_is_not_where_the_configuration_says_is_missing(shift, turn, text):
    frame = bench_frame([WRENCH], true_pose=moved(LOOKING_DOWN, shift, turn))
    found = segment(frame)
    assert found.regions == ()
    assert found.error.startswith("bench_missing: the plane that is seen lies")
    assert text in found.error
    assert "check the camera's pose" in found.error


def test_a_covered_camera_is_a_missing_bench():
    frame = bench_frame([])
    blind = replace(frame, depth_m=np.zeros_like(frame.depth_m))
    assert "depth on 0% of the pixels" in segment(blind).error
    rough = np.random.default_rng(0).uniform(0.3, 1.1, frame.depth_m.shape).astype(np.float32)
    assert "of the depth lies on one plane" in segment(replace(frame, depth_m=rough)).error


def test_an_arm_in_the_picture_is_no_thing_but_hides_a_part_of_the_bench():
    arm = Block(0.4, 0.0, 0.30, 0.10, 0.40)
    found = segment(bench_frame([arm, WRENCH]))
    assert found.hidden > 0.05
    assert nearest(found, WRENCH.x, WRENCH.y).footprint.length_m == pytest.approx(0.17, abs=0.006)
    assert all(region.footprint.height_m <= 0.12 for region in found.regions)


def test_the_top_view_shows_heights_and_names_where_things_lie(found):
    top = found.top_view
    tape = nearest(found, TAPE.x, TAPE.y)
    places = np.array([(TAPE.x, TAPE.y), (0.5, 0.5), (3.0, 0.0)])
    assert top.label_at(places).tolist() == [tape.index + 1, 0, -1]
    high, low, outside = top.height_at(places).tolist()
    assert high == pytest.approx(0.032, abs=0.002) and low < 0.003 and outside == math.inf


def test_the_same_frame_gives_the_same_segmentation(clutter, found):
    again = segment(clutter, [BIN])
    assert (again.labels == found.labels).all()
    assert [r.footprint for r in again.regions] == [r.footprint for r in found.regions]


def test_pieces_in_line_with_something_between_them_are_one_thing_and_others_are_not():
    height = np.zeros((60, 120), np.float32)
    height[28:33, 10:50] = 0.006
    height[28:33, 54:100] = 0.006
    closed = np.zeros(height.shape, bool)
    assert len(standing(height, closed, 0.0012)) == 2
    height[28:33, 50:54] = 0.0015
    assert len(standing(height, closed, 0.0012)) == 1


def test_the_bench_is_found_under_a_third_of_the_pixels_covered():
    blocks = [Block(0.15 + 0.2 * i, -0.45 + 0.3 * j, 0.12, 0.12, 0.03) for i in range(3) for j in range(4)]
    bench = find_bench(bench_frame(blocks, true_pose=moved(LOOKING_DOWN, (0, 0, 0.004))))
    assert bench.ok
    assert bench.offset_m == pytest.approx(-0.004, abs=0.0006)


def test_a_wide_patch_without_depth_is_no_free_bench(clutter):
    depth = clutter.depth_m.copy()
    depth[500:540, 300:340] = 0
    found = segment(replace(clutter, depth_m=depth), [BIN])
    u, v = 320, 520
    blind = found.points[v - found.view.y0, u - found.view.x0].astype(float)
    assert len(found.regions) == 8
    assert found.top_view.height_at(blind[None])[0] > 0.02
    assert segment(clutter, [BIN]).top_view.height_at(blind[None])[0] < 0.003


def test_a_hole_in_the_depth_across_a_thin_shaft_leaves_it_one_thing():
    height = np.zeros((60, 120), np.float32)
    height[20:41, 40:50] = 0.012
    height[28:32, 50:100] = 0.004
    closed = np.zeros(height.shape, bool)
    height[26:34, 70:74] = 0.0
    assert len(standing(height, closed, 0.0012)) == 2
    closed[26:34, 70:74] = True
    assert len(standing(height, closed, 0.0012)) == 1
