"""One rclpy context with its nodes, spun in threads of their own; what arrives is taken in by the executive's thread.

Callbacks only put things into an `Inbox`. The executive's thread empties it between ticks, so tickets, blackboard and
record are touched by one thread alone, and a slow callback never holds up a tick.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlm_bt.ros.abandoned import free_abandoned
from vlm_bt.ros.threads import Threads
from vlm_bt.ros.watchdog import Watchdog


class Inbox:
    """Work for the executive's thread. `post` from anywhere, `empty` between ticks."""

    def __init__(self) -> None:
        self._posted: deque[Callable[[], None]] = deque()

    def post(self, work: Callable[[], None]) -> None:
        self._posted.append(work)

    def empty(self) -> None:
        """Do what was posted until now, in order; what is posted meanwhile waits for the next time."""
        for _ in range(len(self._posted)):
            self._posted.popleft()()


class Runtime:
    """A context of its own, so that several may live in one process. Use as a context manager, or call `close`.

    Shared memory that killed programs have left is freed first. Where the environment asks for it, a process that
    freezes is ended (see `watchdog`).

    Args:
        arguments: ROS arguments such as remappings, as after `--ros-args`.
        threads: How many callbacks run at once.
    """

    def __init__(self, arguments: list[str] | None = None, threads: int = 4, domain: int | None = None) -> None:
        free_abandoned()
        self._watchdog = Watchdog.asked_for()
        self.context = Context()
        rclpy.init(args=arguments or [], context=self.context, domain_id=domain)
        self._executor = Threads(threads, self.context, self._watchdog.beat if self._watchdog else lambda: None)
        self._nodes: list[Node] = []
        self._executor.start()

    def node(self, name: str, *, namespace: str = "", sim_time: bool = False) -> Node:
        """A node that is spun until the runtime is closed."""
        overrides = [Parameter("use_sim_time", Parameter.Type.BOOL, True)] if sim_time else []
        node = Node(name, namespace=namespace, context=self.context, parameter_overrides=overrides)
        return self.add(node)

    def add(self, node: Any) -> Any:
        """Spin a node that was made elsewhere in this context."""
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def close(self) -> None:
        """Idempotent."""
        if not self.context.ok() and not self._nodes:
            return
        self._executor.shutdown()
        for node in self._nodes:
            with contextlib.suppress(Exception):
                node.destroy_node()
        self._nodes.clear()
        if self.context.ok():
            rclpy.shutdown(context=self.context)
        if self._watchdog is not None:
            self._watchdog.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
