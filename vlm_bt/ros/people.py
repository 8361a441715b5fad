"""Questions to people over ROS: a topic that shows them, a service that takes answers.

Any number of programs may show and answer them. The first valid answer counts; whoever comes later is told so. What
people write is data: it selects an option or, where the question allows it, becomes the name of a thing.
"""

from __future__ import annotations

import array
import copy
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from vlm_bt_interfaces.msg import Question as QuestionMessage
from vlm_bt_interfaces.msg import Reply as ReplyMessage
from vlm_bt_interfaces.srv import AnswerQuestion

from vlm_bt.devices.people import Channel, choose
from vlm_bt.ports import Clock, Recorder, Ticket
from vlm_bt.ros.messages import question_message
from vlm_bt.ros.runtime import Inbox
from vlm_bt.types import Question, Reply

KEPT = 20
"""Questions and replies that somebody who joins later still gets to see."""
LATCHED = QoSProfile(depth=KEPT, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
LONGEST_NAME = 80

Picture = Callable[[Question], Path | None]
Hand = Callable[[str, str, str], None]
"""Takes the mission's own name of a question, the chosen text, and who said it."""


@dataclass
class _Asked:
    question: Question
    message: Any
    hand: Hand
    answered: str = ""
    late: bool = False
    over: bool = False


class QuestionDesk:
    """The node's side of every question, of this mission and the ones before: lives as long as the node.

    Answers are judged at once, in the thread that brings them, so that each answerer is told; the mission takes them
    in between ticks.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._questions = node.create_publisher(QuestionMessage, "questions", LATCHED)
        self._replies = node.create_publisher(ReplyMessage, "replies", LATCHED)
        node.create_service(AnswerQuestion, "answer_question", self._answer, callback_group=ReentrantCallbackGroup())

    def ask(self, mission: str, question: Question, base_frame: str, picture: bytes | None, hand: Hand) -> None:
        """Show a question. `hand` is called in another thread with the first valid answer."""
        asked_s = self._node.get_clock().now().nanoseconds * 1e-9
        named = replace(question, id=_wire(mission, question.id))
        message = question_message(named, asked_s, mission, frame=base_frame)
        with self._lock:
            self._asked[message.id] = _Asked(question, message, hand)
            while len(self._asked) > 10 * KEPT:
                self._asked.popitem(last=False)
        shown = copy.copy(message)
        if picture is not None:
            shown.picture = [_png(picture)]
        self._questions.publish(shown)

    def expired(self, mission: str, question_id: str, default: str) -> None:
        """Nobody answered in time. An answer is still taken as a fact."""
        with self._lock:
            asked = self._asked.get(_wire(mission, question_id))
            if asked is None or asked.answered:
                return
            asked.late = True
        self._tell(asked.message.id, default, silent=True)

    def over(self, mission: str) -> None:
        """The mission has ended: its questions are answered by nobody any more."""
        with self._lock:
            for asked in self._asked.values():
                asked.over = asked.over or asked.message.mission == mission

    def waiting(self) -> list[Any]:
        """The questions that wait for a person, oldest first, without pictures."""
        with self._lock:
            return [a.message for a in self._asked.values() if not (a.answered or a.late or a.over)]

    def _answer(self, request: Any, response: Any) -> Any:
        who = request.by[:LONGEST_NAME]
        with self._lock:
            asked = self._asked.get(request.question_id)
            chosen = choose(asked.question, request.text) if asked is not None else None
            response.detail = _refusal(asked, chosen, request.question_id)
            if asked is None or chosen is None or response.detail:
                return response
            asked.answered = f"{chosen!r}" + (f" by {who}" if who else "")
        response.accepted = True
        response.detail = "it came late, and is taken as a fact" if asked.late else ""
        asked.hand(asked.question.id, chosen, who)
        self._tell(request.question_id, chosen, late=asked.late, by=who)
        return response

    def _tell(self, question_id: str, text: str, *, silent: bool = False, late: bool = False, by: str = "") -> None:
        reply = ReplyMessage(question_id=question_id, text=text, silent=silent, late=late, by=by)
        reply.stamp = self._node.get_clock().now().to_msg()
        self._replies.publish(reply)


class RosHuman(Channel):
    """Whoever answers over ROS, for one mission.

    Args:
        picture: Draws a question's picture into a file; called in the executive's thread.
        base_frame: The frame that places on the bench are given in.
    """

    live = True

    def __init__(
        self, desk: QuestionDesk, clock: Clock, recorder: Recorder, picture: Picture, mission: str, base_frame: str
    ) -> None:
        super().__init__(clock, recorder)
        self._desk = desk
        self._picture = picture
        self._mission = mission
        self._base_frame = base_frame
        self._inbox = Inbox()

    def opened(self, question: Question) -> None:
        drawn = self._picture(question)
        picture = drawn.read_bytes() if drawn is not None else None
        self._desk.ask(self._mission, question, self._base_frame, picture, self._hand)

    def settle(self, tick: int) -> None:
        self._inbox.empty()
        super().settle(tick)

    def close(self) -> None:
        self._desk.over(self._mission)

    def _hand(self, question_id: str, text: str, by: str) -> None:
        self._inbox.post(lambda: self._take(question_id, text, by))

    def _take(self, question_id: str, text: str, by: str) -> None:
        if by:
            self._recorder.write("event", {"what": "answered over ROS", "question": question_id, "by": by})
        self.answer(question_id, text, self.clock.now_s)

    def _end(self, question: Question, ticket: Ticket[Reply], reply: Reply) -> None:
        super()._end(question, ticket, reply)
        if reply.silent:
            self._desk.expired(self._mission, question.id, reply.text)


def _refusal(asked: _Asked | None, chosen: str | None, question_id: str) -> str:
    """Why an answer does not count; empty where it does."""
    if asked is None:
        return f"there is no question {question_id[:LONGEST_NAME]!r}"
    if asked.answered:
        return f"already answered: {asked.answered}"
    if asked.over:
        return "its mission has ended"
    if chosen is None:
        free = ", or something else" if asked.question.free_text else ""
        numbered = (f"{number}: {option}" for number, option in enumerate(asked.question.options, 1))
        return f"none of the options; there are: {', '.join(numbered)}{free}"
    return ""


def _wire(mission: str, question_id: str) -> str:
    """Questions are counted anew in every mission; an answer to one of an earlier mission must not fit."""
    return f"{mission}/{question_id}"


def _png(data: bytes) -> CompressedImage:
    return CompressedImage(format="png", data=array.array("B", data))
