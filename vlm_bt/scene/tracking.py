"""Following things from look to look: one id for a thing for as long as nobody moves it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from vlm_bt.types import Box, Footprint, LocatedObject

GATE_M = 0.025
AREA_RATIO = 2.2
FAR = 1e6


class Seen(Protocol):
    """A region of one segmentation, as far as tracking needs it."""

    @property
    def index(self) -> int: ...

    @property
    def box(self) -> Box: ...

    @property
    def footprint(self) -> Footprint: ...


class Tracker:
    """Gives every thing an id and keeps it while the thing stays within 25 mm and keeps its size.

    A thing that is hidden for some looks keeps its id for `patience` looks.
    """

    def __init__(self, patience: int = 3) -> None:
        self._patience = patience
        self._tracks: dict[str, LocatedObject] = {}
        self._missed: dict[str, int] = {}
        self._count = 0

    def update(self, regions: Sequence[Seen], frame_id: str, stamp_s: float) -> list[LocatedObject]:
        """Match the regions of a new look with what is known; returns what is seen now, in the regions' order."""
        names = list(self._tracks)
        matched = self._match([self._tracks[name] for name in names], regions)
        seen = []
        for column, region in enumerate(regions):
            name = names[matched[column]] if column in matched else self._new_id()
            thing = LocatedObject(name, frame_id, region.index, region.box, region.footprint, stamp_s)
            self._tracks[name] = thing
            self._missed[name] = 0
            seen.append(thing)
        now = {thing.id for thing in seen}
        for name in names:
            if name not in now:
                self._missed[name] += 1
                if self._missed[name] > self._patience:
                    self.forget(name)
        return seen

    def forget(self, object_id: str) -> None:
        """The thing was moved: what lies there next is a new one."""
        self._tracks.pop(object_id, None)
        self._missed.pop(object_id, None)

    def _new_id(self) -> str:
        self._count += 1
        return f"object-{self._count}"

    def _match(self, tracks: Sequence[LocatedObject], regions: Sequence[Seen]) -> dict[int, int]:
        """Region index in the list to track index in the list, with the least distance in all."""
        if not tracks or not regions:
            return {}
        cost = np.array([[_distance(track.footprint, region.footprint) for region in regions] for track in tracks])
        rows, columns = linear_sum_assignment(cost)
        return {int(c): int(r) for r, c in zip(rows, columns, strict=True) if cost[r, c] < FAR}


def _distance(a: Footprint, b: Footprint) -> float:
    apart = math.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1])
    ratio = max(a.area_m2, b.area_m2) / max(min(a.area_m2, b.area_m2), 1e-6)
    return apart if apart <= GATE_M and ratio <= AREA_RATIO else FAR
