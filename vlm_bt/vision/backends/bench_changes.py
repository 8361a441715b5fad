"""What has changed on a bench between two pictures: every thing that is elsewhere, gone or new, and how likely a claim
about it is.

A thing that lies as it lay is known by its place; what is left over on both sides is paired by what it looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vlm_bt.scene.geometry import line_angle
from vlm_bt.scene.tabletop import Region
from vlm_bt.types import Box, Zone
from vlm_bt.vision.backends.bench_claims import EMPTY_SURE, soft, within
from vlm_bt.vision.backends.bench_things import Bench, chance_of
from vlm_bt.vision.happenings import Event, Happening
from vlm_bt.vision.phrases import Phrase
from vlm_bt.vision.statements import spoken

Chances = NDArray[np.float64]

SAME_PLACE_M = 0.018
"""A thing of the same size whose middle lies this near to where one lay is that one, perhaps nudged."""
SAME_SIZE = 1.6
MOVED_M, MOVED_SOFT_M = 0.022, 0.0025
"""A gripper that misses nudges a thing by up to 12 mm and leaves it where it was; depth is good to 3 mm."""
NUDGED_M, NUDGED_SOFT_M = 0.0035, 0.0006
ALIKE_AT_LEAST = 0.25
"""Cosine of two looks, less 0.5 for sizes that differ by a factor of e, from which they may be one thing."""
FELL_SHARE = 1.7
"""What was knocked over had been so many times higher."""
FALLS_M = 0.25
"""How far from where a thing stood its middle may come to lie."""
_FAR = 1e3


@dataclass(frozen=True)
class Change:
    """One thing with its row in the earlier and in the later picture; None: it is not there."""

    before: int | None
    after: int | None


@dataclass(eq=False)
class Changes:
    """What two pictures of one bench show.

    Attributes:
        shown: Which part of each picture is looked at: what has come into it is new, what has left it is gone.
        zones: Places by name.
    """

    earlier: Bench
    later: Bench
    shown: tuple[Box, Box]
    zones: Sequence[Zone]

    @cached_property
    def things(self) -> tuple[Change, ...]:
        """Every thing that is shown in either picture, once."""
        old, new = self.earlier.regions, self.later.regions
        stayed = _paired(np.array([[_displaced(a, b) for b in new] for a in old]).reshape(len(old), len(new)), 1.0)
        left = [n for n in range(len(old)) if n not in stayed]
        found = [n for n in range(len(new)) if n not in stayed.values()]
        moved = _paired(1.0 - self._alike(left, found), 1.0 - ALIKE_AT_LEAST)
        pairs = {**stayed, **{left[a]: found[b] for a, b in moved.items()}}
        gone = [Change(n, None) for n in range(len(old)) if n not in pairs]
        came = [Change(None, n) for n in range(len(new)) if n not in pairs.values()]
        inside = [set(bench.within(box)) for bench, box in zip((self.earlier, self.later), self.shown, strict=True)]
        everything = [*(Change(a, b) for a, b in sorted(pairs.items())), *gone, *came]
        seen = [
            Change(*(row if row in some else None for row, some in zip((c.before, c.after), inside, strict=True)))
            for c in everything
        ]
        return tuple(change for change in seen if change != Change(None, None))

    def chance(self, happening: Happening) -> float:
        """Probability that it happened."""
        met = self.met(happening.event, happening.place) * self._fits(happening.claim.phrase)
        chance = chance_of(happening.claim, met.tolist())
        return 1.0 - chance if happening.denied else chance

    def met(self, event: Event, place: str = "") -> Chances:
        """(N,) probability that each thing has met with the event."""
        gone = np.array([change.after is None for change in self.things], float)
        moved, over = self._moved, self._fallen_over
        # What stood too tall to be a thing and lies there now was there before.
        came = np.array([change.before is None for change in self.things], float) * (1.0 - over)
        both = 1.0 - gone - came
        # What lies elsewhere and was not knocked over was carried, or pushed far.
        carried = both * moved * (1.0 - over)
        still = both * (1.0 - np.maximum(moved, over))
        if event in ("placed", "dropped", "wrong zone"):
            return self._put(event, carried, came, both, place)
        met: dict[Event, Chances] = {
            "taken": gone,
            "added": came,
            "knocked over": over,
            "moved": both * np.maximum(moved, over),
            "changed": np.maximum(both * np.maximum(moved, over), gone + came),
            "kept": still,
            "missed": still * self._nudged,
        }
        return met[event]

    def _put(self, event: Event, carried: Chances, came: Chances, both: Chances, place: str) -> Chances:
        """(N,) probability that each thing was put into a zone or let fall outside all."""
        anywhere = self._within("", later=True)
        if event == "dropped":
            return np.asarray(carried * (1.0 - anywhere))
        if event == "wrong zone":
            return np.asarray(carried * anywhere * (1.0 - self._within(place, later=True)))
        put = (carried + came) * self._within(place, later=True)
        return np.asarray(put * (1.0 - both * self._within(place, later=False)) if place else put)

    def _fits(self, phrase: Phrase) -> Chances:
        """(N,) probability that the phrase fits each thing: as it was or as it is, as one side may show it better."""
        old, new = self.earlier.things.fit(phrase), self.later.things.fit(phrase)
        rows = [((old, change.before), (new, change.after)) for change in self.things]
        return np.array([max(float(fits[n]) for fits, n in sides if n is not None) for sides in rows])

    @cached_property
    def _moved(self) -> Chances:
        """(N,) probability that it lies elsewhere; 0 where it is not there at both times."""
        return soft(self._shift - MOVED_M, MOVED_SOFT_M) * (self._shift >= 0)

    @cached_property
    def _nudged(self) -> Chances:
        return np.asarray(soft(self._shift - NUDGED_M, NUDGED_SOFT_M))

    @cached_property
    def _shift(self) -> Chances:
        """(N,) metres between where each thing's middle was and is; -1 where it is not there at both times."""
        out = np.full(len(self.things), -1.0)
        for n, change in enumerate(self.things):
            if change.before is not None and change.after is not None:
                a, b = self.earlier.regions[change.before].footprint, self.later.regions[change.after].footprint
                out[n] = math.dist(a.centre, b.centre)
                if a.mean is not None and b.mean is not None:
                    out[n] = min(out[n], math.dist(a.mean, b.mean))
        return out

    @cached_property
    def _fallen_over(self) -> Chances:
        """(N,) probability that it stood and lies."""
        out = np.zeros(len(self.things))
        for n, change in enumerate(self.things):
            if change.before is not None and change.after is not None:
                a, b = self.earlier.regions[change.before].footprint, self.later.regions[change.after].footprint
                fell = math.log(max(a.height_m, 1e-3) / max(b.height_m, 1e-3) / FELL_SHARE)
                longer = math.log(b.length_m / a.length_m / 1.2)
                out[n] = float(soft(np.array(min(fell, longer)), 0.1))
            elif change.before is None and change.after is not None:
                lies = self.later.regions[change.after].footprint
                out[n] = EMPTY_SURE * any(
                    math.dist(stood[:2], lies.centre) < FALLS_M and abs(math.log(stood[2] / lies.length_m)) < 0.4
                    for stood in self._no_longer_standing
                )
        return out

    @cached_property
    def _no_longer_standing(self) -> list[tuple[float, float, float]]:
        """Slim tall things of the earlier picture that nothing stands in the place of."""
        still = [column[:2] for column in self.later.columns]
        return [was for was in self.earlier.columns if all(math.dist(was[:2], now) > MOVED_M for now in still)]

    def _within(self, name: str, later: bool) -> Chances:
        """(N,) probability that each thing lies in the zone, "" for any, in one of the pictures."""
        bench = self.later if later else self.earlier
        rows = [change.after if later else change.before for change in self.things]
        wanted = [zone for zone in self.zones if name in ("", zone.name)]
        inside = [
            0.0 if row is None else max((within(bench.regions[row], z) for z in wanted), default=0.0) for row in rows
        ]
        return np.array(inside)

    def _alike(self, old: Sequence[int], new: Sequence[int]) -> Chances:
        """(A, B) how much alike two things look, at most 1."""
        if not old or not new:
            return np.zeros((len(old), len(new)))
        looks = self.earlier.things.looks_like[list(old)] @ self.later.things.looks_like[list(new)].T
        kinds = self.earlier.things.kinds[list(old)] @ self.later.things.kinds[list(new)].T
        sizes = [[_size(self.earlier.regions[a], self.later.regions[b]) for b in new] for a in old]
        fell = [[_may_have_fallen(self.earlier.regions[a], self.later.regions[b]) for b in new] for a in old]
        return np.asarray(np.maximum(np.maximum(looks, kinds), np.array(fell)) - 0.5 * np.array(sizes))


def happened_to(changes: Changes, change: Change) -> str:
    """What happened to one thing, to follow on "the hammer was"; "" for one that lies as it lay."""
    if change.after is None:
        return "taken away"
    if change.before is None:
        return "added"
    n = changes.things.index(change)
    if changes.met("knocked over")[n] > 0.5:
        return "knocked over"
    zone = max(changes.zones, key=lambda zone: within(changes.later.regions[change.after or 0], zone), default=None)
    if zone is not None and changes.met("placed")[n] > 0.5:
        return f"put into the {spoken(zone)}"
    return "moved" if changes.met("moved")[n] > 0.5 else ""


def _displaced(a: Region, b: Region) -> float:
    """0 for the same place and size, 1 at the limit of what may be the same thing, far more beyond."""
    one, two = a.footprint, b.footprint
    apart = min(math.dist(one.centre, two.centre), math.dist(one.anchor, two.anchor))
    ratio = abs(math.log(one.area_m2 / two.area_m2))
    slender = min(one.length_m / one.width_m, two.length_m / two.width_m) > 1.8
    turned = line_angle(one.yaw_rad, two.yaw_rad) if slender else 0.0
    if apart > SAME_PLACE_M or ratio > math.log(SAME_SIZE) or turned > math.radians(25) or a.container != b.container:
        return _FAR
    return 0.6 * apart / SAME_PLACE_M + 0.2 * ratio / math.log(SAME_SIZE) + 0.2 * turned / math.radians(25)


def _may_have_fallen(a: Region, b: Region) -> float:
    """1 where the first may have stood where the second lies now: near, and as high as that is long."""
    stood, lies = a.footprint, b.footprint
    near = math.dist(stood.centre, lies.centre) < FALLS_M
    return float(near and stood.height_m > FELL_SHARE * lies.height_m and stood.length_m < lies.length_m)


def _size(a: Region, b: Region) -> float:
    """Distance of two things in size, lying or standing: logarithm of their longest extents' ratio."""
    one, two = (max(r.footprint.length_m, r.footprint.height_m) for r in (a, b))
    return abs(math.log(one / two))


def _paired(cost: Chances, most: float) -> dict[int, int]:
    """Rows with the columns that go with them at least cost; none that costs more than `most`."""
    if cost.size == 0:
        return {}
    rows, columns = linear_sum_assignment(np.minimum(cost, _FAR))
    return {int(a): int(b) for a, b in zip(rows, columns, strict=True) if cost[a, b] <= most}
