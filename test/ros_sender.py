"""A program that commands an arm, as bare as can be: beats, keeps a goal of move_arm under way, and waits to be killed.

python ros_sender.py beat          until it is killed
python ros_sender.py hang          its heart stops after a second, the goal stays
python ros_sender.py leave         says goodbye after a second
"""

from __future__ import annotations

import sys
import time

from rclpy.action import ActionClient
from vlm_bt_interfaces.action import MoveArm

from vlm_bt.ros.heartbeat import Heartbeat
from vlm_bt.ros.runtime import Runtime


def main(how: str) -> None:
    with Runtime() as runtime:
        node = runtime.node("sender")
        healthy = [True]
        heart = Heartbeat(node, "sender", 0.05, lambda: healthy[0], lambda: True)
        heart.begin()
        client = ActionClient(node, MoveArm, "move_arm")
        if how != "leave":
            assert client.wait_for_server(20.0)
            accepted = False
            while not accepted:
                # A request that is sent while programs still find each other may get lost.
                sent = client.send_goal_async(MoveArm.Goal(named="home"))
                by_s = time.monotonic() + 2.0
                while not sent.done() and time.monotonic() < by_s:
                    time.sleep(0.01)
                accepted = sent.done() and sent.result().accepted
        print("goes", heart.instance, flush=True)
        time.sleep(1.0)
        if how == "leave":
            heart.leave()
        healthy[0] = how != "hang"
        time.sleep(60.0)


if __name__ == "__main__":
    main(sys.argv[1])
