"""What a record tells: where things went, what was asked, what is left over and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.recording import entries
from vlm_bt.recording.entries import Json
from vlm_bt.recording.record import Record
from vlm_bt.sentences import closing_sentence

UNREMARKABLE = ("report", "scene described", "model ready")
SAME_PLACE_M = 0.06


@dataclass(frozen=True)
class Moved:
    """One object that the arm reached for. `identified`: by whom; `tries`: picks begun; `result`: how it ended."""

    t: float
    label: str
    object: str
    identified: str
    tries: int
    zone: str
    result: str
    ok: bool


@dataclass(frozen=True)
class Exchange:
    """A question to a person with its answer. `reply` is empty while nobody has answered."""

    t: float
    question: entries.AskedQuestion
    reply: str
    silent: bool
    late: bool


@dataclass(frozen=True)
class LeftOver:
    label: str
    object: str
    why: str


@dataclass(frozen=True)
class View:
    """A picture of the record with what was found in it."""

    picture: entries.Kept
    items: tuple[Json, ...]


@dataclass(frozen=True)
class Story:
    """One mission as its record tells it: what the mission believes, never what the scorer knows.

    Attributes:
        sections: {zone: {label: count}} of what lies where at the end.
        zone_of: The zone that each kind was brought to.
    """

    tree: str
    sentence: str
    outcome: str
    detail: str
    complete: bool
    ended_s: float
    sections: Mapping[str, Mapping[str, int]]
    left_over: tuple[LeftOver, ...]
    moved: tuple[Moved, ...]
    exchanges: tuple[Exchange, ...]
    events: tuple[entries.Event, ...]
    before: View | None
    after: View | None
    zone_of: Mapping[str, str]
    pictures: Mapping[str, entries.Kept] = field(default_factory=dict)
    sources: tuple[entries.TreeSource, ...] = ()
    configuration: Json = field(default_factory=dict)
    result: Json = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)


def tell(record: Record) -> Story:
    """The story of a record; of one that still grows, the story so far."""
    sources = tuple(record.of(entries.TreeSource))
    motions = list(record.of(entries.Motion))
    written = next((e for e in reversed(list(record.of(entries.Event))) if e.what == "report"), None)
    sections = written.data.get("sections", {}) if written else _sections(motions)
    left_over = _left_over(written.data.get("left_over", [])) if written else _unsorted(record, motions)
    said = str(written.data.get("text", "")) if written else ""
    outcome = record.last(entries.MissionResult)
    looks = list(record.of(entries.Look))
    return Story(
        tree=sources[0].path.rpartition("/")[2].removesuffix(".yaml") if sources else record.path.stem,
        sentence=said or closing_sentence(sections, [thing.label.rstrip("?") for thing in left_over]),
        outcome=outcome.outcome if outcome else "not ended",
        detail=outcome.detail if outcome else "",
        complete=record.complete,
        ended_s=record.entries[-1].t if record.entries else 0.0,
        sections=sections,
        left_over=left_over,
        moved=_moved(record, motions),
        exchanges=_exchanges(record),
        events=tuple(e for e in record.of(entries.Event) if e.what not in UNREMARKABLE),
        before=_view(record, looks, "before"),
        after=_view(record, looks[::-1], "after"),
        zone_of={m.label: m.zone for m in motions if m.verb == "place" and m.done and m.zone},
        pictures=record.pictures,
        sources=sources,
        configuration={k: v for k, v in record.configuration.items() if k not in ("t", "tick")},
        result=record.result,
        counted=_counted(record),
    )


def _sections(motions: list[entries.Motion]) -> dict[str, dict[str, int]]:
    """What was put down and not taken up again."""
    lying: list[entries.Motion] = []
    for motion in motions:
        if not motion.done:
            continue
        if motion.verb == "place" and motion.zone:
            lying.append(motion)
        elif motion.verb == "pick":
            lying = [put for put in lying if not _same(put, motion)]
    found: dict[str, Counter[str]] = {}
    for put in lying:
        found.setdefault(put.zone, Counter())[put.label] += 1
    return {zone: dict(counts) for zone, counts in found.items()}


def _same(put: entries.Motion, picked: entries.Motion) -> bool:
    if put.label != picked.label or put.goal is None or picked.start is None:
        return False
    return abs(put.goal[0] - picked.start[0]) + abs(put.goal[1] - picked.start[1]) <= SAME_PLACE_M


def _left_over(rows: list[Json]) -> tuple[LeftOver, ...]:
    return tuple(LeftOver(str(r.get("label", "")), str(r.get("object", "")), str(r.get("why", ""))) for r in rows)


def _unsorted(record: Record, motions: list[entries.Motion]) -> tuple[LeftOver, ...]:
    """Where the mission did not say it itself: what its last look shows and it never put down."""
    last = record.last(entries.Look)
    put = [motion for motion in motions if motion.verb == "place" and motion.done]
    whys: dict[str, str] = {}
    for motion in motions:
        if not motion.done and motion.verb in ("pick", "place"):
            whys[motion.object] = f"{motion.verb} failed: {_ended(motion)}"
    for event in record.of(entries.Event):
        if event.data.get("object") and event.data.get("why"):
            whys[str(event.data["object"])] = str(event.data["why"])
    found = []
    for item in last.items if last else ():
        x, y = item.get("centre") or (0.0, 0.0)
        near = (m for m in put if m.goal and abs(m.goal[0] - x) + abs(m.goal[1] - y) <= SAME_PLACE_M)
        if next(near, None) is None:
            name = str(item.get("object", ""))
            found.append(LeftOver(str(item.get("label", "")), name, whys.get(name, "not sorted")))
    return tuple(found)


def _moved(record: Record, motions: list[entries.Motion]) -> tuple[Moved, ...]:
    verdicts = {verdict.id: verdict for verdict in record.of(entries.VerdictGiven)}
    by_object: dict[str, list[entries.Motion]] = {}
    for motion in motions:
        if motion.verb in ("pick", "place"):
            by_object.setdefault(motion.object, []).append(motion)
    rows = []
    for name, made in by_object.items():
        last = made[-1]
        ok = last.verb == "place" and last.done
        rows.append(
            Moved(
                t=made[0].t,
                label=last.label,
                object=name,
                identified=_identified(verdicts.get(made[0].verdict)),
                tries=sum(motion.verb == "pick" for motion in made),
                zone=last.zone,
                result="placed" if ok else "still held" if last.done else f"{last.verb} failed: {_ended(last)}",
                ok=ok,
            )
        )
    return tuple(rows)


def _identified(verdict: entries.VerdictGiven | None) -> str:
    if verdict is None:
        return "nobody"
    if verdict.by == "model" and verdict.error_rate is not None:
        return f"model, wrong in at most {verdict.error_rate:.1%}"
    return verdict.by


def _ended(motion: entries.Motion) -> str:
    outcome = motion.outcome.replace("_", " ")
    return f"{outcome} ({motion.detail})" if motion.detail else outcome


def _exchanges(record: Record) -> tuple[Exchange, ...]:
    replies: dict[str, entries.ReplyGiven] = {}
    for reply in record.of(entries.ReplyGiven):
        if not (reply.silent and reply.id in replies):
            replies[reply.id] = reply
    rows = []
    for question in record.of(entries.AskedQuestion):
        answered = replies.get(question.id)
        rows.append(
            Exchange(
                question.t,
                question,
                answered.text if answered else "",
                silent=answered.silent if answered else False,
                late=answered.late if answered else False,
            )
        )
    return tuple(rows)


def _view(record: Record, looks: list[entries.Look], why: str) -> View | None:
    """The picture that was kept as `why`; else the first of `looks` whose picture was kept."""
    found = {look.frame: look.items for look in reversed(looks)}
    kept = [picture for picture in record.of(entries.Kept) if why in picture.why.split("; ")]
    if kept:
        return View(kept[-1], found.get(kept[-1].id, ()))
    pictures = record.pictures
    return next((View(pictures[look.frame], look.items) for look in looks if look.frame in pictures), None)


def _counted(record: Record) -> dict[str, int]:
    """Figures that the record itself holds, for a mission that has no result yet."""
    return {
        "questions": sum(1 for _ in record.of(entries.AskedQuestion)),
        "motions": sum(motion.verb in ("pick", "place") for motion in record.of(entries.Motion)),
        "model queries": sum(1 for _ in record.of(entries.Query)),
    }
