"""Figures of running missions for Prometheus, taken from every tick and from every entry of the record.

Times are wall seconds, but for people and motions: theirs are seconds on the mission's clock, as all limits are. Labels
are names that trees, settings and code give; nothing that a model or a person said ever becomes a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vlm_bt import __version__
from vlm_bt.executive import Path, Snapshot, walk
from vlm_bt.tree.guard import Guard

TICK_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
ANSWER_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
REPLY_BUCKETS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
MOTION_BUCKETS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

Queues = Callable[[], Mapping[str, int]]
"""How many questions wait for each model; asked when somebody scrapes, in that thread."""


class MissionMetrics:
    """Counts what missions do, one after the other. A subscriber of the executive; `note` takes entries of the record.

    Both are called in ticks and only count. They know a mission by its entries: `configuration` begins it, `result`
    ends it.

    Attributes:
        registry: What a server shows.
        queues: Asked for the questions that wait at models now.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queues: Queues = dict
        self._period_s = float("inf")
        self._tree = ""
        self._skills: dict[Path, str] = {}
        self._models: dict[str, str] = {}
        self._asked_s: dict[str, float] = {}
        self._root: object = None
        self._guards: tuple[Guard, ...] = ()
        self._suspended: set[Guard] = set()
        self._takers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "configuration": self._begin,
            "tree": self._tree_source,
            "nodes": self._nodes,
            "status": self._status,
            "query": self._query,
            "answer": self._answer,
            "question": self._question,
            "reply": self._reply,
            "motion": self._motion,
            "event": self._event,
            "result": self._result,
        }
        self._make()

    def after_tick(self, snapshot: Snapshot) -> None:
        """Subscriber of the executive."""
        if snapshot.took_s is not None:
            self._ticks.observe(snapshot.took_s)
            if snapshot.took_s > self._period_s:
                self._overruns.inc()
        if snapshot.root is not self._root:
            self._root = snapshot.root
            self._guards = tuple(node for _, node in walk(snapshot.root) if isinstance(node, Guard))
            self._suspended = set()
        for guard in self._guards:
            if guard.suspended and guard not in self._suspended:
                self._suspended.add(guard)
                self._stops.labels(guard.name).inc()
            elif not guard.suspended:
                self._suspended.discard(guard)

    def note(self, channel: str, entry: Mapping[str, Any]) -> None:
        """Onlooker of the record."""
        take = self._takers.get(channel)
        if take is not None:
            take(entry)

    def _make(self) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"vlm_bt_{name}", about, labels, registry=self.registry)

        def histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"vlm_bt_{name}", about, labels, buckets=buckets, registry=self.registry)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"vlm_bt_{name}", about, labels, registry=self.registry)

        gauge("info", "The version that runs.", "version").labels(__version__).set(1)
        self._running = gauge("mission_running", "1 while a mission is under way.")
        self._missions = counter("missions", "Missions that ended.", "tree", "outcome")
        self._ticks = histogram("tick_seconds", "Wall time of one tick of the tree.", TICK_BUCKETS_S)
        self._overruns = counter("tick_overruns", "Ticks that took longer than the tick period.")
        self._outcomes = counter("skill_outcomes", "Skills that ended.", "skill", "outcome")
        self._answers = histogram(
            "vision_query_seconds", "From a query to its answer.", ANSWER_BUCKETS_S, "question", "model"
        )
        self._failures = counter("vision_failures", "Queries without an answer.", "question", "model", "reason")
        self._seen = counter("vision_answers", "Answers, of which a query may want several.", "question", "model")
        self._hits = counter("vision_cache_hits", "Answers that were given before.", "question", "model")
        self._questions = counter("questions", "Questions put to people.", "topic")
        self._replies = counter("replies", "What came of them: answered, silent or late.", "how")
        self._reply_s = histogram("reply_seconds", "How long people took to answer, mission time.", REPLY_BUCKETS_S)
        self._motions = counter("motions", "Motions of the arm that ended.", "verb", "outcome")
        self._motion_s = histogram("motion_seconds", "How long motions took, mission time.", MOTION_BUCKETS_S, "verb")
        self._stops = counter("guard_stops", "How often a guard held the arm.", "guard")
        self._events = counter("events", "Events of the record.", "what")
        self.registry.register(_Queues(self))
        ProcessCollector(registry=self.registry)

    def _begin(self, entry: Mapping[str, Any]) -> None:
        self._period_s = float(entry["settings"]["mission"]["tick_s"])
        self._tree = ""
        self._models.clear()
        self._asked_s.clear()
        self._running.set(1)

    def _tree_source(self, entry: Mapping[str, Any]) -> None:
        self._tree = self._tree or str(entry["path"]).removesuffix(".yaml")

    def _nodes(self, entry: Mapping[str, Any]) -> None:
        self._skills = {tuple(node["path"]): node["skill"] for node in entry["nodes"] if node["skill"]}

    def _status(self, entry: Mapping[str, Any]) -> None:
        skill = self._skills.get(tuple(entry["path"])) if "outcome" in entry else None
        if skill is not None:
            self._outcomes.labels(skill, entry["outcome"]).inc()

    def _query(self, entry: Mapping[str, Any]) -> None:
        self._models[str(entry["id"])] = str(entry["model"])

    def _answer(self, entry: Mapping[str, Any]) -> None:
        asked = self._models.pop(str(entry["id"]), "")
        model = str(entry.get("model", asked))
        question, result = str(entry["kind"]), entry.get("result")
        if isinstance(result, Mapping) and "failed" in result:
            self._failures.labels(question, model, result["failed"]).inc()
            return
        self._answers.labels(question, model).observe(entry["ms"] / 1e3)
        self._seen.labels(question, model).inc(entry.get("answers", 1))
        self._hits.labels(question, model).inc(entry.get("hits", 0))

    def _question(self, entry: Mapping[str, Any]) -> None:
        self._questions.labels(str(entry.get("topic", ""))).inc()
        self._asked_s[str(entry["id"])] = float(entry["t"])

    def _reply(self, entry: Mapping[str, Any]) -> None:
        how = "late" if entry["late"] else "silent" if entry["silent"] else "answered"
        self._replies.labels(how).inc()
        asked_s = self._asked_s.get(str(entry["id"]))
        if how != "silent" and asked_s is not None:
            self._reply_s.observe(entry["t"] - asked_s)

    def _motion(self, entry: Mapping[str, Any]) -> None:
        self._motions.labels(entry["verb"], entry["outcome"]).inc()
        self._motion_s.labels(entry["verb"]).observe(entry["t"] - entry["began_s"])

    def _event(self, entry: Mapping[str, Any]) -> None:
        self._events.labels(str(entry["what"])).inc()

    def _result(self, entry: Mapping[str, Any]) -> None:
        self._missions.labels(self._tree, entry["outcome"]).inc()
        self._running.set(0)


class _Queues(Collector):
    """Questions that wait, counted when somebody looks."""

    def __init__(self, metrics: MissionMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "vlm_bt_vision_open", "Questions that models have not answered yet.", labels=["model"]
        )
        for model, waiting in self._metrics.queues().items():
            family.add_metric([model], waiting)
        yield family
