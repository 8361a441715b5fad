"""The mission node: a managed node that runs missions when it is asked to, one at a time.

The tree is ticked in a thread of its own (see `worker`); what ROS brings only sets a word or puts something into a
queue, so no client can hold up a tick, and no tick a client.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from vlm_bt.errors import ConfigError
from vlm_bt.ports import Clock, Recorder
from vlm_bt.ros.announcing import Announcer
from vlm_bt.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Row
from vlm_bt.ros.guardian import LATCHED, STATE_TOPIC
from vlm_bt.ros.heartbeat import Heartbeat
from vlm_bt.ros.people import Picture, QuestionDesk, RosHuman
from vlm_bt.ros.request import Attachments, Catalogue, Prepare, Start
from vlm_bt.ros.serving import MissionServices
from vlm_bt.ros.tree_view import View, open_view
from vlm_bt.ros.worker import Run, Worker
from vlm_bt.settings import Settings

PREPARED_WITHIN_S = 330.0
STOPPED_WITHIN_S = 10.0
RELEVANT_S = 1.5


@dataclass(frozen=True)
class NodeOptions:
    """How a mission node behaves.

    Attributes:
        on_lost_client: What happens to a mission whose client is gone: "continue" or "abort".
        lost_after_s: So long nobody listens to a goal's feedback until its client counts as gone.
        needs_guardian: Refuse missions while no guardian says that it hears this node.
    """

    name: str = "mission_node"
    namespace: str = ""
    on_lost_client: str = "continue"
    lost_after_s: float = 3.0
    needs_guardian: bool = False
    sim_time: bool = False


class MissionNode(LifecycleNode):  # type: ignore[misc]
    """Serves RunMission and what belongs to it.

    Made first, so that its parameters can be read; then told what to `serve`; then spun.

    Args:
        settings: For heartbeat and base frame.
    """

    def __init__(self, context: Context, settings: Settings, options: NodeOptions) -> None:
        overrides = [Parameter("use_sim_time", Parameter.Type.BOOL, True)] if options.sim_time else []
        super().__init__(options.name, context=context, namespace=options.namespace, parameter_overrides=overrides)
        self.options = options
        self.active = False
        self._settings = settings
        self._start: Start | None = None
        self._prepare: Prepare = lambda: lambda: None
        self._worker: Worker | None = None
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._runs: list[Run] = []
        self._promised_s: float | None = None
        self._guarded_s: float | None = None
        self._alarm = ""
        self.desk = QuestionDesk(self)
        self.announcer = Announcer(self, self.desk, lambda: self._run)
        self._diagnostics = Diagnostics(self, self._mission, self._rows)
        self._full_name = self.get_fully_qualified_name()
        self._heart = Heartbeat(
            self, self._full_name, settings.ros.guardian.beat_s, lambda: self._at_work(), lambda: self._commanding()
        )
        self.create_subscription(
            DiagnosticStatus, STATE_TOPIC, self._hear_guardian, LATCHED, callback_group=ReentrantCallbackGroup()
        )

    def serve(self, start: Start, prepare: Prepare, catalogue: Catalogue) -> None:
        """Say how missions are built and which there are. Once, before the node is spun.

        Args:
            start: Builds a mission; called in the worker's thread, as are `prepare` and what undoes it.
            catalogue: The missions that may be asked for.
        """
        self._start, self._prepare = start, prepare
        self._served = MissionServices(self, self.desk, catalogue)

    def autostart(self) -> bool:
        """Configure and activate without a lifecycle manager; False where that fails."""
        succeeded = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == succeeded and self.trigger_activate() == succeeded)

    # What the services ask of the node.

    def refusal(self, preempt: bool) -> str:
        """Why no mission may start now; empty where one may. A promise to take it comes with the empty answer."""
        with self._lock:
            if not self.active or self._worker is None:
                return "the node is not active"
            if self._worker.failed:
                return self._worker.failed
            if self.options.needs_guardian and not self._guarded:
                return "no guardian hears this node"
            if self._alarm:
                return "the guardian has just stopped the arm"
            promised = self._promised_s is not None and time.monotonic() - self._promised_s < RELEVANT_S
            if (promised or self.current is not None) and not preempt:
                return f"{self._run.request.mission if self._run else 'another mission'} is under way"
            self._promised_s = time.monotonic()
            return ""

    def take(self, run: Run) -> None:
        """Start a mission that was promised; what is under way is aborted first."""
        with self._lock:
            self._promised_s = None
            for earlier in self._runs:
                earlier.abort(f"another mission was asked for: {run.request.mission}")
            self._runs = [earlier for earlier in self._runs if not earlier.done.is_set()] + [run]
            self._run = run
            assert self._worker is not None
            self._worker.submit(run)

    def adapt(self, settings: Settings) -> None:
        """Parameters were changed: the missions that there are go by them too, as far as that is safe."""
        with self._lock:
            for run in self._runs:
                run.adapt(settings)

    @property
    def current(self) -> Run | None:
        """The mission under way."""
        with self._lock:
            return next((run for run in reversed(self._runs) if not run.done.is_set()), None)

    def stop(self, why: str, within_s: float = STOPPED_WITHIN_S) -> bool:
        """Abort what is under way and wait until it stands; False where it does not within the limit."""
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            run.abort(why)
        by_s = time.monotonic() + within_s
        return all(run.done.wait(max(0.0, by_s - time.monotonic())) for run in runs)

    def leave(self, why: str) -> bool:
        """The end of the node: everything stops, and the guardian is told so; False where something does not stop."""
        self.active = False
        stands = self.stop(why)
        stands = self._close_worker() and stands
        if stands:
            self._heart.leave()
        else:
            self.get_logger().fatal("a mission does not end; its heartbeat stops, so that the guardian stops the arm")
            self._heart.fall_silent()
        return stands

    # The life of a managed node.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the models: what takes long is done before anybody asks for a mission."""
        if self._start is None:
            return TransitionCallbackReturn.FAILURE
        self._heart.prepare()
        self._worker = Worker(self._start, self._attach, self._prepare, self._view)
        if not self._worker.ready.wait(PREPARED_WITHIN_S) or self._worker.failed:
            why = self._worker.failed or "the models take too long to load"
            self.get_logger().error(f"cannot be configured: {why}")
            self._close_worker()
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._heart.begin()
        except ConfigError as error:
            self.get_logger().error(f"cannot be activated: {error}")
            return TransitionCallbackReturn.FAILURE
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Missions end here, and the arm stands."""
        self.active = False
        if not self.stop("the node was deactivated"):
            self.get_logger().error("a mission does not end")
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return super().on_cleanup(state) if self._close_worker() else TransitionCallbackReturn.ERROR

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.leave("the node was shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = False
        self.stop("the node failed")
        return super().on_error(state)

    # What runs underneath.

    def _view(self) -> View:
        view = open_view(self._settings.ros.viewer, self.context, namespace=self.get_namespace(), name="tree")
        self.get_logger().info(view.says)
        return view

    def _attach(self, run: Run) -> Attachments:
        assert self._worker is not None
        name, frame = run.request.mission, self._settings.ros.base_frame

        def people(clock: Clock, recorder: Recorder, picture: Picture) -> RosHuman:
            return RosHuman(self.desk, clock, recorder, picture, name, frame)

        return Attachments((self._worker.pulse, run), people, self.announcer.onlooker(name))

    def _close_worker(self) -> bool:
        worker, self._worker = self._worker, None
        return worker is None or worker.close()

    def _at_work(self) -> bool:
        worker = self._worker
        return worker is None or worker.at_work

    def _commanding(self) -> bool:
        worker = self._worker
        return worker is not None and worker.commanding

    def _mission(self) -> Any:
        run = self.current
        return run.mission if run is not None else None

    @property
    def _guarded(self) -> bool:
        return self._guarded_s is not None and time.monotonic() - self._guarded_s < 2 * RELEVANT_S

    def _hear_guardian(self, status: Any) -> None:
        """The guardian has stopped the arm because it could not hear us: the mission ends, and we start anew."""
        values = {pair.key: pair.value for pair in status.values}
        me = f"{self._full_name}:{self._heart.instance}"
        if me in values.get("heard", "").split(","):
            self._guarded_s = time.monotonic()
        if me not in values.get("silent", "").split(",") or self._alarm:
            return
        self._alarm = me
        self.get_logger().error("the guardian did not hear this node and has cancelled every goal")
        for run in [run for run in (self.current,) if run is not None]:
            run.abort("the guardian did not hear the mission node and stopped the arm")
        threading.Thread(target=self._recover, name="vlm_bt-recover", daemon=True).start()

    def _recover(self) -> None:
        """Only when nothing runs any more may the guardian let goals through again."""
        while not self.stop("the guardian stopped the arm"):
            continue
        self._heart.start_anew()
        self._alarm = ""

    def _rows(self) -> list[Row]:
        run, worker = self._run, self._worker
        hung = worker is not None and not worker.at_work
        state = "inactive" if not self.active else run.status if run is not None else "idle"
        values = {
            "mission": run.request.mission if run is not None else "",
            "state": state,
            "evidence lost": self.announcer.lost,
            "instance": self._heart.instance,
        }
        rows: list[Row] = [
            ("mission", ERROR if hung else OK, "the executive hangs" if hung else state, values),
            ("guardian", OK if self._guarded else WARN, "hears this node" if self._guarded else "none hears it", {}),
        ]
        return rows
