"""What is this thing? Of things in clutter, in pairs of colour and kind that training has seen and has not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import accuracy
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import WHAT_IS_IT, Choose, Look
from vlm_bt.training.held_out import is_pair_held_out
from vlm_bt.training.staged import Order, Truth
from vlm_bt.training.wanted import by_misspelling, by_synonym
from vlm_bt.vision.geometry import SeenRegion
from vlm_bt.vision.vocabulary import KINDS, OTHER

WORDINGS = ("usual", "synonym", "misspelt")


def what_is_it(
    scene: Scene, truth: Truth, region: SeenRegion, wording: str, rng: np.random.Generator, error_rate: float = 0.01
) -> Item:
    """The question that missions ask of a thing, with its kinds by their usual names, other ones, or misspelt."""
    options = names_of_kinds(wording, rng)
    right = options[KINDS.index(truth.kind)] if truth.kind in KINDS else OTHER
    looks = (Look(scene.frame_id, region.index),)
    tags = {**scene.tags, "wording": wording, **about(truth)}
    return Item(Choose(looks, WHAT_IS_IT, options, error_rate=error_rate), right, tags, truth.box)


def names_of_kinds(wording: str, rng: np.random.Generator) -> tuple[str, ...]:
    """One name for each of `KINDS`, all different."""
    while True:
        if wording == "usual":
            return KINDS
        name = by_synonym if wording == "synonym" else by_misspelling
        names = tuple(name(kind, rng).text for kind in KINDS)
        if len({text.lower() for text in names}) == len(names):
            return names


def about(truth: Truth) -> dict[str, str]:
    """Tags of a thing: its kind, and whether training has seen such a pair."""
    known = truth.kind in KINDS
    pair = "" if not known else "held out" if is_pair_held_out(truth.colour, truth.kind) else "seen"
    return {"kind": truth.kind, "pair": pair, "colour": truth.colour, "thing": truth.name}


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    return [what_is_it(scene, truth, region, wording, rng) for truth, region in scene.alone() for wording in WORDINGS]


def known(answers: Sequence[Answered]) -> list[Answered]:
    """Those about things of a known kind."""
    return [one for one in answers if one.tags["pair"]]


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    usual = tagged(answers, wording="usual")
    named = {wording: accuracy(known(tagged(answers, wording=wording))).value for wording in WORDINGS}
    odd = [one for one in usual if not one.tags["pair"]]
    return [
        *share("classification: seen pairs right", accuracy(tagged(usual, pair="seen")), 0.97),
        *share("classification: unseen pairs right", accuracy(tagged(usual, pair="held out")), 0.90),
        *share("classification: lost by other names", named["usual"] - named["synonym"], 0.03, "at most"),
        *share("classification: lost by misspelt names", named["usual"] - named["misspelt"], 0.03, "at most"),
        *share("classification: touching things right", accuracy(known(tagged(usual, clutter="touching")))),
        *share("classification: odd things told as such", accuracy(odd)),
        *usual_figures("classification", usual)[1:],
    ]


def _stages(quick: bool) -> list[Stage]:
    scenes = 2 if quick else 36
    return [
        Stage(0, Order(pairs="seen"), scenes, {"clutter": "apart"}),
        Stage(1, Order(pairs="held_out"), scenes, {"clutter": "apart"}),
        Stage(2, Order(clutter="touching"), scenes, {"clutter": "touching"}),
    ]


CLASSIFICATION = Suite("classification", 1, "what is this thing", _stages, _ask, _figures)
