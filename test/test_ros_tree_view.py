"""A mission's tree before py_trees_ros' viewers: real where it is installed; what may be shown, everywhere."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import py_trees
import pytest
from fakes import CrankClock
from py_trees.blackboard import Blackboard
from py_trees.common import Status

from vlm_bt.errors import ConfigError
from vlm_bt.executive import Executive
from vlm_bt.places import share_dir
from vlm_bt.ros import shown
from vlm_bt.ros.processes import environment

EVIL = "<img src=x onerror=alert(1)>&lt;b&gt; '); alert(`2`) //\n\x1b[31m\u202e"


@pytest.fixture
def variables():
    """A blackboard that is empty again afterwards."""
    yield Blackboard
    for key in [key for key in Blackboard.storage if key.startswith("/shown/")]:
        Blackboard.unset(key)


@pytest.fixture
def context():
    rclpy = pytest.importorskip("rclpy", reason="ROS 2's Python is not installed: scripts/setup ros")
    from rclpy.context import Context

    made = Context()
    rclpy.init(context=made)
    yield made
    rclpy.shutdown(context=made)


@pytest.fixture
def ros_trees():
    try:
        from py_trees_ros import trees
    except ImportError as missing:
        pytest.skip(
            f"py_trees_ros can't be imported ({missing}); on a ROS 2 machine: apt install ros-jazzy-py-trees-ros"
        )
    return trees


class StillArm:
    def hold(self, why: str = "") -> None: ...
    def resume(self, why: str = "") -> None: ...
    def stop(self) -> None: ...
    def disable(self) -> None: ...


def mission(leaves: int = 3, name: str = "the mission") -> Executive:
    root = py_trees.composites.Parallel(name, py_trees.common.ParallelPolicy.SuccessOnAll())
    root.add_children([py_trees.behaviours.Periodic(f"leaf {number}", n=3) for number in range(leaves)])
    return Executive(root, CrankClock(), StillArm())


def tick(executive: Executive, view) -> None:
    executive.tick()
    view.after_tick(executive._snapshot())


@pytest.mark.parametrize("sign", list("<>&\"'`\\\n\r\t\x00\x1b\u2028\u202e\ud800"))
def test_no_sign_that_a_viewer_could_act_on_is_shown(sign: str) -> None:
    assert sign not in shown.plain(f"a{sign}b")
    assert sign not in shown.plain_value({"x": f"a{sign}b"})


def test_plain_text_stays_as_it_was() -> None:
    said = "find the Schraubenschlüssel → 扳手, 3 mm (50 %)"
    assert shown.plain(said) == said


def test_a_long_message_is_cut() -> None:
    assert len(shown.plain("word " * 1000)) <= shown.LONGEST_MESSAGE


def test_a_picture_is_shown_by_its_size_only() -> None:
    assert shown.plain_value(np.zeros((480, 640, 3), np.uint8)) == "ndarray of 921600 bytes"
    assert shown.plain_value(b"\xff" * 40_000_000) == "bytes of 40000000 bytes"


def test_a_value_that_cannot_say_what_it_is_harms_nobody() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "cannot be shown" in shown.plain_value(Broken())


def test_tree_and_blackboard_are_plain_while_they_are_shown_and_whole_afterwards(variables) -> None:
    root = py_trees.behaviours.Success(EVIL)
    root.feedback_message = EVIL
    lock = threading.Lock()
    variables.set("/shown/lock", lock)
    variables.set("/shown/said", EVIL)
    with shown.shown(root):
        texts = [root.name, root.feedback_message, *variables.storage.values()]
        assert not any(sign in text for text in texts for sign in "<>&\n\x1b`'\u202e")
        assert pickle.loads(pickle.dumps(variables.storage)) == variables.storage
        assert set(variables.storage) <= variables.keys_filtered_by_clients({shown.EVERYBODY})
    assert (root.name, root.feedback_message) == (EVIL, EVIL)
    assert variables.get("/shown/lock") is lock


def test_an_error_while_it_is_shown_leaves_everything_whole(variables) -> None:
    root = py_trees.behaviours.Success(EVIL)
    variables.set("/shown/said", EVIL)
    with pytest.raises(RuntimeError), shown.shown(root):
        raise RuntimeError
    assert root.name == EVIL
    assert variables.get("/shown/said") == EVIL


@pytest.mark.ros
def test_without_py_trees_ros_another_way_to_look_is_named(context, monkeypatch) -> None:
    from vlm_bt.ros.tree_view import open_view

    monkeypatch.setitem(sys.modules, "py_trees_ros", None)
    view = open_view("auto", context, instead="robot/mission_state")
    assert "robot/mission_state" in view.says
    executive = mission()
    view.adopt(executive)
    for _ in range(8):
        tick(executive, view)
    assert executive.root.status != Status.INVALID
    with pytest.raises(ConfigError, match="ros-jazzy-py-trees-ros"):
        open_view("required", context)


@pytest.mark.ros
def test_nothing_is_imported_where_no_viewer_is_wanted(context) -> None:
    from vlm_bt.ros.tree_view import NoView, open_view

    assert isinstance(open_view("off", context), NoView)


@pytest.fixture
def view(context, ros_trees):
    from vlm_bt.ros.tree_view import open_view

    made = open_view("required", context, namespace="shown", name="tree")
    yield made
    made.close()


class Watching:
    """What a viewer does: asks for a stream, and listens to it. In a thread with a node of its own."""

    def __init__(self, context, **parameters) -> None:
        from py_trees_ros import utilities
        from py_trees_ros_interfaces.msg import BehaviourTree
        from py_trees_ros_interfaces.srv import OpenSnapshotStream
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.seen: list = []
        self.node = Node("watching", context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        client = self.node.create_client(OpenSnapshotStream, "/shown/tree/snapshot_streams/open")
        request = OpenSnapshotStream.Request()
        request.parameters.blackboard_data = parameters.get("blackboard_data", True)
        request.parameters.snapshot_period = parameters.get("snapshot_period", 0.0)
        self.ready = client.wait_for_service(5.0)
        self.future = client.call_async(request)
        self.future.add_done_callback(
            lambda done: self.node.create_subscription(
                BehaviourTree, done.result().topic_name, self.seen.append, utilities.qos_profile_latched()
            )
        )

    def close(self) -> None:
        self.executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()


def until(watching: Watching, executive: Executive, view, true, limit_s: float = 10.0) -> None:
    limit = time.monotonic() + limit_s
    while not true() and time.monotonic() < limit:
        tick(executive, view)
        watching.executor.spin_once(0.005)
    assert true(), f"not within {limit_s:g} s"


@pytest.mark.ros
def test_a_viewer_sees_a_mission_in_plain_text(context, view, variables) -> None:
    executive = mission(name=f"the mission {EVIL}")
    variables.set("/shown/said", EVIL)
    variables.set("/shown/lock", threading.Lock())
    view.adopt(executive)
    assert executive.tree is view.tree
    watching = Watching(context)
    try:
        until(watching, executive, view, lambda: watching.seen)
    finally:
        watching.close()
    message = watching.seen[-1]
    assert {"leaf 0", "leaf 1", "leaf 2"} < {behaviour.name for behaviour in message.behaviours}
    values = {item.key: item.value for item in message.blackboard_on_visited_path}
    assert {"/shown/said", "/shown/lock"} <= values.keys()
    texts = [*values.values(), *(text for b in message.behaviours for text in (b.name, b.message))]
    assert not any(sign in text for text in texts for sign in "<>&\n\x1b")


@pytest.mark.ros
def test_a_view_can_be_opened_in_any_thread(context, ros_trees) -> None:
    from vlm_bt.ros.tree_view import TreeView, open_view

    opened: list[TreeView] = []
    thread = threading.Thread(target=lambda: opened.append(open_view("required", context, name="threaded")))
    thread.start()
    thread.join(10.0)
    assert opened
    opened[0].close()


@pytest.mark.ros
def test_one_mission_after_another_hangs_in_the_same_tree(context, view) -> None:
    tree = view.tree
    for number in range(3):
        executive = mission(name=f"mission {number}")
        view.adopt(executive)
        watching = Watching(context)
        try:
            until(watching, executive, view, lambda seen=watching.seen: seen)
        finally:
            watching.close()
        assert f"mission {number}" in {behaviour.name for behaviour in watching.seen[-1].behaviours}
        assert view.tree is tree
        view.release()
        assert executive.tree is not tree
        assert executive.tree.root is executive.root


@pytest.mark.ros
def test_a_viewer_may_come_while_the_mission_stands_still(context, view) -> None:
    executive = mission()
    view.adopt(executive)
    watching = Watching(context)
    try:
        until(watching, executive, view, lambda: view.watched)
        tick(executive, view)
        standing = executive._snapshot()
        limit = time.monotonic() + 10.0
        while not watching.seen and time.monotonic() < limit:
            view.after_tick(standing)
            watching.executor.spin_once(0.01)
        assert watching.seen
    finally:
        watching.close()


@pytest.mark.ros
def test_what_goes_wrong_for_a_viewer_cuts_the_viewer_off_and_not_the_mission(context, view, monkeypatch) -> None:
    executive = mission()
    view.adopt(executive)
    watching = Watching(context)
    try:
        until(watching, executive, view, lambda: view.watched)

        def breaks(*_: object) -> None:
            raise ValueError("a message that can't be made")

        monkeypatch.setattr(view.tree, "publish", breaks)
        limit = time.monotonic() + 5.0
        while view.watched and time.monotonic() < limit:
            tick(executive, view)
        assert not view.watched
        tick(executive, view)
    finally:
        watching.close()


@pytest.mark.ros
def test_a_tick_notes_nothing_for_viewers_while_there_are_none(context, view) -> None:
    executive = mission()
    view.adopt(executive)
    tick(executive, view)
    assert not view.watched
    assert not view.tree.visitors
    assert not view.tree.post_tick_handlers


@pytest.mark.ros
@pytest.mark.parametrize(
    ("watcher", "options", "wanted"),
    [
        ("tree_watcher", ["--snapshots", "--blackboard-data"], "leaf 1"),
        ("blackboard_watcher", ["--list"], "/shown/said"),
        ("blackboard_watcher", ["/shown/said"], "‹img"),
    ],
)
def test_the_watchers_of_py_trees_ros_work_as_they_are(view, variables, watcher, options, wanted) -> None:
    executive = mission()
    variables.set("/shown/said", EVIL)
    view.adopt(executive)
    # They give up on a tree that they have not discovered within two seconds.
    printed = next(filter(None, (what_it_prints(watcher, options, wanted, executive, view) for _ in range(3))), "")
    assert wanted in printed
    assert "<img" not in printed


def what_it_prints(watcher: str, options: list[str], wanted: str, executive: Executive, view) -> str:
    """Everything up to the wanted words; empty where they do not come."""
    code = f"from py_trees_ros.programs.{watcher} import main; main()"
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", code, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment(share_dir("config")),
    ) as program:
        reading = threading.Thread(target=lambda: lines.extend(program.stdout))
        reading.start()
        limit = time.monotonic() + 20.0
        while reading.is_alive() and time.monotonic() < limit and not any(wanted in line for line in lines):
            tick(executive, view)
            time.sleep(0.02)
        program.kill()
        reading.join(5.0)
    text = "".join(lines)
    return text if wanted in text else ""
