"""Names for things: an object keeps its id from frame to frame for as long as nobody moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from vlm_bt.scene.geometry import line_angle
from vlm_bt.types import Box, Footprint, LocatedObject

GATE_M = 0.025
AREA_RATIO = 2.2
TOUCHED_GATE_M = 0.006
TOUCHED_TURN_RAD = math.radians(8)
MOVED_GATE_M = 0.060
PIECE_SHARE = 0.75
"""What covers less of the bench than this share of a known thing may be a piece of it."""
_NEVER = 1e6


class Seen(Protocol):
    """What a tracker wants of a region."""

    @property
    def index(self) -> int: ...

    @property
    def box(self) -> Box: ...

    @property
    def footprint(self) -> Footprint: ...


@dataclass
class _Track:
    """`unseen`: frames in a row without it. `wary`: something touched its surroundings. `sent`: where an arm put it."""

    object: LocatedObject
    unseen: int = 0
    wary: bool = False
    sent: tuple[float, float] | None = None


class Tracker:
    """Follows things that lie still.

    Args:
        keep_unseen: A track that is missed in more frames than this in a row is forgotten; an arm or a person may
            hide a thing for a while.
    """

    def __init__(self, keep_unseen: int = 5) -> None:
        self._keep_unseen = keep_unseen
        self._tracks: dict[str, _Track] = {}
        self._count = 0

    @property
    def objects(self) -> tuple[LocatedObject, ...]:
        """Everything that was seen in the newest frame, in the order of that frame's regions."""
        seen = [track.object for track in self._tracks.values() if track.unseen == 0]
        return tuple(sorted(seen, key=lambda thing: thing.region))

    def update(self, regions: Sequence[Seen], frame_id: str, stamp_s: float) -> list[LocatedObject]:
        """Match a frame's regions with the known things; one located object per region, in their order.

        What matches nothing within 25 mm and a factor of 2.2 in area gets a new id. Around a place that was
        `touched`, a thing keeps its id only where it lies as it lay, within 6 mm and 8 degrees.
        """
        names = sorted(self._tracks, key=_number)
        taken = self._match(names, regions)
        out = []
        before = {name: self._tracks[name].object.footprint for name in names}
        seen = {name: r.footprint.area_m2 for r, name in zip(regions, taken, strict=True) if name is not None}
        for region, name in zip(regions, taken, strict=True):
            shape = region.footprint
            if name is None:
                name = self._part_of(names, before, seen, shape)
                if name is not None and name in seen:
                    seen[name] = max(seen[name], shape.area_m2)
                    continue
                if name is not None:
                    seen[name] = shape.area_m2
                    known = self._tracks[name].object.footprint
                    shape = shape if shape.area_m2 > known.area_m2 else known
            if name is None:
                self._count += 1
                name = f"object-{self._count}"
            thing = LocatedObject(name, frame_id, region.index, region.box, shape, stamp_s)
            self._tracks[name] = _Track(thing)
            out.append(thing)
        for name in names:
            if name not in seen:
                track = self._tracks[name]
                track.unseen += 1
                if track.unseen > self._keep_unseen or (track.wary and track.sent is None):
                    del self._tracks[name]
        return out

    def forget(self, object_id: str) -> None:
        """Its id is never given again. Nothing happens where there is no such thing."""
        self._tracks.pop(object_id, None)

    def moved(self, object_id: str, to: tuple[float, float] | None = None) -> None:
        """An arm took it away. With `to`, metres, base frame, it keeps its id if it turns up within 60 mm of there."""
        track = self._tracks.get(object_id)
        if track is None:
            return
        if to is None:
            self.forget(object_id)
            return
        track.object = replace(track.object, footprint=replace(track.object.footprint, centre=to, mean=None))
        track.sent, track.unseen = to, max(track.unseen, 1)

    def touched(self, centre: tuple[float, float], radius_m: float) -> tuple[str, ...]:
        """Something moved around there: names of the things that reach into the circle, whose places are stale."""
        ids = []
        for name in sorted(self._tracks, key=_number):
            shape = self._tracks[name].object.footprint
            if _distance(shape, centre) <= radius_m:
                self._tracks[name].wary = True
                ids.append(name)
        return tuple(ids)

    def _part_of(
        self, names: Sequence[str], before: Mapping[str, Footprint], seen: Mapping[str, float], shape: Footprint
    ) -> str | None:
        """The known thing of which this is a piece, or which was a piece of this.

        Depth noise breaks a thin shaft from its handle in one frame and joins them in the next. `before` holds the
        shapes of the last frames, `seen` the largest area found of each thing in this frame: a thing that is there
        whole has no further pieces.
        """
        for name in sorted(names, key=lambda name: (name in seen, _number(name))):
            track = self._tracks[name]
            known = track.object.footprint
            if track.wary or track.sent is not None:
                continue
            largest = max(seen.get(name, 0.0), shape.area_m2)
            if largest < PIECE_SHARE * before[name].area_m2 and _covers(before[name], shape.anchor):
                return name
            if name not in seen and known.area_m2 < PIECE_SHARE * shape.area_m2 and _covers(shape, known.anchor):
                return name
        return None

    def _match(self, names: Sequence[str], regions: Sequence[Seen]) -> list[str | None]:
        taken: list[str | None] = [None] * len(regions)
        if not names or not regions:
            return taken
        cost = np.array([[self._cost(self._tracks[name], region.footprint) for region in regions] for name in names])
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < _NEVER:
                taken[int(column)] = names[int(row)]
        return taken

    def _cost(self, track: _Track, seen: Footprint) -> float:
        """Metres apart, with something on top for another size; `_NEVER` where it cannot be the same thing."""
        known = track.object.footprint
        apart = math.hypot(known.anchor[0] - seen.anchor[0], known.anchor[1] - seen.anchor[1])
        ratio = max(known.area_m2, 1e-6) / max(seen.area_m2, 1e-6)
        size = abs(math.log(ratio))
        gate = MOVED_GATE_M if track.sent is not None else TOUCHED_GATE_M if track.wary else GATE_M
        if apart > gate or size > math.log(AREA_RATIO):
            return _NEVER
        slender = known.length_m > 1.5 * known.width_m
        if track.wary and track.sent is None and slender and line_angle(known.yaw_rad, seen.yaw_rad) > TOUCHED_TURN_RAD:
            return _NEVER
        return apart + 0.01 * size


def _number(object_id: str) -> int:
    return int(object_id.rpartition("-")[2])


def _distance(shape: Footprint, point: tuple[float, float]) -> float:
    """From a point to a footprint's rectangle, metres."""
    dx, dy = point[0] - shape.centre[0], point[1] - shape.centre[1]
    c, s = math.cos(shape.yaw_rad), math.sin(shape.yaw_rad)
    out_along = max(abs(c * dx + s * dy) - shape.length_m / 2, 0.0)
    return math.hypot(out_along, max(abs(c * dy - s * dx) - shape.width_m / 2, 0.0))


def _covers(shape: Footprint, point: tuple[float, float]) -> bool:
    """Whether a point lies in a rectangle widened by 6 mm."""
    dx, dy = point[0] - shape.centre[0], point[1] - shape.centre[1]
    c, s = math.cos(shape.yaw_rad), math.sin(shape.yaw_rad)
    return abs(c * dx + s * dy) <= shape.length_m / 2 + 0.006 and abs(c * dy - s * dx) <= shape.width_m / 2 + 0.006
