"""Asks a mission node for one mission and waits for its end."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from vlm_bt_interfaces.action import RunMission
from vlm_bt_interfaces.msg import NamedValue

from vlm_bt.ros.action_client import SureActionClient

SERVER_WITHIN_S = 60.0
"""The longest that a mission node may take to start: it loads its models first."""
ACCEPTED_WITHIN_S = 10.0
ASKED_AGAIN_S = 1.0
STOPPED_WITHIN_S = 30.0
INTERRUPTED = 130


@dataclass(frozen=True)
class Wanted:
    """A mission: its tree's name, or a sentence. `inputs` as YAML text by name; `overrides`: "mission.tick_s=0.1"."""

    tree: str = ""
    sentence: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    seed: int = 0
    preempt: bool = False


@dataclass(frozen=True)
class Ended:
    """How it ended. `code`: 0 done, 1 not, 2 it never began, 130 interrupted. `row`: as `vlm-bt run --json` prints."""

    code: int
    text: str
    report: str = ""
    row: dict[str, Any] = field(default_factory=dict)


def run_mission(
    node: Node,
    wanted: Wanted,
    stopped: threading.Event,
    *,
    action: str = "run_mission",
    show: Callable[[str], None] = lambda line: None,
    server_within_s: float = SERVER_WITHIN_S,
) -> Ended:
    """Run a mission to its end; the node is spun by others.

    Args:
        stopped: Set: the goal is cancelled, and its end is waited for.
        show: Told what happens, a line each.
    """
    client = SureActionClient(node, RunMission, action)
    try:
        return _run(client, wanted, stopped, action, show, server_within_s)
    finally:
        with contextlib.suppress(Exception):  # At the end of the context it may be gone already.
            client.destroy()


def _run(
    client: Any, wanted: Wanted, stopped: threading.Event, action: str, show: Callable[[str], None], within_s: float
) -> Ended:
    by_s = time.monotonic() + within_s
    while not client.wait_for_server(timeout_sec=0.2):
        if stopped.is_set():
            return Ended(INTERRUPTED, "interrupted before it began")
        if time.monotonic() > by_s:
            return Ended(2, f"no mission node serves {action} within {within_s:g} s")
    goal = RunMission.Goal(
        tree=wanted.tree,
        sentence=wanted.sentence,
        inputs=[NamedValue(name=name, value=value) for name, value in wanted.inputs.items()],
        overrides=list(wanted.overrides),
        seed=wanted.seed,
        preempt=wanted.preempt,
    )
    handle = _accepted(client, goal, stopped, show, by_s)
    if isinstance(handle, Ended):
        return handle
    coming = handle.get_result_async()
    while not _wait(coming, 0.1):
        if stopped.is_set():
            show("stopping: the arm stands still, the report is being written")
            handle.cancel_goal_async()
            if not _wait(coming, STOPPED_WITHIN_S):
                return Ended(INTERRUPTED, f"the mission node has not ended the mission in {STOPPED_WITHIN_S:g} s")
    return _ended(coming.result().result, stopped.is_set())


def _accepted(client: Any, goal: Any, stopped: threading.Event, show: Callable[[str], None], by_s: float) -> Any:
    """The goal's handle. A node that still loads its models, or runs another mission, is asked again until `by_s`."""
    said = _Said(show)
    told = False
    while True:
        asking = client.send_goal_async(goal, feedback_callback=lambda message: said.hear(message.feedback))
        if not _wait(asking, ACCEPTED_WITHIN_S):
            return Ended(2, "the mission node does not answer")
        if asking.result().accepted:
            return asking.result()
        if time.monotonic() > by_s:
            return Ended(2, "the mission node refuses: it is not ready, or another mission is under way")
        if not told:
            show("the mission node is not ready, or runs another mission; it is asked again")
        told = True
        if stopped.wait(ASKED_AGAIN_S):
            return Ended(INTERRUPTED, "interrupted before it began")


def _ended(result: Any, interrupted: bool) -> Ended:
    outcome = result.outcome
    code = 0 if outcome.reason == "done" else INTERRUPTED if interrupted else 1
    said = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
    text = f"{result.closing}\n{said}" if result.closing else said
    try:
        row = json.loads(result.json) if result.json else {}
    except ValueError:
        row = {}
    return Ended(code, text, result.report, row if isinstance(row, dict) else {})


class _Said:
    """Tells what is new in a goal's feedback."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._node = self._question = ""

    def hear(self, feedback: Any) -> None:
        if feedback.node and feedback.node != self._node:
            self._node = feedback.node
            self._show(f"{feedback.progress.mission_s:7.1f} s  {feedback.node}")
        question = feedback.question[0] if feedback.question else None
        if question is not None and question.id != self._question:
            self._question = question.id
            self._show(f"question: {question.text} [{' / '.join(question.options)}]")


def _wait(future: Any, limit_s: float) -> bool:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(limit_s) or bool(future.done())
