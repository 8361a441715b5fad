"""The simulated workbench behind real ROS topics and actions: robot, missions, vision and guardian, each a process.

ros2 launch vlm_bt workbench.launch.py tree:=organise_workbench human:=scripted view:=true
"""

from launch import LaunchDescription
from vlm_bt.ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("workbench")
