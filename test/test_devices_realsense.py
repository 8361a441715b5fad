"""RealSense cameras through the real SDK: software devices, its alignment and filters."""

import numpy as np
import pytest

pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")

from software_bench import COLOUR, LENSES, WIDE, error_mm, hung, look, signed_mm, software_bench, stripes, until, wall

from vlm_bt.devices.realsense import RealSense
from vlm_bt.devices.realsense_sdk import sdk
from vlm_bt.devices.software_camera import SoftwareCamera
from vlm_bt.devices.software_device import SoftwareLenses
from vlm_bt.frames import FrameStore
from vlm_bt.scene.geometry import rays
from vlm_bt.types import Pose


@pytest.fixture
def bench():
    with software_bench() as made:
        yield made


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
