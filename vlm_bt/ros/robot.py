"""A robot as its topics and actions show it: listened to all the time, by one mission after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rclpy.node import Node

from vlm_bt.clocks import WallClock
from vlm_bt.errors import ConfigError, RobotAway
from vlm_bt.ros.arm import RosArm
from vlm_bt.ros.camera import MAIN, open_eyes
from vlm_bt.ros.eye import Eye
from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros.workspace import RosWorkspace
from vlm_bt.settings import Settings
from vlm_bt.types import Outcome

ANSWERS_WITHIN_S = 15.0
LOOKS_EVERY_S = 0.02


class Robot:
    """Cameras, arm and workspace monitor of a robot. Used by one thread at a time: the one that ticks.

    Args:
        node: Spun by others; relative names lie under its namespace.

    Raises:
        ConfigError: The settings have no camera, or one whose pose only tf2 would know, which is not installed.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        ros = settings.ros
        if not ros.cameras:
            raise ConfigError("ros.cameras: a mission on a robot needs one called 'overhead'; see config/")
        self.inbox = Inbox()
        self.stamps = Stamps(node, WallClock(settings.mission.tick_s))
        self.arm = RosArm(node, ros.arm, self.stamps, self.inbox, ros.base_frame)
        self.eyes: Mapping[str, Eye] = open_eyes(node, ros, self.stamps, self.arm.hand_poses.near)
        self.workspace = RosWorkspace(node, ros.workspace, self.stamps, self.inbox)
        self._node = node

    def clock(self, period_s: float) -> WallClock:
        """A clock for the next mission, which begins here, on the node's time: simulated where the node uses that."""
        clock = WallClock(period_s, now=lambda: self.stamps.now_s)
        self.stamps.clock = clock
        self.arm.begin_mission()
        return clock

    def step(self) -> None:
        """Take in what came, between ticks."""
        self.inbox.empty()
        self.arm.step()

    def wait_ready(self, limit_s: float = ANSWERS_WITHIN_S) -> None:
        """Wait until everything has been heard of once. Before missions only.

        Raises:
            RobotAway: Something is missing still after `limit_s` of real time; all of it is named.
        """
        end_s = time.monotonic() + limit_s
        missing = self.missing()
        while missing:
            if time.monotonic() > end_s:
                told = "; ".join(what.detail for what in missing)
                raise RobotAway(f"the robot is not there after {limit_s:g} s: {told}", missing[0].reason)
            time.sleep(LOOKS_EVERY_S)
            self.inbox.empty()
            missing = self.missing()

    def missing(self) -> list[Outcome]:
        """What has not been heard of lately, each as the fault that it would be in a mission."""
        found = []
        if self.stamps.now_s <= 0:
            found.append(Outcome("stale", "nobody publishes /clock, and simulated time is to be used"))
        found += [eye.trouble() for eye in self.eyes.values() if not eye.seen and eye.name == MAIN]
        if not self.arm.heard:
            found.append(Outcome("arm_fault", "the arm says nothing of itself"))
        elif not self.arm.served:
            found.append(Outcome("arm_fault", "nobody serves the arm's actions"))
        elif self.arm.rivals:
            names = " and ".join(self.arm.rivals)
            told = f"more than one node serves {names}: they would answer for one another"
            found.append(Outcome("arm_fault", told))
        if not self.workspace.heard:
            found.append(Outcome("stale", "nothing says whether somebody is in reach"))
        return found
