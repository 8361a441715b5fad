"""A robot that is reached over ROS 2, as a site. Imported only where rclpy is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vlm_bt.app.requested import MakeSite, SitePeople
from vlm_bt.app.site import Judged, Picture
from vlm_bt.devices.people import Channel, ScriptedHuman, SilentHuman, TerminalHuman, load_script, script_path
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Camera, Monitor, Recorder
from vlm_bt.ros.arm import RosArm
from vlm_bt.ros.camera import RosCamera
from vlm_bt.ros.robot import Robot
from vlm_bt.settings import Settings
from vlm_bt.types import Zone

if TYPE_CHECKING:
    from vlm_bt.ros.request import Request


class RobotSite:
    """One mission's view of a robot; the robot is listened to on and on, mission after mission.

    Args:
        people: Further channels to people, by name, such as "ros".
    """

    lockstep = False

    def __init__(self, settings: Settings, frames: FrameStore, robot: Robot, people: SitePeople | None = None) -> None:
        self._settings = settings
        self._robot = robot
        self._people = dict(people or {})
        self.clock = robot.clock(settings.mission.tick_s)
        self._camera = RosCamera(robot.eyes, frames, robot.stamps, robot.inbox)

    @property
    def camera(self) -> Camera:
        return self._camera

    @property
    def arm(self) -> RosArm:
        return self._robot.arm

    @property
    def monitors(self) -> Mapping[str, Monitor]:
        return {"workspace": self._robot.workspace}

    def step(self, tick: int) -> None:
        self._robot.step()
        self._camera.step()

    def person(self, how: str, recorder: Recorder, picture: Picture) -> Channel:
        """ "silent", "terminal", or one of `people`; "scripted" answers blindly: nobody here sees the bench.

        Raises:
            ConfigError: There is no such channel, or its script cannot be read.
        """
        channel, _, script = how.partition(":")
        if how in self._people:
            return self._people[how](self.clock, recorder, picture)
        if channel == "silent":
            return SilentHuman(self.clock, recorder)
        if channel == "terminal":
            return TerminalHuman(self.clock, recorder, picture)
        if channel == "scripted":
            path = script_path(script or self._settings.human.script, shipped=not script)
            return ScriptedHuman(self.clock, recorder, load_script(path), lambda place: "")
        known = ", ".join(["terminal", "scripted", "scripted:FILE", "silent", *self._people])
        raise ConfigError(f"nobody answers by {how!r}; there are: {known}")

    def judge(self, zones: Mapping[str, Zone]) -> Judged:
        """Nobody knows the truth about a real bench."""
        return Judged()

    def close(self) -> None:
        """Leave the arm standing, and the robot to the next mission."""
        self._camera.close()
        if self.arm.commanding:
            self.arm.stop()


def on_robot(robot: Robot) -> MakeSite:
    """The robot as the place of requested missions. What is not there is an error of the mission that wants it."""

    def open_site(settings: Settings, frames: FrameStore, request: Request, people: SitePeople) -> RobotSite:
        robot.wait_ready()
        return RobotSite(settings, frames, robot, people)

    return open_site
