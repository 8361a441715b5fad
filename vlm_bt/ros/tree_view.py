"""The mission's tree as py_trees_ros' own tree, where that is installed, for its viewer and its watchers.

One tree and one node live as long as the process, because py_trees_ros 2.2 can be set up only once on a node and
destroys the node when it is shut down; each mission's root is hung into that tree. The thread that ticks also spins the
node, between ticks: with another thread the lists of streams change while they are walked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import py_trees
from py_trees.behaviour import Behaviour
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from vlm_bt.errors import ConfigError
from vlm_bt.executive import Executive, Snapshot
from vlm_bt.ros.behaviours import RosLeaf
from vlm_bt.ros.shown import EVERYBODY, shown

LISTEN_EVERY_S = 0.1
SUBSCRIBES_WITHIN_S = 5.0
"""A blackboard stream that was asked for waits so long for its first listener; py_trees_ros closes it at once."""
SHARE = 0.08
"""Of the time, that telling viewers may take: a snapshot of a large tree is not sent after every tick."""
Wanted = Literal["auto", "off", "required"]


class View(Protocol):
    """What shows a mission. Everything but `open_view` belongs to the thread that ticks.

    `says`: in one line, how to look at the mission.
    """

    says: str

    def adopt(self, executive: Executive) -> None:
        """Show this mission from now on, before its first tick. Raises: ConfigError: a leaf can't be set up."""
        ...

    def after_tick(self, snapshot: Snapshot) -> None:
        """Tell the viewers of a tick, and listen to them: an executive's subscriber."""
        ...

    def spin(self) -> None:
        """Listen to viewers while no mission runs; call it some ten times a second."""
        ...

    def release(self) -> None:
        """The mission has ended; its tree is shown no more. Idempotent."""
        ...

    def close(self) -> None: ...


def open_view(
    wanted: Wanted, context: Context, *, namespace: str = "", name: str = "tree", instead: str = "mission_state"
) -> View:
    """The viewers' side of a mission node.

    Args:
        wanted: "required": an error where py_trees_ros is missing; "auto": another way to look is named.
        name: Of the node; services and topics lie under it, and viewers list it.
        instead: Topic to look at where there is no viewer.

    Raises:
        ConfigError: Required and not there.
    """
    if wanted == "off":
        return NoView(f"no viewer, as ros.viewer says; where the mission stands is on {instead}")
    try:
        import py_trees_ros.trees  # noqa: F401
    except ImportError as missing:
        text = f"py_trees_ros can't be imported ({missing})"
        if wanted == "required":
            raise ConfigError(
                f"ros.viewer: required, but {text}; on a ROS 2 machine: apt install ros-jazzy-py-trees-ros"
            ) from missing
        return NoView(f"{text}: no py-trees-tree-viewer; where the mission stands is on {instead}, and in its report")
    return TreeView(context, namespace, name)


class NoView:
    """Where there is no viewer."""

    def __init__(self, says: str) -> None:
        self.says = says

    def adopt(self, executive: Executive) -> None:
        _set_up(executive.root, None)

    def after_tick(self, snapshot: Snapshot) -> None:
        pass

    def spin(self) -> None:
        pass

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass


class TreeView:
    """py_trees_ros' tree around the root of whichever mission runs. Its node is spun by nobody else."""

    def __init__(self, context: Context, namespace: str, name: str) -> None:
        self.node = Node(name, namespace=namespace, context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._idle = py_trees.behaviours.Running("no mission")
        self.tree = _tree_class()(self._idle)
        # With a limit py_trees sets a signal handler, which only the main thread may do.
        self.tree.setup(node=self.node)
        self._told = -1
        self._changed = False
        self._streams: frozenset[str] = frozenset()
        self._listen_s = self._tell_s = 0.0
        self._every_s = LISTEN_EVERY_S
        self._executive: Executive | None = None
        self.says = f"look at it with py-trees-tree-viewer, or: py-trees-tree-watcher (node {self._full_name})"

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self.tree.snapshot_streams or self.tree.blackboard_exchange.views)

    def adopt(self, executive: Executive) -> None:
        self.release()
        _set_up(executive.root, self.node)
        self.tree.root = executive.root
        executive.tree = self.tree
        self._executive = executive
        self._told = -1
        # Leaves of py_trees_ros live on messages that this node is brought.
        self._every_s = 0.0 if any(isinstance(leaf, RosLeaf) for leaf in executive.root.iterate()) else LISTEN_EVERY_S

    def after_tick(self, snapshot: Snapshot) -> None:
        self._changed = self._changed or bool(snapshot.changed)
        self.spin()
        self._tell()

    def spin(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._listen_s:
            self._listen_s = now_s + self._every_s
            # One request at most; none of them may see what is not to be shown.
            self._guarded(self._executor.spin_once, 0.0)
            self.tree.attend(self.watched)

    def release(self) -> None:
        if self._executive is not None:
            self._tell(last=True)
            # Whoever holds the executive may still ask its tree for what was.
            self._executive.tree = py_trees.trees.BehaviourTree(self._executive.root)
            self._executive = None
        self.tree.root = self._idle

    def close(self) -> None:
        self.release()
        self._executor.shutdown(timeout_sec=0.5)
        self.tree.shutdown()  # Before 2.5 it destroys the node itself; destroying it twice does no harm.
        self.node.destroy_node()

    @property
    def _full_name(self) -> str:
        return str(self.node.get_fully_qualified_name())

    def _tell(self, last: bool = False) -> None:
        """Publish for whoever looks: what a tick has changed, and once more for a viewer that came later."""
        streams = frozenset(self.tree.snapshot_streams)
        if not self.watched or (self.tree.count == self._told and streams == self._streams and not last):
            self._streams = streams
            return
        if time.monotonic() < self._tell_s and not last:
            return
        began_s = time.thread_time()
        self._told, self._streams = self.tree.count, streams
        self._guarded(self.tree.publish, self._changed)
        self._changed = False
        self._tell_s = time.monotonic() + (time.thread_time() - began_s) / SHARE

    def _guarded(self, act: Callable[..., Any], *given: Any) -> None:
        """What goes wrong between a viewer and py_trees_ros ends their connection, never the mission."""
        try:
            with shown(self.tree.root if self.watched else None):
                act(*given)
        except ExternalShutdownException:
            pass
        except Exception as error:  # The boundary to another package's code and to other programs' requests.
            if not self.node.context.ok():
                return
            self.node.get_logger().warning(f"viewers are cut off: {type(error).__name__}: {error}")
            self.tree.cut_off()


def _set_up(root: Behaviour, node: Any) -> None:
    """Leaves of py_trees_ros get their node. Raises: ConfigError."""
    for leaf in root.iterate():
        try:
            leaf.setup(node=node)
        except Exception as error:  # Whatever the code of another package raises.
            raise ConfigError(f"{leaf.name}: can't be set up: {type(error).__name__}: {error}") from error


def _tree_class() -> Any:
    """Made here, because py_trees_ros may not be imported before it is known to be there."""
    import py_trees_ros

    class ShownTree(py_trees_ros.trees.BehaviourTree):  # type: ignore[misc]
        """Publishes when it is told to, not within a tick: so a paused mission has viewers, and a tick its own time."""

        def _snapshots_post_tick_handler(self, tree: Any) -> None:
            pass

        def attend(self, watched: bool) -> None:
            """Nothing is noted of a tick while nobody looks."""
            self.visitors = [self.snapshot_visitor] if watched else []
            self.pre_tick_handlers = [self._statistics_pre_tick_handler] if watched else []
            self.post_tick_handlers = [self._statistics_post_tick_handler] if watched else []

        def publish(self, changed: bool) -> None:
            self.snapshot_visitor.visited_blackboard_client_ids.add(EVERYBODY)
            self.snapshot_visitor.changed = changed
            if self.root.tip() is None or self.statistics is None:
                return
            views = self.blackboard_exchange.views
            young = [view for view in views if self._may_still_subscribe(view)]
            views[:] = [view for view in views if view not in young]
            super()._snapshots_post_tick_handler(self)
            views.extend(young)

        def _may_still_subscribe(self, view: Any) -> bool:
            now_s = time.monotonic()
            view.born_s = getattr(view, "born_s", now_s)
            return bool(now_s - view.born_s < SUBSCRIBES_WITHIN_S and self.node.count_subscribers(view.topic_name) == 0)

        def cut_off(self) -> None:
            """Close every stream, as if its viewer had asked for it."""
            for stream in self.snapshot_streams.values():
                stream.shutdown()
            self.snapshot_streams.clear()
            for view in list(self.blackboard_exchange.views):
                self.blackboard_exchange._close_view(view)

    return ShownTree
