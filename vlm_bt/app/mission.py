"""Wires a mission together: the executive and everything inside it, on any site."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_bt.app.result import Progress, Result
from vlm_bt.app.site import Site
from vlm_bt.conversation.acts import MissionActs
from vlm_bt.conversation.journal import Journal
from vlm_bt.conversation.talk import Controls, Conversation
from vlm_bt.errors import ConfigError
from vlm_bt.executive import Executive, Snapshot, Subscriber
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.context import Memory, Ports
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.leaves.table import LEAVES
from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.places import share_dir
from vlm_bt.questions import name_of
from vlm_bt.recording.pictures import choice_picture, from_array, question_picture, save_png
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.recording.report import write_report
from vlm_bt.recording.retention import RECORD, forget_old_runs
from vlm_bt.recording.shape import shape
from vlm_bt.recording.subscriber import RecordingSubscriber
from vlm_bt.scene.facts import Facts
from vlm_bt.scene.kept_facts import keep, load_kept
from vlm_bt.scene.knowledge import load_knowledge
from vlm_bt.scene.tracking import Tracker
from vlm_bt.settings import Settings
from vlm_bt.tree.compile import compile_tree
from vlm_bt.tree.load import TreeSource, load_tree, skill_folders
from vlm_bt.types import Group, Outcome, Question, Zone
from vlm_bt.vision.lane import Lane, OpenLane
from vlm_bt.vision.service import VisionService
from vlm_bt.vision.vocabulary import KINDS

COMES_TO_REST_S = 1.0


class Mission:
    """One mission, from build to report. Use as a context manager, or call `close`. It owns its site.

    Args:
        human: Who answers, as the site knows them.
        inputs: The tree's inputs as YAML text by name.
        seed: Of the site, for the record.
        subscribers: See every tick, after the recorder.
        onlooker: Sees every entry of the record as it is written; must be quick.
        vision: A service that outlives the mission, with its models loaded; else the mission has one of its own.
        leaves: What skill cards may name.
        open_lane: Where the models of a service of its own run.
        after: The mission before it in the same session: it lends its site and its models, and hands on what it has
            learnt of the bench.
        report: Whether the report is written at the end; the record always is.
    """

    def __init__(
        self,
        settings: Settings,
        tree: Path,
        site: Site,
        frames: FrameStore,
        *,
        human: str,
        inputs: Mapping[str, str],
        out: Path,
        seed: int = 0,
        subscribers: tuple[Subscriber, ...] = (),
        onlooker: Callable[[str, Mapping[str, Any]], None] | None = None,
        vision: VisionService | None = None,
        leaves: Mapping[str, type[Leaf]] = LEAVES,
        open_lane: OpenLane = Lane,
        after: Mission | None = None,
        report: bool = True,
    ) -> None:
        self._writes_report = report
        self._began_s = time.perf_counter()
        self._settings = settings
        self._interrupted = False
        self._out = out
        self.site = site
        self.frames = frames
        self.clock = site.clock
        self._human, self._seed, self._leaves, self._owns_site = human, seed, leaves, after is None
        self._place: int = after._place + 1 if after is not None else 0
        self._first_tick, self._first_s = self.clock.tick, self.clock.now_s
        zones = settings.zones()
        knowledge = load_knowledge(settings.knowledge or share_dir("config") / "knowledge.yaml")
        source = load_tree(tree, leaves, skills_dirs=skill_folders(settings.skills), allow=settings.allow)
        given = source.parse_inputs(inputs)
        if after is None and settings.recorder.keep_runs is not None:
            forget_old_runs(out.parent, settings.recorder.keep_runs - 1)
        out.mkdir(parents=True, exist_ok=True)
        self.recorder = McapRecorder(out / RECORD, frames, lambda: self.clock.now_s, settings.recorder)
        journal = Journal()

        def notice(channel: str, entry: Mapping[str, Any]) -> None:
            journal.note(channel, entry)
            if onlooker is not None:
                onlooker(channel, entry)

        self.recorder.onlooker = notice
        self._record_start(settings, source, seed, inputs)
        self.human = site.person(human, self.recorder, self._question_picture)
        self._owns_vision = vision is None
        self.vision = vision or VisionService(
            settings.vision,
            tuple(zones.values()),
            self.frames,
            self.clock,
            self.recorder,
            lockstep=site.lockstep,
            open_lane=open_lane,
        )
        self.vision.begin_mission(self.clock, self.recorder)
        self.ledger = Ledger(self.clock, self.recorder, settings.mission.verdict_max_age_s)
        self.arm = VerifiedArm(site.arm, self.ledger, self.clock, self.recorder)
        self.memory = self._remembered(after)
        self.zones: Mapping[str, Zone] = ChainMap(self.memory.plan.zones, zones)
        self._asked_before = len(self.memory.questions)
        for fact in self.memory.facts.all():
            self.recorder.write("fact", asdict(fact))
        self.memory.facts.onlooker = lambda fact: self.recorder.write("fact", asdict(fact))
        self.ledger.objection = self.memory.objection
        self.ledger.care = knowledge.care
        ports = Ports(
            clock=self.clock,
            camera=site.camera,
            frames=self.frames,
            vision=self.vision,
            arm=self.arm,
            human=self.human,
            recorder=self.recorder,
            ledger=self.ledger,
            memory=self.memory,
            monitors=site.monitors,
            zones=self.zones,
            knowledge=knowledge,
            kinds=KINDS,
            error_rate=settings.vision.error_rate,
        )
        self.compiled = compile_tree(source, ports, given, namespace=f"mission_{seed}_{self._place}")
        self.recorder.write("nodes", {"nodes": shape(self.compiled.root)})
        self._subscriber = RecordingSubscriber(self.recorder)
        self.executive = Executive(
            self.compiled.root,
            self.clock,
            self.arm,
            [self._subscriber, *subscribers],
            self._first_s + settings.mission.time_limit_s,
        )
        self.acts = MissionActs(
            ports,
            self.executive,
            journal,
            source.name,
            groups=self._groups,
            pending=lambda: self.human.pending,
            answer=self.human.answer,
            told=self.human.told,
        )
        controls = Controls(self.interrupt, self.executive.pause, self.executive.resume)
        self.conversation = Conversation(controls, self.acts, self.recorder)
        self.human.listener = self.conversation
        self.clock.connect(
            (
                lambda tick: self.vision.flush(),
                site.step,
                lambda tick: self.arm.watch(),
                self.vision.settle,
                self.human.settle,
                self.conversation.settle,
            ),
            slow_down=lambda: self.human.waiting or self.executive.paused,
        )

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Result:
        """Run to the end, close the record and write the report.

        Raises:
            ModelError: The model cannot be loaded.
            ConfigError: A leaf of the tree asks what its models do not answer; all of these are named.
        """
        for name, ready in self.vision.wait_ready().items():
            known = {"model": ready.model, "calibrated": ready.calibrated, "note": ready.note}
            self.recorder.write("event", {"what": "model ready", "name": name, **known})
        self._check_questions()
        ended = self.executive.run(lambda snapshot: self._tell(snapshot, on_progress))
        return self._finish(ended)

    def adapt(self, settings: Settings) -> None:
        """Go by these from now on, as far as that is safe in mid-course: another time limit, younger verdicts.

        Safe from any thread.
        """
        self.ledger.tighten(settings.mission.verdict_max_age_s)
        self.executive.time_limit_s = self._first_s + settings.mission.time_limit_s

    def follow_up(
        self,
        tree: Path,
        inputs: Mapping[str, str],
        out: Path,
        *,
        subscribers: tuple[Subscriber, ...] = (),
        onlooker: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> Mission:
        """The next mission of the same session, after this one has run: same bench, same people, same clock.

        What this one has learnt is known to it: who said what a thing is, where it was put, which verdicts stand. Close
        it before this one. The scorer counts false motions from the session's begin.

        Raises:
            TreeError, ConfigError.
        """
        return Mission(
            self._settings,
            tree,
            self.site,
            self.frames,
            human=self._human,
            inputs=inputs,
            out=out,
            seed=self._seed,
            subscribers=subscribers,
            onlooker=onlooker,
            vision=self.vision,
            leaves=self._leaves,
            after=self,
        )

    def interrupt(self, why: str = "interrupted by a person") -> None:
        """Stop the arm and end the mission at the next tick. Safe from a signal handler and from any thread."""
        self._interrupted = True
        self.executive.abort(why)

    @property
    def name(self) -> str:
        """Of the tree."""
        return self.compiled.source.name

    def close(self) -> None:
        """Free everything. Idempotent."""
        self.compiled.close()
        self.vision.rest()
        self.human.close()
        self.recorder.close()
        if self._owns_site:
            self.site.close()
        if self._owns_vision:
            self.vision.close()
            self.frames.close()

    def __enter__(self) -> Mission:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remembered(self, after: Mission | None) -> Memory:
        """What is known of the bench at the begin: what the mission before knew, else what is kept of whole kinds."""
        if after is None:
            kept = self._settings.human.kept_facts
            return Memory(Tracker(), load_kept(kept) if kept is not None else Facts())
        known = after.memory
        verdicts = {name: self.ledger.take_over(after.ledger, tool) for name, tool in known.verdicts.items()}
        known.verdicts = {name: tool for name, tool in verdicts.items() if tool is not None}
        known.attempts.clear()
        known.before, known.seen_s = None, -1.0
        return known

    def _groups(self) -> tuple[Group, ...]:
        """The groups that the tree sorts things into; none where it sorts nothing."""
        for value in self.compiled.scope.values().values():
            if isinstance(value, tuple) and value and all(isinstance(one, Group) for one in value):
                return value
        return ()

    def _check_questions(self) -> None:
        """Raises: ConfigError."""
        asked = {
            (node.skill, name_of(question)): node
            for node in self.compiled.root.iterate()
            if isinstance(node, Leaf)
            for question in node.asks
            if not self.vision.answers(question)
        }
        if asked:
            tree, vision = self.compiled.source.name, self._settings.vision
            raise ConfigError(
                "\n".join(
                    f"tree {tree!r}: skill {skill!r} ({node.name}) asks {question}, which "
                    f"{' and '.join(vision.route_of(question))} can't answer; name a model that does: "
                    f"vision.route: {{{question}: MODEL}}"
                    for (skill, question), node in asked.items()
                )
            )

    def _tell(self, snapshot: Snapshot, on_progress: Callable[[Progress], None] | None) -> None:
        if on_progress is None:
            return
        tip = snapshot.root.tip()
        on_progress(
            Progress(
                tick=snapshot.tick,
                sim_s=snapshot.now_s,
                wall_s=time.perf_counter() - self._began_s,
                node=tip.name if tip is not None else "",
                sorted=len(self.memory.placed),
                items_seen=len(self.memory.objects),
                questions=len(self.memory.questions),
                model_wait_s=self.vision.wait_s,
                motions=self.arm.motions,
            )
        )

    def _finish(self, ended: Outcome) -> Result:
        for _ in range(round(COMES_TO_REST_S / self.clock.period_s)):
            if not self.arm.state.moving:
                break
            self.clock.advance()
        self.conversation.settle(self.clock.tick)
        if self._settings.human.kept_facts is not None:
            keep(self.memory.facts, self._settings.human.kept_facts)
        judged = self.site.judge({**self._settings.zones(), **self.memory.plan.zones})
        result = Result(
            outcome="interrupted" if self._interrupted else "done" if ended.ok else ended.reason,
            detail=ended.detail,
            score=judged.score,
            questions=len(self.memory.questions) - self._asked_before,
            motions=self.arm.motions,
            unverified_motions=self.arm.unverified_motions,
            false_motions=len(judged.false),
            ticks=self.clock.tick - self._first_tick,
            tick_ms=self.executive.tick_ms(),
            sim_s=round(self.clock.now_s - self._first_s, 3),
            wall_s=round(time.perf_counter() - self._began_s, 2),
            model_queries=self.vision.model_queries,
            model_wait_s=round(self.vision.wait_s, 2),
            trace_sha256=self._subscriber.trace.trace_sha256,
            safe=not self.arm.state.moving,
            report=self._out / "report.html",
            closing=str(self.compiled.outputs().get("report") or ""),
            handed_over=judged.handed_over,
            false=tuple({"as": label, "is": real} for label, real in judged.false),
        )
        self.recorder.write("looking", {"rows": self.vision.metrics.plain()})
        self.recorder.write("result", result.json())
        self.recorder.close()
        if self._writes_report:
            write_report(self.recorder.path, self._out)
        return result

    def _record_start(self, settings: Settings, source: TreeSource, seed: int, inputs: Mapping[str, str]) -> None:
        self.recorder.write(
            "configuration", {"seed": seed, "inputs": dict(inputs), "settings": settings.model_dump(mode="json")}
        )
        self.recorder.write("tree", {"path": str(source.path.name), "text": source.text})
        for card in source.vocabulary.documents:
            self.recorder.write("skill", {"path": Path(card.path).name, "text": "\n".join(card.lines)})

    def _question_picture(self, question: Question) -> Path | None:
        if not question.frame_id or not (question.mark or question.marks):
            return None
        path = self._out / f"{question.id}.png"
        box = question.mark
        picture = from_array(self.frames.get(question.frame_id).rgb)
        if box is not None:
            save_png(question_picture(picture, (box.x0, box.y0, box.x1, box.y1)), path)
        else:
            save_png(choice_picture(picture, [(one.x0, one.y0, one.x1, one.y1) for one in question.marks]), path)
        return path
