"""A model for the fast fidelity: it knows what lies where, and says of it what the shipped model said of such a thing.

For every thing one of those is drawn that the shipped model was really shown (`simulation.measured`), and answered for:
with its scores, its confusions and, for the second look, what was said of that same thing then. As long as a thing is
not moved it stays that one, so errors stick to things as they do for a model.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import (
    MOST_COUNTED,
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Found,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Question,
    Result,
)
from vlm_bt.scene.geometry import project
from vlm_bt.simulation.fast_cameras import Shown
from vlm_bt.simulation.fast_world import FastWorld
from vlm_bt.simulation.measured import NOTHING, SEVERAL, MeasuredAnswers, Seen
from vlm_bt.types import Answer, Box
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.phrases import denied, phrase_of
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.words import kinds_called

NEAR_M = 0.015
"""A region that depth found belongs to the item that comes so near to its middle."""
Row = NDArray[np.float64]


class FastEyes:
    """Answers what, where and how many by kind alone; colours, parts and everything else it refuses, because what the
    shipped model gets wrong there is not measured.

    Args:
        measured: What it answers with.
        world: The world that is looked at now, if any; asked again and again.
    """

    answers: frozenset[type[Question]] = frozenset((Choose, IsTrue, HowMany, Ground, Describe))

    def __init__(self, measured: MeasuredAnswers, world: Callable[[], FastWorld | None]) -> None:
        self._measured = measured
        self._world = world
        self._by_kind: dict[str, list[Seen]] = {}
        for one in measured.seen:
            self._by_kind.setdefault(one.kind, []).append(one)

    @property
    def revision(self) -> str:
        return self._measured.revision

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        out: list[Result | VlmBtError] = []
        for asked in batch:
            try:
                out.append(self._one(asked))
            except VlmBtError as error:
                out.append(error)
        return out

    def _one(self, asked: Asked) -> Result:
        question, picture = asked.question, asked.picture
        wording = question.wording if isinstance(question, (Choose, IsTrue)) else 0
        if isinstance(question, Ground):
            return self._ground(question, picture)
        if isinstance(question, HowMany):
            chances = [self._fit(self._row(one, picture, 0), question.phrase) for one in self._in(picture)]
            counts = _distribution(chances)
            return Counted(question.phrase, int(counts.argmax()), tuple(map(float, counts)))
        if picture.thing is None:
            raise Unsupported("in fast fidelity claims, choices and descriptions are of one thing at a time")
        thing = self._thing(picture)
        if isinstance(question, Describe):
            seen = self._drawn(thing)
            return Caption(seen.caption if seen is not None else "a thing")
        row = self._row(thing, picture, wording)
        if isinstance(question, Choose):
            shares = [self._fit(row, option) for option in question.options]
            whole = max(1.0, sum(shares))
            chosen = tuple(share / whole for share in shares)
            return Answer(question.question, question.options, chosen, outside=max(0.0, 1.0 - sum(chosen)))
        if not isinstance(question, IsTrue):
            raise Unsupported("this is not measured")
        no, claim = denied(question.claim)
        yes = min(1.0, max(0.0, self._fit(row, claim)))
        yes = 1.0 - yes if no else yes
        return Answer(question.claim, YES_NO, (yes, 1.0 - yes))

    def _fit(self, row: Row, text: str) -> float:
        """Probability that what a row was said of fits a phrase. Raises: Unsupported."""
        kinds = (text,) if text in self._measured.kinds else kinds_called(text)
        if not kinds:
            phrase = phrase_of(text)
            if phrase.colour or phrase.parts or phrase.free or phrase.never:
                raise Unsupported(f"in fast fidelity only kinds are measured, not {text!r}")
            kinds = phrase.kinds
        if not kinds:
            return 1.0
        return float(sum(row[self._measured.kinds.index(kind)] for kind in kinds if kind in self._measured.kinds))

    def _ground(self, question: Ground, picture: Picture) -> Grounded:
        found = []
        for one in self._in(picture):
            score = self._fit(self._row(one, picture, 0), question.phrase)
            if score >= question.least_score:
                found.append(Found(_box(one, picture), score))
        return Grounded(question.phrase, tuple(sorted(found, key=lambda place: -place.score)))

    @property
    def _seed(self) -> int:
        world = self._world()
        return world.seed if world is not None else 0

    def _shown(self, picture: Picture) -> tuple[Shown, ...]:
        world = self._world()
        return world.shown(picture.frame.id) if world is not None else ()

    def _in(self, picture: Picture) -> list[Shown]:
        """The items whose middle lies in what is shown."""
        if picture.thing is not None:
            thing = self._thing(picture)
            return [thing] if isinstance(thing, Shown) else []
        at = picture.at
        found = []
        for one in self._shown(picture):
            x, y = _pixels(picture, [one.outline.centroid.coords[0]])[0]
            if at.x0 <= x < at.x1 and at.y0 <= y < at.y1:
                found.append(one)
        return found

    def _thing(self, picture: Picture) -> Shown | str:
        """What a region really is: an item, several, or nothing that the scene knows."""
        region = picture.thing
        assert region is not None
        shown = self._shown(picture)
        middle = Point(region.footprint.anchor)
        near = [(one.outline.distance(middle), one) for one in shown]
        near = [(apart, one) for apart, one in near if apart <= NEAR_M]
        inside = [one for one in shown if self._holds(picture, one)]
        if len(inside) > 1:
            return SEVERAL
        if inside:
            return inside[0]
        return min(near, key=lambda entry: entry[0])[1] if near else NOTHING

    @staticmethod
    def _holds(picture: Picture, one: Shown) -> bool:
        region = picture.thing
        assert region is not None
        x, y = _pixels(picture, [one.outline.representative_point().coords[0]])[0]
        column, row = round(x) - region.box.x0, round(y) - region.box.y0
        height, width = region.mask.shape
        return 0 <= row < height and 0 <= column < width and bool(region.mask[row, column])

    def _drawn(self, thing: Shown | str) -> Seen | None:
        """The measured thing that stands for this one; None where none of its kind was measured."""
        kind = thing if isinstance(thing, str) else thing.item.kind
        pool = self._by_kind.get(kind, [])
        if not pool:
            return None
        name = kind if isinstance(thing, str) else f"{thing.item.name} {thing.pose}"
        return pool[zlib.crc32(f"{self._seed} {name}".encode()) % len(pool)]

    def _row(self, thing: Shown | str, picture: Picture, wording: int) -> Row:
        """(K + 1,) probabilities; even ones where nothing was measured: that is doubt."""
        seen = self._drawn(thing)
        if seen is None:
            count = len(self._measured.kinds) + 1
            return np.full(count, 1.0 / count)
        looks = self._measured.looks
        wanted = (picture.look.variant, wording)
        best = min(range(len(looks)), key=lambda n: (looks[n] != wanted, looks[n][0] != wanted[0], n))
        return np.array(seen.looks[best])


def _pixels(picture: Picture, places: Sequence[tuple[float, ...]]) -> NDArray[np.float64]:
    """(N, 2) columns and rows of places on the bench, (x, y) metres in the base frame."""
    points = np.array([(place[0], place[1], 0.005) for place in places])
    return project(points, picture.frame.intrinsics, picture.frame.pose_camera_in_base)


def _box(one: Shown, picture: Picture) -> Box:
    x0, y0, x1, y1 = one.outline.bounds
    corners = _pixels(picture, [(x0, y0), (x0, y1), (x1, y0), (x1, y1)])
    (left, top), (right, bottom) = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    return Box(int(left), int(top), int(right) + 1, int(bottom) + 1)


def _distribution(chances: Sequence[float]) -> Row:
    """Probability of each number of hits where each is for itself."""
    counts = np.ones(1)
    for chance in chances:
        counts = np.append(counts * (1 - chance), 0.0) + np.append(0.0, counts * chance)
    if len(counts) > MOST_COUNTED + 1:
        counts = np.append(counts[:MOST_COUNTED], counts[MOST_COUNTED:].sum())
    return counts
