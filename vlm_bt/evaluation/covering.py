"""Do the sets hold what they promise, and what do they save?

*Coverage within 2 points of its target over 20 seeds*: twenty benches that share nothing, each thing on them asked for
its kind at each of `ERROR_RATES`. The coverage of a seed is the share of its things whose set has the truth in it; the
figure is the distance of the mean over the seeds from one minus the error rate, to either side. A set that leaves
nothing but "none of the kinds" counts as that answer. No set is empty, so a model that is right more often than is
asked for covers more than that: only the first rate, that of the shipped configuration, has a target.

*Fewer questions than the best fixed threshold at equal error*: a mission acts on a set of one, and asks a person
otherwise. The fixed threshold acts where the likeliest answer ("none of the kinds" is one) has at least a certain
probability, and asks otherwise. The best one is chosen with hindsight, on the same answers of all seeds together: of
all thresholds with at most as many wrong actions as the sets, the one that asks least. The figure is the share of its
questions that the sets do without (where they ask more: minus the share of theirs that it does without); no threshold
that was fixed beforehand does better than the one compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.classification import what_is_it
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import best_threshold, mean_size
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.training.staged import Order

ERROR_RATES = (0.01, 0.05, 0.10)
SEEDS = 20


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    return [
        _at(what_is_it(scene, truth, region, "usual", rng, rate), rate)
        for truth, region in scene.alone()
        for rate in ERROR_RATES
    ]


def _at(item: Item, rate: float) -> Item:
    return Item(item.question, item.truth, {**item.tags, "rate": f"{rate:g}"}, item.box)


def seeds_coverage(answers: Sequence[Answered]) -> list[float]:
    """Coverage of each seed, in the order of the seeds."""
    seeds = sorted({one.tags["seed"] for one in answers}, key=int)
    return [float(np.mean([one.covered for one in tagged(answers, seed=seed)])) for seed in seeds]


def saved(answers: Sequence[Answered]) -> tuple[float, int, int]:
    """Share of questions that the sets do without, how many they ask, and how many the best fixed threshold asks. NaN
    where nobody asks any."""
    asked = sum(not one.sure for one in answers)
    wrong = sum(one.wrong_and_sure for one in answers)
    said = [one for one in answers if one.confidence is not None]
    confidence = np.array([one.confidence for one in said], float)
    _, below = best_threshold(confidence, np.array([one.right for one in said], bool), wrong)
    by_threshold = below + len(answers) - len(said)
    most = max(asked, by_threshold)
    return ((by_threshold - asked) / most if most else float("nan")), asked, by_threshold


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found: list[Figure] = []
    for rate in ERROR_RATES:
        some = tagged(answers, rate=f"{rate:g}")
        if not some:
            continue
        target, per_seed = 1.0 - rate, seeds_coverage(some)
        fewer, asked, threshold = saved(some)
        distance = abs(float(np.mean(per_seed)) - target)
        at, first = f"at {target:.0%}", rate == ERROR_RATES[0]
        found += [
            *share(f"coverage {at}: distance from it", distance, 0.02 if first else None, "at most"),
            *share(f"coverage {at}: lowest seed", min(per_seed)),
            *share(f"coverage {at}: questions saved", fewer, 0.33 if first else None),
            *share(f"coverage {at}: things asked about", asked / len(some)),
            *share(f"coverage {at}: asked by the best threshold", threshold / len(some)),
            Figure(f"coverage {at}: answers in a set", round(mean_size(some), 3), ""),
        ]
    return found + usual_figures("coverage at 99%", tagged(answers, rate=f"{ERROR_RATES[0]:g}"))


def _stages(quick: bool) -> list[Stage]:
    return [Stage(shift, Order(), 2 if quick else 12, {}) for shift in range(3 if quick else SEEDS)]


COVERING = Suite("coverage", 9, "what the sets promise, and the questions that they save", _stages, _ask, _figures)
