"""What the mission node serves: RunMission, and the services around it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import Trigger
from vlm_bt_interfaces.action import RunMission
from vlm_bt_interfaces.msg import Finding as FindingMessage
from vlm_bt_interfaces.msg import MissionInfo, NamedValue
from vlm_bt_interfaces.srv import CheckTree, ListMissions, Tell

from vlm_bt.conversation.examples import MAY_BE_SAID
from vlm_bt.conversation.intents import understand
from vlm_bt.conversation.talk import AT_ONCE
from vlm_bt.errors import VlmBtError
from vlm_bt.ros.announcing import progress_message
from vlm_bt.ros.messages import outcome_message, values_of
from vlm_bt.ros.people import QuestionDesk
from vlm_bt.ros.request import Catalogue, Request
from vlm_bt.ros.worker import Run
from vlm_bt.tree.findings import Finding
from vlm_bt.types import Outcome

if TYPE_CHECKING:
    from vlm_bt.conversation.talk import Conversation
    from vlm_bt.ros.mission_node import MissionNode

FEEDBACK_EVERY_S = 0.1
ANSWERED_WITHIN_S = 3.0
"""Real time that whoever says something waits for the answer."""
LONGEST_SAID = 60


class MissionServices:
    """Made by the node; its callbacks run in the threads that spin it."""

    def __init__(self, node: MissionNode, desk: QuestionDesk, catalogue: Catalogue) -> None:
        self._node = node
        self._desk = desk
        self._catalogue = catalogue
        self._count = 0
        self._lock = threading.Lock()
        self._runs: dict[bytes, Run] = {}
        self._group = ReentrantCallbackGroup()
        self._action = ActionServer(
            node,
            RunMission,
            "run_mission",
            execute_callback=self._execute,
            goal_callback=self._goal,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
            callback_group=self._group,
        )
        for service, name, answer in (
            (ListMissions, "list_missions", self._list),
            (CheckTree, "check_tree", self._check),
            (Tell, "tell", self._tell),
            (Trigger, "pause", lambda _, response: self._act("pause", response)),
            (Trigger, "resume", lambda _, response: self._act("resume", response)),
            (Trigger, "abort", lambda _, response: self._act("stop", response)),
        ):
            node.create_service(service, name, answer, callback_group=self._group)

    # RunMission

    def _goal(self, goal: Any) -> GoalResponse:
        refusal = self._node.refusal(goal.preempt)
        if refusal:
            self._node.get_logger().warning(f"a mission was refused: {refusal}")
        return GoalResponse.REJECT if refusal else GoalResponse.ACCEPT

    def _accepted(self, handle: Any) -> None:
        goal = handle.request
        with self._lock:
            self._count += 1
            number = self._count
        request = Request(
            mission=f"mission-{time.strftime('%Y%m%d-%H%M%S')}-{number}",
            tree=goal.tree,
            sentence=goal.sentence,
            inputs=values_of(goal.inputs),
            overrides=tuple(goal.overrides),
            seed=max(0, int(goal.seed)),
        )
        run = Run(request)
        self._runs[bytes(handle.goal_id.uuid)] = run
        self._node.take(run)
        handle.execute()

    def _cancel(self, handle: Any) -> CancelResponse:
        run = self._runs.get(bytes(handle.goal_id.uuid))
        if run is not None:
            run.abort("cancelled by the client")
        return CancelResponse.ACCEPT

    def _execute(self, handle: Any) -> Any:
        """Waits for the mission's end and says meanwhile how far it is."""
        run = self._runs[bytes(handle.goal_id.uuid)]
        client = _Listening(self._node, self._node.options.lost_after_s)
        said: tuple[Any, ...] = ()
        while not run.done.wait(FEEDBACK_EVERY_S):
            questions = [question for question in self._desk.waiting() if question.mission == run.request.mission][:1]
            now = (run.node, run.standing, tuple(question.id for question in questions))
            if now != said:
                said = now
                progress = progress_message(run.standing)
                handle.publish_feedback(RunMission.Feedback(node=run.node, progress=progress, question=questions))
            if client.lost() and self._node.options.on_lost_client == "abort":
                run.abort("whoever asked for the mission is gone")
        del self._runs[bytes(handle.goal_id.uuid)]
        assert run.outcome is not None
        if run.outcome.ok:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return _result(run, run.outcome)

    # Services

    def _list(self, _: Any, response: Any) -> Any:
        for listed in self._catalogue.listed():
            response.missions.append(
                MissionInfo(
                    tree=listed.tree,
                    summary=listed.summary,
                    sentences=list(listed.sentences),
                    inputs=[NamedValue(name=n, value=text) for n, text in listed.inputs.items() if text is not None],
                    required=[name for name, text in listed.inputs.items() if text is None],
                )
            )
        return response

    def _check(self, request: Any, response: Any) -> Any:
        try:
            findings = self._catalogue.check(request.tree, request.text, values_of(request.inputs))
        except VlmBtError as error:
            findings = [Finding("file", request.tree[:LONGEST_SAID], 1, 1, 1, str(error))]
        response.findings = [_finding(finding) for finding in findings]
        response.ok = not any(finding.severity == "error" for finding in findings)
        return response

    def _tell(self, request: Any, response: Any) -> Any:
        heard = understand(request.text)
        run = self._node.current
        if heard.intent in AT_ONCE and heard.sure:
            response.understood, response.intent = True, heard.intent
            response.reply = self._do(heard.intent, request.by)[1]
        elif run is not None and run.mission is not None:
            self._converse(run.mission.conversation, request, response)
        elif heard.intent is not None:
            response.understood, response.intent, response.reply = True, heard.intent, self._status()
        else:
            response.options = list(heard.options or MAY_BE_SAID.values())
            response.reply = "I did not understand that. You may say: " + ", ".join(response.options)
        return response

    def _converse(self, conversation: Conversation, request: Any, response: Any) -> None:
        """The mission answers between two ticks; one that is busy loading or thinking answers into its record."""
        try:
            said = conversation.say(request.text, request.by).result(ANSWERED_WITHIN_S)
        except TimeoutError:
            response.reply = "I have heard it; the mission is busy and answers in its record"
            return
        response.understood, response.intent = bool(said.intent), said.intent
        response.reply, response.options = said.text, list(said.options)

    def _act(self, intent: str, response: Any) -> Any:
        response.success, response.message = self._do(intent, "")
        return response

    def _do(self, intent: str, by: str) -> tuple[bool, str]:
        run = self._node.current
        if run is None:
            return intent == "stop", "nothing is under way"
        if intent == "stop":
            run.abort(f"{by[:LONGEST_SAID] or 'somebody'} said stop")
            return True, "stopping: the arm stands still"
        if intent == "pause":
            run.pause()
            return True, "holding still"
        run.resume()
        return True, "going on"

    def _status(self) -> str:
        run = self._node.current
        if run is None:
            return "nothing is under way"
        if run.paused:
            return f"{run.tree or run.request.wanted}: paused at: {run.node}"
        done = f", {run.standing.sorted} of {run.standing.items_seen} done" if run.standing is not None else ""
        waits = "; a question waits for an answer" if self._desk.waiting() else ""
        return f"{run.tree or run.request.wanted}: {run.node or run.status}{done}{waits}"


class _Listening:
    """Whether anybody still listens to RunMission's feedback. It cannot be told who: one other listener is enough.

    Args:
        lost_after_s: Real time, seconds.
    """

    def __init__(self, node: MissionNode, lost_after_s: float) -> None:
        self._topic = node.resolve_topic_name("run_mission/_action/feedback")
        self._node = node
        self._lost_after_s = lost_after_s
        self._heard_s: float | None = None

    def lost(self) -> bool:
        now_s = time.monotonic()
        if self._node.count_subscribers(self._topic):
            self._heard_s = now_s
        return self._heard_s is not None and now_s - self._heard_s > self._lost_after_s


def _result(run: Run, outcome: Outcome) -> Any:
    result = RunMission.Result(outcome=outcome_message(outcome), mission=run.request.mission)
    if run.result is not None:
        result.report = str(run.result.report)
        result.closing = run.result.closing
        result.json = json.dumps(run.result.json(), default=str)
    return result


def _finding(finding: Finding) -> Any:
    return FindingMessage(
        rule=finding.rule,
        path=finding.path,
        line=finding.line,
        column=finding.column,
        length=finding.length,
        message=finding.message,
        help=finding.help,
        source_line=finding.source_line,
        severity=finding.severity,
    )
