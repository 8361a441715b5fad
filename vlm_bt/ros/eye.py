"""One RGB-D camera on ROS topics: pairs, calibration and pose brought together into a `Shot` when somebody asks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from vlm_bt.errors import PictureError
from vlm_bt.ros.feed import Feed
from vlm_bt.ros.lens import Lens
from vlm_bt.ros.messages import seconds_of
from vlm_bt.ros.mounting import Mounting
from vlm_bt.ros.pairing import Pair, Pairing, Side
from vlm_bt.ros.pictures import Colour, Depth, colour_of, compressed_colour_of, compressed_depth_of, depth_of
from vlm_bt.ros_settings import RosCameraSettings
from vlm_bt.types import Intrinsics, Outcome, Pose

LOOKS_EVERY_S = 0.2
ASLEEP_AFTER_S = 30.0
"""A camera that nobody has asked for so long is listened to no more, unless it is kept awake."""
AHEAD_S = 0.1
"""A stamp so far in the future is a clock that is wrong, not a message that came quickly."""
PICTURES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
INFOS = {"sensor_msgs/msg/CameraInfo": CameraInfo}


@dataclass(frozen=True, eq=False)
class Shot:
    """One moment, as a `Frame` has it but without a mission: `stamp_s` is on the ROS clock, `frame` the optical one."""

    rgb: Colour
    depth_m: Depth
    intrinsics: Intrinsics
    pose_camera_in_base: Pose
    stamp_s: float
    frame: str


Take = Callable[[Shot], None]


class Eye:
    """Listens to a camera's three topics in threads of ROS. Messages are read only for somebody who asked.

    Args:
        now_s: The ROS clock, seconds.
        awake: Listen also while nobody asks, so that the first answer comes quickly.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        settings: RosCameraSettings,
        mounting: Mounting,
        now_s: Callable[[], float],
        *,
        awake: bool = True,
    ) -> None:
        self.name = name
        self._settings = settings
        self._mounting = mounting
        self._now_s = now_s
        self._lock = threading.Lock()
        self._pairing = Pairing(settings.most_apart_s)
        self._recent: deque[Pair] = deque(maxlen=4)
        self._wanted: list[tuple[float, Take]] = []
        self._asked_s = float("inf") if awake else float("-inf")
        self._came_s: dict[str, float] = {}
        self._info: CameraInfo | None = None
        self._lens: Lens | None = None
        self._fault = Outcome()
        self._rectified = "rect" in settings.colour.rsplit("/", 1)[-1]
        group = MutuallyExclusiveCallbackGroup()
        self._feeds = {
            "colour": Feed(node, settings.colour, PICTURES, lambda m: self._hear("colour", m), group),
            "depth": Feed(node, settings.depth, PICTURES, lambda m: self._hear("depth", m), group),
            "info": Feed(node, settings.info, INFOS, self._hear_info, group),
        }
        node.create_timer(LOOKS_EVERY_S, self._look, callback_group=group)

    @property
    def lost_s(self) -> float:
        return self._settings.lost_s

    @property
    def counts(self) -> dict[str, int]:
        """Pairs that were made, messages that found no partner, messages that came too late to be paired."""
        pairing = self._pairing
        return {"pairs": pairing.pairs, "lone": pairing.lone, "late": pairing.late}

    @property
    def seen(self) -> bool:
        """Whether pairs come: the last one is no older than `lost_s`."""
        return self._since("pair") <= self._settings.lost_s and self._info is not None

    def ask(self, after_s: float, take: Take) -> None:
        """Have the first shot that was taken after a time on the ROS clock; `take` is called in a thread of ROS."""
        with self._lock:
            self._wanted.append((after_s, take))
        self._asked_s = max(self._asked_s, self._now_s())

    def forget(self, take: Take) -> None:
        with self._lock:
            self._wanted = [wanted for wanted in self._wanted if wanted[1] is not take]

    def trouble(self) -> Outcome:
        """Why no shot comes, for a person."""
        lost_s = self._settings.lost_s
        for feed in self._feeds.values():
            if feed.trouble:
                return self._lost(feed.trouble)
        for what in ("colour", "depth"):
            if self._since(what) > lost_s:
                return self._lost(f"nothing came on {self._feeds[what].topic} for {lost_s:g} s")
        if self._info is None:
            return self._lost(f"no calibration came on {self._feeds['info'].topic}")
        if self._since("pair") > lost_s:
            apart_s = self._pairing.apart_s
            told = f"; the last were {apart_s * 1e3:.0f} ms apart" if apart_s is not None else ""
            allowed = f"{self._settings.most_apart_s * 1e3:.0f} ms"
            return self._lost(f"colour and depth come, but never within {allowed} of each other{told}")
        return self._fault if not self._fault.ok else self._lost("no new image came in time")

    def _lost(self, why: str) -> Outcome:
        return Outcome("camera_lost", f"camera {self.name!r}: {why}")

    def _since(self, what: str) -> float:
        return self._now_s() - self._came_s.get(what, float("-inf"))

    def _look(self) -> None:
        asleep = self._now_s() - self._asked_s > ASLEEP_AFTER_S
        for feed in self._feeds.values():
            if asleep:
                feed.sleep()
            else:
                feed.adapt()

    def _hear_info(self, info: CameraInfo) -> None:
        if self._info is None or _calibration(info) != _calibration(self._info):
            self._lens = None
        self._info = info

    def _hear(self, side: Side, message: Any) -> None:
        self._came_s[side] = self._now_s()
        pair = self._pairing.add(side, seconds_of(message.header.stamp), message)
        if pair is None:
            return
        self._came_s["pair"] = self._came_s[side]
        self._recent.append(pair)
        with self._lock:
            wanted = tuple(self._wanted)
        if wanted:
            self._serve(wanted)

    def _serve(self, wanted: tuple[tuple[float, Take], ...]) -> None:
        """The oldest pairs first: where tf2 is behind by some milliseconds, they are what it knows already."""
        for pair in tuple(self._recent):
            fit = [take for after_s, take in wanted if pair.stamp_s >= after_s]
            shot = self._shot(pair) if fit else None
            if shot is None:
                continue
            with self._lock:
                self._wanted = [left for left in self._wanted if left[1] not in fit]
            wanted = tuple(left for left in wanted if left[1] not in fit)
            for take in fit:
                take(shot)

    def _shot(self, pair: Pair) -> Shot | None:
        age_s = self._now_s() - pair.stamp_s
        if age_s > self._settings.stale_s or age_s < -AHEAD_S:
            when = f"{age_s:.1f} s ago" if age_s > 0 else f"{-age_s:.1f} s in the future"
            self._fault = Outcome("stale", f"camera {self.name!r}: what comes is stamped {when}; do the clocks agree?")
            return None
        if self._info is None:
            return None
        frame = self._settings.frame or pair.colour.header.frame_id
        pose = self._mounting.pose(frame, pair.stamp_s)
        if isinstance(pose, str):
            self._fault = self._lost(pose)
            return None
        try:
            if self._lens is None:
                self._lens = Lens(self._info, self._rectified)
            rgb, depth_m = self._lens.pinhole(_colour(pair.colour), _depth(pair.depth))
        except PictureError as error:
            self._fault = self._lost(str(error))
            return None
        self._fault = Outcome()
        return Shot(rgb, depth_m, self._lens.intrinsics, pose, pair.stamp_s, frame)


def _calibration(info: CameraInfo) -> tuple[Any, ...]:
    return (info.width, info.height, info.distortion_model, tuple(info.k), tuple(info.d), tuple(info.p))


def _colour(message: Any) -> Colour:
    return compressed_colour_of(message) if isinstance(message, CompressedImage) else colour_of(message)


def _depth(message: Any) -> Depth:
    return compressed_depth_of(message) if isinstance(message, CompressedImage) else depth_of(message)
