"""The threads that run ROS's callbacks: nothing queues up, nothing ends them but their shutdown."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from ros_found import found
from ros_puppets import PuppetArm
from std_srvs.srv import Trigger
from unique_identifier_msgs.msg import UUID
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.runtime import Runtime

pytestmark = pytest.mark.ros


def answer(future, limit_s: float = 5.0):
    """What the future brings; fails where it brings nothing in time."""
    came = threading.Event()
    future.add_done_callback(lambda _: came.set())
    assert came.wait(limit_s), f"no answer within {limit_s:g} s"
    return future.result()


@pytest.fixture
def caller():
    with Runtime() as runtime:
        yield runtime.node("caller")


@pytest.fixture
def server():
    with Runtime(threads=2) as runtime:
        yield runtime.node("server")


def ask(node, name: str):
    client = node.create_client(Trigger, name, callback_group=ReentrantCallbackGroup())
    found(client)
    return client


def test_hundreds_of_goals_are_each_answered_within_a_second_beside_other_messages(caller):
    with Runtime(threads=8) as runtime:
        puppet = PuppetArm(runtime)
        puppet.takes_s = 0.0
        ports = [(ActionPort(caller, MoveArm, "move_arm"), MoveArm), (ActionPort(caller, Grip, "grip"), Grip)]
        deadline_s = time.monotonic() + 10.0
        while not all(port.served for port, _ in ports):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        for number in range(300):
            port, kind = ports[number % 2]
            goal_id = UUID(uuid=list(uuid.uuid4().bytes))
            assert answer(port.send(goal_id, kind.Goal()), 1.0).accepted
            assert answer(port.result(goal_id), 1.0).status > 0
        puppet.close()


def test_a_callback_that_fails_is_told_and_the_next_one_runs(caller, server, capfd):
    said = []

    def serve(request, response):
        said.append(request)
        if len(said) == 1:
            raise RuntimeError("a bug of ours")
        response.success = True
        return response

    server.create_service(Trigger, "serve", serve)
    client = ask(caller, "serve")
    client.call_async(Trigger.Request())
    assert answer(client.call_async(Trigger.Request())).success
    told, deadline_s = "", time.monotonic() + 5.0
    while "a bug of ours" not in told:
        assert time.monotonic() < deadline_s, "nothing was logged"
        told += capfd.readouterr().err
        time.sleep(0.01)


def test_a_callback_that_waits_for_another_answer_lets_others_run_and_goes_on_when_it_comes(caller, server):
    waits_for, resumed = Future(), []

    async def wait(request, response):
        resumed.append(await waits_for)
        return response

    group = ReentrantCallbackGroup()
    server.create_service(Trigger, "wait", wait, callback_group=group)
    server.create_service(Trigger, "serve", lambda request, response: response, callback_group=group)
    waiting = ask(caller, "wait").call_async(Trigger.Request())
    client = ask(caller, "serve")
    began_s = time.process_time()
    for _ in range(10):
        answer(client.call_async(Trigger.Request()))
    time.sleep(0.3)
    assert not resumed and time.process_time() - began_s < 0.4, "it was asked without pause whether it may go on"
    waits_for.set_result("now")
    answer(waiting)
    assert resumed == ["now"]


def test_as_many_callbacks_run_at_once_as_there_are_threads(caller, server):
    let_go, inside = threading.Event(), []

    def hold(request, response):
        inside.append(1)
        let_go.wait(5.0)
        return response

    server.create_service(Trigger, "hold", hold, callback_group=ReentrantCallbackGroup())
    client = ask(caller, "hold")
    calls = [client.call_async(Trigger.Request()) for _ in range(2)]
    deadline_s = time.monotonic() + 5.0
    while len(inside) < 2:
        assert time.monotonic() < deadline_s, "the second waited for the first"
        time.sleep(0.005)
    let_go.set()
    for call in calls:
        answer(call)


def test_closing_waits_for_a_callback_under_way_and_leaves_no_thread(caller):
    before = set(threading.enumerate())
    runtime = Runtime()
    node, entered, ended = runtime.node("closing"), threading.Event(), []

    def slow() -> None:
        entered.set()
        time.sleep(0.2)
        ended.append(1)

    node.create_timer(0.01, slow)
    assert entered.wait(5.0)
    runtime.close()
    assert ended and set(threading.enumerate()) <= before
    runtime.close()
