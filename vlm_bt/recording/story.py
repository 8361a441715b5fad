"""What a record tells: where things went, what was asked, what is left over and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.recording import entries
from vlm_bt.recording.entries import Json
from vlm_bt.recording.incidents import EVENTS, Incident, Stop, incidents, stops
from vlm_bt.recording.record import Record
from vlm_bt.sentences import closing_sentence

TOLD_ELSEWHERE = ("report", "scene described", "model ready", *EVENTS)
SAME_PLACE_M = 0.06
SAME_REGION_M = 0.005


@dataclass(frozen=True)
class Moved:
    """One object that the arm reached for. `identified`: by whom; `tries`: picks begun; `result`: how it ended.

    `came_from`: the section it lay in, or its place on the bench in words. `mark`: pixel corners (x0, y0, x1, y1) in
    the picture of `frame`, where it was seen last before it was taken up; empty where the record does not say.
    """

    t: float
    label: str
    object: str
    identified: str
    came_from: str
    tries: int
    zone: str
    result: str
    ok: bool
    frame: str = ""
    mark: tuple[int, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """A question to a person with its answer after `waited_s`. `reply` is empty while nobody has answered."""

    t: float
    question: entries.AskedQuestion
    reply: str
    silent: bool
    late: bool
    waited_s: float = 0.0


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
        told_by_itself: The mission came to its own closing sentence, with a last look behind it.
        model: What the model said of itself: `model` (its revision), `calibrated`, `note`.
        in_container: Pixel box (x0, y0, x1, y1) in the last picture around what lies in each container.
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
    incidents: tuple[Incident, ...] = ()
    stops: tuple[Stop, ...] = ()
    model: Json = field(default_factory=dict)
    refused: int = 0
    told_by_itself: bool = False
    in_container: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)


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
        sentence=said or _sentence(sections, left_over, known=bool(looks or motions)),
        outcome=outcome.outcome if outcome else "not ended",
        detail=outcome.detail if outcome else "",
        complete=record.complete,
        ended_s=record.entries[-1].t if record.entries else 0.0,
        sections=sections,
        left_over=left_over,
        moved=_moved(record, motions),
        exchanges=_exchanges(record),
        events=tuple(e for e in record.of(entries.Event) if e.what not in TOLD_ELSEWHERE),
        before=_view(record, looks, "before"),
        after=_view(record, looks[::-1], "after"),
        zone_of={m.label: m.zone for m in motions if m.verb == "place" and m.done and m.zone},
        pictures=record.pictures,
        sources=sources,
        configuration={k: v for k, v in record.configuration.items() if k not in ("t", "tick")},
        result=record.result,
        counted=_counted(record),
        incidents=incidents(record),
        stops=stops(record),
        model=next((e.data for e in record.of(entries.Event) if e.what == "model ready"), {}),
        refused=sum(e.what == "motion refused" for e in record.of(entries.Event)),
        told_by_itself=written is not None,
        in_container=_in_container(record),
    )


def _sentence(sections: Mapping[str, Mapping[str, int]], left_over: tuple[LeftOver, ...], known: bool) -> str:
    if not known:
        return "Nothing is known of the bench: the record ends before the first look."
    return closing_sentence(sections, [thing.label.rstrip("?") for thing in left_over])


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
    """Where the mission did not say it itself: what any look has shown and nobody has taken up or put down."""
    seen = {str(item.get("object", "")): item for look in record.of(entries.Look) for item in look.items}
    taken = {motion.object for motion in motions if motion.verb == "pick" and motion.done}
    put = [motion for motion in motions if motion.verb == "place" and motion.done]
    whys: dict[str, str] = {}
    for motion in motions:
        if not motion.done and motion.verb in ("pick", "place"):
            whys[motion.object] = f"{motion.verb} failed: {_ended(motion)}"
    for event in record.of(entries.Event):
        if event.data.get("object") and event.data.get("why"):
            whys[str(event.data["object"])] = str(event.data["why"])
    found = []
    for name, item in seen.items():
        x, y = item.get("centre") or (0.0, 0.0)
        near = (m for m in put if m.goal and abs(m.goal[0] - x) + abs(m.goal[1] - y) <= SAME_PLACE_M)
        if name not in taken and next(near, None) is None:
            found.append(LeftOver(str(item.get("label", "")), name, whys.get(name, "not sorted")))
    return tuple(found)


def _moved(record: Record, motions: list[entries.Motion]) -> tuple[Moved, ...]:
    identified = _identified(record)
    seen = _seen(record)
    by_object: dict[str, list[entries.Motion]] = {}
    for motion in motions:
        if motion.verb in ("pick", "place"):
            by_object.setdefault(motion.object, []).append(motion)
    rows = []
    for name, made in by_object.items():
        last = made[-1]
        frame, mark = seen.get(made[0].verdict, ("", ()))
        ok = last.verb == "place" and last.done
        rows.append(
            Moved(
                t=made[0].t,
                label=last.label,
                object=name,
                identified=identified.get(made[0].verdict, "nobody"),
                came_from=_place(record, made[0].start),
                tries=sum(motion.verb == "pick" for motion in made),
                zone=last.zone,
                result="placed" if ok else "still held" if last.done else f"{last.verb} failed: {_ended(last)}",
                ok=ok,
                frame=frame,
                mark=mark,
            )
        )
    return tuple(rows)


def _identified(record: Record) -> dict[str, str]:
    """By verdict id, who said what the object is; a verdict by tracking goes back to the one that it carries on."""
    said: dict[str, str] = {}
    first: dict[tuple[str, str], str] = {}
    for verdict in record.of(entries.VerdictGiven):
        thing = (verdict.object, verdict.label)
        if verdict.by == "tracking":
            said[verdict.id] = first.get(thing, "an earlier verdict, tracked")
            continue
        rate = f" (≤ {verdict.error_rate:.1%} wrong)" if verdict.by == "model" and verdict.error_rate else ""
        said[verdict.id] = first[thing] = f"{verdict.by}{rate}"
    return said


def _place(record: Record, at: entries.Point | None) -> str:
    """The section that holds a place, or where it is as seen from the robot's base."""
    if at is None:
        return ""
    bench = (record.configuration.get("settings") or {}).get("bench") or {}
    for name, zone in (bench.get("zones") or {}).items():
        (x0, x1), (y0, y1) = zone.get("x", (0.0, -1.0)), zone.get("y", (0.0, -1.0))
        if x0 <= at[0] <= x1 and y0 <= at[1] <= y1:
            return str(name)
    side = f"{abs(at[1]) * 100:.0f} cm {'left' if at[1] > 0 else 'right'}"
    return f"{at[0] * 100:.0f} cm ahead, {side}"


def _seen(record: Record) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By verdict id, the frame that the object was located in and its box there."""
    regions = {one["frame_id"]: one.get("regions") or () for one in _segmented(record)}
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for verdict in record.of(entries.VerdictGiven):
        centre = verdict.data.get("centre")
        for region in regions.get(verdict.frame, ()):
            at, box = region["footprint"]["centre"], region["box"]
            if centre and abs(at[0] - centre[0]) + abs(at[1] - centre[1]) < SAME_REGION_M:
                found[verdict.id] = (verdict.frame, (box["x0"], box["y0"], box["x1"], box["y1"]))
    return found


def _segmented(record: Record) -> list[Json]:
    """What depth located, look by look."""
    answers = (one for one in record.of(entries.ModelAnswer) if one.kind == "Segment")
    return [one.data["result"] for one in answers if isinstance(one.data.get("result"), Mapping)]


def _in_container(record: Record) -> dict[str, tuple[int, int, int, int]]:
    """Around what the last look saw in each container."""
    looks = _segmented(record)
    found: dict[str, tuple[int, int, int, int]] = {}
    for region in (looks[-1].get("regions") or ()) if looks else ():
        name, box = region.get("container"), region.get("box")
        if name and box:
            x0, y0, x1, y1 = found.get(name, (box["x0"], box["y0"], box["x1"], box["y1"]))
            found[name] = (min(x0, box["x0"]), min(y0, box["y0"]), max(x1, box["x1"]), max(y1, box["y1"]))
    return found


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
                waited_s=answered.t - question.t if answered else 0.0,
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
