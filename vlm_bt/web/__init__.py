"""The browser view: a mission, or its record, on a page that people on the robot's network open."""
