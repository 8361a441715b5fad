"""A process that does nothing but beat for another one, as long as that lives and renews its lease.

The mission node imports, loads, ticks and writes reports: its threads wait for one another, and on a busy machine a
beat among them comes late now and then, which is a false alarm. This process wakes for a moment every period, which a
busy machine grants it. When the other is killed, the pipe between them closes and this one ends at once, so kill -9 is
told sooner than by a lease; when the other hangs, the lease runs out.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import signal
import sys
import time

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from vlm_bt_interfaces.msg import Heartbeat as HeartbeatMessage

from vlm_bt.ros.watchdog import Watchdog

BEATS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
SOONER = -10
"""How much nicer others have to be to it, where the machine allows that."""
UP = b"up\n"


class Lease(ctypes.Structure):
    """What the two processes share, in memory. Each field is written in one piece.

    Attributes:
        until_s: The other was at work and is taken to be until then; `time.monotonic()`, which both read alike.
        instance: Who it is. commanding: whether goals are under way. leaving: it says goodbye.
    """

    _fields_ = (
        ("until_s", ctypes.c_double),
        ("instance", ctypes.c_uint64),
        ("commanding", ctypes.c_bool),
        ("leaving", ctypes.c_bool),
    )
    until_s: float
    instance: int
    commanding: bool
    leaving: bool

    @staticmethod
    def of(handle: int) -> Lease:
        """The one that lies in a file; both processes hold it open."""
        return Lease.from_buffer(mmap.mmap(handle, ctypes.sizeof(Lease)))


def beat(lease: Lease, pipe: int, topic: str, sender: str, period_s: float) -> None:
    """Until the other end of the pipe is closed, or the other says goodbye."""
    watchdog = Watchdog.asked_for()
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node("heart", context=context, start_parameter_services=False, enable_rosout=False)
    publisher = node.create_publisher(HeartbeatMessage, topic, BEATS)
    os.write(sys.stdout.fileno(), UP)
    count, leaving = 0, False
    while not leaving and not select.select([pipe], [], [], period_s)[0]:
        if watchdog is not None:
            watchdog.beat()
        leaving = bool(lease.leaving)
        if not leaving and time.monotonic() > lease.until_s:
            continue
        count += 1
        message = HeartbeatMessage(
            sender=sender,
            instance=lease.instance,
            count=count,
            period_s=period_s,
            commanding=not leaving and lease.commanding,
            leaving=leaving,
        )
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
    if leaving:
        publisher.wait_for_all_acked(Duration(seconds=1.0))
        node.destroy_node()
        rclpy.shutdown(context=context)


def main() -> None:
    """Arguments: the lease's file handle, topic, sender, period in seconds. The pipe is the standard input."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Told to everybody when a robot is switched off; this one goes last.
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(SOONER)
    handle, topic, sender, period_s = sys.argv[1:5]
    beat(Lease.of(int(handle)), sys.stdin.fileno(), topic, sender, float(period_s))


if __name__ == "__main__":
    main()
