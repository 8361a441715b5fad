"""A program that commands an arm, as bare as can be: beats, keeps a goal of move_arm under way, and waits to be killed.

Its goal is sent when the guardian says that it hears this very instance: a goal that overtakes the first beat is one
from nowhere, and cancelled while an alarm stands.

python ros_sender.py beat          until it is killed
python ros_sender.py hang          its heart stops after a second, the goal stays
python ros_sender.py leave         says goodbye after a second
python ros_sender.py stall         holds up all its threads for 0.7 s, again and again
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import uuid

from diagnostic_msgs.msg import DiagnosticStatus
from ros_asking import LATCHED
from unique_identifier_msgs.msg import UUID
from vlm_bt_interfaces.action import MoveArm

from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.guardian import STATE_TOPIC
from vlm_bt.ros.heartbeat import Heartbeat
from vlm_bt.ros.runtime import Runtime

FINDS_WITHIN_S = 20.0
ANSWERED_WITHIN_S = 5.0


def main(how: str) -> None:
    with Runtime() as runtime:
        node = runtime.node("sender")
        healthy = [True]
        heart = Heartbeat(node, "sender", 0.05, lambda: healthy[0], lambda: True)
        heart.begin()
        port = ActionPort(node, MoveArm, "move_arm")
        if how != "leave":
            heard = threading.Event()

            def hear(status: DiagnosticStatus) -> None:
                values = {pair.key: pair.value for pair in status.values}
                if f"sender:{heart.instance}" in values["heard"].split(",") and values["state"] == "watching":
                    heard.set()

            node.create_subscription(DiagnosticStatus, STATE_TOPIC, hear, LATCHED)
            by_s = time.monotonic() + FINDS_WITHIN_S
            while not (port.served and heard.is_set()):
                assert time.monotonic() < by_s, "nobody serves move_arm, or the guardian does not hear us"
                time.sleep(0.01)
            answered = threading.Event()
            sent = port.send(UUID(uuid=list(uuid.uuid4().bytes)), MoveArm.Goal(named="home"))
            sent.add_done_callback(lambda _: answered.set())
            assert answered.wait(ANSWERED_WITHIN_S) and sent.result().accepted, "the goal was not accepted"
        print("goes", heart.instance, flush=True)
        time.sleep(1.0)
        if how == "leave":
            heart.leave()
        healthy[0] = how != "hang"
        while how == "stall":
            # A call into a library that keeps the interpreter to itself.
            ctypes.PyDLL(None).usleep(700_000)
            time.sleep(0.1)
        time.sleep(60.0)


if __name__ == "__main__":
    main(sys.argv[1])
