"""What the simulated cameras see, and how they fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from vlm_bt.frames import FrameStore
from vlm_bt.simulation.cameras import Renderer, SimulatedCameras, believed_pose, intrinsics_of
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.scenario import CameraOffset, Scenario
from vlm_bt.simulation.scene import build_scene

import mujoco  # isort: skip  (after `scene`, which chooses the drawing library)


@dataclass
class Bench:
    model: mujoco.MjModel
    data: mujoco.MjData
    seed: int
    renderer: Renderer


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    scenario = Scenario.from_seed(6, kinds=["tape measure", "pliers"])
    scenario = scenario.with_item_at("tape_measure_1", 0.50, 0.30).with_item_at("pliers_1", 0.45, -0.20)
    still = CameraOffset((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    scenario = Scenario(6, scenario.items, scenario.light, "pine", still)
    model = build_scene(scenario, arm=False).compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with Renderer(model) as renderer:
        yield Bench(model, data, 6, renderer)


@pytest.fixture
def cameras(bench: Bench) -> Iterator[SimulatedCameras]:
    frames = FrameStore()
    cameras = SimulatedCameras(bench, frames, bench.renderer)
    cameras.store = frames  # type: ignore[attr-defined]
    yield cameras
    cameras.close()
    frames.close()


def pixel_of(bench: Bench, point: tuple[float, float, float]) -> tuple[int, int]:
    """(row, column) of a point of the base frame in the overhead picture, by what frames say of their camera."""
    lens, pose = intrinsics_of(bench.model, "overhead"), believed_pose(bench.model, bench.data, "overhead")
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, np.array(pose.quaternion))
    x, y, z = rotation.reshape(3, 3).T @ (np.array(point) - np.array(pose.position))
    return round(lens.fy * y / z + lens.cy), round(lens.fx * x / z + lens.cx)


def test_depth_is_planar_and_in_metres(bench: Bench) -> None:
    _, depth = bench.renderer.render(bench.data, "overhead")
    for point in ((0.15, 0.0, 0.0), (0.70, 0.60, 0.0), (0.10, -0.68, 0.0)):
        assert depth[pixel_of(bench, point)] == pytest.approx(1.15, abs=0.0015)


def test_left_is_left_and_far_is_up(bench: Bench) -> None:
    row, column = pixel_of(bench, (0.50, 0.30, 0.0))
    bodies = bench.renderer.segmentation(bench.data, "overhead")
    assert bodies[row, column] == bench.model.body("tape_measure_1").id
    assert column < 640 and row < 360
    rgb = bench.renderer.colour(bench.data, "overhead").astype(int)
    left, right = rgb[pixel_of(bench, (0.08, 0.342, 0.0))], rgb[pixel_of(bench, (0.08, -0.342, 0.0))]
    assert left[2] > left[0] and right[0] > right[2]  # the left zone is blue, the right one orange


def test_colour_and_depth_of_one_pass_are_those_of_two(bench: Bench) -> None:
    rgb, depth = bench.renderer.render(bench.data, "overhead")
    assert np.array_equal(rgb, bench.renderer.colour(bench.data, "overhead"))
    assert np.abs(depth - bench.renderer.depth(bench.data, "overhead")).max() < 1e-4


def test_segmentation_agrees_with_depth(bench: Bench) -> None:
    _, depth = bench.renderer.render(bench.data, "overhead")
    bodies = bench.renderer.segmentation(bench.data, "overhead")
    tape = bodies == bench.model.body("tape_measure_1").id
    assert tape.sum() > 1000 and np.median(depth[tape]) < 1.13


def test_noise_depends_on_its_key_alone(bench: Bench) -> None:
    rgb, depth = bench.renderer.render(bench.data, "overhead")
    first = noisy_depth(depth, (1, "overhead", 5)), noisy_colour(rgb, (1, "overhead", 5))
    noisy_depth(depth, (1, "overhead", 6))
    again = noisy_depth(depth, (1, "overhead", 5)), noisy_colour(rgb, (1, "overhead", 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ((2, "overhead", 5), (1, "wrist", 5), (1, "overhead", 6)):
        assert not np.array_equal(first[0], noisy_depth(depth, other))


def test_range_noise_grows_with_the_square_of_the_distance_and_is_in_millimetres() -> None:
    def spread(metres: float) -> float:
        flat = np.full((400, 400), metres, np.float32)
        seen = noisy_depth(flat, (3, "overhead", 1))
        assert np.allclose(seen * 1000, np.rint(seen * 1000), atol=1e-3)
        return float(seen[seen > 0].std())

    assert spread(1.0) == pytest.approx(0.00085, abs=0.0001)
    assert spread(2.0) == pytest.approx(0.0032, abs=0.0003)


def test_depth_drops_out_at_edges_and_here_and_there() -> None:
    step = np.full((400, 400), 1.15, np.float32)
    step[:, 200:] = 1.05
    lost = noisy_depth(step, (3, "overhead", 1)) == 0
    assert 0.3 < lost[:, 199:201].mean() < 0.7
    assert 0.0 < lost[:, :190].mean() < 0.01


def test_a_frame_carries_the_nominal_pose_and_arrives_after_serve(bench: Bench, cameras: SimulatedCameras) -> None:
    first, second = cameras.request("overhead"), cameras.request("overhead")
    assert first.outcome is None
    cameras.serve(0.5, 250)
    assert first.value == second.value
    frame = cameras.store.get(first.value)  # type: ignore[attr-defined]
    assert frame.rgb.shape == (720, 1280, 3) and frame.depth_m.dtype == np.float32
    assert frame.stamp_s == 0.5 and frame.pose_camera_in_base.position == (0.33, 0.0, 1.15)


def test_an_unknown_camera_and_a_lost_one_fail_with_camera_lost(cameras: SimulatedCameras) -> None:
    unknown = cameras.request("rear_view")
    assert unknown.outcome is not None and unknown.outcome.reason == "camera_lost"
    assert "there are: overhead" in unknown.outcome.detail
    cameras.lost.add("overhead")
    lost = cameras.request("overhead")
    cameras.serve(1.0, 500)
    assert lost.outcome is not None and lost.outcome.reason == "camera_lost"


def test_the_view_and_the_monitor_are_no_cameras_of_the_mission(cameras: SimulatedCameras) -> None:
    assert all(cameras.request(name).outcome is not None for name in ("view", "monitor"))


def test_a_frozen_camera_repeats_its_picture_with_its_old_stamp(cameras: SimulatedCameras) -> None:
    before = cameras.request("overhead")
    cameras.serve(1.0, 500)
    cameras.frozen.add("overhead")
    after = cameras.request("overhead")
    cameras.serve(2.0, 1000)
    frames = cameras.store  # type: ignore[attr-defined]
    assert before.value != after.value
    assert frames.get(after.value).stamp_s == 1.0
    assert np.array_equal(frames.get(before.value).rgb, frames.get(after.value).rgb)


def test_a_cancelled_request_takes_no_picture(cameras: SimulatedCameras) -> None:
    ticket = cameras.request("overhead")
    ticket.cancel()
    cameras.serve(1.0, 500)
    assert cameras.rendered == 0 and ticket.outcome is not None and ticket.outcome.reason == "cancelled"


def test_the_wrist_camera_is_where_the_joints_say() -> None:
    from vlm_bt.simulation.robot import JOINTS, NAMED_POSES_RAD

    scenario = Scenario.from_seed(6, kinds=["tape measure"]).with_item_at("tape_measure_1", 0.42, 0.05)
    model = build_scene(scenario, person=False).compile()
    data = mujoco.MjData(model)
    for joint, angle in zip(JOINTS, NAMED_POSES_RAD["look"], strict=True):
        data.joint(joint).qpos = angle
    mujoco.mj_forward(model, data)
    lens, pose = intrinsics_of(model, "wrist"), believed_pose(model, data, "wrist")
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, np.array(pose.quaternion))
    x, y, z = rotation.reshape(3, 3).T @ (data.body("tape_measure_1").xpos - np.array(pose.position))
    with Renderer(model) as renderer:
        bodies = renderer.segmentation(data, "wrist")
        depth = renderer.render(data, "wrist")[1]
    assert bodies.shape == (480, 640)
    row, column = round(lens.fy * y / z + lens.cy), round(lens.fx * x / z + lens.cx)
    assert bodies[row, column] == model.body("tape_measure_1").id
    assert depth[row, column] == pytest.approx(z - 0.016, abs=0.01)
