"""How likely a statement about a whole bench is, from what each thing is and from where depth has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vlm_bt.scene.geometry import project
from vlm_bt.scene.outline import rim
from vlm_bt.scene.tabletop import Region
from vlm_bt.types import Zone
from vlm_bt.vision.backends.bench_things import Bench, chance_of, distribution
from vlm_bt.vision.phrases import Claim, Phrase
from vlm_bt.vision.statements import Compared, Condition, Counted, Relation, Statement

Chances = NDArray[np.float64]

EMPTY_SURE = 0.99
"""How sure depth is that a bench is empty, or that it is not."""
ASIDE_M, EDGE_M, LARGER_SHARE = 0.003, 0.004, 0.03
"""How good the measures are: of middles, of middles against a zone's edge, and of sizes."""
UNLIKELY = 0.01
"""Gaps between things that are so unlikely to be meant are not measured."""
_GAPS: Mapping[Relation, tuple[float, float]] = {"touching": (0.004, 0.0008), "next to": (0.06, 0.006)}
"""Up to which gap between the outlines, metres, and how good that is; smoothing parts things that touch."""
BETWEEN_ASIDE = 0.35
"""How far off the line between two things what lies between them may be, as a share of the distance of the two."""


@dataclass(eq=False)
class Layout:
    """Some things of a bench with how they lie to each other.

    Attributes:
        seen: Which things of the bench. zones: places by name.
        rows: Of those things, and then of what lies hidden in them: it lies where they lie.
    """

    bench: Bench
    seen: Sequence[int]
    zones: Sequence[Zone]

    @cached_property
    def rows(self) -> list[int]:
        return [*self.seen, *(hidden.row for hidden in self.bench.hidden_with(self.seen))]

    def chance(self, statement: Statement) -> float:
        """Probability that the statement is true; its clauses are taken to be right or wrong each for itself."""
        chance = 1.0
        for clause in statement.clauses:
            chance *= self._compared(clause) if isinstance(clause, Compared) else self._counted(clause)
        return 1.0 - chance if statement.denied else chance

    def _counted(self, counted: Counted) -> float:
        claim, condition = counted.claim, counted.condition
        fits = self._fits(claim.phrase)
        if condition is None:
            return self._many(claim, fits)
        meets = self._meets(condition, fits)
        if not counted.every:
            return self._many(claim, fits * meets)
        none = Claim(claim.phrase, "exactly", 0)
        return self._many(claim, fits) * chance_of(none, (fits * (1 - meets)).tolist())

    def _many(self, claim: Claim, chances: Chances) -> float:
        chance = chance_of(claim, chances.tolist())
        return min(max(chance, 1 - EMPTY_SURE), EMPTY_SURE) if claim.phrase.text == "thing" else chance

    def _compared(self, compared: Compared) -> float:
        first, second = (distribution(self._fits(phrase).tolist()) for phrase in (compared.first, compared.second))
        joint = np.outer(first, second)
        if compared.how == "equal":
            return float(np.trace(joint))
        return float(np.tril(joint, -1).sum() if compared.how == "more" else np.triu(joint, 1).sum())

    def _fits(self, phrase: Phrase) -> Chances:
        return self.bench.fits(phrase, self.seen)

    def _meets(self, condition: Condition, fits: Chances) -> Chances:
        """(N,) probability that each thing meets the condition."""
        meets = self._as_said(condition, fits)
        return 1.0 - meets if condition.denied else meets

    def _as_said(self, condition: Condition, fits: Chances) -> Chances:
        relation, objects = condition.relation, [self._fits(phrase) for phrase in condition.objects]
        if relation == "in":
            return self._inside(condition.place)
        if relation == "is":
            return objects[0]
        if relation == "between":
            return _some(objects[0][None, :, None] * objects[1][None, None, :] * self._between)
        if relation == "nearest to":
            return self._nearest(objects[0])
        if relation in ("nearer to", "nearer than"):
            apart = self._apart
            near = apart[:, :, None] - (apart[:, None, :] if relation == "nearer to" else apart[None, :, :])
            # Row, the thing that is near, the other: all three are different.
            return _some(objects[0][None, :, None] * objects[1][None, None, :] * soft(-near, ASIDE_M) * self._three)
        return _some(objects[0][None] * self._pairs(relation, fits, objects[0]))

    def _pairs(self, relation: Relation, fits: Chances, others: Chances) -> Chances:
        """(N, N) probability that row lies so to column; 0 for a thing and itself."""
        if relation in _GAPS:
            most, good_to = _GAPS[relation]
            return np.asarray(soft(most - self._gaps(np.outer(fits, others) > UNLIKELY), good_to) * self._two)
        sizes = self._sizes
        values = {
            "left of": (-self._middles[:, 0], ASIDE_M),
            "right of": (self._middles[:, 0], ASIDE_M),
            "above": (-self._middles[:, 1], ASIDE_M),
            "below": (self._middles[:, 1], ASIDE_M),
            "longer than": (sizes[:, 0], LARGER_SHARE),
            "shorter than": (-sizes[:, 0], LARGER_SHARE),
            "taller than": (sizes[:, 1], LARGER_SHARE),
            "lower than": (-sizes[:, 1], LARGER_SHARE),
            "bigger than": (sizes[:, 2], LARGER_SHARE),
            "smaller than": (-sizes[:, 2], LARGER_SHARE),
        }
        value, good_to = values[relation]
        return np.asarray(soft(value[:, None] - value[None], good_to) * self._two)

    def _inside(self, name: str) -> Chances:
        """(N,) probability that each thing lies in a zone: in a container as seen, elsewhere by its middle."""
        zone = next(zone for zone in self.zones if zone.name == name)
        return np.array([within(self.bench.regions[row], zone) for row in self.rows])

    def _nearest(self, others: Chances) -> Chances:
        """(N,) probability that each thing is nearer than all the rest to one of the others."""
        if len(self.rows) < 2:
            return np.zeros(len(self.rows))
        apart = self._apart + np.where(self._two, 0.0, np.inf)
        order = np.sort(apart, 0)
        # For the nearest itself, the next one is the rival; for any other, the nearest.
        rival = np.where(apart <= order[:1], order[1:2] if len(order) > 2 else np.inf, order[:1])
        with np.errstate(invalid="ignore"):
            lead = np.where(np.isinf(apart), -np.inf, rival - apart)
        return _some(others[None] * soft(lead, ASIDE_M) * self._two)

    @cached_property
    def _between(self) -> Chances:
        """(N, N, N) probability that a thing lies between two others."""
        at, ends = self._places[:, None, None], self._places[None, :, None]
        way = self._places[None, None] - ends
        length = np.maximum(np.linalg.norm(way, axis=-1), 1e-6)
        along = ((at - ends) * way).sum(-1) / length
        off = np.abs(way[..., 0] * (at - ends)[..., 1] - way[..., 1] * (at - ends)[..., 0]) / length
        inside = np.minimum(np.minimum(along, length - along), BETWEEN_ASIDE * length - off)
        return np.asarray(soft(inside, ASIDE_M) * self._three)

    @cached_property
    def _two(self) -> NDArray[np.bool_]:
        return ~np.eye(len(self.rows), dtype=bool)

    @cached_property
    def _three(self) -> NDArray[np.bool_]:
        return np.asarray(self._two[:, :, None] & self._two[:, None] & self._two[None])

    @cached_property
    def _middles(self) -> Chances:
        """(N, 2) middle of each thing in the picture, columns and rows, in metres on the bench."""
        frame = self.bench.frame
        heights = [[self.bench.regions[row].footprint.height_m / 2] for row in self.rows]
        points = np.concatenate([self._places, np.array(heights, float).reshape(-1, 1)], 1)
        return project(points, frame.intrinsics, frame.pose_camera_in_base) * self.bench.pixel_m

    @cached_property
    def _places(self) -> Chances:
        """(N, 2) metres, base frame."""
        return np.array([self.bench.regions[row].footprint.centre for row in self.rows], float).reshape(-1, 2)

    @cached_property
    def _apart(self) -> Chances:
        """(N, N) metres from middle to middle."""
        return np.asarray(np.linalg.norm(self._places[:, None] - self._places[None], axis=-1))

    @cached_property
    def _sizes(self) -> Chances:
        """(N, 3) logarithms of length, height and area."""
        shapes = [self.bench.regions[row].footprint for row in self.rows]
        sizes = [(shape.length_m, max(shape.height_m, 1e-3), shape.area_m2) for shape in shapes]
        return np.asarray(np.log(np.array(sizes, float).reshape(-1, 3)))

    def _gaps(self, wanted: NDArray[np.bool_]) -> Chances:
        """(N, N) metres between the outlines in the picture; infinite where nobody asks."""
        gaps = np.full(wanted.shape, np.inf)
        for a, b in np.argwhere(wanted & self._two).tolist():
            if np.isinf(gaps[a, b]):
                tree, points = self._outlines[a], self._outlines[b].data
                gaps[a, b] = gaps[b, a] = float(tree.query(points)[0].min()) * self.bench.pixel_m
        return gaps

    @cached_property
    def _outlines(self) -> list[cKDTree]:
        """The outermost pixels of each thing, columns and rows of the picture."""
        regions = [self.bench.regions[row] for row in self.rows]
        return [cKDTree(rim(region.mask)[:, ::-1] + (region.box.x0, region.box.y0)) for region in regions]


def _some(chances: Chances) -> Chances:
    """(N,) probability that any of (N, ...) holds."""
    return np.asarray(1.0 - np.prod(1.0 - chances.reshape(len(chances), -1), axis=1))


def within(region: Region, zone: Zone) -> float:
    """Probability that a thing lies in a zone: in a container as seen, elsewhere by its middle."""
    if zone.container or region.container:
        return float(region.container == zone.name)
    x, y = region.footprint.centre
    return float(soft(np.array(min(x - zone.x[0], zone.x[1] - x, y - zone.y[0], zone.y[1] - y)), EDGE_M))


def soft(value: Chances, good_to: float) -> Chances:
    """Probability of being above 0 where the measure is good to about `good_to`."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value / good_to, -40.0, 40.0))))
