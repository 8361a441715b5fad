"""Every value of the house goes into its message and comes back equal; what makes no value is refused."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vlm_bt_interfaces")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from vlm_bt.questions import Found, Grounded, Mask, TextLine
from vlm_bt.ros import messages as ros
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

pytestmark = pytest.mark.ros

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
numbers = st.floats(-1e6, 1e6)
shares = st.floats(0.0, 1.0)
moments = st.integers(0, 2**31 * 10**9 - 10**9).map(lambda ns: ns / 10**9)
sides = st.integers(0, 40)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), st.integers(-9, 9000), st.integers(-9, 9000), sides, sides
)
points = st.tuples(numbers, numbers)
poses = st.builds(Pose, st.tuples(numbers, numbers, numbers), st.tuples(shares, shares, shares, shares))
footprints = st.builds(Footprint, points, numbers, numbers, st.floats(-1.5, 1.5), numbers, numbers, st.none() | points)
things = st.builds(LocatedObject, words, words, st.integers(0, 500), boxes, footprints, moments)
answers = st.lists(st.tuples(words, shares), max_size=5).flatmap(
    lambda rows: st.builds(
        Answer,
        question=words,
        options=st.just(tuple(option for option, _ in rows)),
        probabilities=st.just(tuple(share for _, share in rows)),
        plausible=st.lists(words, max_size=3).map(tuple),
        frame_id=words,
        model=words,
        calibrated=st.booleans(),
        outside=shares,
    )
)
detections = st.builds(Detection, things, words, shares, st.none() | answers)


def masked(box: Box) -> Mask:
    pixels = np.random.default_rng(box.x0 + 9).random((box.y1 - box.y0, box.x1 - box.x0)) < 0.5
    return Mask.of(box, pixels)


found = st.builds(Found, boxes, shares, st.none() | boxes.map(masked), st.none() | st.integers(0, 500))
grounded = st.builds(Grounded, words, st.lists(found, max_size=3).map(tuple), words, words)
questions = st.builds(
    Question,
    id=words,
    text=words,
    options=st.lists(words, max_size=4).map(tuple),
    default=words,
    timeout_s=st.floats(0.0, 3600.0),
    topic=words,
    about=words,
    subject=words,
    free_text=st.booleans(),
    frame_id=words,
    mark=st.none() | boxes,
    mark_centre=st.none() | points,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | shares | words, lambda inner: st.lists(inner), max_leaves=5
)
outcomes = st.builds(Outcome, st.sampled_from(sorted(REASONS)), words, st.dictionaries(words, plain, max_size=3))

PAIRS = {
    "pose": (poses, ros.pose_message, ros.pose_of),
    "box": (boxes, ros.box_message, ros.box_of),
    "mask": (boxes.map(masked), ros.mask_message, ros.mask_of),
    "located object": (things, ros.located_message, ros.located_of),
    "answer": (answers, ros.answer_message, ros.answer_of),
    "detection": (detections, ros.detection_message, ros.detection_of),
    "found": (found, lambda value: ros.found_message(value, "a hammer"), ros.found_of),
    "grounded": (grounded, ros.grounded_message, ros.grounded_of),
    "line of text": (st.builds(TextLine, words, shares, st.none() | boxes), ros.line_message, ros.line_of),
    "question": (questions, ros.question_message, ros.question_of),
    "reply": (st.builds(Reply, words, words, st.booleans(), moments), ros.reply_message, ros.reply_of),
    "outcome": (outcomes, ros.outcome_message, ros.outcome_of),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_goes_into_a_message_and_over_the_wire_comes_back_equal(name: str) -> None:
    values, write, read = PAIRS[name]

    @settings(max_examples=60, deadline=None)
    @given(values)
    def round_trip(value: object) -> None:
        message = write(value)
        assert read(deserialize_message(serialize_message(message), type(message))) == value

    round_trip()


@settings(max_examples=200, deadline=None)
@given(moments)
def test_a_moment_survives_to_the_nanosecond(stamp_s: float) -> None:
    assert ros.seconds_of(ros.time_message(stamp_s)) == stamp_s


@pytest.mark.parametrize("stamp_s", [2.0**31, -(2.0**31) - 1, float("nan"), float("inf")])
def test_a_moment_that_no_message_can_hold_is_refused(stamp_s: float) -> None:
    with pytest.raises(ValueError, match="is no time that a message can hold"):
        ros.time_message(stamp_s)


def test_a_located_thing_has_a_pose_that_others_can_use() -> None:
    thing = LocatedObject(
        "t1", "top-1", 3, Box(0, 0, 9, 9), Footprint((0.4, 0.1), 0.2, 0.05, np.pi / 2, 0.03, 0.01), 2.5
    )
    message = ros.located_message(thing, "panda_link0")
    place, turn = message.pose.position, message.pose.orientation
    assert (place.x, place.y, place.z) == (0.4, 0.1, 0.015)
    assert (turn.w, turn.z) == pytest.approx((0.5**0.5, 0.5**0.5))
    assert (message.size.x, message.size.y, message.size.z) == (0.2, 0.05, 0.03)
    assert (message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec) == (
        "panda_link0",
        2,
        5 * 10**8,
    )


def test_a_question_says_when_its_default_holds() -> None:
    message = ros.question_message(Question("q1", "what is it?", ("a", "b"), "b", 20.0), asked_s=100.25, mission="m1")
    assert (ros.seconds_of(message.header.stamp), ros.seconds_of(message.deadline)) == (100.25, 120.25)
    assert (message.default_option, message.mission, list(message.picture)) == ("b", "m1", [])


def test_messages_that_make_no_value_are_refused() -> None:
    answer = ros.answer_message(Answer("?", ("yes", "no"), (0.5, 0.5)))
    answer.options = ["yes"]
    with pytest.raises(ValueError, match="2 probabilities for 1 options"):
        ros.answer_of(answer)
    with pytest.raises(ValueError, match="'wrench' says not where it lies"):
        ros.detection_of(ros.found_message(Found(Box(0, 0, 2, 2), 0.5), "wrench"))
    mask = ros.mask_message(masked(Box(0, 0, 9, 9)))
    mask.box.x1 = 90
    with pytest.raises(ValueError, match="a mask of 11 bytes for"):
        ros.mask_of(mask)
    outcome = ros.outcome_message(Outcome())
    outcome.reason = "all well"
    with pytest.raises(ValueError, match="unknown reason 'all well'; known: done, "):
        ros.outcome_of(outcome)
    outcome.reason, outcome.evidence = "done", "[1]"
    with pytest.raises(ValueError, match=r"a JSON object, not \[1\]"):
        ros.outcome_of(outcome)


def test_inputs_go_round_as_yaml_text() -> None:
    inputs = {"groups": "{small: {zone: left}}", "count": "3"}
    assert ros.values_of(ros.values_message(inputs)) == inputs
