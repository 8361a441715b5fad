"""The simulated workbench inside the mission node: the smallest robot there is.

ros2 launch vlm_bt embedded.launch.py set:="simulation.items=4"
"""

from launch import LaunchDescription
from vlm_bt.ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("embedded")
