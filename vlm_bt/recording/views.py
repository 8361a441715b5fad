"""Where a record's things stand in its pictures. Boxes are pixel corners (x0, y0, x1, y1), x1 and y1 exclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlm_bt.recording import entries
from vlm_bt.recording.entries import Json
from vlm_bt.recording.record import Record

SAME_PLACE_M = 0.06
SAME_REGION_M = 0.005


@dataclass(frozen=True)
class View:
    """A picture of the record with what was found in it."""

    picture: entries.Kept
    items: tuple[Json, ...]


def view(record: Record, looks: list[entries.Look], why: str) -> View | None:
    """The picture that was kept as `why`; else the first of `looks` whose picture was kept."""
    found = {look.frame: look.items for look in reversed(looks)}
    kept = [picture for picture in record.of(entries.Kept) if why in picture.why.split("; ")]
    if kept:
        return View(kept[-1], found.get(kept[-1].id, ()))
    pictures = record.pictures
    return next((View(pictures[look.frame], look.items) for look in looks if look.frame in pictures), None)


def last_view(record: Record, looks: list[entries.Look], motions: list[entries.Motion]) -> View | None:
    """Of a mission that was cut off: the last picture, with the names that looks and motions gave to those places."""
    located = {str(one.get("frame_id")): one.get("regions") or () for one in _segmented(record)}
    kept = next((one for one in reversed(list(record.of(entries.Kept))) if one.id in located), None)
    if kept is None:
        return view(record, looks[::-1], "after")
    named: list[tuple[entries.Point, Json]] = []
    for look in looks:
        named.extend((item["centre"], item) for item in look.items if item.get("centre"))
    for motion in motions:
        if motion.verb == "place" and motion.done and motion.goal:
            named.append((motion.goal, {"label": motion.label}))
    items = []
    for region in located[kept.id]:
        x, y = region["footprint"]["centre"]
        near = [(abs(x - a) + abs(y - b), -number) for number, ((a, b), _) in enumerate(named)]
        box = region["box"]
        if near and min(near)[0] < SAME_PLACE_M and not region.get("container"):
            name = named[-min(near)[1]][1]
            items.append({**name, "box": (box["x0"], box["y0"], box["x1"], box["y1"])})
    return View(kept, tuple(items))


def boxes_of_verdicts(record: Record) -> dict[str, tuple[str, tuple[int, ...]]]:
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


def boxes_of_containers(record: Record) -> dict[str, tuple[int, int, int, int]]:
    """Around what the last look saw in each container."""
    looks = _segmented(record)
    found: dict[str, tuple[int, int, int, int]] = {}
    for region in (looks[-1].get("regions") or ()) if looks else ():
        name, box = region.get("container"), region.get("box")
        if name and box:
            x0, y0, x1, y1 = found.get(name, (box["x0"], box["y0"], box["x1"], box["y1"]))
            found[name] = (min(x0, box["x0"]), min(y0, box["y0"]), max(x1, box["x1"]), max(y1, box["y1"]))
    return found


def _segmented(record: Record) -> list[Json]:
    """What depth located, look by look; a look that failed located nothing."""
    results = (one.data.get("result") for one in record.of(entries.ModelAnswer) if one.kind == "Segment")
    return [result for result in results if isinstance(result, Mapping) and "frame_id" in result]
