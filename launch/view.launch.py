"""The viewer of py_trees_ros, on whichever mission runs.

ros2 launch vlm_bt view.launch.py
"""

from launch import LaunchDescription
from vlm_bt.ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("view")
