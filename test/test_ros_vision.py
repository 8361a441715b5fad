"""The vision node, asked from a node of its own over real ROS."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from ros_found import found
from stand_in import scripted

pytest.importorskip("rclpy", reason="ROS 2's Python is not installed: see docs/05_ros.md")

from rcl_interfaces.srv import ListParameters
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vlm_bt_interfaces import msg
from vlm_bt_interfaces.action import GroundTracked
from vlm_bt_interfaces.srv import Ask, Count, Describe, Ground

from vlm_bt.ros.action_client import SureActionClient
from vlm_bt.ros.pictures import camera_info, colour_message, compressed_colour, depth_message, header
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.vision_node import VisionNode
from vlm_bt.settings import Settings
from vlm_bt.types import Intrinsics

pytestmark = pytest.mark.ros

RULES = (
    {"when": {"about": "slow*"}, "takes_s": 1.5, "p_yes": 0.5, "number": 1},
    {"when": {"question": "is_true", "about": "the model dies"}, "unsupported": "no such thing"},
    {"boxes": [{"box": [10, 20, 50, 60], "score": 0.9}]},
    {"p_yes": 0.9},
    {"probabilities": [0.7, 0.3]},
    {"number": 3},
    {"text": "a bench"},
    {"lines": ["ACME"]},
)
LENS = Intrinsics(160, 120, 117.0, 117.0, 80.0, 60.0)
PICTURE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
LONG_S = 20.0


class Robot:
    """A vision node, a camera at 20 Hz that can be stopped, and a client."""

    def __init__(self, folder) -> None:
        camera = {"colour": "/eye/colour", "depth": "/eye/depth", "info": "/eye/info", "lost_s": 1.0}
        hung = {"position": [0.33, 0.0, 1.15], "quaternion": [0.0, 0.7071068, -0.7071068, 0.0]}
        settings = Settings.model_validate(
            {
                "bench": {"zones": {"left": {"x": [0.0, 0.2], "y": [0.0, 0.2]}}},
                "vision": {"models": {"tested": scripted(folder / "script.yaml", RULES)}},
                "ros": {
                    "cameras": {"overhead": {**camera, "extrinsics": hung}},
                    "scene": {
                        "rate_hz": 10,
                        "phrases": ["the pliers"],
                        "hazards": ["a hand is over the bench"],
                        "describe": True,
                        "at_once": 3,
                        "limit_s": 10,
                    },
                },
            }
        )
        self.runtime = Runtime(threads=10)
        self.vision = VisionNode(self.runtime.node("vision"), settings)
        self.models = self.vision.open()
        self.client = self.runtime.node("client")
        self.colour = self.client.create_publisher(Image, "/eye/colour", qos_profile_sensor_data)
        self.depth = self.client.create_publisher(Image, "/eye/depth", qos_profile_sensor_data)
        self.info = self.client.create_publisher(CameraInfo, "/eye/info", qos_profile_sensor_data)
        self.filming = True
        self.client.create_timer(0.05, self._film)

    def _film(self) -> None:
        if self.filming:
            head = header(self.client.get_clock().now().to_msg(), "eye_optical")
            self.colour.publish(colour_message(PICTURE, head))
            self.depth.publish(depth_message(np.full((120, 160), 1.15, np.float32), head))
            self.info.publish(camera_info(LENS, head))

    def service(self, service_type, name: str):
        return found(self.client.create_client(service_type, f"/vision/{name}"))

    def call(self, service_type, name: str, **request):
        return answer_of(self.service(service_type, name).call_async(service_type.Request(**request)))

    def hear(self, kind, topic: str):
        """The next message of a topic."""
        came, heard = threading.Event(), []
        hearing = self.client.create_subscription(kind, topic, lambda m: (heard.append(m), came.set()), 5)
        assert came.wait(LONG_S), f"nothing on {topic}"
        self.client.destroy_subscription(hearing)
        return heard[0]

    def close(self) -> None:
        self.vision.close()
        self.runtime.close()


def answer_of(future):
    limit = time.monotonic() + LONG_S
    while not future.done() and time.monotonic() < limit:
        time.sleep(0.002)
    assert future.done(), "no response"
    return future.result()


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    made = Robot(tmp_path_factory.mktemp("vision"))
    yield made
    made.close()


def with_picture(**parts) -> msg.ImageSource:
    return msg.ImageSource(image=[colour_message(PICTURE)], **parts)


def test_where_something_is_in_a_given_image(robot) -> None:
    found = robot.call(Ground, "ground", phrase="the pliers", image=with_picture())
    assert found.outcome.reason == "done", found.outcome.detail
    (detection,) = found.detections.detections
    assert (detection.label, detection.score) == ("the pliers", 0.9)
    assert (detection.box.x0, detection.box.y1) == (10, 60)


def test_where_something_is_in_the_latest_image_of_a_camera(robot) -> None:
    image = msg.ImageSource(camera="overhead", max_age_s=0.0)
    found = robot.call(Ground, "ground", phrase="the pliers", image=image)
    assert found.outcome.reason == "done", found.outcome.detail
    assert found.detections.image_id.startswith("overhead")
    stamp = found.detections.header.stamp
    age_s = robot.client.get_clock().now().nanoseconds * 1e-9 - (stamp.sec + stamp.nanosec * 1e-9)
    assert -0.05 < age_s < 5.0


def test_the_latest_image_may_be_an_old_one(robot) -> None:
    asked = msg.ImageSource(camera="overhead", max_age_s=-1.0)
    first, second = (robot.call(Describe, "describe", images=[asked]).image_id for _ in range(2))
    assert first == second
    fresh = msg.ImageSource(camera="overhead", max_age_s=0.0)
    assert robot.call(Describe, "describe", images=[fresh]).image_id != first


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_an_image_may_come_compressed(robot, form) -> None:
    image = msg.ImageSource(compressed=[compressed_colour(PICTURE, form=form)])
    assert robot.call(Count, "count", phrase="screws", images=[image]).number == 3


def test_claims_choices_and_writing(robot) -> None:
    claim = robot.call(Ask, "ask", kind=Ask.Request.IS_TRUE, text="it is red", images=[with_picture()])
    assert list(claim.answer[0].options) == ["yes", "no"]
    assert claim.answer[0].probabilities[0] == pytest.approx(0.9)
    choice = robot.call(
        Ask, "ask", kind=Ask.Request.CHOOSE, text="what?", options=["bolt", "nut"], images=[with_picture()]
    )
    assert list(choice.answer[0].probabilities) == pytest.approx([0.7, 0.3])
    assert not choice.answer[0].calibrated
    writing = robot.call(Ask, "ask", kind=Ask.Request.READ_TEXT, images=[with_picture()])
    assert [line.text for line in writing.lines] == ["ACME"]


def odd(**changes) -> msg.ImageSource:
    image = colour_message(PICTURE)
    for name, value in changes.items():
        setattr(image, name, value)
    return msg.ImageSource(image=[image])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (odd(encoding="yuv422"), "yuv422"),
        (odd(height=5000), "rows"),
        (odd(width=0, height=0, step=0), "0x0"),
        (msg.ImageSource(compressed=[CompressedImage(format="jpeg", data=b"no picture")]), "no picture"),
        (msg.ImageSource(image=[colour_message(PICTURE[:4, :4].copy())]), "too small"),
        (with_picture(depth=[depth_message(np.ones((60, 80), np.float32))]), "not aligned"),
        (with_picture(camera_info=[camera_info(Intrinsics(320, 240, 1.0, 1.0, 1.0, 1.0))]), "calibration"),
        (with_picture(part=[msg.Box(x0=500, y0=0, x1=600, y1=10)]), "outside"),
        (msg.ImageSource(camera="elsewhere"), "there is no camera 'elsewhere'; there are: overhead"),
    ],
)
def test_an_image_that_cannot_be_used_is_an_outcome_that_says_why(robot, source, said) -> None:
    outcome = robot.call(Ground, "ground", phrase="the pliers", image=source).outcome
    assert outcome.reason == "unsupported"
    assert said in outcome.detail


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"kind": 0, "text": " "}, "text"),
        ({"kind": 0, "text": "x" * 501}, "501"),
        ({"kind": 1, "text": "what?", "options": ["one"]}, "options"),
        ({"kind": 1, "text": "what?", "options": ["one", "one"]}, "options"),
        ({"kind": 9, "text": "what?"}, "kind"),
        ({"kind": 0, "text": "it is red", "error_rate": 2.0}, "error_rate"),
    ],
)
def test_a_question_that_makes_no_sense_is_an_outcome_too(robot, request_, said) -> None:
    outcome = robot.call(Ask, "ask", images=[with_picture()], **request_).outcome
    assert outcome.reason == "unsupported"
    assert said in outcome.detail


def test_what_a_model_does_not_answer_is_unsupported(robot) -> None:
    asked = robot.call(Ask, "ask", kind=0, text="the model dies", images=[with_picture()])
    assert asked.outcome.reason == "unsupported"


def test_nobody_waits_longer_than_the_limit_that_was_given(robot) -> None:
    began_s = time.monotonic()
    asked = robot.call(Ask, "ask", kind=0, text="slow to answer", images=[with_picture()], timeout_s=0.3)
    assert asked.outcome.reason == "timed_out"
    assert time.monotonic() - began_s < 1.4


def test_too_many_questions_at_once_are_told_so_and_the_node_goes_on(robot) -> None:
    """Three are worked on; the node answers what is about something else meanwhile."""
    robot.vision._continuous.stop()
    time.sleep(1.6)
    parameters = robot.service(ListParameters, "list_parameters")
    counting = robot.service(Count, "count")
    slow = [
        counting.call_async(Count.Request(phrase=f"slow {n}", images=[with_picture()], timeout_s=8.0)) for n in range(6)
    ]
    began_s = time.monotonic()
    answer_of(parameters.call_async(parameters.srv_type.Request()))
    assert time.monotonic() - began_s < 1.0
    reasons = sorted(answer_of(one).outcome.reason for one in slow)
    assert reasons == ["busy"] * 3 + ["done"] * 3
    assert robot.call(Count, "count", phrase="screws", images=[with_picture()]).number == 3


def test_something_is_followed_until_it_is_cancelled(robot) -> None:
    client = SureActionClient(robot.client, GroundTracked, "/vision/ground_tracked")
    found(client)
    names: list[str] = []
    goal = GroundTracked.Goal(phrase="the pliers", rate_hz=20.0)
    handle = answer_of(
        client.send_goal_async(
            goal, feedback_callback=lambda m: names.extend(d.id for d in m.feedback.detections.detections)
        )
    )
    assert handle.accepted
    limit = time.monotonic() + LONG_S
    while len(names) < 4 and time.monotonic() < limit:
        time.sleep(0.01)
    answer_of(handle.cancel_goal_async())
    result = answer_of(handle.get_result_async()).result
    assert result.outcome.reason == "cancelled"
    assert result.looks >= 4
    assert len(set(names)) == 1


def test_following_ends_by_itself_after_its_time(robot) -> None:
    client = SureActionClient(robot.client, GroundTracked, "/vision/ground_tracked")
    found(client)
    goal = GroundTracked.Goal(phrase="the pliers", duration_s=0.5, rate_hz=10.0)
    result = answer_of(answer_of(client.send_goal_async(goal)).get_result_async()).result
    assert result.outcome.reason == "done"
    assert 1 <= result.looks <= 6


def test_nothing_is_followed_in_a_camera_that_is_not_there(robot) -> None:
    client = SureActionClient(robot.client, GroundTracked, "/vision/ground_tracked")
    found(client)
    assert not answer_of(client.send_goal_async(GroundTracked.Goal(phrase="x", camera="elsewhere"))).accepted


def test_a_lost_camera_is_an_outcome(robot) -> None:
    robot.filming = False
    try:
        image = msg.ImageSource(camera="overhead", max_age_s=0.0)
        outcome = robot.call(Describe, "describe", images=[image]).outcome
        assert outcome.reason == "camera_lost"
    finally:
        robot.filming = True


def test_scenes_are_understood_continuously_where_somebody_listens(tmp_path) -> None:
    robot = Robot(tmp_path)
    try:
        assert robot.hear(msg.Description, "/vision/description").text == "a bench"
        detections = robot.hear(msg.Detections, "/vision/detections")
        assert detections.phrase == "the pliers"
        assert detections.detections[0].id
        hazards = robot.hear(msg.Hazards, "/vision/hazards")
        assert hazards.answers[0].question == "a hand is over the bench"
    finally:
        robot.close()
