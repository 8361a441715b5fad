"""The vision node: any program of the robot asks the models what a mission asks them. What comes back is a claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from vlm_bt_interfaces import msg
from vlm_bt_interfaces.action import GroundTracked
from vlm_bt_interfaces.srv import Ask, Count, Describe, Ground

from vlm_bt.errors import PictureError
from vlm_bt.questions import Choose, Grounded, HowMany, IsTrue, Question, ReadText
from vlm_bt.questions import Describe as Caption
from vlm_bt.ros.continuous import Continuous
from vlm_bt.ros.enquiry import EnquiryDesk
from vlm_bt.ros.messages import answer_message, line_message, outcome_message
from vlm_bt.ros.seeing import Given, Seen, Sight, Tracks, detections_message, given, image_header
from vlm_bt.settings import Settings
from vlm_bt.types import Outcome

LONGEST_TEXT = 500
MOST_OPTIONS = 64
MOST_IMAGES = 8
FOLLOWED_AT_ONCE = 4
LEAST_PERIOD_S = 0.02


class VisionNode:
    """Services ~/ground, ~/ask, ~/count, ~/describe; action ~/ground_tracked; topics of `Continuous`.

    Each question waits in a thread of the executor, which needs some more than `ros.scene.at_once` of them.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self.node = node
        self.desk = EnquiryDesk(node, settings, lambda line: node.get_logger().error(line))
        self._sight = Sight(self.desk)
        self._cameras = tuple(settings.ros.cameras)
        self._base = settings.ros.base_frame
        self._error_rate = settings.vision.error_rate
        self._followed = 0
        self._continuous = Continuous(node, settings, self.desk, self._sight)
        self._settings = settings

    def open(self) -> str:
        """Load the models, then serve; what was loaded, in a line. Raises: ModelError."""
        models = self.desk.open()
        group = ReentrantCallbackGroup()
        for kind, name, answer in (
            (Ground, "ground", self._ground),
            (Ask, "ask", self._ask),
            (Count, "count", self._count),
            (Describe, "describe", self._describe),
        ):
            self.node.create_service(kind, f"~/{name}", self._answering(answer), callback_group=group)
        self._follows = ActionServer(
            self.node,
            GroundTracked,
            "~/ground_tracked",
            self._follow,
            goal_callback=self._may_follow,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            callback_group=group,
        )
        self._continuous.start()
        return ", ".join(f"{name}: {model}" for name, model in models.items())

    def close(self) -> None:
        """Idempotent."""
        self._continuous.stop()
        self.desk.close()

    def _answering(self, answer: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        """A service's callback: what a caller got wrong is an outcome, and so is a bug, which is told too."""

        def call(request: Any, response: Any) -> Any:
            try:
                answer(request, response)
            except (PictureError, ValueError) as error:
                response.outcome = outcome_message(Outcome("unsupported", str(error)))
            except Exception as error:
                self.node.get_logger().error(f"a question failed: {type(error).__name__}: {error}")
                response.outcome = outcome_message(Outcome("model_lost", f"the vision node failed: {error}"))
            return response

        return call

    def _ground(self, request: Any, response: Any) -> None:
        image, phrase = given(request.image, self._cameras), _text(request.phrase, "phrase")
        tracks = Tracks()
        outcome, answer = self.desk.ask(
            lambda: self._sight.ground(phrase, request.least_score, request.masks, request.locate, image, tracks),
            request.timeout_s,
        )
        response.outcome = outcome_message(outcome)
        if answer is not None:
            response.detections = self._detections(image, answer, tracks)

    def _ask(self, request: Any, response: Any) -> None:
        question = self._typed(request)
        outcome, answer = self._about(question, request)
        response.outcome = outcome_message(outcome)
        if answer is None:
            return
        response.image_id, response.model = answer.frame_id, answer.model
        if isinstance(question, ReadText):
            response.lines = [line_message(line) for line in answer.lines]
        else:
            response.answer = [answer_message(answer)]

    def _typed(self, request: Any) -> Question:
        """Raises: ValueError."""
        rate = request.error_rate or self._error_rate
        if not 0 < rate < 1:
            raise ValueError(f"error_rate is between 0 and 1, not {rate}")
        if request.kind == Ask.Request.IS_TRUE:
            return IsTrue((), _text(request.text, "text"), int(request.wording), rate)
        if request.kind == Ask.Request.CHOOSE:
            options = tuple(_text(option, "an option") for option in request.options)
            if not 2 <= len(set(options)) == len(options) <= MOST_OPTIONS:
                raise ValueError(f"options: 2 to {MOST_OPTIONS} different ones, not {len(options)}")
            return Choose((), _text(request.text, "text"), options, int(request.wording), rate)
        if request.kind == Ask.Request.READ_TEXT:
            return ReadText(())
        raise ValueError(f"kind is 0 (IS_TRUE), 1 (CHOOSE) or 2 (READ_TEXT), not {request.kind}")

    def _count(self, request: Any, response: Any) -> None:
        outcome, answer = self._about(HowMany((), _text(request.phrase, "phrase")), request)
        response.outcome = outcome_message(outcome)
        if answer is not None:
            response.number, response.probabilities = int(answer.number), [float(p) for p in answer.probabilities]
            response.image_id, response.model = answer.frame_id, answer.model

    def _describe(self, request: Any, response: Any) -> None:
        hint = _text(request.hint, "hint", least=0)
        outcome, answer = self._about(Caption((), hint), request)
        response.outcome = outcome_message(outcome)
        if answer is not None:
            response.text, response.image_id, response.model = answer.text, answer.frame_id, answer.model

    def _about(self, question: Question, request: Any) -> tuple[Outcome, Any]:
        """Raises: PictureError, ValueError."""
        if len(request.images) > MOST_IMAGES:
            raise ValueError(f"images: at most {MOST_IMAGES}, not {len(request.images)}")
        images = [given(source, self._cameras) for source in request.images or [msg.ImageSource()]]
        return self.desk.ask(lambda: self._sight.ask(question, images), request.timeout_s)

    def _may_follow(self, goal: Any) -> GoalResponse:
        fits = self._followed < FOLLOWED_AT_ONCE and 0 < len(goal.phrase.strip()) <= LONGEST_TEXT
        known = not goal.camera or goal.camera in self._cameras
        return GoalResponse.ACCEPT if fits and known and self._cameras else GoalResponse.REJECT

    def _follow(self, handle: Any) -> Any:
        """Look again and again, until it is cancelled, the time is up or nothing can be seen any more."""
        goal, result, tracks = handle.request, GroundTracked.Result(), Tracks()
        camera = goal.camera or self._cameras[0]
        image = Given(camera, 0.0)
        clock = self.desk.clock
        ends_s = clock.now_s + goal.duration_s if goal.duration_s > 0 else float("inf")
        period_s = max(LEAST_PERIOD_S, 1.0 / goal.rate_hz if goal.rate_hz > 0 else 0.0)
        outcome, self._followed = Outcome(), self._followed + 1
        try:
            while not handle.is_cancel_requested and clock.now_s < ends_s and self.node.context.ok():
                next_s = clock.now_s + period_s
                outcome, answer = self.desk.ask(
                    lambda: self._sight.ground(goal.phrase, goal.least_score, goal.masks, goal.locate, image, tracks),
                    given_up=lambda: bool(handle.is_cancel_requested),
                )
                if answer is not None:
                    result.looks += 1
                    result.last = self._detections(image, answer, tracks)
                    handle.publish_feedback(GroundTracked.Feedback(detections=result.last))
                elif outcome.reason not in ("busy", "timed_out", "stale", "not_found"):
                    break
                self._continuous.pause(max(0.0, min(next_s, ends_s) - clock.now_s), handle)
        finally:
            self._followed -= 1
        if handle.is_cancel_requested:
            outcome = Outcome("cancelled", "as was asked")
            handle.canceled()
        elif outcome.ok or outcome.reason in ("busy", "timed_out", "stale", "not_found"):
            handle.succeed()
        else:
            handle.abort()
        result.outcome = outcome_message(outcome)
        return result

    def _detections(self, image: Given, answer: tuple[Grounded, Sequence[Seen], float], tracks: Tracks) -> Any:
        grounded, places, age_s = answer
        known = self._settings.ros.cameras.get(image.camera)
        head = image_header(self.node, age_s, (known.frame if known else None) or image.camera)
        return detections_message(grounded, places, tracks.name(places), head, image.camera, self._base)


def _text(text: str, name: str, least: int = 1) -> str:
    """Raises: ValueError."""
    if not least <= len(text.strip()) <= LONGEST_TEXT and (least or text.strip()):
        raise ValueError(f"{name}: {least} to {LONGEST_TEXT} characters, not {len(text)}")
    return text.strip()
