"""What a record tells: where things went, what was asked, what is left over and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.recording import entries
from vlm_bt.recording.checks import Check, checks, grounds_of_verdicts
from vlm_bt.recording.entries import Json
from vlm_bt.recording.incidents import EVENTS, Incident, Stop, incidents, stops
from vlm_bt.recording.record import Record
from vlm_bt.recording.time_spent import TimeSpent, time_spent
from vlm_bt.recording.views import View, boxes_of_containers, boxes_of_verdicts, last_view, view
from vlm_bt.sentences import closing_sentence

TOLD_ELSEWHERE = ("report", "scene described", "model ready", *EVENTS)
SAME_PLACE_M = 0.06
SAME_THING_M = 0.02


@dataclass(frozen=True)
class Moved:
    """One object that the arm reached for. `identified`: by whom; `tries`: picks begun; `result`: how it ended.

    `came_from`: the section it lay in, or its place on the bench in words. `mark`: pixel corners (x0, y0, x1, y1) in
    the picture of `frame`, where it was seen last before it was taken up; empty where the record does not say.
    `grounds`: the evidence that its name was taken for true by.
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
    grounds: tuple[Json, ...] = ()


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
class Story:
    """One mission as its record tells it: what the mission believes, never what the scorer knows.

    Attributes:
        sections: {zone: {label: count}} of what lies where at the end.
        on_purpose: What a person said to leave, or nobody said what to do with, and that the arm never took up.
        zone_of: The zone that each kind was brought to.
        told_by_itself: The mission came to its own closing sentence, with a last look behind it.
        models: What each model said of itself: `name`, `model` (its revision), `calibrated`, `note`.
        looking: What questions to models cost, a row for each skill, model and type of question.
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
    on_purpose: tuple[LeftOver, ...]
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
    models: tuple[Json, ...] = ()
    looking: tuple[Json, ...] = ()
    spent: TimeSpent = field(default_factory=TimeSpent)
    refused: int = 0
    checks: tuple[Check, ...] = ()
    told_by_itself: bool = False
    in_container: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)


def tell(record: Record) -> Story:
    """The story of a record; of one that still grows, the story so far."""
    sources = tuple(record.of(entries.TreeSource))
    motions = list(record.of(entries.Motion))
    written = next((e for e in reversed(list(record.of(entries.Event))) if e.what == "report"), None)
    sections = written.data.get("sections", {}) if written else _sections(record, motions)
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
        on_purpose=_on_purpose(record, motions, left_over),
        moved=_moved(record, motions),
        exchanges=_exchanges(record),
        events=tuple(e for e in record.of(entries.Event) if e.what not in TOLD_ELSEWHERE),
        before=view(record, looks, "before"),
        after=view(record, looks[::-1], "after") if written else last_view(record, looks, motions),
        zone_of={m.label: m.zone for m in motions if m.verb == "place" and m.done and m.zone},
        pictures=record.pictures,
        sources=sources,
        configuration={k: v for k, v in record.configuration.items() if k not in ("t", "tick")},
        result=record.result,
        counted=_counted(record),
        incidents=incidents(record),
        stops=stops(record),
        models=tuple(e.data for e in record.of(entries.Event) if e.what == "model ready"),
        looking=_looking(record),
        spent=time_spent(record),
        checks=checks(record),
        refused=sum(e.what == "motion refused" for e in record.of(entries.Event)),
        told_by_itself=written is not None,
        in_container=boxes_of_containers(record),
    )


def _looking(record: Record) -> tuple[Json, ...]:
    last = record.last(entries.Looking)
    return last.rows if last else ()


def _sentence(sections: Mapping[str, Mapping[str, int]], left_over: tuple[LeftOver, ...], known: bool) -> str:
    if not known:
        return "Nothing is known of the bench: the record ends before the first look."
    return closing_sentence(sections, [thing.label.rstrip("?") for thing in left_over])


def _sections(record: Record, motions: list[entries.Motion]) -> dict[str, dict[str, int]]:
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
    order = dict.fromkeys([*_zones(record), *found])
    return {zone: dict(found[zone]) for zone in order if zone in found}


def _same(put: entries.Motion, picked: entries.Motion) -> bool:
    if put.label != picked.label or put.goal is None or picked.start is None:
        return False
    return abs(put.goal[0] - picked.start[0]) + abs(put.goal[1] - picked.start[1]) <= SAME_PLACE_M


def _left_over(rows: list[Json]) -> tuple[LeftOver, ...]:
    return tuple(LeftOver(str(r.get("label", "")), str(r.get("object", "")), str(r.get("why", ""))) for r in rows)


def _on_purpose(record: Record, motions: list[entries.Motion], left_over: tuple[LeftOver, ...]) -> tuple[LeftOver, ...]:
    listed = {thing.object for thing in left_over} | {one.object for one in motions if one.verb == "pick" and one.done}
    found: dict[str, LeftOver] = {}
    for one in _exchanges(record):
        question = one.question
        if not question.about or question.about in listed or question.data.get("topic") not in ("identity", "group"):
            continue
        if one.silent or one.reply == question.default:
            name = str(question.data.get("subject") or "") or "a thing without a name"
            why = "nobody answered" if one.silent else f"a person said: {one.reply}"
            found[question.about] = LeftOver(name, question.about, why)
    return tuple(found.values())


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
    places: list[entries.Point] = []
    for name, item in reversed(seen.items()):
        x, y = item.get("centre") or (0.0, 0.0)
        if any(abs(x - a) + abs(y - b) < SAME_THING_M for a, b in places):
            continue
        places.append((x, y))
        near = (m for m in put if m.goal and abs(m.goal[0] - x) + abs(m.goal[1] - y) <= SAME_PLACE_M)
        if name not in taken and next(near, None) is None:
            found.append(
                LeftOver(str(item.get("label", "")), name, whys.get(name, "not yet sorted when the record ends"))
            )
    return tuple(reversed(found))


def _moved(record: Record, motions: list[entries.Motion]) -> tuple[Moved, ...]:
    identified = _identified(record)
    seen = boxes_of_verdicts(record)
    grounds = grounds_of_verdicts(record)
    by_object: dict[str, list[entries.Motion]] = {}
    for motion in motions:
        if motion.verb in ("pick", "place", "hand_over"):
            by_object.setdefault(motion.object, []).append(motion)
    rows = []
    for name, made in by_object.items():
        last = made[-1]
        frame, mark = seen.get(made[0].verdict, ("", ()))
        ok = last.verb in ("place", "hand_over") and last.done
        put = "placed" if last.verb == "place" else "handed to a person"
        rows.append(
            Moved(
                t=made[0].t,
                label=last.label,
                object=name,
                identified=identified.get(made[0].verdict, "nobody"),
                came_from=_place(record, made[0].start),
                tries=sum(motion.verb == "pick" for motion in made),
                zone=last.zone,
                result=put if ok else "still held" if last.done else f"{last.verb} failed: {_ended(last)}",
                ok=ok,
                frame=frame,
                mark=mark,
                grounds=grounds.get(made[0].verdict, ()),
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
    for name, zone in _zones(record).items():
        (x0, x1), (y0, y1) = zone.get("x", (0.0, -1.0)), zone.get("y", (0.0, -1.0))
        if x0 <= at[0] <= x1 and y0 <= at[1] <= y1:
            return str(name)
    side = f"{abs(at[1]) * 100:.0f} cm {'left' if at[1] > 0 else 'right'}"
    return f"{at[0] * 100:.0f} cm ahead, {side}"


def _zones(record: Record) -> Mapping[str, Json]:
    """The bench's sections as they were configured."""
    bench = (record.configuration.get("settings") or {}).get("bench") or {}
    return bench.get("zones") or {}


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


def _counted(record: Record) -> dict[str, int]:
    """Figures that the record itself holds, for a mission that has no result yet."""
    return {
        "questions": sum(1 for _ in record.of(entries.AskedQuestion)),
        "motions": sum(motion.verb in ("pick", "place") for motion in record.of(entries.Motion)),
        "model queries": sum(1 for _ in record.of(entries.Query)),
    }
