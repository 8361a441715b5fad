"""The vision service: tickets for typed questions, each answered by the model that the configuration routes it to.

Every model runs in a process of its own, and so does geometry. Nothing here waits, except `settle` in simulation, where
the clock stands still until the answers that are due have come.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from vlm_bt.errors import FrameGone, ModelError
from vlm_bt.frames import FrameStore
from vlm_bt.ports import ASKER, Asker, Clock, Recorder, Ticket
from vlm_bt.questions import Caption, Counted, Grounded, Look, Question, Result, name_of
from vlm_bt.types import Answer, Outcome, Zone
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.desk import OpenDesk
from vlm_bt.vision.geometer import OpenGeometry
from vlm_bt.vision.geometry import GeometryRequest
from vlm_bt.vision.lane import AnyLane, Lane, Lost, OpenLane
from vlm_bt.vision.messages import Cancel, Cutouts, Done, Failed, Job, Ready, Reply, Sent, Shown
from vlm_bt.vision.metrics import Metrics
from vlm_bt.vision.plain import plain
from vlm_bt.vision_settings import VisionSettings

GEOMETRY = "geometry"
GEOMETRY_PATIENCE_S = 30.0
LATENCY_S: Mapping[str, float] = {
    "Segment": 0.10,
    "PlanGrasps": 0.05,
    "FindSpot": 0.05,
    "LayOutSections": 0.05,
    "is_true": 0.05,
}
"""How long an answer takes on the mission's clock when time is simulated, rounded up to whole ticks; else 0.1 s."""
KEPT_CUTOUTS = 32
"""Frames whose things can still be asked about."""
NEWS_S = 1.0
_CLOSED = Outcome("cancelled", "the vision service is closed")


@dataclass(eq=False)
class _Group:
    """What one ticket waits for."""

    ticket: Ticket[Any]
    kind: str
    values: list[Any]
    left: int
    alone: bool
    number: int = 0
    cost: tuple[float, Done] | None = None
    hits: int = 0


@dataclass(eq=False)
class _Open:
    """One question under way: `route[stage]` has it now."""

    number: int
    question: Question | GeometryRequest
    group: _Group
    index: int
    route: tuple[str, ...]
    shown: tuple[Shown, ...]
    asker: Asker
    due: int
    asked_s: float
    stage: int = 0

    @property
    def lane(self) -> str:
        return self.route[self.stage]


class VisionService:
    """Sends questions to the processes that see and hands their answers out.

    Args:
        zones: Places by name: claims may name them, and those with walls are looked into.
        lockstep: Time is simulated: an answer arrives exactly its latency after its question, and the clock waits for
            it. Otherwise it arrives when it is there.
        open_lane: Where models and geometry run; each in a process of its own if not given.
    """

    def __init__(
        self,
        settings: VisionSettings,
        zones: Sequence[Zone],
        frames: FrameStore,
        clock: Clock,
        recorder: Recorder,
        *,
        lockstep: bool = True,
        open_lane: OpenLane = Lane,
    ) -> None:
        self._settings = settings
        self._frames = frames
        self._clock = clock
        self._recorder = recorder
        self._lockstep = lockstep
        self._arrived = threading.Condition()
        containers = tuple(zone for zone in zones if zone.container)
        surroundings = Surroundings(containers, settings.offline, tuple(zones))
        self.lanes: dict[str, AnyLane] = {
            GEOMETRY: open_lane(GEOMETRY, OpenGeometry(containers), self._arrived, patience_s=GEOMETRY_PATIENCE_S)
        }
        for name, model in settings.models.items():
            self.lanes[name] = open_lane(
                name,
                OpenDesk(model, surroundings, settings.cache, lockstep, name),
                self._arrived,
                threads=model.threads,
                patience_s=model.patience_s,
                start_within_s=model.start_within_s,
            )
        # A service that nobody closed, such as one of a mission that could not be built, must not outlive the program.
        self._end_lanes = weakref.finalize(self, _close, tuple(self.lanes.values()))
        atexit.register(self._end_lanes)
        self._open: dict[int, _Open] = {}
        self._unsent: list[_Open] = []
        self._cancelled: list[int] = []
        self._replies: dict[int, Reply] = {}
        self._pinned: dict[int, tuple[str, ...]] = {}
        self._unanswered: dict[int, str] = {}
        self._given_up: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._closed = False
        self._cutouts: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()
        self._count = 0
        self.metrics = Metrics()
        self.model_queries = 0
        self.wait_s = 0.0

    @property
    def restarts(self) -> int:
        """How often a process was started again."""
        return sum(lane.restarts for lane in self.lanes.values())

    @property
    def waiting(self) -> dict[str, int]:
        """How many questions each process has not answered yet. Safe from any thread."""
        now = Counter(entry.lane for entry in list(self._open.values()))
        return {name: now[name] for name in self.lanes}

    def submit(self, question: Question | GeometryRequest) -> Ticket[Any]:
        """Ask one question; see `ports.Vision`."""
        return self._submit((question,), alone=True)

    def submit_all(self, questions: Sequence[Question]) -> Ticket[tuple[Any, ...]]:
        """Ask several together; see `ports.Vision`."""
        return self._submit(tuple(questions), alone=False)

    def flush(self) -> None:
        """Send what was asked in this tick, as one batch. Called between ticks, before the world moves on."""
        waiting: dict[str, list[_Open]] = {}
        for entry in self._unsent:
            if entry.number in self._open:
                waiting.setdefault(entry.lane, []).append(entry)
        self._unsent = []
        for name, entries in waiting.items():
            self._unanswered.update({entry.number: name for entry in entries})
            self.lanes[name].post([self._job(entry) for entry in entries])
        for number in self._cancelled:
            # In simulation a batch must not depend on when the news of a cancel arrives.
            if not self._lockstep and number in self._unanswered:
                self.lanes[self._unanswered[number]].post(Cancel(number))
        self._cancelled = []

    def settle(self, tick: int) -> None:
        """Called by the clock between ticks: hand out what is due at `tick`, waiting for it in simulation."""
        self.flush()
        self._collect()
        due = [entry for entry in self._open.values() if not self._lockstep or entry.due <= tick]
        for entry in due:
            if self._lockstep:
                self._await(entry)
            reply = self._replies.pop(entry.number, None)
            if reply is not None and entry.number in self._open:
                self._hand_out(entry, reply, tick)
        self._overdue(max(self._clock.now_s, tick * self._clock.period_s))

    def wait_ready(self) -> dict[str, Ready]:
        """Wait until every process is up; what each model says of itself, by its name in the configuration.

        Raises:
            ModelError: A model cannot be loaded, or did not start in time.
        """
        while True:
            self._collect()
            for name, lane in self.lanes.items():
                if lane.gone:
                    raise ModelError(f"model {name!r}: {lane.gone}" if name != GEOMETRY else lane.gone)
            ready = {name: lane.ready for name, lane in self.lanes.items()}
            if all(ready.values()):
                return {name: known for name, known in ready.items() if known is not None and name != GEOMETRY}
            self.wait_for_news()

    def answers(self, question: type[Question]) -> bool:
        """Whether the last model of its route answers this type of question: one before it that does not, or is not
        sure, passes it on. Only after `wait_ready`."""
        name = name_of(question)
        ready = self.lanes[self._settings.route_of(name)[-1]].ready
        return ready is None or name in ready.answers + ready.composed

    def begin_mission(self, clock: Clock, recorder: Recorder) -> None:
        """Go on with the same processes for another mission. What the one before left open is cancelled."""
        self.rest()
        self._clock, self._recorder = clock, recorder
        self._cutouts.clear()
        self._told.clear()
        self.metrics = Metrics()
        self.model_queries, self.wait_s = 0, 0.0

    def rest(self) -> None:
        """Cancel everything that is open. Late answers are dropped."""
        for entry in list(self._open.values()):
            self._leave(entry.number)
            self._cancelled.append(entry.number)
            entry.group.ticket.fail(_CLOSED)
        self._unsent = []

    def close(self) -> None:
        """End every process; what is still open is cancelled, and so is what is asked from now on. Idempotent."""
        self._closed = True
        self.rest()
        self._end_lanes()
        atexit.unregister(self._end_lanes)

    def _submit(self, questions: tuple[Question | GeometryRequest, ...], *, alone: bool) -> Ticket[Any]:
        kind = type(questions[0]).__name__ if questions else "nothing"
        group = _Group(Ticket(kind), kind, [None] * len(questions), len(questions), alone)
        if not questions:
            group.ticket.resolve(())
            return group.ticket
        if self._closed:
            group.ticket.fail(_CLOSED)
            return group.ticket
        asker = ASKER.get()
        entries: list[_Open] = []
        for index, question in enumerate(questions):
            try:
                shown = self._shown(question)
            except FrameGone as gone:
                group.ticket.fail(Outcome("stale", str(gone)))
                return group.ticket
            entries.append(self._entry(question, group, index, shown, asker))
        group.number = entries[0].number
        refused = self._make_room(entries)
        if refused is not None:
            group.ticket.fail(refused)
            return group.ticket
        for entry in entries:
            self._begin(entry)
        group.ticket = Ticket(kind, lambda: self._cancel(entries))
        frame_id = entries[0].shown[0].handle.id if entries[0].shown else ""
        asked = plain(questions[0]) if alone else [plain(question) for question in questions]
        query = {"id": group.number, "kind": kind, "frame": frame_id, "asked": asked, "skill": asker.skill}
        self._recorder.write("query", query | {"model": entries[0].lane})
        return group.ticket

    def _entry(
        self,
        question: Question | GeometryRequest,
        group: _Group,
        index: int,
        shown: tuple[Shown, ...],
        asker: Asker,
    ) -> _Open:
        self._count += 1
        geometry = isinstance(question, GeometryRequest)
        route = (GEOMETRY,) if geometry else self._settings.route_of(name_of(cast(Question, question)))
        due = self._due(self._clock.tick, question, route[0])
        return _Open(self._count, question, group, index, route, shown, asker, due, time.perf_counter())

    def _begin(self, entry: _Open) -> None:
        self._open[entry.number] = entry
        self._unsent.append(entry)
        frames = tuple(dict.fromkeys(shown.handle.id for shown in entry.shown))
        for frame_id in frames:
            self._frames.pin(frame_id)
        self._pinned[entry.number] = frames
        if entry.lane != GEOMETRY:
            self.model_queries += 1
        self._row(entry).asked += 1

    def _row(self, entry: _Open) -> Any:
        return self.metrics.row(entry.asker.skill, entry.lane, entry.group.kind)

    def _shown(self, question: Question | GeometryRequest) -> tuple[Shown, ...]:
        """Raises: FrameGone: a frame is gone, or its things are not known."""
        if isinstance(question, GeometryRequest):
            return (Shown(self._frames.handle(question.frame_id)),)
        return tuple(Shown(self._frames.handle(look.frame_id), look, self._thing(look)) for look in question.looks)

    def _thing(self, look: Look) -> bytes | None:
        if not isinstance(look.part, int):
            return None
        things = self._cutouts.get(look.frame_id)
        if things is None or not 0 <= look.part < len(things):
            known = "it was not segmented" if things is None else f"it has {len(things)}"
            raise FrameGone(f"frame {look.frame_id!r} has no thing {look.part}: {known}")
        return things[look.part]

    def _due(self, tick: int, question: Question | GeometryRequest, lane: str) -> int:
        model = self._settings.models.get(lane)
        geometry = isinstance(question, GeometryRequest)
        name = type(question).__name__ if geometry else name_of(cast(Question, question))
        latency_s = (model.latency_s if model is not None else None) or LATENCY_S.get(name, 0.1)
        return tick + max(1, math.ceil(latency_s / self._clock.period_s - 1e-9))

    def _job(self, entry: _Open) -> Job:
        asker = entry.asker
        urgency = (float(asker.priority), math.inf if asker.deadline_s is None else asker.deadline_s)
        # A guard does not wait for chatter that happens to share its batch.
        group = self._clock.tick if self._lockstep else int(asker.priority)
        return Job(entry.number, entry.question, entry.shown, (float(group), *urgency), group, asker.reuse)

    def _make_room(self, entries: list[_Open]) -> Outcome | None:
        """Let less urgent questions go where too many wait; None when there is room, else why there is none."""
        lane = entries[0].lane
        waiting = [entry for entry in self._open.values() if entry.lane == lane]
        too_many = len(waiting) + len(entries) - self._settings.waiting_at_most
        if too_many <= 0 or not waiting:
            return None
        mine = entries[0].asker.priority
        lesser = sorted((e for e in waiting if e.asker.priority > mine), key=lambda e: (-e.asker.priority, -e.number))
        if len(lesser) < too_many:
            self._row(entries[0]).failed["busy"] += len(entries)
            return Outcome("busy", f"{len(waiting)} questions wait for {lane} already")
        for entry in lesser[:too_many]:
            if entry.number in self._open:
                self._fail(entry, Outcome("busy", f"gave way to a more urgent question to {lane}"))
        return None

    def _cancel(self, entries: Sequence[_Open]) -> None:
        """By entry: a number changes when a question is handed to the next model."""
        for entry in entries:
            if entry.number in self._open:
                self._leave(entry.number)
                self._cancelled.append(entry.number)

    def _leave(self, number: int) -> None:
        """A question is under way no more. What a process still makes of a frame that is let go here is dropped."""
        del self._open[number]
        self._replies.pop(number, None)
        for frame_id in self._pinned.pop(number):
            self._frames.unpin(frame_id)

    def _fail(self, entry: _Open, outcome: Outcome) -> None:
        """This question and those asked together with it; the ticket ends, late answers are dropped."""
        self._row(entry).failed[outcome.reason] += 1
        together = [other for other in self._open.values() if other.group is entry.group]
        self._cancel(together)
        entry.group.ticket.fail(outcome)
        failed = {"failed": outcome.reason, "text": outcome.detail}
        record = {"id": entry.group.number, "kind": entry.group.kind, "result": failed, "model": entry.lane}
        self._recorder.write("answer", record)

    def _collect(self) -> None:
        """Take what the processes have said."""
        for name, lane in self.lanes.items():
            for message in lane.take():
                if isinstance(message, (Done, Failed)):
                    self._arrive(message.number, message)
                elif isinstance(message, Lost):
                    for number in message.numbers:
                        self._arrive(number, Failed(number, "model_lost", message.text))
                    if not message.for_good:
                        self._recorder.write("event", {"what": "model process restarted", "text": message.text})
                    elif name not in self._given_up:
                        self._given_up.add(name)
                        self._recorder.write("event", {"what": "model given up", "model": name, "text": message.text})
                elif isinstance(message, Sent):
                    self._recorder.write("event", {"what": "sent to a remote model", "model": name, **message.what})

    def _arrive(self, number: int, reply: Reply) -> None:
        self._unanswered.pop(number, None)
        if isinstance(reply, Done) and isinstance(reply.value, Cutouts):
            cutouts = reply.value
            self._cutouts[cutouts.frame_id] = cutouts.things
            while len(self._cutouts) > KEPT_CUTOUTS:
                self._cutouts.popitem(last=False)
            reply = Done(number, cutouts.value, reply.cost)
        if number in self._open:
            self._replies[number] = reply

    def _await(self, entry: _Open) -> None:
        """Wait for one reply. The lane's own watch-dog ends the wait where the process is dead or hung."""
        began = time.perf_counter()
        model = self._settings.models.get(entry.lane)
        limit_s = 2 * (model.start_within_s + model.patience_s if model is not None else GEOMETRY_PATIENCE_S)
        while entry.number not in self._replies and entry.number in self._open:
            self.wait_for_news()
            self._collect()
            if time.perf_counter() - began > limit_s and entry.number not in self._replies:
                self._arrive(entry.number, Failed(entry.number, "model_lost", f"no answer within {limit_s:g} s"))
        self.wait_s += time.perf_counter() - began

    def wait_for_news(self, limit_s: float = NEWS_S) -> None:
        """Sleep until a process has said something that `settle` may hand out; for whoever has no ticks to do."""
        with self._arrived:
            self._arrived.wait_for(lambda: any(lane.has_news for lane in self.lanes.values()), limit_s)

    def _hand_out(self, entry: _Open, reply: Reply, tick: int) -> None:
        if isinstance(reply, Failed):
            if reply.reason in ("model_lost", "unsupported") and self._ask_next(entry, tick):
                return
            self._fail(entry, Outcome(reply.reason, reply.text))
            return
        took_ms = (time.perf_counter() - entry.asked_s) * 1e3
        self._row(entry).add(took_ms, reply.cost)
        if not self._sure(entry, reply.value) and self._ask_next(entry, tick):
            return
        self._leave(entry.number)
        self._tell_uncalibrated(entry, reply.value)
        group = entry.group
        group.values[entry.index] = reply.value
        group.left -= 1
        group.hits += bool(reply.cost.reused)
        if group.cost is None or took_ms > group.cost[0]:
            group.cost = (took_ms, reply)
        if group.left == 0:
            self._resolve(entry)

    def _tell_uncalibrated(self, entry: _Open, value: Result) -> None:
        """Write down once a mission why answers of a kind are never sure."""
        why = value.uncalibrated if isinstance(value, (Answer, Counted)) else ""
        if why and (entry.lane, why) not in self._told:
            self._told.add((entry.lane, why))
            self._recorder.write("event", {"what": "not calibrated", "model": entry.lane, "text": why})

    def _resolve(self, entry: _Open) -> None:
        group = entry.group
        assert group.cost is not None
        took_ms, slowest = group.cost
        value = group.values[0] if group.alone else tuple(group.values)
        group.ticket.resolve(value)
        record = {
            "id": group.number,
            "kind": group.kind,
            "result": plain(value),
            "ms": round(took_ms, 2),
            "run_ms": round(slowest.cost.run_ms, 2),
            "batch": slowest.cost.batch,
            "model": entry.lane,
            "answers": len(group.values),
            "hits": group.hits,
        }
        if slowest.cost.reused:
            record["reused"] = slowest.cost.reused
        self._recorder.write("answer", record)

    def _sure(self, entry: _Open, value: Result) -> bool:
        """Whether an answer needs no larger model. Geometry and the last model of a route always do."""
        if len(entry.route) == 1:
            return True
        if isinstance(value, (Answer, Counted)) and value.calibrated:
            return len(value.plausible) == 1
        least = self._settings.models[entry.lane].sure_above
        if isinstance(value, Answer):
            return value.score >= least
        if isinstance(value, Grounded):
            return any(found.score >= least for found in value.found)
        if isinstance(value, Counted):
            return bool(value.probabilities) and max(value.probabilities) >= least
        return bool(value.text) if isinstance(value, Caption) else True

    def _ask_next(self, entry: _Open, tick: int) -> bool:
        """Hand the question to the next model of its route; False at the end of it."""
        if entry.stage + 1 >= len(entry.route):
            return False
        try:
            shown = self._shown(entry.question)
        except FrameGone:
            return False
        self._leave(entry.number)
        self._count += 1
        entry.number, entry.stage, entry.shown = self._count, entry.stage + 1, shown
        entry.due = self._due(tick, entry.question, entry.lane)
        self._begin(entry)
        return True

    def _overdue(self, now_s: float) -> None:
        for entry in list(self._open.values()):
            deadline_s = entry.asker.deadline_s
            if deadline_s is not None and now_s > deadline_s + 1e-9 and entry.number in self._open:
                self._fail(entry, Outcome("timed_out", f"{entry.lane} gave no answer to {entry.group.kind} in time"))


def _close(lanes: tuple[AnyLane, ...]) -> None:
    for lane in lanes:
        lane.close()
