"""The interface package between two processes: a service, an action with feedback and cancel, a topic; its files."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ros_found import found

CHECKOUT = Path(__file__).parent.parent
LIMIT_S = 20.0


def fields() -> Iterator[tuple[str, str]]:
    """(file and line, definition) of every field, constant and comment."""
    for path in sorted((CHECKOUT / "interfaces").glob("*/*")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield f"{path.name}:{number}", line


def test_the_interface_package_has_the_version_of_the_project() -> None:
    versions = {ElementTree.parse(CHECKOUT / at / "package.xml").findtext("version") for at in (".", "interfaces")}
    assert len(versions) == 1


def test_messages_use_only_packages_that_are_declared() -> None:
    manifest = ElementTree.parse(CHECKOUT / "interfaces/package.xml")
    declared = {element.text for element in manifest.iter("depend")}
    used = {line.split("/")[0] for _, line in fields() if "/" in line.split("#")[0].split(" ")[0]}
    assert used <= declared
    built = (CHECKOUT / "interfaces/CMakeLists.txt").read_text("utf-8")
    assert all(f"find_package({name} REQUIRED)" in built for name in declared)


def test_every_file_begins_with_what_it_is_and_fits_the_line() -> None:
    for path in sorted((CHECKOUT / "interfaces").glob("*/*.*")):
        assert path.read_text("utf-8").startswith("# "), path.name
    assert not [at for at, line in fields() if len(line) > 128]


@pytest.fixture
def echo() -> Iterator[None]:
    """The other process, for as long as the test runs."""
    command = [sys.executable, str(CHECKOUT / "test/ros_echo.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0


@pytest.fixture
def node() -> Iterator[Any]:
    rclpy = pytest.importorskip("rclpy")
    pytest.importorskip("vlm_bt_interfaces")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("test", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def until(node: Any, future: Any) -> Any:
    """The future's result, within the limit."""
    node.executor.spin_until_future_complete(future, LIMIT_S)
    assert future.done(), "no answer within the limit"
    return future.result()


@pytest.mark.ros
def test_a_typed_question_with_its_picture_is_answered_by_another_process(echo: None, node: Any) -> None:
    import numpy as np
    from vlm_bt_interfaces.msg import ImageSource
    from vlm_bt_interfaces.srv import Ask

    from vlm_bt.ros.messages import answer_of, outcome_of
    from vlm_bt.ros.pictures import colour_message
    from vlm_bt.types import Answer, Outcome

    client = node.create_client(Ask, "ask")
    found(client)
    picture = colour_message(np.full((480, 640, 3), 7, np.uint8))
    request = Ask.Request(kind=Ask.Request.IS_TRUE, text="all one colour", images=[ImageSource(image=[picture])])
    response = until(node, client.call_async(request))
    assert outcome_of(response.outcome) == Outcome()
    assert answer_of(response.answer[0]) == Answer(
        "all one colour", ("yes", "no"), (1.0, 0.0), ("yes",), "", "one colour"
    )


@pytest.mark.ros
def test_a_mission_reports_its_steps_and_its_outcome_to_another_process(echo: None, node: Any) -> None:
    from action_msgs.msg import GoalStatus
    from vlm_bt_interfaces.action import RunMission

    from vlm_bt.ros.action_client import SureActionClient
    from vlm_bt.ros.messages import outcome_of, values_message
    from vlm_bt.types import Outcome

    client = SureActionClient(node, RunMission, "run")
    found(client)
    told: list[str] = []
    goal = RunMission.Goal(tree="organise_workbench", inputs=values_message({"groups": "{}"}))
    handle = until(node, client.send_goal_async(goal, lambda message: told.append(message.feedback.node)))
    assert handle.accepted
    response = until(node, handle.get_result_async())
    assert response.status == GoalStatus.STATUS_SUCCEEDED
    assert outcome_of(response.result.outcome) == Outcome("done", "organise_workbench", {"inputs": 1})
    assert told == ["look at the bench", "ask a person", "put it away"]


@pytest.mark.ros
def test_a_mission_can_be_cancelled_from_another_process(echo: None, node: Any) -> None:
    from action_msgs.msg import GoalStatus
    from vlm_bt_interfaces.action import RunMission

    from vlm_bt.ros.action_client import SureActionClient

    client = SureActionClient(node, RunMission, "run")
    found(client)
    handle = until(node, client.send_goal_async(RunMission.Goal(tree="endless")))
    began = time.perf_counter()
    assert len(until(node, handle.cancel_goal_async()).goals_canceling) == 1
    response = until(node, handle.get_result_async())
    assert response.status == GoalStatus.STATUS_CANCELED
    assert response.result.outcome.reason == "cancelled"
    assert time.perf_counter() - began < 5.0


@pytest.mark.ros
def test_detections_of_another_process_arrive_as_they_were_sent(echo: None, node: Any) -> None:
    from rclpy.task import Future
    from vlm_bt_interfaces.msg import Detections

    from vlm_bt.questions import Found, Grounded
    from vlm_bt.ros.messages import grounded_of
    from vlm_bt.types import Box

    arrived = Future(executor=node.executor)
    node.create_subscription(Detections, "detections", lambda m: arrived.done() or arrived.set_result(m), 1)
    message = until(node, arrived)
    assert grounded_of(message) == Grounded("hammer", (Found(Box(1, 2, 30, 40), 0.75),), "top-7", "echo")
    assert message.camera == "top"
