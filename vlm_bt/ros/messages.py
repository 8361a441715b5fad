"""The house's values as messages and back: `X_message` makes one, `X_of` reads one; what goes round comes back equal.

A stamp survives to the nanosecond, an outcome's evidence as far as it is plain JSON. What a value must have and a
message leaves open (a place, as many probabilities as options) is a ValueError: others' programs send it too.
"""

from __future__ import annotations

import array
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeVar

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vlm_bt_interfaces import msg

from vlm_bt.questions import Found, Grounded, Mask, TextLine
from vlm_bt.types import (
    REASONS,
    Answer,
    Box,
    Detection,
    Footprint,
    LocatedObject,
    Outcome,
    Pose,
    Question,
    Reply,
)

T = TypeVar("T")
NS = 1_000_000_000


def time_message(stamp_s: float) -> Time:
    """Raises: ValueError, where it is no moment that 32 bits of seconds can hold."""
    if not -(2.0**31) <= stamp_s < 2.0**31:
        raise ValueError(f"{stamp_s} s is no time that a message can hold")
    seconds, rest = divmod(round(Fraction(stamp_s) * NS), NS)
    return Time(sec=seconds, nanosec=rest)


def seconds_of(time: Time) -> float:
    return (int(time.sec) * NS + int(time.nanosec)) / NS


def pose_message(pose: Pose) -> PoseMessage:
    message = PoseMessage()
    message.position = _point(*pose.position)
    turn = message.orientation
    turn.w, turn.x, turn.y, turn.z = (float(value) for value in pose.quaternion)
    return message


def pose_of(message: PoseMessage) -> Pose:
    turn = message.orientation
    return Pose(
        (message.position.x, message.position.y, message.position.z),
        (turn.w, turn.x, turn.y, turn.z),
    )


def box_message(box: Box) -> msg.Box:
    return msg.Box(x0=int(box.x0), y0=int(box.y0), x1=int(box.x1), y1=int(box.y1))


def box_of(message: msg.Box) -> Box:
    return Box(message.x0, message.y0, message.x1, message.y1)


def mask_message(mask: Mask) -> msg.Mask:
    message = msg.Mask(box=box_message(mask.box))
    message.bits = array.array("B", mask.bits)
    return message


def mask_of(message: msg.Mask) -> Mask:
    """Raises: ValueError, where bits and box do not belong together."""
    box, bits = box_of(message.box), bytes(message.bits)
    pixels = (box.x1 - box.x0) * (box.y1 - box.y0)
    if box.x1 < box.x0 or box.y1 < box.y0 or len(bits) != (pixels + 7) // 8:
        raise ValueError(f"a mask of {len(bits)} bytes for {box}")
    return Mask(box, bits)


def located_message(thing: LocatedObject, frame: str = "base") -> msg.Located:
    """`frame` is the tf2 name of the robot's base, in which all places are."""
    shape = thing.footprint
    upright = Pose(
        (*shape.centre, shape.height_m / 2),
        (math.cos(shape.yaw_rad / 2), 0.0, 0.0, math.sin(shape.yaw_rad / 2)),
    )
    return msg.Located(
        header=Header(stamp=time_message(thing.stamp_s), frame_id=frame),
        id=thing.id,
        image_id=thing.frame_id,
        region=int(thing.region),
        box=box_message(thing.box),
        pose=pose_message(upright),
        yaw_rad=float(shape.yaw_rad),
        size=Vector3(x=float(shape.length_m), y=float(shape.width_m), z=float(shape.height_m)),
        area_m2=float(shape.area_m2),
        mean=[_point(*shape.mean)] if shape.mean is not None else [],
    )


def located_of(message: msg.Located) -> LocatedObject:
    mean = _first(message.mean)
    footprint = Footprint(
        centre=(message.pose.position.x, message.pose.position.y),
        length_m=message.size.x,
        width_m=message.size.y,
        yaw_rad=message.yaw_rad,
        height_m=message.size.z,
        area_m2=message.area_m2,
        mean=(mean.x, mean.y) if mean else None,
    )
    stamp_s = seconds_of(message.header.stamp)
    return LocatedObject(message.id, message.image_id, message.region, box_of(message.box), footprint, stamp_s)


def answer_message(answer: Answer) -> msg.Answer:
    return msg.Answer(
        question=answer.question,
        options=list(answer.options),
        probabilities=_numbers(answer.probabilities),
        outside=float(answer.outside),
        plausible=list(answer.plausible),
        calibrated=bool(answer.calibrated),
        model=answer.model,
        image_id=answer.frame_id,
    )


def answer_of(message: msg.Answer) -> Answer:
    """Raises: ValueError."""
    if len(message.options) != len(message.probabilities):
        raise ValueError(f"{len(message.probabilities)} probabilities for {len(message.options)} options")
    return Answer(
        question=message.question,
        options=tuple(message.options),
        probabilities=tuple(message.probabilities),
        plausible=tuple(message.plausible),
        frame_id=message.image_id,
        model=message.model,
        calibrated=message.calibrated,
        outside=message.outside,
    )


def detection_message(detection: Detection, frame: str = "base") -> msg.Detection:
    thing = detection.object
    return msg.Detection(
        label=detection.label,
        score=float(detection.score),
        id=thing.id,
        part=int(thing.region),
        box=box_message(thing.box),
        located=[located_message(thing, frame)],
        answer=[answer_message(detection.answer)] if detection.answer is not None else [],
    )


def detection_of(message: msg.Detection) -> Detection:
    """Raises: ValueError, where nothing located it."""
    located, answer = _first(message.located), _first(message.answer)
    if located is None:
        raise ValueError(f"the detection of {message.label!r} says not where it lies")
    return Detection(located_of(located), message.label, message.score, answer_of(answer) if answer else None)


def found_message(found: Found, label: str) -> msg.Detection:
    return msg.Detection(
        label=label,
        score=float(found.score),
        part=-1 if found.part is None else int(found.part),
        box=box_message(found.box),
        mask=[mask_message(found.mask)] if found.mask is not None else [],
    )


def found_of(message: msg.Detection) -> Found:
    """Raises: ValueError."""
    mask = _first(message.mask)
    part = None if message.part < 0 else message.part
    return Found(box_of(message.box), message.score, mask_of(mask) if mask else None, part)


def grounded_message(grounded: Grounded, camera: str = "", head: Header | None = None) -> msg.Detections:
    """`head` has the stamp of the image and the frame of the camera's lens."""
    return msg.Detections(
        header=head or Header(),
        camera=camera,
        image_id=grounded.frame_id,
        phrase=grounded.phrase,
        model=grounded.model,
        detections=[found_message(found, grounded.phrase) for found in grounded.found],
    )


def grounded_of(message: msg.Detections) -> Grounded:
    """Raises: ValueError."""
    found = tuple(found_of(detection) for detection in message.detections)
    return Grounded(message.phrase, found, message.image_id, message.model)


def line_message(line: TextLine) -> msg.TextLine:
    box = [box_message(line.box)] if line.box is not None else []
    return msg.TextLine(text=line.text, score=float(line.score), box=box)


def line_of(message: msg.TextLine) -> TextLine:
    box = _first(message.box)
    return TextLine(message.text, message.score, box_of(box) if box else None)


def question_message(
    question: Question,
    asked_s: float = 0.0,
    mission: str = "",
    picture: CompressedImage | None = None,
    frame: str = "base",
) -> msg.Question:
    """`asked_s` is on the ROS clock; `picture` shows the mark; `frame` is the tf2 name of the robot's base."""
    return msg.Question(
        header=Header(stamp=time_message(asked_s), frame_id=frame),
        mission=mission,
        id=question.id,
        text=question.text,
        options=list(question.options),
        free_text=bool(question.free_text),
        default_option=question.default,
        deadline=time_message(asked_s + question.timeout_s),
        timeout_s=float(question.timeout_s),
        topic=question.topic,
        about=question.about,
        subject=question.subject,
        image_id=question.frame_id,
        mark=[box_message(question.mark)] if question.mark is not None else [],
        mark_centre=[_point(*question.mark_centre)] if question.mark_centre is not None else [],
        picture=[picture] if picture is not None else [],
    )


def question_of(message: msg.Question) -> Question:
    mark, centre = _first(message.mark), _first(message.mark_centre)
    return Question(
        id=message.id,
        text=message.text,
        options=tuple(message.options),
        default=message.default_option,
        timeout_s=message.timeout_s,
        topic=message.topic,
        about=message.about,
        subject=message.subject,
        free_text=message.free_text,
        frame_id=message.image_id,
        mark=box_of(mark) if mark else None,
        mark_centre=(centre.x, centre.y) if centre else None,
    )


def reply_message(reply: Reply, by: str = "", late: bool = False) -> msg.Reply:
    stamp = time_message(reply.stamp_s)
    return msg.Reply(question_id=reply.question_id, text=reply.text, silent=reply.silent, late=late, by=by, stamp=stamp)


def reply_of(message: msg.Reply) -> Reply:
    return Reply(message.question_id, message.text, message.silent, seconds_of(message.stamp))


def outcome_message(outcome: Outcome) -> msg.Outcome:
    evidence = json.dumps(dict(outcome.evidence), default=str) if outcome.evidence else ""
    return msg.Outcome(reason=outcome.reason, detail=outcome.detail, evidence=evidence)


def outcome_of(message: msg.Outcome) -> Outcome:
    """Raises: ValueError, where the reason is none of ours or the evidence no JSON object."""
    if message.reason not in REASONS:
        raise ValueError(f"unknown reason {message.reason!r}; known: {', '.join(REASONS)}")
    evidence = json.loads(message.evidence) if message.evidence else {}
    if not isinstance(evidence, dict):
        raise ValueError(f"evidence is a JSON object, not {message.evidence[:60]}")
    return Outcome(message.reason, message.detail, evidence)


def values_message(values: dict[str, str]) -> list[msg.NamedValue]:
    return [msg.NamedValue(name=name, value=value) for name, value in values.items()]


def values_of(messages: Sequence[msg.NamedValue]) -> dict[str, str]:
    """As `vlm-bt run` takes inputs: the value as YAML text."""
    return {message.name: message.value for message in messages}


def _point(x: float, y: float, z: float = 0.0) -> Point:
    return Point(x=float(x), y=float(y), z=float(z))


def _numbers(values: Sequence[float]) -> array.array[float]:
    return array.array("d", [float(value) for value in values])


def _first(messages: Sequence[T]) -> T | Any:
    """What is optional is a list of at most one."""
    return messages[0] if len(messages) else None
