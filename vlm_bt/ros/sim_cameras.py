"""The simulated cameras on RealSense-named topics: drawn in the world's thread, and only for those who listen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from vlm_bt.ros import pictures
from vlm_bt.ros_settings import ExtrinsicsSettings, RosCameraSettings
from vlm_bt.simulation.cameras import MISSION_CAMERAS, believed_pose, intrinsics_of
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.world import World
from vlm_bt.types import Pose

REALSENSE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""What realsense2_camera offers by default."""
SHARE = 0.5
"""Of all time, at most so much goes into drawing: the world has to move on."""


def topics(camera: str) -> RosCameraSettings:
    """Where realsense2_camera publishes a camera of this name; "overhead" as the only one there is.

    Where it hangs must be said by the configuration.
    """
    root = "/camera/camera" if camera == "overhead" else f"/{camera}/camera"
    return RosCameraSettings(  # type: ignore[call-arg]
        colour=f"{root}/color/image_raw",
        depth=f"{root}/aligned_depth_to_color/image_raw",
        info=f"{root}/color/camera_info",
        extrinsics=ExtrinsicsSettings(position=(0.0, 0.0, 1.0), quaternion=(0.0, 1.0, 0.0, 0.0)),
    )


class SimCameras:
    """Publishes colour (rgb8), aligned depth (16UC1, millimetres) and CameraInfo of each camera.

    Args:
        cameras: Settings by name; those that the world does not have are left out.
        stamp: The time of messages now.
    """

    def __init__(
        self,
        node: Node,
        world: World,
        cameras: Mapping[str, RosCameraSettings],
        rate_hz: float,
        stamp: Callable[[], Any],
    ) -> None:
        self._world = world
        self._stamp = stamp
        self._period_s = 1.0 / rate_hz
        there = {world.model.camera(index).name for index in range(world.model.ncam)} & set(MISSION_CAMERAS)
        self._publishers = {
            name: (
                node.create_publisher(Image, camera.colour, REALSENSE),
                node.create_publisher(Image, camera.depth, REALSENSE),
                node.create_publisher(CameraInfo, camera.info, REALSENSE),
            )
            for name, camera in cameras.items()
            if name in there
        }
        self._due_s = dict.fromkeys(self._publishers, 0.0)
        self._steps = 0
        self.published = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._publishers)

    def pose(self, camera: str) -> Pose:
        """Where it is believed to hang, optical frame in the base frame."""
        return believed_pose(self._world.model, self._world.data, camera)

    def step(self, now_s: float) -> None:
        """Between steps of the world: draw the one camera that has waited longest, if any is due. Real time."""
        self._steps += 1
        due = [name for name in self._publishers if self._due_s[name] <= now_s and self._listened(name)]
        if not due:
            return
        name = min(due, key=lambda camera: self._due_s[camera])
        began_s = time.monotonic()
        self._shoot(name)
        took_s = time.monotonic() - began_s
        # What all of them take together decides how often each may be drawn.
        wait_s = max(self._period_s, took_s * len(due) / SHARE)
        self._due_s[name] = max(self._due_s[name] + wait_s, now_s + wait_s / 2)

    def _listened(self, camera: str) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers[camera][:2])

    def _shoot(self, camera: str) -> None:
        model, data = self._world.model, self._world.data
        head = pictures.header(self._stamp(), f"{camera}_optical")
        rgb, depth_m = self._world.cameras.renderer.render(data, camera)
        key = (self._world.seed, camera, self._steps)
        colour, depth, info = self._publishers[camera]
        info.publish(pictures.camera_info(intrinsics_of(model, camera), head))
        colour.publish(pictures.colour_message(noisy_colour(rgb, key), head))
        depth.publish(pictures.depth_message(noisy_depth(depth_m, key), head, "16UC1"))
        self.published += 1
