"""What has happened between two pictures? Did the thing come to where it was meant to go?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import balanced
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import IsTrue, Look
from vlm_bt.training.staged import EVENTS, Order, Truth
from vlm_bt.training.wanted import are
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.vocabulary import KINDS

FAILURES = ("missed_grasp", "dropped", "wrong_zone", "knocked_over")


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    """Of every scene whether it was placed, whether anything changed, and whether each thing that may happen did."""
    staged = scene.staged
    thing = _about(scene)
    noun = thing.kind if thing is not None and thing.kind in KINDS else "thing"
    event, be = staged.event, "were" if are(noun) else "was"
    claims: list[tuple[str, bool, str]] = [
        ("nothing has changed", event in ("nothing", "missed_grasp"), "change"),
        (f"{indefinite(noun)} {be} taken away", event == "taken", "event"),
        (f"{indefinite(noun)} {be} added", event == "added", "event"),
    ]
    if staged.goal is not None:
        goal = staged.goal.replace("_", " ") if staged.goal.endswith("bin") else f"{staged.goal} zone"
        claims.append((f"the {noun} {be} put into the {goal}", event == "placed", "placed"))
    looks = tuple(Look(frame_id) for frame_id in scene.frame_ids)
    box = thing.box if thing is not None else None
    tags = {**scene.tags, "event": event}
    return [
        Item(IsTrue(looks, claim), "yes" if holds else "no", {**tags, "claim": about}, box)
        for claim, holds, about in claims
    ]


def _about(scene: Scene) -> Truth | None:
    """The thing that something happened to, as it lies now, else as it lay before."""
    name = scene.staged.about
    return next((one for truths in reversed(scene.staged.truths) for one in truths if one.name == name), None)


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    placed = tagged(answers, claim="placed")
    found = [
        *share("failures: balanced accuracy, placed or not", balanced(placed), 0.95),
        *share("failures: balanced accuracy, changed or not", balanced(tagged(answers, claim="change"))),
        *share("failures: balanced accuracy, taken or added", balanced(tagged(answers, claim="event"))),
    ]
    for event in FAILURES:
        some = [one for one in placed if one.tags["event"] == event]
        if some:
            found += share(f"failures: seen as such, {event.replace('_', ' ')}", sum(o.right for o in some) / len(some))
    return found + usual_figures("failures", answers)


def _stages(quick: bool) -> list[Stage]:
    # What succeeds is staged as often as all that fails together.
    return [
        Stage(number, Order(event=event), (4 if event == "placed" else 1) * (1 if quick else 12), {})
        for number, event in enumerate(EVENTS)
    ]


CHANGES = Suite("failures", 5, "before and after: placed, missed, dropped, gone", _stages, _ask, _figures)
