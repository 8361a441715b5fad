"""The executive's thread: it builds, runs and closes missions, one at a time."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vlm_bt.errors import RobotAway, VlmBtError
from vlm_bt.executive import Snapshot
from vlm_bt.ros.heartbeat import Pulse
from vlm_bt.ros.request import Attachments, Prepare, Request, Running, Start
from vlm_bt.ros.tree_view import NoView, View
from vlm_bt.settings import Settings
from vlm_bt.types import REASONS, Outcome

END_WITHIN_S = 15.0
LISTENS_EVERY_S = 0.1
HANGS_AFTER_S = 0.25
"""Real time without a tick after which the executive counts as hung, and its heart stops."""
HANGS_IN_LOCKSTEP_S = 120.0
"""The same where simulated time stands still while a model thinks or loads."""


class Run:
    """One mission that was asked for, from its place in the queue to its end. Safe to ask from any thread.

    Attributes:
        status: "starting", "running", "stopping" or "ended".
        outcome: How it ended; None until then.
        first_tick: Set when the tree has been ticked once.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.tree = request.tree
        self.mission: Running | None = None
        self.standing: Any = None
        self.outcome: Outcome | None = None
        self.result: Any = None
        self.done = threading.Event()
        self.first_tick = threading.Event()
        self.node = ""
        self.path: tuple[int, ...] = ()
        self.status = "starting"
        self._lock = threading.Lock()
        self._abort: str | None = None
        self._paused = False
        self._settings: Settings | None = None

    def adapt(self, settings: Settings) -> None:
        """Parameters have changed: the mission goes by them, as far as that is safe while it runs."""
        with self._lock:
            self._settings = settings
            if self.mission is not None:
                self.mission.adapt(settings)

    def abort(self, why: str) -> None:
        """Stop the arm before anything else is ticked, and end. Idempotent: the first reason counts."""
        with self._lock:
            if self._abort is None and not self.done.is_set():
                self._abort, self.status = why, "stopping"
                if self.mission is not None:
                    self.mission.executive.abort(why)

    def pause(self) -> None:
        with self._lock:
            self._paused = True
            if self.mission is not None:
                self.mission.executive.pause()

    def resume(self) -> None:
        with self._lock:
            self._paused = False
            if self.mission is not None:
                self.mission.executive.resume()

    @property
    def paused(self) -> bool:
        return self._paused and self.status == "running"

    @property
    def aborted(self) -> str | None:
        """Why it was told to stop; None where it was not."""
        return self._abort

    def after_tick(self, snapshot: Snapshot) -> None:
        """Subscriber of the executive: which leaf runs."""
        tip = snapshot.root.tip()
        if tip is not None:
            self.node, self.path = tip.name, _path(tip)
        self.first_tick.set()

    def begins(self, mission: Running) -> None:
        """What was said while it was being built is passed on."""
        with self._lock:
            self.mission = mission
            if self._settings is not None:
                mission.adapt(self._settings)
            if self._paused:
                mission.executive.pause()
            if self._abort is not None:
                mission.executive.abort(self._abort)
            else:
                self.status = "running"

    def leaves(self) -> None:
        """The mission is about to be closed: nobody reaches it from here any more."""
        with self._lock:
            self.mission, self.status = None, "stopping"

    def ends(self, outcome: Outcome, result: Any = None) -> None:
        with self._lock:
            self.outcome, self.result, self.status = outcome, result, "ended"
        self.done.set()


class Worker:
    """Runs what is submitted, in order, in one thread; py_trees' blackboard and a simulation's renderer belong to it.

    Args:
        prepare: Called first, in the thread: what makes every start quick. It gives what undoes it.
        attach: What the node hangs onto a mission.
        open_view: Called once, in the thread: what shows missions to viewers.
    """

    def __init__(
        self,
        start: Start,
        attach: Callable[[Run], Attachments],
        prepare: Prepare,
        open_view: Callable[[], View] = lambda: NoView(""),
    ) -> None:
        self.pulse = Pulse()
        self.run: Run | None = None
        self.failed: str | None = None
        self.ready = threading.Event()
        self._start = start
        self._attach = attach
        self._prepare = prepare
        self._open_view = open_view
        self._waiting: queue.Queue[Run | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="vlm_bt-executive", daemon=True)
        self._thread.start()

    def submit(self, run: Run) -> None:
        self._waiting.put(run)

    @property
    def at_work(self) -> bool:
        """False where the executive should tick and has not for a while. Between missions nothing can move."""
        run = self.run
        mission = run.mission if run is not None else None
        if mission is None or not mission.executive.running:
            return self._thread.is_alive()
        hangs_after_s = HANGS_IN_LOCKSTEP_S if mission.site.lockstep else HANGS_AFTER_S
        return self.pulse.age_s <= max(hangs_after_s, 4.0 * float(mission.clock.period_s))

    @property
    def commanding(self) -> bool:
        """Whether goals are under way at an arm."""
        run = self.run
        mission = run.mission if run is not None else None
        return mission is not None and bool(mission.arm.state.moving)

    def close(self) -> bool:
        """End the thread; what runs must have been aborted. False where it hangs. Idempotent."""
        self._waiting.put(None)
        self._thread.join(END_WITHIN_S)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            view = self._open_view()
            free = self._prepare()
        except VlmBtError as error:
            self.failed = str(error)
            self.ready.set()
            return
        self.ready.set()
        while (run := self._next(view)) is not None:
            self.run = run
            self._execute(run, view)
        view.close()
        free()

    def _next(self, view: View) -> Run | None:
        """Wait for the next mission; viewers are listened to meanwhile."""
        while True:
            try:
                return self._waiting.get(timeout=LISTENS_EVERY_S)
            except queue.Empty:
                view.spin()

    def _execute(self, run: Run, view: View) -> None:
        """The boundary of the thread: whatever a mission throws ends this mission, with the arm stopped."""
        if run.aborted is not None:
            run.ends(Outcome("cancelled", run.aborted))
            return
        try:
            attached = self._attach(run)
            attached = replace(attached, subscribers=(*attached.subscribers, view))
            mission = self._start(run.request, attached)
        except RobotAway as error:
            run.ends(Outcome(error.reason, str(error)))
            return
        except VlmBtError as error:
            run.ends(Outcome("unsupported", str(error)))
            return
        except Exception as error:
            run.ends(_bug(error))
            return
        try:
            self.pulse.mark()
            view.adopt(mission.executive)
            run.begins(mission)
            result = mission.run(lambda standing: setattr(run, "standing", standing))
            outcome = _outcome(result, held(mission))
        except VlmBtError as error:
            result, outcome = None, Outcome("model_lost", str(error))
        except Exception as error:
            # The executive has stopped the arm already; what the record has is kept.
            result, outcome = None, _bug(error, held(mission))
            mission.recorder.write("event", {"what": "the program failed", "trace": traceback.format_exc()})
        finally:
            mission.arm.disable()
            run.leaves()
            view.release()
            mission.close()
        run.ends(outcome, result)


def held(mission: Running) -> str:
    """What is left in the hand, in words; empty where nothing is."""
    thing = mission.ledger.in_hand
    return f"the {thing.label} is still in the hand" if thing is not None else ""


def _outcome(result: Any, in_hand: str) -> Outcome:
    reason = result.outcome if result.outcome in REASONS else "cancelled"
    detail = "; ".join(part for part in (result.detail, in_hand) if part)
    return Outcome(reason, detail, {"held": in_hand} if in_hand else {})


def _bug(error: Exception, in_hand: str = "") -> Outcome:
    told = f"the program failed: {type(error).__name__}: {error}"
    return Outcome("cancelled", "; ".join(part for part in (told, in_hand) if part))


def _path(node: Any) -> tuple[int, ...]:
    """Child indices from the root."""
    path: list[int] = []
    while node.parent is not None:
        path.append(node.parent.children.index(node))
        node = node.parent
    return tuple(reversed(path))
