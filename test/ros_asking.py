"""Asking a mission node over ROS, from a test's own process; and processes of ours to be asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_found import found
from std_srvs.srv import Trigger
from vlm_bt_interfaces.action import RunMission
from vlm_bt_interfaces.msg import Evidence, MissionState, NamedValue, Question
from vlm_bt_interfaces.srv import AnswerQuestion, CheckTree, ListMissions, Tell

from vlm_bt.places import share_dir
from vlm_bt.ros.action_client import SureActionClient
from vlm_bt.ros.processes import environment
from vlm_bt.ros.runtime import Runtime

# Programs find each other within a quarter of a second; must stand before the first context is made.
os.environ.update(environment(share_dir("config")))

LATCHED = QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
SOON_S = 60.0


def until(true: Callable[[], Any], within_s: float = SOON_S, what: str = "") -> Any:
    """Wait for something to become true, and give it."""
    by_s = time.monotonic() + within_s
    while not (true_now := true()):
        assert time.monotonic() < by_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.01)
    return true_now


def result_of(future: Any, within_s: float = SOON_S) -> Any:
    until(future.done, within_s, "an answer")
    return future.result()


class Started:
    """`vlm-bt ros ...` in a process of its own."""

    def __init__(self, *words: str, log: Path) -> None:
        self._log = log.open("wb")
        self.log = log
        environment = {**os.environ, "ROS_LOG_DIR": str(log.parent / "ros_logs")}
        command = [sys.executable, "-m", "vlm_bt.cli", "ros", *words]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, env=environment)

    def end(self, within_s: float = 30.0) -> int:
        """Tell it to end, as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._log.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Asking:
    """A client of the mission node."""

    def __init__(self, runtime: Runtime, name: str = "client", namespace: str = "") -> None:
        self.node = runtime.node(name, namespace=namespace)
        group = ReentrantCallbackGroup()
        self.missions = SureActionClient(self.node, RunMission, "run_mission", callback_group=group)
        self._services = {
            kind: self.node.create_client(kind, name, callback_group=group)
            for kind, name in (
                (ListMissions, "list_missions"),
                (CheckTree, "check_tree"),
                (Tell, "tell"),
                (AnswerQuestion, "answer_question"),
            )
        }
        self._triggers = {
            name: self.node.create_client(Trigger, name, callback_group=group) for name in ("pause", "resume", "abort")
        }
        self.state: Any = None
        self.before = ""
        self.states: list[Any] = []
        self.questions: list[Any] = []
        self.evidence: list[Any] = []
        self.feedback: list[Any] = []
        self.node.create_subscription(MissionState, "mission_state", self._hear, LATCHED)
        self.node.create_subscription(Question, "questions", self.questions.append, LATCHED)
        self.node.create_subscription(Evidence, "evidence", self.evidence.append, 1000)

    def _hear(self, state: Any) -> None:
        self.state = state
        self.states.append(state)

    def send(self, tree: str = "organise_workbench", *, seed: int = 11, preempt: bool = False, **more: Any) -> Any:
        """Ask for a mission; the goal's handle once the node has answered."""
        found(self.missions)
        self.before = self.state.mission if self.state is not None else ""
        inputs = [NamedValue(name=name, value=value) for name, value in more.pop("inputs", {}).items()]
        goal = RunMission.Goal(tree=tree, seed=seed, preempt=preempt, inputs=inputs, **more)
        return result_of(
            self.missions.send_goal_async(goal, feedback_callback=lambda f: self.feedback.append(f.feedback))
        )

    def result(self, handle: Any, within_s: float = 110.0) -> Any:
        return result_of(handle.get_result_async(), within_s).result

    def call(self, kind: Any, **fields: Any) -> Any:
        client = self._services[kind]
        found(client)
        return result_of(client.call_async(kind.Request(**fields)))

    def trigger(self, name: str) -> Any:
        found(self._triggers[name])
        return result_of(self._triggers[name].call_async(Trigger.Request()))
