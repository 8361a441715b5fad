"""What went wrong in a mission and what was done about it, and when the guard held the arm; read from the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_bt.recording import entries
from vlm_bt.recording.record import Record
from vlm_bt.types import REASONS

SAME_TICK_S = 0.11
SAME_PLACE_M = 0.25
TOLD_ELSEWHERE = ("human_silent",)
"""Reasons that the questions' own part of a report tells."""
EVENTS = {
    "motion refused": "a motion was refused",
    "model process restarted": "the model's process was lost",
    "frame_gone": "a picture was lost before it could be kept",
}


@dataclass(frozen=True)
class Incident:
    """`what` went wrong at `t` seconds; `then`: what was done about it, as far as the record goes."""

    t: float
    what: str
    then: str


@dataclass(frozen=True)
class Stop:
    """The guard held the arm from `t` on. `seconds` is None where the record ends before it was let go."""

    t: float
    seconds: float | None
    why: str


def incidents(record: Record) -> tuple[Incident, ...]:
    """Motions that failed, checks that found a mishap, faults, and what followed each."""
    motions = [one for one in record.of(entries.Motion) if one.verb in ("pick", "place")]
    found = [Incident(one.t, _said(one), _then(one, motions[i + 1 :])) for i, one in enumerate(motions) if not one.done]
    told = [(one.t, one.detail) for one in motions if not one.done]
    leaves = _leaves(record)
    for change in record.of(entries.StatusChange):
        detail = change.detail
        family = REASONS.get(change.outcome, "answer")
        if change.status != "FAILURE" or family in ("done", "answer") or change.outcome in TOLD_ELSEWHERE:
            continue
        if change.path not in leaves or any(text == detail and change.t - t < SAME_TICK_S for t, text in told):
            continue
        told.append((change.t, detail))
        later = [one for one in motions if one.t > change.t]
        what = f"{_bare(change.name)}: {detail or change.outcome.replace('_', ' ')}"
        found.append(Incident(change.t, what, _then_after(change.t, later, motions)))
    for event in record.of(entries.Event):
        if event.what in EVENTS:
            about = event.data.get("why") or event.data.get("motion") or ""
            then = "it was started again" if event.what == "model process restarted" else "the mission went on"
            found.append(Incident(event.t, f"{EVENTS[event.what]}{f': {about}' if about else ''}", then))
    return tuple(sorted(found, key=lambda one: one.t))


def stops(record: Record) -> tuple[Stop, ...]:
    """When the guard's condition failed while its work was under way, and until when.

    A guard is known by its shape: the condition, its first child, fails in a tick in which its second child is and
    stays RUNNING, as no other node lets it.
    """
    status: dict[tuple[int, ...], tuple[str, float]] = {}
    open_: dict[tuple[int, ...], tuple[float, str]] = {}
    found: list[Stop] = []
    for change in record.of(entries.StatusChange):
        path = change.path
        if path and path[-1] == 0:
            if path in open_ and change.status != "FAILURE":
                since, why = open_.pop(path)
                found.append(Stop(since, round(change.t - since, 3), why))
            work, since_s = status.get((*path[:-1], 1), ("", 0.0))
            if change.status == "FAILURE" and change.outcome and work == "RUNNING" and since_s < change.t:
                open_[path] = (change.t, change.detail or f"{change.name} failed")
        status[path] = (change.status, change.t)
    found.extend(Stop(since, None, why) for since, why in open_.values())
    return tuple(sorted(found, key=lambda one: one.t))


def _leaves(record: Record) -> set[tuple[int, ...]]:
    """Paths of nodes that have no children in the record."""
    paths = {change.path for change in record.of(entries.StatusChange)}
    return paths - {path[:-1] for path in paths}


def _said(motion: entries.Motion) -> str:
    """The motion that failed, in words: "pick adjustable wrench: dropped, it was lost while it was lifted"."""
    where = f" to {motion.zone.replace('_', ' ')}" if motion.zone else ""
    reason = motion.outcome.replace("_", " ")
    return f"{motion.verb} {motion.label}{where}: {reason}{f', {motion.detail}' if motion.detail else ''}"


def _then(motion: entries.Motion, later: Sequence[entries.Motion]) -> str:
    if motion.verb == "place":
        nearby = motion.goal or motion.start
        return _again(motion, [one for one in later if one.verb == "pick" and _near(one, motion, nearby)], later)
    return _again(motion, [one for one in later if one.verb == "pick" and _near(one, motion, motion.start)], later)


def _then_after(t: float, later: Sequence[entries.Motion], motions: Sequence[entries.Motion]) -> str:
    before = [one for one in motions if one.t <= t]
    if before and t - before[-1].t < 3.0 and before[-1].verb == "place":
        return _then(before[-1], later)
    return "the mission went on" if later else "no motion followed"


def _again(motion: entries.Motion, tries: Sequence[entries.Motion], later: Sequence[entries.Motion]) -> str:
    if not tries:
        return "no further try" if later else "no motion followed"
    ended = next((one for one in tries if one.done), None)
    count = len(tries) if ended is None else tries.index(ended) + 1
    times = "once" if count == 1 else f"{count} times"
    if ended is None:
        return f"tried {times} more, in vain"
    put = next((one for one in later if one.verb == "place" and one.t > ended.t), None)
    if put is not None and put.done and put.object == ended.object:
        return f"tried {times} more, then brought to {put.zone.replace('_', ' ')}"
    return f"tried {times} more, then taken up"


def _near(one: entries.Motion, motion: entries.Motion, place: entries.Point | None) -> bool:
    if one.object == motion.object:
        return True
    if one.label != motion.label or place is None or one.start is None:
        return False
    return abs(one.start[0] - place[0]) + abs(one.start[1] - place[1]) < SAME_PLACE_M


def _bare(name: str) -> str:
    """A node's name without its inputs."""
    return name.partition(" (")[0]
