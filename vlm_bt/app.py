"""Wires a mission together: the only place that knows concrete classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlm_bt.clocks import LockstepClock
from vlm_bt.devices.people import Channel, ScriptedHuman, SilentHuman, TerminalHuman, load_script
from vlm_bt.errors import ConfigError
from vlm_bt.executive import Executive, Snapshot
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.context import Memory, Ports, ToolKnowledge
from vlm_bt.leaves.handing import HAND_OVER
from vlm_bt.leaves.table import LEAVES
from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.places import share_dir
from vlm_bt.recording.pictures import from_array, question_picture, save_png
from vlm_bt.recording.record import McapRecorder
from vlm_bt.recording.report import write_report
from vlm_bt.recording.subscriber import RecordingSubscriber
from vlm_bt.scene.facts import Facts
from vlm_bt.scene.tracking import Tracker
from vlm_bt.settings import Settings
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.witness import WitnessedArm
from vlm_bt.simulation.world import World
from vlm_bt.tree.compile import compile_tree
from vlm_bt.tree.load import TreeSource, load_tree, skill_folders
from vlm_bt.types import Outcome, Question, Reply
from vlm_bt.vision.service import VisionService
from vlm_bt.vision.vocabulary import KINDS

COMES_TO_REST_S = 1.0


@dataclass(frozen=True)
class Progress:
    """Where a running mission stands."""

    tick: int
    sim_s: float
    wall_s: float
    node: str
    sorted: int
    items_seen: int
    questions: int
    model_wait_s: float
    motions: int


@dataclass(frozen=True)
class Result:
    """How a mission ended. `score` and `false_motions` come from the scorer, which alone sees the truth."""

    outcome: str
    detail: str
    score: Mapping[str, int]
    questions: int
    motions: int
    unverified_motions: int
    false_motions: int
    ticks: int
    tick_ms: Mapping[str, float]
    sim_s: float
    wall_s: float
    model_queries: int
    model_wait_s: float
    trace_sha256: str
    safe: bool
    report: Path
    closing: str = ""
    handed_over: int = 0
    false: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def exit_code(self) -> int:
        return {"done": 0, "interrupted": 130}.get(self.outcome, 1)

    def json(self) -> dict[str, Any]:
        row = asdict(self)
        row["report"] = str(self.report)
        row["score"] = dict(self.score)
        row["false"] = [dict(pick) for pick in self.false]
        return row


class Mission:
    """One mission on one simulated bench, from build to report. Use as a context manager, or call `close`."""

    def __init__(
        self,
        settings: Settings,
        tree: Path,
        *,
        seed: int,
        realtime: bool,
        human: str,
        inputs: Mapping[str, str],
        out: Path,
    ) -> None:
        self._began_s = time.perf_counter()
        self._settings = settings
        self._interrupted = False
        self._out = out
        self.frames = FrameStore()
        self.clock = LockstepClock(settings.mission.tick_s, realtime=realtime)
        zones = settings.zones()
        source = load_tree(tree, LEAVES, skills_dirs=skill_folders(settings.skills), allow=settings.allow)
        given = source.parse_inputs(inputs)
        out.mkdir(parents=True, exist_ok=True)
        self.recorder = McapRecorder(out / "mission.mcap", self.frames, lambda: self.clock.now_s)
        self._record_start(settings, source, seed, inputs)
        containers = [zone for zone in zones.values() if zone.container]
        self.vision = VisionService(settings.vision, containers, self.frames, self.clock, self.recorder)
        self.world = World(
            scenario_of(settings, seed),
            self.frames,
            robot=settings.arm.robot,
            staged=settings.simulation.staged_events,
        )
        self.truth = Truth(self.world)
        self.human = self._person(human)
        self.human.onlooker = self._person_acts
        self.ledger = Ledger(self.clock, self.recorder, settings.mission.verdict_max_age_s)
        self.witness = WitnessedArm(self.world.arm, lambda place: self.truth.kind_at(*place))
        self.arm = VerifiedArm(self.witness, self.ledger, self.clock, self.recorder)
        self.memory = Memory(Tracker(), Facts())
        ports = Ports(
            clock=self.clock,
            camera=self.world.cameras,
            frames=self.frames,
            vision=self.vision,
            arm=self.arm,
            human=self.human,
            recorder=self.recorder,
            ledger=self.ledger,
            memory=self.memory,
            monitors={"workspace": self.world.monitor},
            zones=zones,
            knowledge={kind: ToolKnowledge(kind, **known.model_dump()) for kind, known in settings.tools.items()},
            kinds=KINDS,
            error_rate=settings.vision.error_rate,
        )
        self.compiled = compile_tree(source, ports, given, namespace=f"mission_{seed}")
        self._subscriber = RecordingSubscriber(self.recorder)
        self.executive = Executive(
            self.compiled.root, self.clock, self.arm, [self._subscriber], settings.mission.time_limit_s
        )
        period_s = settings.mission.tick_s
        self.clock.connect(
            (
                lambda tick: self.vision.flush(),
                lambda tick: self.world.advance(period_s),
                self.vision.settle,
                self.human.settle,
            ),
            slow_down=lambda: self.human.waiting,
        )

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Result:
        """Run to the end, close the record and write the report.

        Raises:
            ModelError: The model cannot be loaded.
        """
        for name, ready in self.vision.wait_ready().items():
            known = {"model": ready.model, "calibrated": ready.calibrated, "note": ready.note}
            self.recorder.write("event", {"what": "model ready", "name": name, **known})
        ended = self.executive.run(lambda snapshot: self._tell(snapshot, on_progress))
        return self._finish(ended)

    def interrupt(self) -> None:
        """Stop the arm and end the mission at the next tick. Safe from a signal handler."""
        self._interrupted = True
        self.executive.abort("interrupted by a person")

    def close(self) -> None:
        """Free everything. Idempotent."""
        self.compiled.close()
        self.vision.close()
        self.human.close()
        self.recorder.close()
        self.world.close()
        self.frames.close()

    def __enter__(self) -> Mission:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        score = self.truth.score(self._settings.zones())
        false = [pick for pick in self.witness.picks if pick.false]
        result = Result(
            outcome="interrupted" if self._interrupted else "done" if ended.ok else ended.reason,
            detail=ended.detail,
            score={
                "items": score.items,
                "sorted": score.sorted,
                "wrong_zone": score.wrong_zone,
                "on_floor": score.on_floor,
                "unsorted": score.unsorted,
            },
            questions=len(self.memory.questions),
            motions=self.arm.motions,
            unverified_motions=self.arm.unverified_motions,
            false_motions=len(false),
            ticks=self.clock.tick,
            tick_ms=self.executive.tick_ms(),
            sim_s=round(self.clock.now_s, 3),
            wall_s=round(time.perf_counter() - self._began_s, 2),
            model_queries=self.vision.model_queries,
            model_wait_s=round(self.vision.wait_s, 2),
            trace_sha256=self._subscriber.trace.trace_sha256,
            safe=not self.arm.state.moving,
            report=self._out / "report.html",
            closing=str(self.compiled.outputs().get("report") or ""),
            handed_over=score.handed_over,
            false=tuple({"as": pick.label, "is": pick.real} for pick in false),
        )
        self.recorder.write("result", result.json())
        self.recorder.close()
        write_report(self.recorder.path, self._out)
        return result

    def _record_start(self, settings: Settings, source: TreeSource, seed: int, inputs: Mapping[str, str]) -> None:
        self.recorder.write(
            "configuration", {"seed": seed, "inputs": dict(inputs), "settings": settings.model_dump(mode="json")}
        )
        self.recorder.write("tree", {"path": str(source.path.name), "text": source.text})

    def _person(self, human: str) -> Channel:
        channel, _, script = human.partition(":")
        if channel == "silent":
            return SilentHuman(self.clock, self.recorder)
        if channel == "scripted":
            path = Path(script) if script else share_dir("config") / self._settings.human.script
            return ScriptedHuman(self.clock, self.recorder, load_script(path), lambda place: self.truth.kind_at(*place))
        if channel == "terminal":
            return TerminalHuman(self.clock, self.recorder, self._question_picture)
        raise ConfigError(f"nobody answers by {human!r}; there are: terminal, scripted, scripted:FILE, silent")

    def _person_acts(self, question: Question, reply: Reply | None) -> None:
        """The simulated person does what the answers say: comes to take a thing, takes it, and goes away again."""
        if question.topic != HAND_OVER or isinstance(self.human, SilentHuman):
            return
        if reply is None:
            self.world.person_comes()
            return
        if not reply.silent and reply.text != question.default:
            self.world.person_takes()
        self.world.person_goes()

    def _question_picture(self, question: Question) -> Path | None:
        if not question.frame_id or question.mark is None:
            return None
        path = self._out / f"{question.id}.png"
        box = question.mark
        picture = from_array(self.frames.get(question.frame_id).rgb)
        save_png(question_picture(picture, (box.x0, box.y0, box.x1, box.y1)), path)
        return path


def scenario_of(settings: Settings, seed: int) -> Scenario:
    """The bench that a seed lays out."""
    simulation = settings.simulation
    return Scenario.from_seed(seed, simulation.items, kinds=simulation.kinds)


def build(
    settings: Settings,
    tree: Path,
    *,
    seed: int = 7,
    speed: str = "max",
    human: str = "terminal",
    inputs: Mapping[str, str] | None = None,
    out: Path,
) -> Mission:
    """A mission ready to run.

    Args:
        human: "terminal", "silent", "scripted" or "scripted:FILE".
        inputs: The tree's inputs as YAML text by name.
        out: Folder for record and report; made if missing.

    Raises:
        TreeError, ConfigError, ModelError, DrawingError.
    """
    return Mission(settings, tree, seed=seed, realtime=speed == "realtime", human=human, inputs=inputs or {}, out=out)
