"""How do two things lie to each other, and in which zone? Left, right, above and below are those of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.grounding import phrases_there
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import balanced
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import IsTrue, Look
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.staged import Order, Truth
from vlm_bt.training.wanted import are, pick, who_fits
from vlm_bt.types import Box

SIDES = ("left of", "right of", "above", "below")
_PHRASES = 6
_EACH = 4
_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def side_of(a: Box, b: Box) -> str:
    """How a lies to b in the picture; "" where it lies aslant or the boxes overlap along that way."""
    across = (a.x0 + a.x1 - b.x0 - b.x1) / 2
    down = (a.y0 + a.y1 - b.y0 - b.y1) / 2
    if abs(across) > 2 * abs(down):
        return "" if a.x0 < b.x1 and b.x0 < a.x1 else "left of" if across < 0 else "right of"
    if abs(down) > 2 * abs(across):
        return "" if a.y0 < b.y1 and b.y0 < a.y1 else "above" if down < 0 else "below"
    return ""


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    named: list[tuple[str, Truth]] = []
    for wanted in phrases_there(scene.truths, rng, _PHRASES):
        fits = who_fits(wanted, scene.truths)
        if fits and wanted.asked in ("kind", "colour and kind", "synonym"):
            named.append((wanted.text, fits[0]))
    pairs = [(a, b) for a in named for b in named if a[1] is not b[1]]
    rng.shuffle(pairs)
    items: list[Item] = []
    for a, b in pairs:
        if len(items) < 2 * _EACH:
            items += _sides(scene, a, b, rng)
    items += _touching(scene, pairs)
    for text, truth in named[:2]:
        items += _zones(scene, text, truth, rng)
    return items


def _item(scene: Scene, claim: str, holds: bool, relation: str, truth: Truth) -> Item:
    tags = {**scene.tags, "relation": relation}
    return Item(IsTrue((Look(scene.frame_id),), claim), "yes" if holds else "no", tags, truth.box)


def _sides(scene: Scene, a: tuple[str, Truth], b: tuple[str, Truth], rng: np.random.Generator) -> list[Item]:
    """A true claim or its opposite."""
    assert a[1].box is not None and b[1].box is not None
    side = side_of(a[1].box, b[1].box)
    if not side:
        return []
    holds = bool(rng.random() < 0.5)
    said = side if holds else _OPPOSITE[side]
    return [_item(scene, f"the {a[0]} {_be(a[0])} {said} the {b[0]}", holds, "side", a[1])]


def _touching(scene: Scene, pairs: Sequence[tuple[tuple[str, Truth], tuple[str, Truth]]]) -> list[Item]:
    """As many that touch as that do not."""
    touch = [(a, b) for a, b in pairs if b[1].name in a[1].touching]
    apart = [(a, b) for a, b in pairs if b[1].name not in a[1].touching]
    return [
        _item(scene, f"the {a[0]} {'touch' if are(a[0]) else 'touches'} the {b[0]}", holds, "touching", a[1])
        for (yes, no) in list(zip(touch, apart, strict=False))[:2]
        for holds, (a, b) in ((True, yes), (False, no))
    ]


def _zones(scene: Scene, text: str, truth: Truth, rng: np.random.Generator) -> list[Item]:
    names = [zone.name for zone in ZONES]
    if truth.zone is None:
        return [_item(scene, f"the {text} {_be(text)} in the {_zone(pick(rng, names))}", False, "zone", truth)]
    holds = bool(rng.random() < 0.67)
    zone = truth.zone if holds else pick(rng, [name for name in names if name != truth.zone])
    return [_item(scene, f"the {text} {_be(text)} in the {_zone(zone)}", holds, "zone", truth)]


def _be(noun: str) -> str:
    return "are" if are(noun) else "is"


def _zone(name: str) -> str:
    """ "left zone", "parts bin"."""
    return name.replace("_", " ") if name.endswith("bin") else f"{name} zone"


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found = share("relations: balanced accuracy", balanced(answers))
    for relation in ("side", "touching", "zone"):
        found += share(f"relations: balanced accuracy, {relation}", balanced(tagged(answers, relation=relation)))
    return found + usual_figures("relations", answers)


def _stages(quick: bool) -> list[Stage]:
    scenes = 4 if quick else 48
    return [
        Stage(0, Order(), scenes, {"clutter": "apart"}),
        Stage(1, Order(clutter="touching"), scenes, {"clutter": "touching"}),
    ]


RELATIONS = Suite("relations", 4, "left of, above, touching, in a zone", _stages, _ask, _figures)
