"""Started by a test: a process that answers with the project's own messages until its standard input closes.

`ask` serves Ask: sure yes where the one image is all one colour. `run` serves RunMission: three steps, then done, or
cancelled. `detections` is published at 20 Hz.
"""

from __future__ import annotations

import sys
import time

import rclpy
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from vlm_bt_interfaces.action import RunMission
from vlm_bt_interfaces.msg import Detections
from vlm_bt_interfaces.srv import Ask

from vlm_bt.questions import Found, Grounded
from vlm_bt.ros import messages, pictures
from vlm_bt.ros.threads import Threads
from vlm_bt.types import Answer, Box, Outcome

STEPS = ("look at the bench", "ask a person", "put it away")
STEP_S = 0.05


def ask(request: Ask.Request, response: Ask.Response) -> Ask.Response:
    rgb = pictures.colour_of(request.images[0].image[0])
    sure = 1.0 if (rgb == rgb[0, 0]).all() else 0.25
    answer = Answer(request.text, ("yes", "no"), (sure, 1.0 - sure), ("yes",), model="one colour")
    response.outcome = messages.outcome_message(Outcome())
    response.answer = [messages.answer_message(answer)]
    return response


def run(goal: object) -> RunMission.Result:
    result = RunMission.Result(mission="m-1")
    for step, node in enumerate(STEPS * (100 if goal.request.tree == "endless" else 1)):
        if goal.is_cancel_requested:
            goal.canceled()
            result.outcome = messages.outcome_message(Outcome("cancelled", f"before {node}"))
            return result
        feedback = RunMission.Feedback(node=node)
        feedback.progress.tick = step
        goal.publish_feedback(feedback)
        time.sleep(STEP_S)
    goal.succeed()
    result.outcome = messages.outcome_message(Outcome("done", goal.request.tree, {"inputs": len(goal.request.inputs)}))
    return result


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("echo")
    group = ReentrantCallbackGroup()
    node.create_service(Ask, "ask", ask, callback_group=group)
    server = ActionServer(
        node, RunMission, "run", run, callback_group=group, cancel_callback=lambda _: CancelResponse.ACCEPT
    )
    publisher = node.create_publisher(Detections, "detections", 1)
    seen = messages.grounded_message(Grounded("hammer", (Found(Box(1, 2, 30, 40), 0.75),), "top-7", "echo"), "top")
    node.create_timer(0.05, lambda: publisher.publish(seen), callback_group=group)
    executor = Threads(3, rclpy.get_default_context())
    executor.add_node(node)
    executor.start()
    print("ready", flush=True)
    sys.stdin.read()
    # In this order: what is destroyed while a callback runs, or left to the end of Python, can end it by SIGABRT.
    executor.shutdown(timeout_sec=5.0)
    server.destroy()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
