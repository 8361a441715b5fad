"""The mission node in a process of its own, on the embedded simulation, asked from here."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/README.md")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from missions import messages
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_asking import Asking, Started, result_of, until
from ros_found import found
from vlm_bt_interfaces.msg import MissionState
from vlm_bt_interfaces.srv import AnswerQuestion, CheckTree, ListMissions, Tell

from vlm_bt.ros.runtime import Runtime

pytestmark = [pytest.mark.ros, pytest.mark.timeout(240)]

SMALL = ["simulation.kinds=[pliers, hammer]", "simulation.staged_events=false"]
UNDOUBTED = ["simulation.kinds=[combination wrench, pliers]", "simulation.staged_events=false"]
"""Things that the shipped model is sure of: nobody is asked before the arm moves, and nobody answers here."""
START_S = 90.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ros_mission")


@pytest.fixture(scope="module")
def node(folder) -> Iterator[Started]:
    """People answer over ROS; simulated time runs as on the wall."""
    started = Started("mission", "--site", "embedded", "--record", str(folder / "missions"), log=folder / "node.txt")
    yield started
    assert started.end() == 0, started.log.read_text()


@pytest.fixture
def client(node) -> Iterator[Asking]:
    with Runtime(threads=6) as runtime:
        asking = Asking(runtime)
        until(lambda: asking.state is not None, START_S, "the node")
        if asking.state.mission == "" and asking.state.status == MissionState.IDLE:
            _active(asking)
        yield asking
        asking.trigger("abort")
        _idle(asking)


def _active(asking: Asking) -> None:
    """A goal that is refused costs nothing; one that is taken is cancelled."""

    def taken() -> bool:
        time.sleep(0.2)
        handle = asking.send("watch_and_wait", overrides=SMALL)
        if handle.accepted:
            handle.cancel_goal_async()
            asking.result(handle)
        return bool(handle.accepted)

    until(taken, START_S, "the node is active")


def _idle(asking: Asking) -> None:
    until(lambda: asking.state.status in (MissionState.IDLE, MissionState.ENDED), 30.0, "nothing under way")


def _running(asking: Asking, motions: int = 0) -> None:
    """The mission that was asked for last is under way; with `motions`, the arm is too."""

    def under_way() -> bool:
        state = asking.state
        news = state.mission != asking.before and state.status == MissionState.RUNNING
        return news and state.progress.tick > 2 and state.progress.motions >= motions

    until(under_way, START_S, "the mission runs")


def test_a_mission_asked_for_from_another_process_runs_to_its_end_and_people_answer_over_ros(client):
    handle = client.send(overrides=SMALL)
    assert handle.accepted
    done = handle.get_result_async()
    answered: list[str] = []

    def answering() -> bool:
        for question in client.questions:
            shown = any(question.id == asked.id for feedback in client.feedback for asked in feedback.question)
            if question.id not in answered and shown:
                answered.append(question.id)
                text = "yes" if "yes" in question.options else question.default_option
                assert client.call(AnswerQuestion, question_id=question.id, text=text, by="test").accepted
        return done.done()

    until(answering, 200.0, "the end of the mission")
    result = done.result().result
    assert (result.outcome.reason, result.outcome.detail) == ("done", "")
    assert "pliers" in result.closing
    told = json.loads(result.json)
    assert (told["unverified_motions"], told["safe"], told["questions"]) == (0, True, len(answered))
    assert Path(result.report).is_file()
    assert answered, "the mission asks at its end whether the bench looks right"
    assert client.feedback[-1].progress.tick > 10
    kinds = {evidence.kind for evidence in client.evidence}
    assert {"status", "verdict", "motion", "question", "reply", "result"} <= kinds
    replies = messages(Path(result.report).with_name("mission.mcap"), "reply")
    assert [reply["silent"] for reply in replies] == [False] * len(answered)
    until(lambda: client.state.status == MissionState.ENDED, 5.0, "the state says so")
    assert client.state.outcome[0].reason == "done"


def test_a_mission_that_is_cancelled_in_mid_motion_stops_the_arm_and_closes_its_record(client):
    handle = client.send(overrides=UNDOUBTED)
    _running(client, motions=1)
    cancelled_s = time.monotonic()
    handle.cancel_goal_async()
    result = client.result(handle)
    assert time.monotonic() - cancelled_s < 10.0
    assert (result.outcome.reason, result.outcome.detail.split(";")[0]) == ("cancelled", "cancelled by the client")
    told = json.loads(result.json)
    assert told["safe"], "the arm stands still"
    assert messages(Path(result.report).with_name("mission.mcap"), "result")[0]["outcome"] == "cancelled"


def test_pausing_holds_everything_still_until_it_is_resumed(client):
    handle = client.send(overrides=SMALL)
    _running(client)
    assert client.trigger("pause").success
    until(lambda: client.state.status == MissionState.PAUSED, 5.0, "paused")
    time.sleep(0.3)
    before = client.state
    time.sleep(1.0)
    assert (client.state.node, client.state.progress.motions) == (before.node, before.progress.motions)
    assert client.call(Tell, text="What are you doing?").reply.startswith(
        "Paused in 'organise workbench', at the step '"
    )
    assert client.trigger("resume").success
    until(lambda: client.state.status == MissionState.RUNNING, 5.0, "running")
    until(lambda: client.state.path != before.path, 30.0, "something happens again")
    handle.cancel_goal_async()
    client.result(handle)


def test_a_second_client_is_refused_unless_it_may_preempt(client):
    first = client.send(overrides=SMALL)
    _running(client)
    with Runtime() as runtime:
        other = Asking(runtime, "other")
        assert not other.send(overrides=SMALL).accepted
        second = other.send(overrides=SMALL, preempt=True)
        assert second.accepted
        ended = client.result(first).outcome
        assert ended.reason == "cancelled"
        assert ended.detail.startswith("another mission was asked for")
        until(lambda: other.state.status == MissionState.RUNNING, START_S, "the second one runs")
        second.cancel_goal_async()
        assert other.result(second).outcome.reason == "cancelled"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"tree": "organise_workbenhc"}, "no tree is called 'organise_workbenhc'; did you mean 'organise_workbench'?"),
        ({"tree": "/etc/passwd"}, "no tree is called '/etc/passwd'"),
        ({"tree": "", "sentence": "do something nice"}, "no mission is started by 'do something nice'"),
        ({"tree": "", "sentence": "/tmp/x.yaml"}, "a sentence starts a mission, a file does not"),
        ({"tree": "count_parts", "inputs": {"colour": "red"}}, "tree 'count_parts' has no input 'colour'"),
        ({"overrides": ["mission.tick_s=-1"]}, "--set mission.tick_s: Input should be greater than 0, got -1"),
    ],
)
def test_what_cannot_be_run_ends_with_the_reason(client, asked, told):
    result = client.result(client.send(**asked))
    assert result.outcome.reason == "unsupported"
    assert told in result.outcome.detail


def test_trees_are_listed_and_checked(client):
    listed = {mission.tree: mission for mission in client.call(ListMissions).missions}
    assert "organise this workbench" in " ".join(listed["organise_workbench"].sentences)
    assert listed["organise_workbench"].summary
    assert "wrenches: {" in listed["organise_workbench"].inputs[0].value
    assert client.call(CheckTree, tree="organise_workbench").ok
    checked = client.call(CheckTree, text="tree: mine\nroot:\n  go_hoem:\n")
    assert not checked.ok
    assert any("go_home" in finding.help + finding.message and finding.line == 3 for finding in checked.findings)


def test_a_person_can_stop_and_is_told_what_else_may_be_said(client):
    handle = client.send(overrides=SMALL)
    _running(client)
    unknown = client.call(Tell, text="order two pizzas", by="anna")
    assert not unknown.understood and "what are you doing?" in unknown.options
    told = client.call(Tell, text="what are you doing?", by="anna")
    assert told.intent == "status" and told.reply.startswith("Busy with 'organise workbench'")
    told = client.call(Tell, text="  STOP! ", by="anna")
    assert (told.intent, told.reply) == ("stop", "stopping: the arm stands still")
    assert client.result(handle).outcome.detail.split(";")[0] == "anna said stop"
    assert client.call(Tell, text="status").reply == "nothing is under way"


def test_settings_are_parameters_and_only_safe_ones_change_while_it_runs(client):
    setting = client.node.create_client(SetParameters, "mission_node/set_parameters")
    found(setting)

    def change(name: str, value: float) -> tuple[bool, str]:
        number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[Parameter(name=name, value=number)])
        answer = result_of(setting.call_async(request)).results[0]
        return answer.successful, answer.reason

    assert change("vision.error_rate", 0.005) == (True, "")
    refused, reason = change("vision.error_rate", 0.2)
    assert not refused
    assert reason == "vision.error_rate may only be lowered while it runs, from 0.005; start anew to raise it"
    assert not change("mission.time_limit_s", -1.0)[0]
    assert "greater than 0" in change("mission.time_limit_s", -1.0)[1]
    assert not change("mission.tick_s", 0.1)[0]


def test_a_parameter_that_may_change_holds_for_the_mission_under_way(client):
    setting = client.node.create_client(SetParameters, "mission_node/set_parameters")
    found(setting)
    # Nobody answers its question: it goes on until it is stopped.
    handle = client.send(overrides=SMALL)
    _running(client)

    def limit(seconds: float) -> bool:
        number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=seconds)
        request = SetParameters.Request(parameters=[Parameter(name="mission.time_limit_s", value=number)])
        return bool(result_of(setting.call_async(request)).results[0].successful)

    try:
        assert limit(0.5)
        outcome = client.result(handle).outcome
        assert (outcome.reason, outcome.detail) == ("timed_out", "the mission took longer than 0.5 s")
    finally:
        assert limit(1800.0)


def test_a_node_that_is_deactivated_stops_its_mission_and_takes_no_other(client):
    changing = client.node.create_client(ChangeState, "mission_node/change_state")
    found(changing)

    def change(number: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=number))
        return bool(result_of(changing.call_async(request)).success)

    handle = client.send(overrides=SMALL)
    _running(client)
    assert change(Transition.TRANSITION_DEACTIVATE)
    assert client.result(handle).outcome.detail.split(";")[0] == "the node was deactivated"
    assert not client.send(overrides=SMALL).accepted
    assert change(Transition.TRANSITION_ACTIVATE)
    again = client.send(overrides=SMALL)
    assert again.accepted
    again.cancel_goal_async()
    client.result(again)


@pytest.fixture
def started(tmp_path) -> Iterator[Callable[..., Started]]:
    """Nodes that a test starts for itself."""
    nodes: list[Started] = []

    def start(*words: str) -> Started:
        log = tmp_path / f"node{len(nodes)}.txt"
        nodes.append(Started("mission", "--site", "embedded", "--name", "other_node", "--namespace", "other",
                             "--record", str(tmp_path / "missions"), *words, log=log))  # fmt: skip
        return nodes[-1]

    yield start
    for node in nodes:
        node.end()


def test_a_terminated_node_stops_the_arm_and_closes_its_record(started, tmp_path):
    with Runtime(threads=6) as runtime:
        asking = Asking(runtime, namespace="other")
        node = started()
        until(lambda: asking.state is not None, START_S, "the node")
        _active(asking)
        asking.send(overrides=UNDOUBTED)
        _running(asking, motions=1)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(30) == 0
        record = tmp_path / "missions" / asking.state.mission / "mission.mcap"
        ended = messages(record, "result")[0]
        assert (ended["outcome"], ended["detail"].split(";")[0]) == ("cancelled", "the node was told to end")
        assert ended["safe"]
