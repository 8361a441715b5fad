"""Passes a camera's topics on under other names, in a process of its own: the driver of a simulated camera.

    python -m vlm_bt.ros.camera_driver TOPIC:=AS TOPIC:=AS TOPIC:=AS

Messages go through as bytes. It can be killed without the world that it shows.
"""

from __future__ import annotations

import sys
import threading

from sensor_msgs.msg import CameraInfo, Image

from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.sim_cameras import REALSENSE


def pass_on(names: list[str], stopped: threading.Event) -> None:
    """Until `stopped`. `names`: colour, depth and calibration, each as TOPIC:=AS."""
    with Runtime() as runtime:
        node = runtime.node("camera_driver")
        for text, kind in zip(names, (Image, Image, CameraInfo), strict=True):
            topic, _, given = text.partition(":=")
            publisher = node.create_publisher(kind, given, REALSENSE)
            node.create_subscription(kind, topic, publisher.publish, REALSENSE, raw=True)
        stopped.wait()


if __name__ == "__main__":
    pass_on(sys.argv[1:], threading.Event())
