"""A goal whose server is not the only one of its name."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/README.md")

from ros_asking import until
from ros_puppets import PuppetArm
from vlm_bt_interfaces.action import MoveArm

from vlm_bt import settings
from vlm_bt.places import share_dir
from vlm_bt.ros.goal import ActionPort, Goal
from vlm_bt.ros.request import Attachments, Request
from vlm_bt.ros.robot import Robot
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.worker import Run, Worker

pytestmark = pytest.mark.ros


def ended(port: ActionPort) -> Goal:
    inbox = Inbox()
    goal = Goal(
        port, MoveArm.Goal(named="home"), inbox, time.monotonic, accept_limit_s=5.0, limit_s=5.0, what="move to home"
    )

    def over() -> bool:
        inbox.empty()
        goal.step()
        return goal.ended is not None

    until(over, 15.0, "the end of the goal")
    return goal


def test_two_arms_of_one_name_are_told_apart_from_an_arm_that_forgot_its_goal():
    """What another arm answers for a goal that it refused looks as if our own arm had lost it."""
    with Runtime() as first, Runtime() as second, Runtime() as caller:
        arm, other = PuppetArm(first), PuppetArm(second)
        arm.takes_s, other.refuses, other.accepts_after_s = 0.5, True, 0.3
        node = caller.node("caller")
        port = ActionPort(node, MoveArm, "move_arm")
        robot = Robot(node, settings.load(share_dir("config") / "ros_workbench.yaml"))
        until(lambda: port.served and port.servers == 2, 10.0, "both arms are there")
        until(lambda: robot.inbox.empty() or robot.arm.heard, 10.0, "the arm is heard")
        told = "more than one node serves move_arm and grip: they would answer for one another"
        until(lambda: told in [what.detail for what in robot.missing()], 5.0, "both actions of both arms are there")
        outcome = ended(port).ended
        assert (outcome.reason, outcome.detail.split(";")[0]) == (
            "arm_fault",
            "move to home: 2 nodes serve move_arm and answer for one another",
        )
        arm.close()
        other.close()


def test_a_mission_that_begins_while_a_part_of_the_robot_is_away_ends_with_the_fault_of_that_part():
    """Not as `unsupported`, which a caller would take as its own mistake."""
    with Runtime() as runtime:
        robot = Robot(runtime.node("robot"), settings.load(share_dir("config") / "ros_workbench.yaml"))

        def start(request, attached):
            robot.wait_ready(0.1)

        worker = Worker(start, lambda run: Attachments((), None, None), lambda: lambda: None)
        run = Run(Request("mission-1", "organise_workbench"))
        worker.submit(run)
        assert run.done.wait(10.0)
        assert worker.close()
    assert run.outcome.reason == "camera_lost"
    for part in ("camera 'overhead'", "the arm says nothing of itself", "nothing says whether somebody is in reach"):
        assert part in run.outcome.detail
