"""ROS 2: the only room that knows rclpy and message packages."""
