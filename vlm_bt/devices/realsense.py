"""RealSense cameras as the Camera port, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices.realsense_feed import Feed, LiveFeed
from vlm_bt.devices.realsense_recording import RecordingFeed
from vlm_bt.devices.realsense_sdk import choose, seen_devices
from vlm_bt.devices.realsense_stream import Stream, Taken
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.types import Frame, Outcome, Pose

PoseAt = Callable[[float], Pose]
"""Where a camera's optical frame was at a time on the mission's clock, in the base frame."""


@dataclass(frozen=True)
class Asked:
    ticket: Ticket[str]
    since_s: float


class RealSense:
    """Named cameras, each a device, a recording or a feed of the caller's. `step` is called between ticks.

    Args:
        now: The mission's clock in seconds; it is read from the cameras' threads too.
        poses: Of cameras that move; the others hang where their settings say.
        feeds: Instead of the device or recording of the settings; they say where the camera was for each shot, unless
            the settings or `poses` do.

    Raises:
        ConfigError: No SDK, no such device, an option or mode that it does not have, or it is not known where it hangs.
    """

    def __init__(
        self,
        cameras: Mapping[str, RealSenseSettings],
        frames: FrameStore,
        now: Callable[[], float],
        *,
        poses: Mapping[str, PoseAt] | None = None,
        feeds: Mapping[str, Feed] | None = None,
    ) -> None:
        self._settings = dict(cameras)
        self._frames = frames
        self._now = now
        self._poses = dict(poses or {})
        self._given: dict[str, tuple[Taken, str]] = {}
        given = feeds or {}
        self._check(given)
        self._waiting: dict[str, list[Asked]] = {name: [] for name in cameras}
        self.streams = {
            name: Stream(name, given[name] if name in given else _feed(settings, now), settings)
            for name, settings in cameras.items()
        }
        try:
            for name, settings in cameras.items():
                self.streams[name].wait_open(settings.start_within_s)
        except ConfigError:
            self.close()
            raise

    def request(self, camera: str) -> Ticket[str]:
        """A frame of `camera`, taken after this call; the ticket resolves to its id, or fails with `camera_lost` (it
        is not connected, silent, or its recording has ended) or `stale` (its pictures come too late)."""
        ticket: Ticket[str] = Ticket(f"frame of {camera}")
        if camera not in self.streams:
            known = ", ".join(self.streams)
            ticket.fail(Outcome("camera_lost", f"there is no camera {camera!r}; there are: {known}"))
            return ticket
        since_s = self._now()
        self._waiting[camera].append(Asked(ticket, since_s))
        self.streams[camera].want(since_s)
        return ticket

    def step(self, tick: int) -> None:
        """Hand over what has come, between ticks; never waits."""
        for camera, waiting in self._waiting.items():
            self._waiting[camera] = [asked for asked in waiting if not self._settle(camera, asked)]

    def waits(self, camera: str) -> bool:
        """Whether a request for a frame of it is open."""
        return bool(self._waiting.get(camera))

    def close(self) -> None:
        """Idempotent."""
        for waiting in self._waiting.values():
            for asked in waiting:
                asked.ticket.cancel()
            waiting.clear()
        for stream in self.streams.values():
            stream.close()

    def _settle(self, camera: str, asked: Asked) -> bool:
        """Whether the request has ended."""
        if asked.ticket.outcome is not None:
            return True
        stream, settings, now_s = self.streams[camera], self._settings[camera], self._now()
        taken = stream.latest
        if taken is not None and taken.stamp_s > asked.since_s:
            old_s = now_s - taken.stamp_s
            if old_s > settings.stale_s:
                detail = f"camera {camera!r}: its picture is {old_s:.2f} s old, at most {settings.stale_s:g} s is good"
                asked.ticket.fail(Outcome("stale", detail))
            else:
                asked.ticket.resolve(self._frame_of(camera, taken))
        elif stream.state in ("lost", "ended"):
            asked.ticket.fail(Outcome("camera_lost", f"camera {camera!r}: {stream.detail}"))
        elif now_s - asked.since_s > settings.lost_s:
            detail = f"camera {camera!r} gave no picture taken after the request for {settings.lost_s:g} s"
            asked.ticket.fail(Outcome("camera_lost", detail))
        return asked.ticket.outcome is not None

    def _frame_of(self, camera: str, taken: Taken) -> str:
        """Requests that one picture answers share its frame."""
        last, frame_id = self._given.get(camera, (None, ""))
        if last is taken and frame_id in self._frames:
            return frame_id
        frame_id = self._frames.new_id(camera)
        self._given[camera] = (taken, frame_id)
        picture, pose = taken.picture, taken.pose or self._pose(camera, taken.stamp_s)
        frame = Frame(frame_id, camera, picture.rgb, picture.depth_m, picture.intrinsics, pose, taken.stamp_s)
        return self._frames.put(frame)

    def _pose(self, camera: str, stamp_s: float) -> Pose:
        if camera in self._poses:
            return self._poses[camera](stamp_s)
        hangs = self._settings[camera].extrinsics
        if hangs is None:
            raise ConfigError(f"camera {camera!r}: its feed does not say where it was, nor do extrinsics or poses")
        return Pose(hangs.position, hangs.quaternion)

    def _check(self, given: Mapping[str, Feed]) -> None:
        """Raises: ConfigError: everything that is wrong before any camera is opened."""
        wrong = []
        live: dict[str, str] = {}
        for name, settings in self._settings.items():
            known = name in given or name in self._poses or settings.extrinsics is not None
            if not known:
                wrong.append(f"camera {name!r}: extrinsics say where it hangs in the base frame; there are none")
            if name in given or settings.recording is not None:
                continue
            try:
                serial = choose(seen_devices(), settings.serial).serial
            except ConfigError as error:
                wrong.append(f"camera {name!r}: {error}")
                continue
            if serial in live:
                wrong.append(f"camera {name!r}: device {serial} is already camera {live[serial]!r}")
            live[serial] = name
        if wrong:
            raise ConfigError("\n".join(wrong))


def _feed(settings: RealSenseSettings, now: Callable[[], float]) -> Feed:
    return LiveFeed(settings, now) if settings.recording is None else RecordingFeed(settings, now)
