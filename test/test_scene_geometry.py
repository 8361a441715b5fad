import math

import numpy as np
import pytest
from bench_frames import LENS, LOOKING_DOWN, Block, bench_frame

from vlm_bt.errors import DepthMissing
from vlm_bt.scene.geometry import (
    deproject,
    deproject_box,
    half_turn,
    line_angle,
    matrix_of,
    pose_of,
    project,
    quaternion_of,
    rectangle,
    rotation_of,
    yaw_of,
)
from vlm_bt.types import Box, Pose


@pytest.fixture(scope="module")
def frame():
    return bench_frame([Block(0.4, 0.2, 0.1, 0.1, 0.05)], noise_m=0.0, holes=0.0)


def test_a_quaternion_survives_the_way_through_a_matrix():
    rng = np.random.default_rng(0)
    for quaternion in [*rng.normal(size=(20, 4)), [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]:
        rotation = rotation_of(quaternion)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert np.allclose(rotation_of(quaternion_of(rotation)), rotation)
        assert quaternion_of(rotation)[0] >= 0


def test_a_pose_survives_the_way_through_a_matrix():
    pose = Pose((0.1, -0.2, 0.3), (math.cos(0.4), 0.0, 0.0, math.sin(0.4)))
    back = pose_of(matrix_of(pose))
    assert back.position == pytest.approx(pose.position)
    assert back.quaternion == pytest.approx(pose.quaternion)
    assert yaw_of(pose) == pytest.approx(0.8)


def test_left_of_the_robot_is_left_in_the_overhead_picture_and_ahead_is_up():
    middle, left, ahead = project([(0.33, 0, 0), (0.33, 0.1, 0), (0.43, 0, 0)], LENS, LOOKING_DOWN)
    assert middle == pytest.approx((639.5, 359.5))
    assert left[0] < middle[0] - 70 and left[1] == pytest.approx(middle[1])
    assert ahead[1] < middle[1] - 70 and ahead[0] == pytest.approx(middle[0])


def test_pixels_come_back_to_where_their_points_project(frame):
    points = deproject(frame, [100, 640, 1200], [50, 360, 700])
    assert project(points, LENS, LOOKING_DOWN) == pytest.approx(np.array([(100, 50), (640, 360), (1200, 700)]))
    assert np.abs(points[:, 2]).max() < 1e-4


def test_the_top_of_a_block_lies_at_its_height(frame):
    u, v = np.rint(project([(0.4, 0.2, 0.05)], LENS, LOOKING_DOWN)[0]).astype(int)
    point = deproject_box(Box(u - 5, v - 5, u + 6, v + 6), frame)
    assert point == pytest.approx((0.4, 0.2, 0.05), abs=0.001)


def test_pixels_without_depth_are_nan_and_none_at_all_is_an_error(frame):
    assert np.isnan(deproject(frame, [-3, 10], [10, 10])).any(1).tolist() == [True, False]
    with pytest.raises(DepthMissing, match="none of 2 pixels of frame 'overhead-1' has a depth"):
        deproject(frame, [-3, 5000], [10, 10])


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(project([(0.3, 0, 2.0)], LENS, LOOKING_DOWN)).all()


def test_lines_have_no_front():
    assert half_turn(math.pi) == pytest.approx(0)
    assert half_turn(math.pi / 2) == pytest.approx(-math.pi / 2)
    assert line_angle(math.radians(89), math.radians(-89)) == pytest.approx(math.radians(2))


def test_a_rectangle_has_its_corners_where_its_yaw_says():
    corners = rectangle((1.0, 2.0), 0.4, 0.2, math.pi / 2)
    assert corners == pytest.approx(np.array([(0.9, 2.2), (0.9, 1.8), (1.1, 1.8), (1.1, 2.2)]))
