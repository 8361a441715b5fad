"""A RealSense through realsense2_camera, an arm through MoveIt or ros2_control, missions, vision and guardian.

ros2 launch vlm_bt realsense.launch.py config:=my_robot.yaml controllers:="my_robot_bringup controllers.launch.py"
ros2 launch vlm_bt realsense.launch.py config:=my_robot.yaml arm:=moveit controllers:="my_robot_moveit demo.launch.py"
"""

from launch import LaunchDescription
from vlm_bt.ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("realsense")
