"""Continuous scene understanding: what a camera shows, again and again, on topics."""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.node import Node
from std_msgs.msg import Header
from vlm_bt_interfaces import msg

from vlm_bt.ports import Priority
from vlm_bt.questions import Describe, IsTrue
from vlm_bt.ros.enquiry import EnquiryDesk
from vlm_bt.ros.messages import answer_message
from vlm_bt.ros.seeing import Given, Sight, Tracks, detections_message, image_header
from vlm_bt.settings import Settings

HAZARD = 5
"""Messages that a late listener may still get."""
TELL_EVERY_S = 10.0


class Continuous:
    """Publishes ~/detections, ~/description and ~/hazards at `ros.scene.rate_hz`, as far as somebody listens.

    Its questions give way to those of services.
    """

    def __init__(self, node: Node, settings: Settings, desk: EnquiryDesk, sight: Sight) -> None:
        self._node = node
        self._scene = settings.ros.scene
        self._settings = settings.ros
        self._error_rate = settings.vision.error_rate
        self._desk = desk
        self._sight = sight
        self._tracks = {phrase: Tracks() for phrase in self._scene.phrases}
        self._detections = node.create_publisher(msg.Detections, "~/detections", 5)
        self._description = node.create_publisher(msg.Description, "~/description", 5)
        self._hazards = node.create_publisher(msg.Hazards, "~/hazards", HAZARD)
        self._stopped = threading.Event()
        self._told_s = -TELL_EVERY_S
        self._thread = threading.Thread(target=self._work, name="vlm_bt-scene", daemon=True)
        self.looks = 0

    def start(self) -> None:
        if self._scene.rate_hz > 0:
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def pause(self, seconds: float, handle: Any) -> None:
        """Let time pass, unless somebody cancels or the node ends."""
        by_s = time.monotonic() + seconds
        while (left_s := by_s - time.monotonic()) > 0 and not handle.is_cancel_requested:
            if self._stopped.wait(min(0.05, left_s)):
                return

    def _work(self) -> None:
        period_s = 1.0 / self._scene.rate_hz
        while not self._stopped.is_set():
            began_s = time.monotonic()
            try:
                self._look()
            except Exception as error:  # The boundary of the thread: the next look may go well.
                self._tell(f"a look failed: {type(error).__name__}: {error}")
            self._stopped.wait(max(0.0, period_s - (time.monotonic() - began_s)))

    def _look(self) -> None:
        """One image; everything is asked about the same one."""
        scene = self._scene
        image = Given(scene.camera, 0.0)
        for phrase in scene.phrases if self._wanted(self._detections) else ():
            answer = self._ask(
                lambda phrase=phrase, image=image: self._sight.ground(
                    phrase, 0.2, False, True, image, self._tracks[phrase]
                )
            )
            image = Given(scene.camera, -1.0)
            if answer is not None:
                self._publish_detections(phrase, *answer)
        if scene.describe and self._wanted(self._description):
            caption = self._ask(lambda image=image: self._sight.ask(Describe(()), (image,)))
            image = Given(scene.camera, -1.0)
            if caption is not None:
                self._description.publish(
                    msg.Description(
                        header=self._header(),
                        camera=scene.camera,
                        image_id=caption.frame_id,
                        text=caption.text,
                        model=caption.model,
                    )
                )
        answers = []
        for claim in scene.hazards if self._wanted(self._hazards) else ():
            question = IsTrue((), claim, error_rate=self._error_rate)
            answers.append(self._ask(lambda question=question, image=image: self._sight.ask(question, (image,))))
            image = Given(scene.camera, -1.0)
        known = [answer for answer in answers if answer is not None]
        if known:
            self._hazards.publish(
                msg.Hazards(
                    header=self._header(),
                    camera=scene.camera,
                    image_id=known[-1].frame_id,
                    answers=[answer_message(answer) for answer in known],
                )
            )
        self.looks += 1

    def _ask(self, steps: Any) -> Any:
        outcome, answer = self._desk.ask(steps, skill="scene", priority=Priority.CHATTER, given_up=self._stopped.is_set)
        if not outcome.ok and not self._stopped.is_set():
            self._tell(f"{outcome}")
        return answer

    def _wanted(self, publisher: Any) -> bool:
        return bool(publisher.get_subscription_count() > 0)

    def _publish_detections(self, phrase: str, grounded: Any, places: Any, age_s: float) -> None:
        names = self._tracks[phrase].name(places)
        camera = self._scene.camera
        self._detections.publish(
            detections_message(grounded, places, names, self._header(age_s), camera, self._settings.base_frame)
        )

    def _header(self, age_s: float = 0.0) -> Header:
        known = self._settings.cameras.get(self._scene.camera)
        return image_header(self._node, age_s, (known.frame if known else None) or self._scene.camera)

    def _tell(self, line: str) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self._node.get_logger().warning(f"the scene is not understood: {line}")
