"""The vision node alone: questions as services, and what a camera shows as topics.

ros2 launch vlm_bt vision.launch.py config:=my_robot.yaml rate_hz:=2
"""

from launch import LaunchDescription
from vlm_bt.ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("vision")
