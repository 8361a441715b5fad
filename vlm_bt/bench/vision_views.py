"""Whether the cache for views that look alike ever keeps an answer that has changed, on simulated benches.

The truth is the simulation's: an answer about a view has changed where a thing whose middle lies in it was moved by at
least 15 mm, taken away or put down. Sensor noise and new light change no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vlm_bt.questions import Look
from vlm_bt.types import Box, Frame
from vlm_bt.vision.cache import Signature, alike, signature
from vlm_bt.vision.pictures import Picture

if TYPE_CHECKING:
    from vlm_bt.training.data import Posing

Change = Literal["noise", "moved", "removed", "added", "light"]
CHANGES: tuple[Change, ...] = ("noise", "moved", "moved", "removed", "removed", "added", "added", "light")
THINGS = 14
MARGIN_PX = 12
Place = tuple[float, float, float, float]


@dataclass
class Tally:
    """Views asked about, by whether their answer had changed, and how often an earlier answer stood for them."""

    same: int = 0
    same_hits: int = 0
    lit: int = 0
    lit_hits: int = 0
    changed: int = 0
    wrong_hits: int = 0

    @property
    def views(self) -> int:
        return self.same + self.lit + self.changed

    @property
    def hits(self) -> int:
        return self.same_hits + self.lit_hits + self.wrong_hits


@dataclass(frozen=True, eq=False)
class View:
    """One look of a frame with the truth about it: the things whose middle lies in it, each with its place."""

    picture: Picture
    truth: frozenset[tuple[int, Place]]


def judged(seeds: Sequence[int]) -> Tally:
    """Ask about every view of benches before and after each kind of change."""
    tally = Tally()
    for seed in seeds:
        for change, before, after in pairs(seed):
            for one, other in zip(before, after, strict=True):
                hit = alike(_signed(one), _signed(other))
                if one.truth != other.truth:
                    tally.changed += 1
                    tally.wrong_hits += hit
                elif change == "light":
                    tally.lit += 1
                    tally.lit_hits += hit
                else:
                    tally.same += 1
                    tally.same_hits += hit
    return tally


def pairs(seed: int) -> Iterator[tuple[Change, list[View], list[View]]]:
    """The same looks, the whole frame and around every thing of either, before and after each change of one bench."""
    from vlm_bt.simulation.scenario import Scenario
    from vlm_bt.simulation.scene import apply_look
    from vlm_bt.simulation.tools import make_tool
    from vlm_bt.training.data import Posing

    rng = np.random.default_rng([seed, 77])
    items = Scenario.from_seed(seed, THINGS, clutter="training").items
    posing = Posing([(item.name, make_tool(item.kind, item.tool_seed, item.size), item.kind) for item in items], seed)
    places: list[Place | None] = [(item.x, item.y, 0.0, item.yaw_rad) for item in items]
    apply_look(posing.model, rng)
    posing.set_out(places)
    before = posing.look()
    for change in CHANGES:
        index = int(rng.integers(len(items)))
        one, then = list(places), list(places)
        if change == "moved":
            then[index] = _elsewhere(places, index, rng)
        elif change == "removed":
            then[index] = None
        elif change == "added":
            one[index] = None
        if change == "light":
            apply_look(posing.model, rng)
        posing.set_out(one)
        first = posing.look() if change == "added" else before
        posing.set_out(then)
        second = posing.look()
        looks = _looks(posing, first, second)
        yield change, _views(posing, first[0], one, looks), _views(posing, second[0], then, looks)


def _elsewhere(places: Sequence[Place | None], index: int, rng: np.random.Generator) -> Place:
    """15 to 60 mm away, turned by up to 20 degrees."""
    place = places[index]
    assert place is not None
    far, angle = rng.uniform(0.015, 0.060), rng.uniform(-np.pi, np.pi)
    x, y = place[0] + far * np.cos(angle), place[1] + far * np.sin(angle)
    return (float(x), float(y), place[2], float(place[3] + rng.uniform(-0.35, 0.35)))


def _looks(posing: Posing, *seen: tuple[Frame, NDArray[np.int32]]) -> list[Look]:
    looks = [Look("")]
    for frame, bodies in seen:
        lens = frame.intrinsics
        for name, *_ in posing.things:
            rows, columns = np.nonzero(bodies == posing.model.body(name).id)
            if rows.size:
                x0, y0 = max(0, int(columns.min()) - MARGIN_PX), max(0, int(rows.min()) - MARGIN_PX)
                x1, y1 = int(columns.max()) + MARGIN_PX + 1, int(rows.max()) + MARGIN_PX + 1
                looks.append(Look("", Box(x0, y0, min(x1, lens.width), min(y1, lens.height))))
    return list(dict.fromkeys(looks))


def _views(posing: Posing, frame: Frame, places: Sequence[Place | None], looks: Sequence[Look]) -> list[View]:
    from vlm_bt.scene.geometry import project

    middles = {}
    for index, place in enumerate(places):
        if place is not None:
            u, v = project((place[0], place[1], 0.0), frame.intrinsics, frame.pose_camera_in_base)
            middles[index] = (float(u), float(v))
    views = []
    for look in looks:
        picture = Picture(frame, replace(look, frame_id=frame.id))
        at = picture.at
        inside = {i for i, (u, v) in middles.items() if at.x0 <= u < at.x1 and at.y0 <= v < at.y1}
        views.append(View(picture, frozenset((i, place) for i in inside if (place := places[i]) is not None)))
    return views


def _signed(view: View) -> Signature:
    return signature((view.picture,))
