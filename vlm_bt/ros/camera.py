"""The `Camera` port over ROS: a request in one tick, a frame that is newer than the request in a later one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.node import Node

from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.ros.eye import Eye, Shot, Take
from vlm_bt.ros.mounting import mounting
from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros_settings import RosSettings
from vlm_bt.types import Frame, Outcome, Pose

MAIN = "overhead"
"""Every mission looks through it all the time; other cameras are listened to once they are asked for."""


def open_eyes(
    node: Node, settings: RosSettings, stamps: Stamps, hand: Callable[[float], Pose | None] = lambda stamp_s: None
) -> dict[str, Eye]:
    """Listen to every camera of the settings.

    Args:
        hand: Where the hand was at a time on the ROS clock, for cameras that the arm carries.

    Raises:
        ConfigError: A camera has no extrinsics and tf2 is not installed.
    """
    return {
        name: Eye(
            node,
            name,
            camera,
            mounting(node, name, camera, settings.base_frame, hand),
            lambda: stamps.now_s,
            awake=name == MAIN,
        )
        for name, camera in settings.cameras.items()
    }


class RosCamera:
    """Named cameras on ROS topics. `step` is called between ticks, in the executive's thread.

    Messages are read and put right in threads of ROS; the executive copies the result into the store and does nothing
    else. A request that nothing answers for the camera's `lost_s` fails, with the reason in words.

    Args:
        eyes: Listen to the cameras, also between missions.
    """

    def __init__(self, eyes: Mapping[str, Eye], frames: FrameStore, stamps: Stamps, inbox: Inbox) -> None:
        self._eyes = eyes
        self._frames = frames
        self._inbox = inbox
        self._stamps = stamps
        self._waiting: list[tuple[str, Ticket[str], float, Take]] = []

    def request(self, camera: str) -> Ticket[str]:
        """A frame of `camera`, newer than this call; the ticket resolves to its id."""
        ticket: Ticket[str] = Ticket(f"frame of {camera}")
        eye = self._eyes.get(camera)
        if eye is None:
            known = ", ".join(self._eyes) or "none"
            ticket.fail(Outcome("camera_lost", f"there is no camera {camera!r}; there are: {known}"))
            return ticket

        def take(shot: Shot) -> None:
            self._inbox.post(lambda: self._arrived(camera, ticket, shot))

        asked_s = self._stamps.now_s
        self._waiting.append((camera, ticket, asked_s, take))
        eye.ask(asked_s, take)
        return ticket

    def step(self) -> None:
        """Between ticks: give up on what does not come."""
        for camera, ticket, asked_s, take in self._waiting:
            if ticket.outcome is None and self._stamps.now_s - asked_s > self._eyes[camera].lost_s:
                ticket.fail(self._eyes[camera].trouble())
            if ticket.outcome is not None:
                self._eyes[camera].forget(take)
        self._waiting = [waiting for waiting in self._waiting if waiting[1].outcome is None]

    def close(self) -> None:
        for camera, ticket, _, take in self._waiting:
            self._eyes[camera].forget(take)
            ticket.cancel()
        self._waiting = []

    def _arrived(self, camera: str, ticket: Ticket[str], shot: Shot) -> None:
        if ticket.outcome is None:
            ticket.resolve(self._frames.put(self._frame(camera, shot)))

    def _frame(self, camera: str, shot: Shot) -> Frame:
        return Frame(
            self._frames.new_id(camera),
            camera,
            shot.rgb,
            shot.depth_m,
            shot.intrinsics,
            shot.pose_camera_in_base,
            self._stamps.mission_s(shot.stamp_s),
        )
