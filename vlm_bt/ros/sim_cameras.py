"""The simulated cameras on RealSense-named topics: drawn in a thread of their own, and only for those who listen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from vlm_bt.ros import pictures
from vlm_bt.ros_settings import ExtrinsicsSettings, RosCameraSettings
from vlm_bt.simulation.cameras import MISSION_CAMERAS, Renderer, believed_pose, intrinsics_of
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.still import Still
from vlm_bt.simulation.world import World
from vlm_bt.types import Pose

REALSENSE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""What realsense2_camera offers by default."""
SHARE = 0.5
"""Of a processor core, at most so much goes into drawing: whoever looks at the pictures needs the machine too."""
IDLE_S = 0.005


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

    The world's thread leaves a copy of the world with `step`; the thread that draws it owns renderer and publishers.

    Args:
        cameras: Settings by name; those that the world does not have are left out.
        rate_hz: Pictures a second of each camera, as far as `SHARE` allows.
        stamp: The time of messages now.
        noise: As a sensor has it.
    """

    def __init__(
        self,
        node: Node,
        world: World,
        cameras: Mapping[str, RosCameraSettings],
        rate_hz: float,
        stamp: Callable[[], Any],
        *,
        noise: bool = True,
    ) -> None:
        self._world = world
        self._stamp = stamp
        self._noise = noise
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
        self._lock = threading.Lock()
        self._left = Still(world.model)
        self._seen = Still(world.model)
        self._left_at: tuple[int, Any] | None = None
        self._steps = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vlm_bt-drawing", daemon=True)
        self.published = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._publishers)

    def pose(self, camera: str) -> Pose:
        """Where it is believed to hang, optical frame in the base frame. In the world's thread."""
        return believed_pose(self._world.model, self._world.data, camera)

    def step(self) -> None:
        """Between steps of the world, in its thread: what is drawn next is the world as it is now."""
        self._steps += 1
        if not any(self._listened(name) for name in self._publishers):
            return
        with self._lock:
            self._left.take(self._world.data)
            self._left_at = (self._steps, self._stamp())
        if not self._thread.is_alive() and not self._stopped.is_set():
            self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        with Renderer(self._world.model) as renderer:
            while not self._stopped.is_set():
                if not self._draw_next(renderer):
                    self._stopped.wait(IDLE_S)

    def _draw_next(self, renderer: Renderer) -> bool:
        """The one camera that has waited longest; False where none is due, or the world has not moved on."""
        now_s = time.monotonic()
        due = [name for name in self._publishers if self._due_s[name] <= now_s and self._listened(name)]
        with self._lock:
            left_at, self._left_at = self._left_at if due else None, None if due else self._left_at
            if left_at is None:
                return False
            self._seen.take(self._left.data)
        name = min(due, key=lambda camera: self._due_s[camera])
        self._shoot(renderer, name, *left_at)
        took_s = time.monotonic() - now_s
        # What all of them take together decides how often each may be drawn.
        wait_s = max(self._period_s, took_s * len(due) / SHARE)
        self._due_s[name] = max(self._due_s[name] + wait_s, now_s + wait_s / 2)
        return True

    def _listened(self, camera: str) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers[camera][:2])

    def _shoot(self, renderer: Renderer, camera: str, step: int, stamp: Any) -> None:
        head = pictures.header(stamp, f"{camera}_optical")
        rgb, depth_m = renderer.render(self._seen.data, camera)
        if self._noise:
            key = (self._world.seed, camera, step)
            rgb, depth_m = noisy_colour(rgb, key), noisy_depth(depth_m, key)
        colour, depth, info = self._publishers[camera]
        info.publish(pictures.camera_info(intrinsics_of(self._world.model, camera), head))
        colour.publish(pictures.colour_message(rgb, head))
        depth.publish(pictures.depth_message(depth_m, head, "16UC1"))
        self.published += 1
