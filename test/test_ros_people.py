"""Questions to people over ROS, with a desk and a mission's channel in this process and answerers beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/README.md")

import time

from PIL import Image
from ros_asking import LATCHED, result_of, until
from ros_found import found
from vlm_bt_interfaces.msg import Question as QuestionMessage
from vlm_bt_interfaces.msg import Reply as ReplyMessage
from vlm_bt_interfaces.srv import AnswerQuestion

from vlm_bt.clocks import LockstepClock
from vlm_bt.ros.people import QuestionDesk, RosHuman
from vlm_bt.ros.runtime import Runtime
from vlm_bt.types import Box, Question

pytestmark = pytest.mark.ros

IDENTITY = Question(
    "question-1", "What is it?", ("pliers", "hammer", "leave it"), "leave it", 5.0, "identity", "thing-3",
    mark=Box(10, 20, 30, 40), mark_centre=(0.3, -0.1), frame_id="overhead-4",
)  # fmt: skip


class Record:
    def __init__(self) -> None:
        self.written: list[tuple[str, dict]] = []

    def write(self, channel, data) -> None:
        self.written.append((channel, dict(data)))

    def keep_frame(self, frame_id, why) -> None: ...


class Bench:
    """A mission that asks, and a program that answers."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime, self.folder = runtime, folder
        self.desk = QuestionDesk(runtime.node("asker"))
        self.clock, self.record = LockstepClock(0.05), Record()
        self.human = self.mission("mission-1")
        self.answerer = runtime.node("answerer")
        self.client = self.answerer.create_client(AnswerQuestion, "answer_question")
        self.replies: list = []
        self.answerer.create_subscription(ReplyMessage, "replies", self.replies.append, LATCHED)
        found(self.client)

    def mission(self, name: str) -> RosHuman:
        return RosHuman(self.desk, self.clock, self.record, self.picture, name, "base")

    def picture(self, question: Question) -> Path | None:
        path = self.folder / f"{question.id}.png"
        Image.new("RGB", (40, 20), "red").save(path)
        return path

    def answer(self, text: str, question: str = "mission-1/question-1", by: str = ""):
        return result_of(self.client.call_async(AnswerQuestion.Request(question_id=question, text=text, by=by)), 10.0)

    def let_pass(self, seconds: float) -> None:
        self.clock.connect((self.human.settle,), lambda: False)
        for _ in range(round(seconds / self.clock.period_s)):
            self.clock.advance()


@pytest.fixture
def bench(tmp_path):
    with Runtime() as runtime:
        yield Bench(runtime, tmp_path)


def test_the_first_valid_answer_wins_and_the_others_are_told_why_not(bench):
    ticket = bench.human.ask(IDENTITY)
    assert bench.desk.waiting()[0].id == "mission-1/question-1"
    nonsense = bench.answer("a spoon", by="anna")
    assert not nonsense.accepted
    assert nonsense.detail == "none of the options; there are: 1: pliers, 2: hammer, 3: leave it"
    assert bench.answer("2", by="ben").accepted
    late = bench.answer("pliers", by="carla")
    assert (late.accepted, late.detail) == (False, "already answered: 'hammer' by ben")
    assert ticket.outcome is None, "only the executive's thread hands answers out"
    bench.let_pass(0.05)
    assert ticket.value.text == "hammer"
    assert bench.desk.waiting() == []
    until(lambda: bench.replies, 5.0)
    assert [(r.text, r.by, r.silent, r.late) for r in bench.replies] == [("hammer", "ben", False, False)]


def test_whoever_joins_later_sees_the_question_with_its_marked_picture(bench):
    bench.human.ask(IDENTITY)
    seen: list = []
    bench.runtime.node("late").create_subscription(QuestionMessage, "questions", seen.append, LATCHED)
    until(lambda: seen, 10.0)
    assert seen[0].options == ["pliers", "hammer", "leave it"]
    assert (seen[0].default_option, seen[0].timeout_s, seen[0].topic, seen[0].about) == (
        "leave it", 5.0, "identity", "thing-3",
    )  # fmt: skip
    assert (seen[0].mark[0].x0, seen[0].mark_centre[0].y) == (10, -0.1)
    assert bytes(seen[0].picture[0].data).startswith(b"\x89PNG")
    assert seen[0].deadline.sec - seen[0].header.stamp.sec in (4, 5, 6)


def test_nobody_answers_and_the_late_answer_is_a_fact(bench):
    ticket = bench.human.ask(IDENTITY)
    bench.let_pass(5.1)
    assert (ticket.value.text, ticket.value.silent) == ("leave it", True)
    until(lambda: bench.replies, 5.0)
    assert (bench.replies[0].text, bench.replies[0].silent) == ("leave it", True)
    late = bench.answer("pliers")
    assert (late.accepted, late.detail) == (True, "it came late, and is taken as a fact")
    bench.let_pass(0.05)
    assert [(name, reply.text) for name, reply in bench.human.late_replies()] == [("question-1", "pliers")]


def test_an_answer_to_an_earlier_missions_question_fits_no_other(bench):
    bench.human.ask(IDENTITY)
    bench.human.close()
    second = bench.mission("mission-2")
    ticket = second.ask(IDENTITY)
    refused = bench.answer("pliers")
    assert (refused.accepted, refused.detail) == (False, "its mission has ended")
    assert bench.answer("pliers", "mission-9/question-1").detail == "there is no question 'mission-9/question-1'"
    second.settle(1)
    assert ticket.outcome is None


def test_free_text_is_taken_where_it_is_allowed_and_stays_text(bench):
    from dataclasses import replace

    ticket = bench.human.ask(replace(IDENTITY, free_text=True))
    assert bench.answer("<b>stop</b>; rm -rf", by="x" * 500).accepted
    bench.let_pass(0.05)
    assert ticket.value.text == "<b>stop</b>; rm -rf"
    assert all(len(str(entry.get("by", ""))) <= 80 for _, entry in bench.record.written)


def test_two_answers_at_once_are_one(bench):
    bench.human.ask(IDENTITY)
    futures = [
        bench.client.call_async(AnswerQuestion.Request(question_id="mission-1/question-1", text=text, by=text))
        for text in ("pliers", "hammer") * 5
    ]
    until(lambda: all(future.done() for future in futures), 10.0)
    assert sum(future.result().accepted for future in futures) == 1
    time.sleep(0.05)
    assert len({reply.text for reply in bench.replies}) <= 1
