"""Goals whose answers come too soon, or not at all."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from rclpy.action import ActionServer, GoalResponse
from ros_found import found
from vlm_bt_interfaces.action import RunMission

from vlm_bt.ros.action_client import SureActionClient
from vlm_bt.ros.runtime import Runtime

pytestmark = pytest.mark.ros


def answer(future: Any, limit_s: float = 5.0) -> Any:
    came = threading.Event()
    future.add_done_callback(lambda _: came.set())
    assert came.wait(limit_s), f"no answer within {limit_s:g} s"
    return future.result()


class Dropping:
    """A server's handle that drops the answers to goals, as the middleware does before it has discovered a client."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.dropped = 0

    def send_goal_response(self, header: Any, response: Any) -> None:
        self.dropped += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def __enter__(self) -> Any:
        return self._handle.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._handle.__exit__(*raised)


@pytest.fixture
def bench():
    """(client, server, what the server was asked to run)."""
    ran: list[str] = []

    def run(goal: Any) -> Any:
        ran.append(goal.request.tree)
        time.sleep(0.05)
        goal.succeed()
        return RunMission.Result(mission=goal.request.tree)

    def judge(goal: Any) -> GoalResponse:
        return GoalResponse.REJECT if goal.tree == "refused" else GoalResponse.ACCEPT

    with Runtime() as serves, Runtime() as asks:
        server = ActionServer(serves.node("server"), RunMission, "run", run, goal_callback=judge)
        client = SureActionClient(asks.node("asks"), RunMission, "run")
        yield found(client), server, ran
        client.destroy()
        server.destroy()


def test_a_goal_whose_answer_is_lost_is_known_by_its_status_and_its_result_comes(bench):
    client, server, ran = bench
    server._handle = Dropping(server._handle)
    for tree in ("one", "two"):
        handle = answer(client.send_goal_async(RunMission.Goal(tree=tree)))
        assert handle.accepted and handle.stamp.sec > 0
        assert answer(handle.get_result_async()).result.mission == tree
    assert (server._handle.dropped, ran) == (2, ["one", "two"])


def test_a_refused_goal_is_not_taken_as_accepted_by_the_status_of_another(bench):
    client, server, _ = bench
    assert answer(client.send_goal_async(RunMission.Goal(tree="one"))).accepted
    assert not answer(client.send_goal_async(RunMission.Goal(tree="refused"))).accepted
    server._handle = Dropping(server._handle)
    lost = client.send_goal_async(RunMission.Goal(tree="refused"))
    assert answer(client.send_goal_async(RunMission.Goal(tree="two"))).accepted
    assert not lost.done()


def test_an_answer_and_a_status_that_come_together_are_one_answer(bench):
    """On a busy machine both are taken in one turn."""
    client, _, _ = bench
    execute = client.execute

    async def status_first(taken):
        """The status again with every answer: it has the goal already."""
        if "goal" in taken:
            goal_id = client._goal_sequence_number_to_goal_id[taken["goal"][0]]
            status = GoalStatus(status=GoalStatus.STATUS_EXECUTING, goal_info=GoalInfo(goal_id=goal_id))
            taken["status"] = GoalStatusArray(status_list=[status])
        await execute(taken)

    client.execute = status_first
    for tree in ("one", "two"):
        handle = answer(client.send_goal_async(RunMission.Goal(tree=tree)))
        assert handle.accepted and answer(handle.get_result_async()).result.mission == tree


def test_many_goals_are_each_answered_once_and_nothing_is_told_as_unexpected(bench, capfd):
    client, _, ran = bench
    for number in range(30):
        handle = answer(client.send_goal_async(RunMission.Goal(tree=f"{number}")), 1.0)
        assert answer(handle.get_result_async(), 2.0).result.mission == f"{number}"
    assert len(ran) == 30
    assert "unexpected" not in capfd.readouterr().err
