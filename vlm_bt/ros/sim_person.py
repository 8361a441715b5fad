"""The supervisor of a simulated bench: answers over ROS as somebody who stands there would, and takes what is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from vlm_bt_interfaces.msg import Question as QuestionMessage
from vlm_bt_interfaces.msg import Reply as ReplyMessage
from vlm_bt_interfaces.srv import AnswerQuestion

from vlm_bt.devices.people import Eyes, ScriptedHuman
from vlm_bt.leaves.handing import HAND_OVER
from vlm_bt.ports import Clock
from vlm_bt.ros.messages import question_of, reply_of
from vlm_bt.ros.runtime import Inbox
from vlm_bt.simulation.world import World
from vlm_bt.types import Question

QUALITY = QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
NAME = "simulated supervisor"


class SimPerson(ScriptedHuman):
    """Everything but what rclpy calls happens in the world's thread; `settle` is called there.

    Args:
        script: See `config/supervisor.yaml`; None: says nothing, and only acts on what others answer.
    """

    def __init__(
        self, node: Node, world: World, inbox: Inbox, clock: Clock, eyes: Eyes, script: Mapping[str, Any] | None
    ) -> None:
        super().__init__(clock, _Nobody(), script or {}, eyes)
        self._world = world
        self._answers = script is not None
        self._known: dict[str, Question] = {}
        self._service = node.create_client(AnswerQuestion, "answer_question")
        node.create_subscription(
            QuestionMessage, "questions", lambda m: inbox.post(lambda: self._asked(question_of(m))), QUALITY
        )
        node.create_subscription(ReplyMessage, "replies", lambda m: inbox.post(lambda: self._replied(m)), QUALITY)

    def answer(self, question_id: str, text: str, now_s: float) -> bool:
        """Say it to the mission, which decides whether it counts."""
        if not self._service.service_is_ready():
            return False
        self._service.call_async(AnswerQuestion.Request(question_id=question_id, text=text, by=NAME))
        return True

    def _asked(self, question: Question) -> None:
        if question.id in self._known:
            return
        self._known[question.id] = question
        if question.topic == HAND_OVER:
            self._world.person_comes()
        if self._answers:
            self.opened(question)

    def _replied(self, message: ReplyMessage) -> None:
        reply = reply_of(message)
        question = self._known.get(reply.question_id)
        if question is None or question.topic != HAND_OVER:
            return
        if not reply.silent and reply.text != question.default:
            self._world.person_takes()
        self._world.person_goes()


class _Nobody:
    def write(self, channel: str, data: Mapping[str, Any]) -> None: ...

    def keep_frame(self, frame_id: str, why: str) -> None: ...
