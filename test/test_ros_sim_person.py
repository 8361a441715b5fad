"""The supervisor of a simulated bench, over real topics and a real service."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

import ros_puppets  # noqa: F401  (sets what Fast DDS goes by)
from rclpy.callback_groups import ReentrantCallbackGroup
from vlm_bt_interfaces.msg import Question as QuestionMessage
from vlm_bt_interfaces.msg import Reply as ReplyMessage
from vlm_bt_interfaces.srv import AnswerQuestion

from vlm_bt.clocks import WallClock
from vlm_bt.leaves.handing import HAND_OVER
from vlm_bt.ros.messages import question_message, reply_message
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.sim_person import NAME, QUALITY, SimPerson
from vlm_bt.types import Question, Reply

pytestmark = pytest.mark.ros

SCRIPT = {"answers_after_s": 0.2, "identity": {"pliers": "combination pliers"}, "other": {"anything else": "yes"}}


class Bench:
    """What a world does when somebody comes and goes, written down."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def person_comes(self) -> None:
        self.seen.append("comes")

    def person_takes(self) -> None:
        self.seen.append("takes")

    def person_goes(self) -> None:
        self.seen.append("goes")


class Standing:
    """A person at the bench, and a mission that asks."""

    def __init__(self, person: Runtime, mission: Runtime, script) -> None:
        self.bench, self.inbox = Bench(), Inbox()
        self.clock = WallClock(0.02)
        self.answers: list[AnswerQuestion.Request] = []
        node = mission.node("mission")
        node.create_service(AnswerQuestion, "answer_question", self._answered, callback_group=ReentrantCallbackGroup())
        self.questions = node.create_publisher(QuestionMessage, "questions", QUALITY)
        self.replies = node.create_publisher(ReplyMessage, "replies", QUALITY)
        self.person = SimPerson(
            person.node("robot"), self.bench, self.inbox, self.clock, lambda place: "pliers", script
        )
        self.until(lambda: self.questions.get_subscription_count() and self.person._service.service_is_ready())

    def _answered(self, request, response):
        self.answers.append(request)
        return response

    def asks(self, question: Question) -> None:
        self.questions.publish(question_message(question))

    def lives(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._step()

    def until(self, true) -> None:
        began_s = time.monotonic()
        while not true():
            assert time.monotonic() - began_s < 10.0, "it never happened"
            self._step()

    def _step(self) -> None:
        self.inbox.empty()
        self.person.settle(0)
        time.sleep(0.005)


@pytest.fixture
def stand():
    with Runtime() as person, Runtime() as mission:
        yield lambda script: Standing(person, mission, script)


def about(topic: str, name: str = "q-1", **more) -> Question:
    return Question(name, "What is it?", ("yes", "leave it"), "leave it", 5.0, topic=topic, **more)


def test_a_question_is_answered_once_by_what_the_person_sees_after_a_while(stand):
    standing = stand(SCRIPT)
    question = about("identity", mark_centre=(0.4, 0.1))
    asked_s = time.monotonic()
    standing.asks(question)
    standing.asks(question)
    standing.until(lambda: bool(standing.answers))
    assert time.monotonic() - asked_s >= 0.2
    standing.lives(0.4)
    (answer,) = standing.answers
    assert (answer.question_id, answer.text, answer.by) == ("q-1", "combination pliers", NAME)


def test_a_person_without_a_script_says_nothing(stand):
    standing = stand(None)
    standing.asks(about("other"))
    standing.asks(about(HAND_OVER, "q-2"))
    standing.until(lambda: standing.bench.seen == ["comes"])
    standing.lives(0.5)
    assert not standing.answers


def test_what_is_held_out_is_taken_when_somebody_says_so(stand):
    standing = stand(None)
    standing.asks(about(HAND_OVER))
    standing.until(lambda: bool(standing.bench.seen))
    standing.replies.publish(reply_message(Reply("q-1", "yes")))
    standing.until(lambda: "goes" in standing.bench.seen)
    assert standing.bench.seen == ["comes", "takes", "goes"]


@pytest.mark.parametrize("reply", [Reply("q-1", "leave it"), Reply("q-1", "leave it", silent=True)])
def test_nothing_is_taken_where_nobody_says_so(stand, reply):
    standing = stand(None)
    standing.asks(about(HAND_OVER))
    standing.until(lambda: bool(standing.bench.seen))
    standing.replies.publish(reply_message(reply))
    standing.until(lambda: "goes" in standing.bench.seen)
    assert standing.bench.seen == ["comes", "goes"]


def test_replies_to_other_questions_move_nobody(stand):
    standing = stand(None)
    standing.asks(about("other"))
    standing.until(lambda: "q-1" in standing.person._known)
    standing.replies.publish(reply_message(Reply("q-1", "yes")))
    standing.replies.publish(reply_message(Reply("never-asked", "yes")))
    standing.lives(0.4)
    assert not standing.bench.seen
