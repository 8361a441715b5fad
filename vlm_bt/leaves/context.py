"""What leaves are given: ports, and the mission's memory of its bench. No devices, no backends, no ground truth."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.plan import Plan
from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.ports import Camera, Clock, Human, Monitor, Recorder
from vlm_bt.scene.facts import GROUP, IDENTITY, LEAVE, Facts
from vlm_bt.scene.knowledge import Knowledge
from vlm_bt.scene.steadiness import Sighting
from vlm_bt.scene.tracking import Tracker
from vlm_bt.sentences import article
from vlm_bt.types import Answer, Group, HeldObject, LocatedObject, Question, Reply, Scene, VerifiedObject, Zone
from vlm_bt.vision.service import VisionService

SAID_LEAVE = "a person said: leave it"


@dataclass
class Placed:
    """One thing that the mission put down, as it believes."""

    label: str
    zone: str
    centre: tuple[float, float]


@dataclass(frozen=True)
class Expected:
    """Something that was let go at a place and has not been seen there yet; `tries` is how often it was handled."""

    held: HeldObject
    centre: tuple[float, float]
    tries: int


@dataclass
class Memory:
    """What the mission believes of its bench. Written by leaves in the executive's thread only."""

    tracker: Tracker
    facts: Facts
    frame_id: str = ""
    seen_s: float = -1.0
    sighting: Sighting | None = None
    objects: dict[str, LocatedObject] = field(default_factory=dict)
    contained: Counter[str] = field(default_factory=Counter)
    """How many things depth sees in each container."""
    claims: dict[str, Answer] = field(default_factory=dict)
    verdicts: dict[str, VerifiedObject] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    """How often the arm has picked something up or put something down."""
    blocked: dict[str, int] = field(default_factory=dict)
    """By thing, the number of `changes` at which the fingers found no way to it, or found no room for it."""
    noticed: dict[str, LocatedObject] = field(default_factory=dict)
    """What lay where when changes were last looked for; what the arm does since is followed."""
    followed: dict[str, str] = field(default_factory=dict)
    """By the name under which a thing was known before it was put down or pushed, the one that it has now."""
    taken: set[str] = field(default_factory=set)
    aside: dict[str, str] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    before: Scene | None = None
    plan: Plan = field(default_factory=Plan)
    expected: list[Expected] = field(default_factory=list)
    questions: dict[str, Question] = field(default_factory=dict)
    kept_views: list[str] = field(default_factory=list)
    """Frames that stay in the ring buffer to be compared with later ones, the oldest first."""

    def objection(self, object_id: str, label: str) -> str:
        """What a person said against touching a thing under this name; "" where nobody did."""
        if self.facts.recall("object", object_id, LEAVE) or self.facts.of_kind(label, LEAVE):
            return SAID_LEAVE
        told = self.facts.recall("object", object_id, IDENTITY)
        return f"a person says that it is {article(told)} {told}" if told not in (None, label) else ""

    def forget(self, object_id: str) -> None:
        """The thing is no longer where it was: its claim, verdict and track end."""
        self.tracker.forget(object_id)
        for known in (self.objects, self.claims, self.verdicts):
            known.pop(object_id, None)

    def picked(self, tool: VerifiedObject) -> None:
        """The thing left its place: it is no longer on the bench, and no longer among what was put down."""
        x, y = tool.object.footprint.centre
        self.placed = [
            p for p in self.placed if p.label != tool.label or abs(p.centre[0] - x) + abs(p.centre[1] - y) > 0.05
        ]
        self.noticed.pop(tool.object.id, None)
        self.changes += 1
        self.forget(tool.object.id)

    def let_go(self, held: HeldObject, centre: tuple[float, float]) -> None:
        """It should lie there in the next look, and is then known without being asked about again."""
        self.changes += 1
        self.expected = [e for e in self.expected if e.held.tool.object.id != held.tool.object.id]
        self.expected.append(Expected(held, centre, self.attempts.get(held.tool.object.id, 0)))

    def put(self, label: str, zone: str, centre: tuple[float, float]) -> None:
        self.placed.append(Placed(label, zone, centre))


@dataclass(frozen=True)
class Ports:
    """Everything a leaf may reach."""

    clock: Clock
    camera: Camera
    frames: FrameStore
    vision: VisionService
    arm: VerifiedArm
    human: Human
    recorder: Recorder
    ledger: Ledger
    memory: Memory
    monitors: Mapping[str, Monitor]
    zones: Mapping[str, Zone]
    knowledge: Knowledge
    kinds: tuple[str, ...]
    """The kinds that the model can name, in its own order."""
    error_rate: float = 0.01

    def question(
        self,
        text: str,
        options: tuple[str, ...],
        default: str,
        timeout_s: float,
        topic: str = "other",
        thing: LocatedObject | None = None,
        *,
        subject: str = "",
        free_text: bool = False,
        among: tuple[LocatedObject, ...] = (),
    ) -> Question:
        """A question of this mission, with the thing it is about, or those it is to be told from, marked in the picture
        they were seen in."""
        memory = self.memory
        shown = thing or (among[0] if among else None)
        made = Question(
            id=f"question-{len(memory.questions) + 1}",
            text=text,
            options=options,
            default=default,
            timeout_s=timeout_s,
            topic=topic,
            about=thing.id if thing else "",
            subject=subject,
            free_text=free_text,
            frame_id=shown.frame_id if shown and shown.frame_id in self.frames else "",
            mark=thing.box if thing else None,
            mark_centre=thing.footprint.centre if thing else None,
            marks=tuple(one.box for one in among),
        )
        memory.questions[made.id] = made
        return made

    def zone(self, name: str) -> Zone:
        """The zone of that name.

        Raises:
            ConfigError: The configuration has no such zone; an author's mistake that only shows with a bench.
        """
        if name not in self.zones:
            near = difflib.get_close_matches(name, self.zones, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"this bench has no zone {name!r}; it has: {', '.join(self.zones)}{hint}")
        return self.zones[name]

    def late_answers(self) -> list[tuple[Reply, Question]]:
        """Replies that came after their question's limit, each handed over once."""
        return [(reply, self.memory.questions[name]) for name, reply in self.human.late_replies()]

    def group_of(self, label: str, groups: tuple[Group, ...], object_id: str = "") -> Group | None:
        """The group that a person said this thing, or its kind, goes with; else the one that names the kind."""
        facts = self.memory.facts
        said = facts.of_kind(label, GROUP)
        told = facts.recall("object", object_id, GROUP) or (said.value if said is not None else None)
        spoken = next((group for group in groups if group.name == told), None)
        return spoken or next((group for group in groups if label in group.kinds), None)
