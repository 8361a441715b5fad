"""The steps of the story, each judged by the mission's record and, where there is one, by what is true of the bench.

Every judge gives "" where its step passed, else why it did not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from vlm_bt.bench.story_told import ASKED, LATE_SCREWS, Lies, Told, on
from vlm_bt.simulation.witness import ALSO_CALLED

SAME_LENGTH_M = 0.006
"""Lengths that depth can not tell apart."""
NEAR_M = 0.05
ROOM = 0.6
"""A section in which less of the bench is clear is no clear space."""


def scene_described(told: Told) -> str:
    """Everything that lies there is seen, and said in words, before anything is moved."""
    said = event(told, "scene described")
    if said is None or not said["text"] or said["t"] > first_pick_s(told):
        return "the scene was not described before the first pick"
    seen = next((list(look["items"]) for look in told.of("detections") if look["frame"] == said["frame"]), None)
    there = sum(thing.kind != "screw" for thing in told.began)
    return "" if seen is not None and len(seen) == there else f"{len(seen or ())} things seen of {there}"


def tools_grounded(told: Told) -> str:
    """Each tool has a verdict under a name that is its own before anything is moved."""
    named = [verdict for verdict in told.of("verdict") if verdict["t"] < first_pick_s(told)]
    for thing in told.began:
        names = [one["label"] for one in named if math.dist(one["centre"], (thing.x, thing.y)) < NEAR_M]
        if thing.kind != "screw" and not any(is_called(thing, name) for name in names):
            return f"the {thing.kind} was taken for {' and '.join(sorted(set(names))) or 'nothing'}"
    return ""


def bench_planned(told: Told) -> str:
    """Before anything is moved the record holds where each group goes, and that there is room."""
    plan = event(told, "plan")
    if plan is None or plan["t"] > first_pick_s(told):
        return "there is no plan before the first pick"
    sections = {section["zone"]: section for section in plan["sections"]}
    missing = {"left", "centre", "right", "parts_bin"} - sections.keys()
    if missing or not sections["parts_bin"]["container"]:
        return f"the plan lacks {', '.join(sorted(missing)) or 'the container'}"
    full = [name for name, section in sections.items() if section["room"] < ROOM]
    return f"no clear space in {', '.join(full)}" if full else ""


def unknown_clarified(told: Told) -> str:
    """A person is asked about the T-handle tool by its description, and their name for it is used from then on."""
    asked = question_at(told, "identity", "T-handle Allen wrench")
    if asked is None:
        return "nobody was asked what the T-handle tool is"
    if "cm long" not in asked["text"] or not asked["text"].startswith("I see "):
        return f"it was not described: {asked['text']}"
    names = {motion["label"] for motion in motions(told, "pick") if motion["object"] == asked["about"]}
    return "" if names == {"Allen wrench"} else f"it was picked as {', '.join(sorted(names)) or 'nothing'}"


def ambiguous_settled(told: Told) -> str:
    """A person chooses between the groups that the multi-tool is like, and it is put there."""
    asked = next(
        (one for one in told.of("question") if one["topic"] == "group" and one["subject"] == "multi-tool"), None
    )
    if asked is None or " or the " not in asked["text"]:
        return "nobody was asked where the multi-tool goes, with the groups that it is like"
    if reply_to(told, asked["id"]) != "screwdrivers":
        return "the answer was not taken"
    lies = next(thing for thing in told.sorted if thing.kind == "multi-tool")
    return "" if lies.zone == "centre" else f"it lies in {lies.zone or 'no section'}"


def question_answered(told: Told) -> str:
    """How many screwdrivers there are is told with the split, while the robot works, and it goes on."""
    said = next((one for one in told.of("said") if one["text"] == ASKED), None)
    if said is None:
        return "the question was not heard"
    counts = Counter(thing.kind for thing in told.began if "screwdriver" in thing.kind)
    split = ", ".join(f"{n} {kind.removesuffix(' screwdriver')}" for kind, n in counts.most_common())
    wanted = f"{sum(counts.values())} screwdrivers: {split}."
    if said["reply"] != wanted:
        return f"said {said['reply']!r}, true is {wanted!r}"
    later = [motion for motion in motions(told, "pick") if motion["began_s"] > said["t"]]
    return "" if later and first_pick_s(told) < said["t"] else "it was not at work when it was asked"


def screws_noticed(told: Told) -> str:
    """The quality check notices the screws that turned up late; on yes they are collected, and not before."""
    asked = next((one for one in told.of("question") if one["topic"] == "collect"), None)
    if asked is None:
        return "nobody was asked about the late screws"
    if f"{LATE_SCREWS} loose screws" not in asked["text"] or reply_to(told, asked["id"]) != "yes":
        return f"asked otherwise: {asked['text']}"
    if any(motion["began_s"] < asked["t"] for motion in motions(told, "pick") if motion["label"] == "screw"):
        return "a screw was picked before a person had said so"
    left = [thing.name for thing in told.sorted if thing.kind == "screw" and thing.zone != "parts_bin"]
    return f"not in the bin: {', '.join(left)}" if left else ""


def wrenches_by_size(told: Told) -> str:
    """All wrenches lie in the left section, side by side in the order of their length, the longest at the far end."""
    wrenches = [thing for thing in told.sorted if "wrench" in thing.kind]
    astray = [thing.name for thing in wrenches if thing.zone != "left"]
    if astray:
        return f"not in the left section: {', '.join(astray)}"
    row = sorted(wrenches, key=lambda thing: -thing.x)
    wrong = [
        f"{near.name} behind {far.name}" for far, near in pairwise(row) if near.length_m > far.length_m + SAME_LENGTH_M
    ]
    return ", ".join(wrong)


def documented(told: Told) -> str:
    """What is written down at the end, section by section, is what lies there."""
    report = event(told, "report")
    if report is None:
        return "nothing was written down"
    for zone, counts in report["sections"].items():
        true = Counter(called(thing) for thing in told.sorted if thing.zone == zone)
        if true != Counter({name: n for name, n in counts.items() if n}):
            return f"{zone}: written {dict(counts)}, true {dict(true)}"
    return ""


def largest_fetched(told: Told) -> str:
    """In the same session the largest adjustable wrench is told from the others and handed over."""
    result = told.fetching.result
    taken = [thing for thing in told.ended if thing.taken]
    if result.get("outcome") != "done" or len(taken) != 1:
        return f"{result.get('outcome')}: {result.get('detail')}"
    longest_m = max(thing.length_m for thing in told.ended if thing.kind == "adjustable wrench")
    right = taken[0].kind == "adjustable wrench" and taken[0].length_m > longest_m - SAME_LENGTH_M
    asked = [one for one in on(told.fetching, "question") if one["topic"] != "hand_over"]
    if not right:
        return f"{taken[0].name} was handed over"
    return f"asked again: {asked[0]['text']}" if asked else ""


STEPS: Mapping[str, Callable[[Told], str]] = {
    "the scene is described": scene_described,
    "each tool is grounded": tools_grounded,
    "clear space is planned": bench_planned,
    "the unknown tool is clarified": unknown_clarified,
    "the ambiguous tool is settled": ambiguous_settled,
    "a question is answered at work": question_answered,
    "late screws are noticed": screws_noticed,
    "wrenches lie by size": wrenches_by_size,
    "sections are documented": documented,
    "the largest is fetched": largest_fetched,
}


def event(told: Told, what: str) -> Mapping[str, Any] | None:
    return next((one for one in told.of("event") if one["what"] == what), None)


def motions(told: Told, verb: str) -> list[Mapping[str, Any]]:
    return [one for one in told.of("motion") if one["verb"] == verb]


def first_pick_s(told: Told) -> float:
    """Seconds; 0 where nothing was picked, so that nothing came before it."""
    return min((float(one["began_s"]) for one in motions(told, "pick")), default=0.0)


def question_at(told: Told, topic: str, kind: str) -> Mapping[str, Any] | None:
    """The question about the thing that really is of a kind, by where it lay."""
    lay = next(thing for thing in told.began if thing.kind == kind)
    places = {item["object"]: item["centre"] for look in reversed(told.of("detections")) for item in look["items"]}
    for one in told.of("question"):
        centre = places.get(one["about"])
        if one["topic"] == topic and centre and math.dist(centre, (lay.x, lay.y)) < NEAR_M:
            return one
    return None


def reply_to(told: Told, question_id: str) -> str:
    return next((str(one["text"]) for one in told.of("reply") if one["id"] == question_id), "")


def called(thing: Lies) -> str:
    """What the story's supervisor calls it."""
    return ALSO_CALLED.get(thing.kind, (thing.kind,))[0]


def is_called(thing: Lies, name: str) -> bool:
    return name == thing.kind or name == called(thing)
