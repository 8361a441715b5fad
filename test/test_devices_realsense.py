"""RealSense cameras through the real SDK: software devices, its alignment and filters, its recordings."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices import realsense, realsense_feed, realsense_sdk
from vlm_bt.devices.realsense import RealSense
from vlm_bt.devices.realsense_feed import FrameTimes
from vlm_bt.devices.realsense_sdk import SeenDevice, choose, sdk
from vlm_bt.devices.software_camera import SoftwareCamera
from vlm_bt.devices.software_device import SoftwareDevice, SoftwareLenses
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.scene.geometry import rays
from vlm_bt.types import Intrinsics, Pose

COLOUR = Intrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
WIDE = Intrinsics(424, 240, 210.0, 210.0, 211.5, 119.5)
LENSES = SoftwareLenses(COLOUR, WIDE)
HANGS = {"position": (0.3, 0.0, 1.0), "quaternion": (0.0, 1.0, 0.0, 0.0)}
PLANE = (0.1, -0.05, 1.0, 0.9)
"""a x + b y + c z = d in the colour camera's frame: a tilted wall."""


def hung(**changes) -> RealSenseSettings:
    return RealSenseSettings(**{"extrinsics": HANGS, "retry_s": 0.02, **changes})


def wall(lens: Intrinsics, eye=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Depth of the tilted wall as seen from `eye`."""
    v, u = np.mgrid[0 : lens.height, 0 : lens.width]
    a, b, c, d = PLANE
    directions = rays(lens, u, v)
    return ((d - np.dot((a, b, c), eye)) / (directions @ np.array([a, b, c]))).astype(np.float32)


def stripes(lens: Intrinsics = COLOUR) -> np.ndarray:
    v, u = np.mgrid[0 : lens.height, 0 : lens.width]
    return np.stack([u % 256, v % 256, (u + v) % 256], axis=-1).astype(np.uint8)


@pytest.fixture
def bench():
    """Makes cameras over software devices; time is turned by hand."""
    opened, store, clock = [], FrameStore(), SimpleNamespace(now_s=0.0)

    def make(lenses=LENSES, settings=None, **device):
        camera = SoftwareCamera(lenses, **device)
        port = RealSense({"overhead": settings or hung()}, store, lambda: clock.now_s, feeds={"overhead": camera})
        opened.append(port)
        return port, camera

    yield SimpleNamespace(make=make, store=store, clock=clock, opened=opened)
    for port in opened:
        port.close()
    store.close()


def look(bench, port, camera, rgb=None, depth=None):
    """One frame of what is shown, by a request before it."""
    ticket = port.request("overhead")
    bench.clock.now_s += 0.05
    lenses = camera._lenses
    depth = wall(lenses.depth, lenses.depth_in_colour) if depth is None else depth
    number = camera.show(stripes(lenses.colour) if rgb is None else rgb, depth, bench.clock.now_s)
    assert port.streams["overhead"].wait_for(number, 5.0), port.streams["overhead"].detail
    port.step(1)
    assert ticket.outcome is not None and ticket.outcome.ok, ticket.outcome
    frame = bench.store.get(ticket.value)
    return replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy())


def until(told, limit_s=5.0):
    end_s = time.monotonic() + limit_s
    while not told():
        assert time.monotonic() < end_s, "it did not come to pass"
        time.sleep(0.005)


def signed_mm(frame) -> np.ndarray:
    """How far behind the wall each deprojected pixel lies, millimetres; of those that have a depth."""
    v, u = np.nonzero(frame.depth_m)
    points = rays(frame.intrinsics, u, v) * frame.depth_m[v, u][:, None]
    a, b, c, d = PLANE
    return 1000 * (points @ np.array([a, b, c]) - d) / np.linalg.norm((a, b, c))


def error_mm(frame) -> np.ndarray:
    return np.abs(signed_mm(frame))


def test_depth_seen_by_another_eye_lies_where_colour_sees_it(bench):
    frame = look(bench, *bench.make())
    errors = error_mm(frame)
    assert errors.size > 0.98 * 320 * 240
    assert errors.max() < 1.5 and errors.mean() < 0.6, (errors.max(), errors.mean())


def test_the_sdk_itself_puts_a_pixel_where_ours_does(bench):
    rs, frame = sdk(), look(bench, *bench.make())
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 320, 240, 300.0, 300.0, 159.5, 119.5
    depth = float(frame.depth_m[40, 250])
    theirs = rs.rs2_deproject_pixel_to_point(lens, [250, 40], depth)
    assert np.allclose(theirs, rays(frame.intrinsics, 250, 40) * depth, atol=1e-6)


def test_a_step_in_depth_appears_at_its_pixel_in_colour(bench):
    """A box 10 cm high that begins at x = 0 in the colour camera's frame: at column 159.5, give or take one."""
    _, u = np.mgrid[0:240, 0:424]
    bottom, top = 1.0, 0.9
    x_at_top = (u - WIDE.cx) / WIDE.fx * top + 0.015
    depth = np.where(x_at_top >= 0.0, top, bottom).astype(np.float32)
    port, camera = bench.make()
    frame = look(bench, port, camera, depth=depth)
    edges = [int(np.argmax(row < 0.95)) for row in np.where(frame.depth_m == 0, 9, frame.depth_m)[20:-20]]
    assert abs(np.median(edges) - 160) <= 2, np.median(edges)


def test_colour_comes_through_unchanged(bench):
    assert (look(bench, *bench.make()).rgb == stripes()).all()


def test_what_has_no_return_stays_without(bench):
    depth = wall(WIDE, LENSES.depth_in_colour)
    depth[100:140, 200:240] = 0.0
    frame = look(bench, *bench.make(), depth=depth)
    assert 1000 < (frame.depth_m == 0).sum() < 5000


def test_hole_filling_is_only_done_where_it_is_asked_for(bench):
    depth = wall(WIDE, LENSES.depth_in_colour)
    depth[100:140, 200:240] = 0.0
    frame = look(bench, *bench.make(settings=hung(filters={"hole_filling": "farthest"})), depth=depth)
    assert (frame.depth_m[20:-20, 20:-20] == 0).sum() == 0


@pytest.mark.parametrize(
    ("filters", "least"),
    [
        ({"spatial": {}}, 4.0),
        ({"temporal": {}}, 1.7),
        ({"temporal": {}, "disparity": False}, 1.7),
        ({"spatial": {}, "temporal": {}}, 6.0),
    ],
)
def test_filters_take_noise_away(bench, filters, least):
    rng = np.random.default_rng(5)
    clean = wall(WIDE, LENSES.depth_in_colour)
    noisy = [clean + rng.normal(0, 0.004, clean.shape).astype(np.float32) for _ in range(8)]
    spread = {}
    for name, chosen in (("plain", {}), ("filtered", filters)):
        port, camera = bench.make(settings=hung(filters=chosen))
        for depth in noisy:
            frame = look(bench, port, camera, depth=depth)
        spread[name] = np.std(signed_mm(frame))
    assert spread["plain"] > least * spread["filtered"], spread


def test_spatial_filtering_of_disparity_does_not_shift_depth(bench):
    """Of plain depth the SDK's filter shifts it by 4 mm: the reason why disparity is filtered unless told otherwise."""
    moved = {}
    for disparity in (True, False):
        port, camera = bench.make(settings=hung(filters={"spatial": {}, "disparity": disparity}))
        moved[disparity] = abs(np.median(signed_mm(look(bench, port, camera))))
    assert moved[True] < 1.0 < 3.0 < moved[False], moved


def test_decimated_depth_still_covers_the_picture(bench):
    frame = look(bench, *bench.make(settings=hung(filters={"decimation": 2})))
    assert frame.depth_m.shape == (240, 320) and (frame.depth_m > 0).mean() > 0.97
    assert np.median(error_mm(frame)) < 1.5


@pytest.mark.parametrize("model", ["inverse_brown_conrady", "modified_brown_conrady", "brown_conrady"])
def test_a_lens_with_distortion_is_straightened(bench, model):
    """A D455's colour lens. The wall's picture is bent as the SDK says; straightened, it is the pinhole's again."""
    rs, bent = sdk(), (-0.055, 0.066, 0.0005, -0.0002, -0.02)
    lenses = SoftwareLenses(COLOUR, WIDE, distortion=bent, model=model)
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 320, 240, 300.0, 300.0, 159.5, 119.5
    lens.model, lens.coeffs = getattr(rs.distortion, model), list(bent)
    spot = [0.4, 0.25, 1.0]
    u, v = rs.rs2_project_point_to_pixel(lens, spot)
    assert abs(u - (COLOUR.cx + 300 * 0.4)) > 1.0, "this lens should bend"
    yy, xx = np.mgrid[0:240, 0:320]
    blob = (255 * np.exp(-((xx - u) ** 2 + (yy - v) ** 2) / 18)).astype(np.uint8)
    frame = look(bench, *bench.make(lenses), rgb=np.repeat(blob[..., None], 3, axis=2))
    weight = frame.rgb[..., 0].astype(float)
    assert abs((weight * xx).sum() / weight.sum() - (COLOUR.cx + 300 * 0.4)) < 0.3
    assert abs((weight * yy).sum() / weight.sum() - (COLOUR.cy + 300 * 0.25)) < 0.3
    assert np.percentile(error_mm(frame), 99) < 1.5


def test_a_frame_is_newer_than_its_request(bench):
    port, camera = bench.make()
    first = look(bench, port, camera)
    ticket = port.request("overhead")
    number = camera.show(stripes(), wall(WIDE), first.stamp_s)
    port.streams["overhead"].wait_for(number, 5.0)
    port.step(1)
    assert ticket.outcome is None, "a picture from before the request is no answer"
    bench.clock.now_s += 0.1
    number = camera.show(stripes(), wall(WIDE), bench.clock.now_s)
    port.streams["overhead"].wait_for(number, 5.0)
    port.step(2)
    assert bench.store.get(ticket.value).stamp_s == bench.clock.now_s


def test_requests_between_two_ticks_share_a_frame(bench):
    port, camera = bench.make()
    first, second = port.request("overhead"), port.request("overhead")
    port.streams["overhead"].wait_for(camera.show(stripes(), wall(WIDE), 0.01), 5.0)
    port.step(1)
    assert first.value == second.value


def test_a_picture_that_comes_too_late_is_stale(bench):
    port, camera = bench.make()
    ticket = port.request("overhead")
    port.streams["overhead"].wait_for(camera.show(stripes(), wall(WIDE), 0.01), 5.0)
    bench.clock.now_s = 0.8
    port.step(1)
    assert ticket.outcome.reason == "stale" and "0.79 s old, at most 0.5 s" in ticket.outcome.detail


def test_a_camera_that_gives_nothing_newer_is_lost_for_the_request(bench):
    port, _ = bench.make()
    ticket = port.request("overhead")
    bench.clock.now_s = 2.1
    port.step(1)
    assert ticket.outcome.reason == "camera_lost"


def test_a_camera_is_lost_when_it_is_unplugged_and_comes_back(bench):
    port, camera = bench.make()
    look(bench, port, camera)
    stream = port.streams["overhead"]
    camera.unplug()
    assert stream.wait_state("lost", 5.0)
    ticket = port.request("overhead")
    port.step(1)
    assert ticket.outcome.reason == "camera_lost" and "SIM0001" in ticket.outcome.detail
    camera.plug()
    assert stream.wait_state("live", 5.0) and stream.opened == 2
    assert error_mm(look(bench, port, camera)).max() < 1.5


def test_a_steady_camera_that_falls_silent_is_reset_and_found_again(bench):
    port, camera = bench.make(settings=hung(lost_s=0.2), steady=True)
    look(bench, port, camera)
    stream = port.streams["overhead"]
    until(lambda: camera.resets and stream.opened > 1)
    stream.wait_state("live", 5.0)
    look(bench, port, camera)


def test_an_unknown_camera_is_lost_at_once(bench):
    port, _ = bench.make()
    outcome = port.request("wrist").outcome
    assert outcome.reason == "camera_lost" and "there are: overhead" in outcome.detail


def test_closing_ends_threads_and_open_requests(bench):
    port, _ = bench.make()
    ticket = port.request("overhead")
    port.close()
    port.close()
    assert ticket.outcome.reason == "cancelled" and not port.streams["overhead"]._thread.is_alive()


def test_a_request_that_was_cancelled_gets_no_frame(bench):
    port, camera = bench.make()
    ticket = port.request("overhead")
    ticket.cancel()
    port.streams["overhead"].wait_for(camera.show(stripes(), wall(WIDE), 0.01), 5.0)
    port.step(1)
    assert ticket.outcome.reason == "cancelled" and not port.waits("overhead")


def test_two_cameras_do_not_wait_for_each_other():
    store, silent, shown = FrameStore(), SoftwareCamera(LENSES, "A"), SoftwareCamera(LENSES, "B")
    port = RealSense({"a": hung(), "b": hung()}, store, lambda: 0.0, feeds={"a": silent, "b": shown})
    try:
        first, second = port.request("a"), port.request("b")
        port.streams["b"].wait_for(shown.show(stripes(), wall(WIDE), 0.01), 5.0)
        port.step(1)
        assert first.outcome is None and second.outcome.ok
    finally:
        port.close()
        store.close()


def test_the_frame_says_where_the_camera_was(bench):
    port, camera = bench.make()
    assert look(bench, port, camera).pose_camera_in_base == Pose((0.3, 0.0, 1.0), (0.0, 1.0, 0.0, 0.0))
    moved = Pose((0.1, 0.2, 0.3))
    ticket = port.request("overhead")
    bench.clock.now_s += 0.05
    port.streams["overhead"].wait_for(camera.show(stripes(), wall(WIDE), bench.clock.now_s, moved), 5.0)
    port.step(1)
    assert bench.store.get(ticket.value).pose_camera_in_base == moved


# options


@pytest.fixture
def depth_sensor():
    device = SoftwareDevice(LENSES, "SIM0001")
    yield device.sensors[0]
    device.close()


def test_options_are_set_by_the_sdks_names(depth_sensor):
    realsense_sdk.set_options(depth_sensor, {"emitter_enabled": 0, "laser_power": 30})
    rs = sdk()
    assert depth_sensor.get_option(rs.option.emitter_enabled) == 0
    assert depth_sensor.get_option(rs.option.laser_power) == 30


def test_every_wrong_option_is_named_with_what_is_allowed(depth_sensor):
    with pytest.raises(ConfigError) as raised:
        realsense_sdk.set_options(depth_sensor, {"lazer_power": 1, "laser_power": 500, "depth_units": 0.1, "gain": 2})
    text = str(raised.value)
    assert "there is no option 'lazer_power'; this sensor has: emitter_enabled, enable_auto_exposure, exposure" in text
    assert "Did you mean 'laser_power'?" in text
    assert "laser_power = 500 is outside 0 to 360" in text
    assert "depth_units can only be read; it is 0.001" in text and "'gain'" in text
    assert "Stereo Module" in text


# devices

SEEN = [SeenDevice("D435", "111", "3.2", "5.1"), SeenDevice("D455", "222", "2.1", "5.1")]


def test_without_a_device_the_error_says_what_to_do():
    with pytest.raises(ConfigError, match=r"no RealSense is connected; plug it into a USB 3 port.*udev"):
        choose([], None)


def test_of_several_devices_one_must_be_named():
    with pytest.raises(ConfigError, match=r"several .* D435 111 on USB 3.2, D455 222 on USB 2.1"):
        choose(SEEN, None)
    assert choose(SEEN, "222").name == "D455" and SEEN[1].slow and not SEEN[0].slow


def test_a_serial_that_is_not_there_lists_those_that_are():
    with pytest.raises(ConfigError, match=r"serial '333'.*there are: D435 111"):
        choose(SEEN, "333")


def test_everything_that_is_wrong_with_the_cameras_is_said_at_once(monkeypatch):
    monkeypatch.setattr(realsense, "seen_devices", lambda: SEEN[:1])
    chosen = {"overhead": hung(), "wrist": hung(), "side": RealSenseSettings(serial="9")}
    with pytest.raises(ConfigError) as raised:
        RealSense(chosen, FrameStore(), lambda: 0.0)
    text = str(raised.value)
    assert "'wrist': device 111 is already camera 'overhead'" in text
    assert "'side': extrinsics say where it hangs" in text and "serial '9'" in text


def test_a_live_device_that_is_not_there_is_lost_and_looked_for(monkeypatch):
    """No device is connected to a test machine: the real SDK finds none."""
    if realsense_sdk.seen_devices():
        pytest.skip("a RealSense is connected")
    feed = realsense_feed.LiveFeed(hung(), lambda: 0.0)
    with pytest.raises(realsense_sdk.DeviceLost, match="no RealSense is connected"):
        feed.open()
    feed.close()


# stamps


def test_a_stamp_of_the_hosts_clock_is_taken_as_it_is():
    times = FrameTimes(lambda: 100.0, 1 / 30)
    assert times.stamp(1_000_000.0, True, host_s=1000.02) == pytest.approx(99.98)


def test_a_stamp_of_another_clock_is_never_later_than_the_shot():
    """The device's clock began at another time; the way to the host takes 5 to 40 ms."""
    now = SimpleNamespace(s=0.0)
    times = FrameTimes(lambda: now.s, 1 / 30)
    for index, way_s in enumerate((0.040, 0.005, 0.020, 0.033)):
        taken_s = 10.0 + index / 30
        now.s = taken_s + way_s
        stamp_s = times.stamp(1e3 * (taken_s - 7.0), False)
        assert stamp_s <= taken_s + 0.04 and now.s - stamp_s < 0.1
    assert stamp_s <= taken_s


def test_a_clock_that_begins_again_is_noticed():
    now = SimpleNamespace(s=50.0)
    times = FrameTimes(lambda: now.s, 1 / 30)
    times.stamp(40_000.0, False)
    now.s = 51.0
    assert times.stamp(10.0, False) == pytest.approx(51.0 - 1 / 30)
