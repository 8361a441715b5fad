"""Pictures of any origin as a RealSense: fed into the SDK's software device, they come out of its real machinery."""

from __future__ import annotations

import queue
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.devices.realsense_feed import Shot
from vlm_bt.devices.realsense_sdk import DeviceLost
from vlm_bt.devices.software_device import SoftwareDevice, SoftwareLenses
from vlm_bt.types import Pose

REMEMBERED = 64
"""Stamps and poses of the latest pictures; more are never on their way."""


class SoftwareCamera:
    """The feed of a software device; `show` may be called from any one thread.

    Args:
        serial: What it calls itself.
        steady: Pictures are shown all the time, so that silence means that the camera is lost.
        record: Write everything that is shown to this `.db3` file as well.
    """

    on_demand = False

    def __init__(
        self, lenses: SoftwareLenses, serial: str = "SIM0001", *, steady: bool = False, record: Path | None = None
    ) -> None:
        self.steady = steady
        self._lenses = lenses
        self._serial = serial
        self._record = record
        self._shown = 0
        self._told: OrderedDict[int, tuple[float, Pose | None]] = OrderedDict()
        self._last: tuple[NDArray[np.uint8], NDArray[np.float32], float, Pose | None] | None = None
        self._here = True
        self._device: SoftwareDevice | None = None
        self._lines: queue.SimpleQueue[tuple[Any, Any, int]] = queue.SimpleQueue()
        self.resets = 0

    def show(
        self, rgb: NDArray[np.uint8], depth_m: NDArray[np.float32], stamp_s: float, pose: Pose | None = None
    ) -> int:
        """Put a pair in front of the camera; returns its number.

        Args:
            rgb: (H, W, 3) through the colour lens. depth_m: (H, W) metres through the depth lens, 0: no return.
            stamp_s: When it was taken, on the mission's clock. pose: of the colour camera then, in the base frame.
        """
        self._shown += 1
        self._told[self._shown] = (stamp_s, pose)
        self._last = (rgb, depth_m, stamp_s, pose)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        units = np.rint(depth_m / self._lenses.depth_unit_m).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
        self._lines.put((np.ascontiguousarray(rgb), units, self._shown))
        return self._shown

    def show_again(self) -> int:
        """The last pair once more, with its old stamp, as a camera whose picture stands still."""
        if self._last is None:
            raise RuntimeError("nothing was shown yet")
        return self.show(*self._last)

    def unplug(self) -> None:
        """As if the cable were pulled: the feed is lost until `plug`."""
        self._here = False

    def plug(self) -> None:
        self._here = True

    @property
    def plugged(self) -> bool:
        return self._here

    @property
    def sensors(self) -> Sequence[Any]:
        """Depth and colour sensor of the open device, as the SDK's software sensors."""
        return () if self._device is None else self._device.sensors

    def open(self) -> None:
        if not self._here:
            raise DeviceLost(f"RealSense {self._serial} is not connected")
        while not self._lines.empty():
            self._lines.get()
        self._device = SoftwareDevice(self._lenses, self._serial, self._record)

    def wait(self, limit_s: float) -> Shot | None:
        if not self._here or self._device is None:
            raise DeviceLost(f"RealSense {self._serial} was unplugged")
        try:
            rgb, depth, number = self._lines.get(timeout=limit_s)
        except queue.Empty:
            return None
        frames = self._device.pair(rgb, depth)
        stamp_s, pose = self._told[number]
        return Shot(frames, number, stamp_s, pose)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None
