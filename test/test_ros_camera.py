"""The camera port on real topics: pairs, fresh frames, and every way in which a camera fails, told in words."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_puppets import PuppetCamera

from vlm_bt.clocks import WallClock
from vlm_bt.errors import ConfigError, PictureError
from vlm_bt.frames import FrameStore
from vlm_bt.ros import pictures
from vlm_bt.ros.camera import RosCamera, open_eyes
from vlm_bt.ros.lens import Lens
from vlm_bt.ros.mounting import HandPoses, OnHand, composed
from vlm_bt.ros.pairing import Pairing
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros_settings import ExtrinsicsSettings, RosCameraSettings, RosSettings
from vlm_bt.types import Pose

pytestmark = pytest.mark.ros

HUNG = ExtrinsicsSettings(position=(0.4, 0.0, 1.1), quaternion=(0.0, 1.0, 0.0, 0.0))
SETTINGS = RosCameraSettings(
    colour="cam/colour", depth="cam/depth", info="cam/info", extrinsics=HUNG, lost_s=0.6, stale_s=0.3
)


class Studio:
    """A camera port, ticked at 50 Hz in the test's thread; `shoot` is called between ticks."""

    def __init__(self, runtime: Runtime, settings: RosCameraSettings = SETTINGS) -> None:
        self.frames, self.clock, self.inbox = FrameStore(), WallClock(0.02), Inbox()
        self.node = runtime.node("executive")
        stamps = Stamps(self.node, self.clock)
        eyes = open_eyes(self.node, RosSettings(cameras={"overhead": settings}), stamps)
        self.camera, self.eye = RosCamera(eyes, self.frames, stamps, self.inbox), eyes["overhead"]
        self.clock.connect((lambda tick: self.inbox.empty(), lambda tick: self.camera.step()), lambda: False)

    def until(self, true, shoot=lambda: None, limit_s: float = 10.0) -> None:
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < limit_s, "it never happened"
            shoot()
            self.clock.advance()

    def ends(self, shoot=lambda: None, limit_s: float = 10.0):
        ticket = self.camera.request("overhead")
        self.until(lambda: ticket.outcome is not None, shoot, limit_s)
        return ticket


@pytest.fixture
def studio():
    with Runtime() as runtime:
        made = Studio(runtime)
        yield made
        made.frames.close()


@pytest.fixture
def stage():
    with Runtime() as runtime:
        yield runtime


@pytest.mark.parametrize("millimetres", [True, False])
def test_a_request_gives_a_frame_with_colour_depth_calibration_and_pose(studio, stage, millimetres):
    puppet = PuppetCamera(stage)
    ticket = studio.ends(lambda: puppet.shoot(millimetres=millimetres))
    assert ticket.outcome.ok, ticket.outcome
    frame = studio.frames.get(ticket.value)
    assert frame.rgb[5, 5].tolist() == [10, 20, 30] and frame.depth_m[5, 5] == pytest.approx(0.75)
    assert frame.intrinsics == PuppetCamera.LENS and frame.pose_camera_in_base.position == HUNG.position
    assert 0 <= studio.clock.now_s - frame.stamp_s < 0.3


def test_a_frame_is_newer_than_the_request(studio, stage):
    puppet = PuppetCamera(stage)
    assert studio.ends(puppet.shoot).outcome.ok
    for _ in range(5):
        puppet.shoot()
        studio.clock.advance()
    asked_s = studio.clock.now_s
    before = puppet.shots
    ticket = studio.camera.request("overhead")
    puppet.shoot(ago_s=0.1)
    for _ in range(5):
        studio.clock.advance()
    assert ticket.outcome is None, "a picture from before the request is no answer to it"
    studio.until(lambda: ticket.outcome is not None, puppet.shoot)
    frame = studio.frames.get(ticket.value)
    assert frame.stamp_s >= asked_s - 1e-3 and int(frame.rgb[0, 0, 0]) > before + 1


@pytest.mark.parametrize(("reliable", "kept"), [(True, False), (False, False), (True, True)])
def test_quality_of_service_follows_the_publisher(studio, stage, reliable, kept):
    puppet = PuppetCamera(stage, reliable=reliable, kept=kept)
    assert studio.ends(puppet.shoot).outcome.ok
    assert studio.eye._feeds["colour"].reliable is reliable


def test_compressed_colour_is_read(studio, stage):
    puppet = PuppetCamera(stage, compressed=True)
    ticket = studio.ends(puppet.shoot)
    assert studio.frames.get(ticket.value).rgb[5, 5].tolist() == [10, 20, 30]


def test_a_camera_that_nobody_publishes_is_lost_and_says_so(studio):
    outcome = studio.ends().outcome
    assert outcome.reason == "camera_lost" and "nobody publishes /cam/colour" in outcome.detail
    assert studio.camera.request("wrist").outcome.detail == "there is no camera 'wrist'; there are: overhead"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"depth": False}, "nothing came on /cam/depth"),
        ({"colour": False}, "nothing came on /cam/colour"),
        ({"info": False}, "no calibration came on /cam/info"),
        ({"apart_s": 0.015}, "never within 10 ms of each other; the last were"),
    ],
)
def test_what_is_missing_is_named(studio, stage, how, words):
    puppet = PuppetCamera(stage)
    studio.until(lambda: not studio.eye._feeds["info"].trouble)
    last_s = 0.0

    def shoot() -> None:
        # Closer than that, the depth of one shot would fit the colour of the one before.
        nonlocal last_s
        if time.monotonic() - last_s > 0.04:
            last_s = time.monotonic()
            puppet.shoot(**how)

    outcome = studio.ends(shoot).outcome
    assert outcome.reason == "camera_lost" and words in outcome.detail


@pytest.mark.parametrize(("ago_s", "words"), [(1.0, "s ago"), (-1.0, "in the future")])
def test_a_clock_that_does_not_agree_makes_frames_stale(studio, stage, ago_s, words):
    puppet = PuppetCamera(stage)
    ticket = studio.camera.request("overhead")
    studio.eye._wanted = [(0.0, take) for _, take in studio.eye._wanted]
    studio.until(lambda: ticket.outcome is not None, lambda: puppet.shoot(ago_s=ago_s))
    assert ticket.outcome.reason == "stale" and words in ticket.outcome.detail


def test_a_camera_that_goes_away_is_lost_and_found_again_when_another_like_it_comes(studio, stage):
    first = PuppetCamera(stage)
    assert studio.ends(first.shoot).outcome.ok
    first.close()
    assert studio.ends().outcome.reason == "camera_lost"
    second = PuppetCamera(stage, reliable=False)
    studio.until(lambda: studio.ends(second.shoot).outcome.ok)
    assert studio.eye._feeds["colour"].reliable is False


def test_frames_that_nobody_asked_for_are_not_read(studio, stage, monkeypatch):
    puppet = PuppetCamera(stage)
    assert studio.ends(puppet.shoot).outcome.ok
    read = []
    monkeypatch.setattr("vlm_bt.ros.eye.colour_of", lambda message: read.append(message))
    pairs = studio.eye.counts["pairs"]
    studio.until(lambda: studio.eye.counts["pairs"] > pairs + 5, puppet.shoot)
    assert not read


def test_a_request_that_is_cancelled_is_forgotten(studio, stage):
    puppet = PuppetCamera(stage)
    ticket = studio.camera.request("overhead")
    ticket.cancel()
    studio.until(lambda: studio.eye.counts["pairs"] > 2, puppet.shoot)
    assert not studio.eye._wanted and not studio.camera._waiting


def test_without_extrinsics_and_without_tf2_the_configuration_is_refused(stage):
    pytest.importorskip("vlm_bt.ros.camera")
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match="apt install ros-jazzy-tf2-ros"):
            Studio(stage, SETTINGS.model_copy(update={"extrinsics": None}))
    else:
        pytest.skip("tf2 is installed here")


def test_pairs_are_found_among_late_lost_and_doubled_messages():
    pairing = Pairing(0.010)
    assert pairing.add("colour", 0.0, "c0") is None
    assert pairing.add("colour", 0.033, "c1") is None
    pair = pairing.add("depth", 0.034, "d1")
    assert (pair.colour, pair.depth, pair.stamp_s) == ("c1", "d1", 0.033)
    assert pairing.add("depth", 0.001, "d0") is None and pairing.late == 1
    assert pairing.add("depth", 0.066, "d2") is None
    assert pairing.add("colour", 0.066, "c2").colour == "c2"
    assert pairing.add("colour", 0.066, "c2 again") is None
    assert (pairing.pairs, pairing.lone, pairing.late) == (2, 1, 2)


def test_a_camera_that_was_started_anew_may_begin_its_stamps_anew():
    pairing = Pairing(0.010)
    pairing.add("colour", 500.0, "c")
    assert pairing.add("depth", 500.0, "d") is not None
    assert pairing.add("colour", 3.0, "c") is None
    assert pairing.add("depth", 3.0, "d") is not None


def test_a_bent_lens_is_straightened_for_colour_and_depth_alike():
    info = pictures.camera_info(PuppetCamera.LENS)
    info.d = [0.3, 0.0, 0.0, 0.0, 0.0]
    lens = Lens(info)
    depth = np.tile(np.arange(64, dtype=np.float32), (48, 1))
    rgb = np.repeat(depth[..., None], 3, 2).astype(np.uint8)
    straight_rgb, straight_depth = lens.pinhole(rgb, depth)
    x, y = (50 - 31.5) / 60, (24 - 23.5) / 60
    shows = round(x * (1 + 0.3 * (x * x + y * y)) * 60 + 31.5)
    assert straight_depth[24, 50] == shows == straight_rgb[24, 50, 0] and shows != 50
    assert not lens.straight and Lens(info, rectified=True).straight


def test_a_lens_that_bends_by_less_than_a_quarter_pixel_is_left_alone():
    info = pictures.camera_info(PuppetCamera.LENS)
    info.d = [0.001, 0.0, 0.0, 0.0, 0.0]
    assert Lens(info).straight


def test_a_lens_that_is_not_known_is_refused():
    info = pictures.camera_info(PuppetCamera.LENS)
    info.distortion_model, info.d = "equidistant", [0.1, 0.0, 0.0, 0.0]
    with pytest.raises(PictureError, match="publish rectified images"):
        Lens(info)
    info.d = [0.0, 0.0, 0.0, 0.0]
    with pytest.raises(PictureError, match="is depth aligned to colour"):
        Lens(info).pinhole(np.zeros((48, 64, 3), np.uint8), np.zeros((24, 32), np.float32))


def test_a_camera_on_the_hand_is_where_the_hand_was_when_the_image_was_taken():
    hands = HandPoses()
    down = (0.0, 1.0, 0.0, 0.0)
    hands.add(1.00, Pose((0.3, 0.0, 0.5), down))
    hands.add(1.05, Pose((0.4, 0.0, 0.5), down))
    carried = OnHand(Pose((0.06, 0.0, -0.08)), hands.near)
    assert carried.pose("", 1.04).position == pytest.approx((0.46, 0.0, 0.58))
    assert isinstance(carried.pose("", 2.0), str)


def test_poses_are_composed():
    quarter = Pose((1.0, 0.0, 0.0), (math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4)))
    both = composed(quarter, Pose((1.0, 0.0, 0.0), quarter.quaternion))
    assert both.position == pytest.approx((1.0, 1.0, 0.0)) and both.quaternion == pytest.approx((0.0, 0.0, 0.0, 1.0))
