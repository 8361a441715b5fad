"""Recordings of the RealSense SDK, written and played."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")

from software_bench import LENSES, WIDE, hung, look, software_bench, stripes, until, wall

from vlm_bt.devices.realsense import RealSense
from vlm_bt.errors import ConfigError

GREYS = Path(__file__).parent / "recordings" / "six_greys.bag"
"""Written by the SDK 2.55 from its software device: pictures of grey 40, 80... 240 and depth 0.81, 0.82... 0.86 m."""


@pytest.fixture
def bench():
    with software_bench() as made:
        yield made


def replayed(bench, path, limit=99, **changes):
    """Every frame that requests get out of a recording, and the outcome that ended it."""
    port = RealSense({"overhead": hung(recording=path, **changes)}, bench.store, lambda: bench.clock.now_s)
    bench.opened.append(port)
    frames = []
    while len(frames) < limit:
        ticket = port.request("overhead")
        bench.clock.now_s += 0.01
        until(lambda ticket=ticket: port.step(1) or ticket.outcome is not None)
        if not ticket.outcome.ok:
            return frames, ticket.outcome
        frame = bench.store.get(ticket.value)
        frames.append(replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy()))
    return frames, None


def test_what_is_recorded_is_replayed_to_the_last_bit(bench, tmp_path):
    path = tmp_path / "bench.db3"
    port, camera = bench.make(record=path)
    rng = np.random.default_rng(3)
    shown = []
    for index in range(5):
        depth = wall(WIDE, LENSES.depth_in_colour) + rng.normal(0, 0.002, (240, 424)).astype(np.float32)
        shown.append(look(bench, port, camera, np.roll(stripes(), index, axis=1), depth))
    port.close()
    again, ended = replayed(bench, path, real_time=False)
    assert ended.reason == "camera_lost" and "bench.db3 has ended" in ended.detail
    assert len(again) == 6, "the first picture twice: the SDK's syncer pairs from the second on"
    for frame, original in zip(again[-5:], shown, strict=True):
        assert (frame.rgb == original.rgb).all() and (frame.depth_m == original.depth_m).all()
        assert frame.intrinsics == original.intrinsics


@pytest.mark.parametrize("real_time", [False, True])
def test_recordings_of_older_sdks_are_played(bench, real_time):
    frames, ended = replayed(bench, GREYS, real_time=real_time, lost_s=1e3, stale_s=1e3)
    seen = [(int(frame.rgb[0, 0, 0]), round(float(frame.depth_m[24, 32]), 3)) for frame in frames]
    every = [(40 * n, round(0.8 + 0.01 * n, 3)) for n in range(1, 7)]
    assert ended.reason == "camera_lost" and "six_greys.bag has ended" in ended.detail
    assert seen == (every if not real_time else [pair for pair in every if pair in seen]) and len(seen) >= 2


def test_a_recording_can_be_looped(bench):
    frames, ended = replayed(bench, GREYS, limit=14, real_time=False, loop=True)
    greys = [int(frame.rgb[0, 0, 0]) for frame in frames]
    assert ended is None and greys.count(240) >= 2 and greys.index(80, greys.index(240)) > greys.index(240)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.bag", None, "there is no such file"),
        ("a.mp4", b"", "it must end in .db3 or .bag"),
        ("text.db3", b"no recording", "the RealSense SDK cannot play it"),
    ],
)
def test_what_is_no_recording_is_refused_at_the_start(bench, tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        replayed(bench, path)


def test_a_bag_of_ros_is_told_apart(bench, tmp_path):
    path = tmp_path / "ros.db3"
    with sqlite3.connect(path) as bag:
        bag.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT)")
        bag.execute("INSERT INTO topics(name) VALUES ('/camera/camera/color/image_raw')")
    with pytest.raises(ConfigError, match="play it with ros2 bag play"):
        replayed(bench, path)
