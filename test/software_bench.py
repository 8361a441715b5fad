"""Software cameras before a tilted wall, and the port that sees it through the RealSense SDK."""

import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices.realsense import RealSense
from vlm_bt.devices.software_camera import SoftwareCamera
from vlm_bt.devices.software_device import SoftwareLenses
from vlm_bt.frames import FrameStore
from vlm_bt.scene.geometry import rays
from vlm_bt.types import Intrinsics

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


@contextmanager
def software_bench():
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
