"""The simulated bench seen through the RealSense SDK, up to a whole mission."""

import numpy as np
import pytest
from missions import mission

pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")

from vlm_bt import settings
from vlm_bt.frames import FrameStore
from vlm_bt.places import share_dir
from vlm_bt.scene.geometry import quaternion_of, rays, rotation_of
from vlm_bt.simulation import realsense as simulated
from vlm_bt.simulation.cameras import optical_pose
from vlm_bt.simulation.realsense import SimulatedRealSense
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.world import World


@pytest.mark.timeout(120)
def test_a_mission_that_sees_through_the_sdk_sorts_the_bench(tmp_path):
    kinds = ["tape measure", "pliers", "flat screwdriver", "combination wrench"]
    with mission(tmp_path, kinds=kinds, camera__kind="realsense-software") as built:
        result = built.run()
    assert result.outcome == "done", result.detail
    assert result.score == {"items": 4, "sorted": 4, "wrong_zone": 0, "on_floor": 0, "unsorted": 0}
    assert (result.unverified_motions, result.false_motions, result.safe) == (0, 0, True)


@pytest.fixture(scope="module")
def world():
    store = FrameStore()
    made = World(Scenario.from_seed(4, 0, kinds=()), store, staged=False)
    yield made, store
    made.close()
    store.close()


def taken(world, cameras, camera, store):
    ticket = cameras.request(camera)
    world.advance(0.05)
    cameras.serve(round(world.now_s / 0.05))
    return ticket


def heights_in_the_centre(frame, pose):
    """Metres above the bench top, of every fourth pixel that shows the empty middle of the bench."""
    v, u = np.mgrid[0 : frame.intrinsics.height : 4, 0 : frame.intrinsics.width : 4]
    depth = frame.depth_m[v, u]
    points = rays(frame.intrinsics, u, v) * depth[..., None] @ rotation_of(pose.quaternion).T + pose.position
    x, y, z = np.moveaxis(points, -1, 0)
    return z[(depth > 0) & (abs(x - 0.36) < 0.1) & (abs(y) < 0.17)]


def test_the_bench_lies_where_it_is_through_the_whole_path(world, monkeypatch):
    """Without noise and from where the camera really hangs, every pixel deprojects to the bench top, z = 0."""
    made, store = world
    monkeypatch.setattr(simulated, "noisy_depth", lambda depth_m, key: depth_m)
    cameras = SimulatedRealSense(made, store, {})
    try:
        frame = store.get(taken(made, cameras, "overhead", store).value)
        index = made.model.camera("overhead").id
        turned = quaternion_of(made.data.cam_xmat[index].reshape(3, 3))
        pose = optical_pose(made.data.cam_xpos[index], turned)
        heights = heights_in_the_centre(frame, pose)
        assert len(heights) > 2000
        assert np.abs(heights).max() < 0.0015, np.abs(heights).max()
        assert frame.stamp_s == made.now_s
        del frame
    finally:
        cameras.close()


def test_a_simulated_camera_that_is_unplugged_is_lost_and_comes_back(world):
    made, store = world
    cameras = SimulatedRealSense(made, store, {})
    try:
        made.cameras.lost.add("wrist")
        assert taken(made, cameras, "wrist", store).outcome.reason == "camera_lost"
        made.cameras.lost.clear()
        assert taken(made, cameras, "wrist", store).outcome.ok
        made.cameras.frozen.add("wrist")
        assert taken(made, cameras, "wrist", store).outcome is None, "its picture is older than the request"
    finally:
        made.cameras.lost.clear()
        made.cameras.frozen.clear()
        cameras.close()


def test_the_shipped_configuration_sees_through_the_sdk():
    chosen = settings.load(share_dir("config") / "realsense_embedded.yaml")
    assert chosen.camera.kind == "realsense-software" and chosen.zones() == settings.load().zones()
