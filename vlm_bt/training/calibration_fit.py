"""From scored examples to the skills of a calibration file: a scaling by likelihood, then conformal thresholds.

The scaling is fitted on a fifth of the groups (scenes, pictures), the thresholds on the others: a threshold's promise
holds only for scores whose scaling did not see them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from vlm_bt.questions import MOST_COUNTED, YES_NO
from vlm_bt.vision.calibration import KIND_SKILL, kept, words_of
from vlm_bt.vision.calibration_file import ANY, ClassFile, Data, Skill
from vlm_bt.vision.conformal import Thresholds, counted, scaled
from vlm_bt.vision.vocabulary import OTHER

SCALING_SHARE = 0.2
FEWEST_TO_SCALE = 30
"""With fewer examples a scaling is noise, and probabilities are left as they are."""
USUAL_BLUR = 0.05
_NO_MATTER = 1e-9

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """One question with what the model said and what is right.

    Attributes:
        group: The scene or picture; those of one group are never split.
        truth: The right answer; `OTHER` where it is none of the options, a number for a count.
        options: What could be answered. probabilities: one for each and a last one for none of them; for a count one
            for each number from 0, or empty where the model only counts.
        asked: The words that a person chose: claim, phrase, or question.
        number: What a count said.
    """

    skill: str
    group: int
    wording: int
    asked: str
    truth: str
    options: tuple[str, ...]
    probabilities: tuple[float, ...]
    number: int = -1


@dataclass(frozen=True)
class Row:
    """What a skill's thresholds are worth: fitted on one half of the groups, measured on the other, and the reverse.

    Attributes:
        coverage: Share whose set has the right answer. asked: share whose set has not exactly one member, so that a
            person is asked. wrong: share that is sure and wrong. size: mean number of members.
        nll, scaled_nll: Mean negative log-likelihood before and after scaling.
    """

    skill: str
    examples: int
    groups: int
    error_rate: float
    coverage: float
    asked: float
    wrong: float
    size: float
    nll: float
    scaled_nll: float


def coverage(skill: str, examples: Sequence[Example], error_rate: float) -> Row:
    """Raises: ValueError: There is no example."""
    groups = sorted({example.group for example in examples})
    order = np.random.default_rng([len(groups), 7]).permutation(len(groups))
    first = {groups[i] for i in order[: len(groups) // 2]}
    halves = [e for e in examples if e.group in first], [e for e in examples if e.group not in first]
    seen: list[tuple[bool, int, bool]] = []
    plain = after = 0.0
    for fitted, held in (halves, halves[::-1]):
        if not fitted or not held:
            continue
        made = fit(skill, fitted, {"seeds": (0, 0)}, datetime.date.today())
        for example, row in zip(held, probabilities_of(held, made.temperature, made.blur, made.decay), strict=True):
            names = answers_of(example)
            limits = [made.threshold(name, error_rate) for name in names]
            found = [names[i] for i in kept(row[: len(names)], limits, error_rate)]
            truth = names[_column(example)]
            seen.append((truth in found, len(found), len(found) == 1 and truth not in found))
        plain += nll(held, 1.0) * len(held)
        after += nll(held, made.temperature, made.blur, made.decay) * len(held)
    table = np.array(seen, float).reshape(-1, 3)
    count = max(1, len(table))
    return Row(
        skill,
        len(examples),
        len(groups),
        error_rate,
        round(float(table[:, 0].mean()), 4) if len(table) else 0.0,
        round(float((table[:, 1] != 1).mean()), 4) if len(table) else 1.0,
        round(float(table[:, 2].mean()), 4) if len(table) else 0.0,
        round(float(table[:, 1].mean()), 3) if len(table) else 0.0,
        round(plain / count, 4),
        round(after / count, 4),
    )


def answers_of(example: Example) -> tuple[str, ...]:
    """Everything that may be answered, in the order of the probabilities."""
    if example.skill.startswith("how_many."):
        return tuple(str(number) for number in range(MOST_COUNTED + 1))
    return YES_NO if example.skill.startswith("is_true.") else (*example.options, OTHER)


def fit(skill: str, examples: Sequence[Example], origin: Mapping[str, object], date: datetime.date) -> Skill:
    """The skill that these examples give.

    Args:
        origin: `seeds` or `folder` of `Data`.

    Raises:
        ValueError: There is no example.
    """
    if not examples:
        raise ValueError(f"{skill}: no example")
    scaling, rest = _split(examples)
    temperature, blur, decay = _scaling(skill, scaling if len(scaling) >= FEWEST_TO_SCALE else ())
    scores = scores_of(rest, temperature, blur, decay)
    by_class: dict[str, list[float]] = {}
    for example, value in zip(rest, scores, strict=True):
        by_class.setdefault(example.truth if has_fixed_answers(skill) else ANY, []).append(float(value))
    classes = {}
    for name in sorted(by_class):
        found = Thresholds.of(by_class[name])
        classes[name] = ClassFile(count=found.count, above=dict(found.above))
    digest = hashlib.sha256(json.dumps([vars(example) for example in examples], sort_keys=True).encode()).hexdigest()
    data = Data.model_validate(
        {**origin, "groups": len({e.group for e in examples}), "examples": len(examples), "sha256": digest}
    )
    return Skill(
        question=skill.partition(".")[0] if skill != KIND_SKILL else "choose",  # type: ignore[arg-type]
        wordings=tuple(sorted({example.wording for example in examples})),
        words=() if skill == KIND_SKILL else tuple(sorted(set().union(*(_words(skill, e) for e in examples)))),
        temperature=temperature,
        blur=blur,
        decay=decay,
        classes=classes,
        data=data,
        date=date,
    )


def has_fixed_answers(skill: str) -> bool:
    """Whether the answers are the same for every question of this skill, so that each gets its own threshold."""
    return skill == KIND_SKILL or skill.startswith("is_true.")


def probabilities_of(
    examples: Sequence[Example], temperature: float = 1.0, blur: float = 0.0, decay: float = 0.5
) -> list[NDArray[np.float64]]:
    """Of each example a row, scaled; for a count of every number up to the greatest that is counted."""
    out: list[NDArray[np.float64]] = [np.zeros(0)] * len(examples)
    widths = [len(example.probabilities) for example in examples]
    for width in set(widths):
        members = [n for n, found in enumerate(widths) if found == width]
        rows = np.array([examples[n].probabilities for n in members], np.float64).reshape(len(members), width)
        if examples[members[0]].skill.startswith("how_many."):
            numbers = np.array([examples[n].number for n in members])
            rows = counted(numbers, rows, temperature, blur, decay)
        else:
            rows = scaled(rows, temperature)
        for n, row in zip(members, rows, strict=True):
            out[n] = row
    return out


def scores_of(examples: Sequence[Example], temperature: float = 1.0, blur: float = 0.0, decay: float = 0.5) -> Scores:
    """(N,) 1 - the probability of the right answer."""
    rows = probabilities_of(examples, temperature, blur, decay)
    return np.array([1.0 - row[_column(example)] for row, example in zip(rows, examples, strict=True)])


def nll(examples: Sequence[Example], temperature: float, blur: float = 0.0, decay: float = 0.5) -> float:
    """Mean negative log-likelihood of the right answers, in nats."""
    return float(-np.log(np.maximum(1.0 - scores_of(examples, temperature, blur, decay), _NO_MATTER)).mean())


def _loss(examples: Sequence[Example], temperature: float, blur: float = 0.0, decay: float = 0.5) -> float:
    """As `nll`, but as if one more answer than were seen had been wrong (Platt 1999): few examples without an error
    must not make a model certain."""
    wrong = 1.0 / (len(examples) + 2.0)
    total = 0.0
    for row, example in zip(probabilities_of(examples, temperature, blur, decay), examples, strict=True):
        logs = np.log(np.maximum(row, _NO_MATTER))
        column = _column(example)
        total -= (1.0 - wrong) * logs[column] + wrong * (logs.sum() - logs[column]) / max(1, len(row) - 1)
    return float(total / len(examples))


def _scaling(skill: str, examples: Sequence[Example]) -> tuple[float, float, float]:
    """(temperature, blur, decay) of least likelihood loss, where one half's makes the other half likelier too."""
    usual = 1.0, USUAL_BLUR if skill.startswith("how_many.") else 0.0, 0.5
    groups = sorted({example.group for example in examples})
    halves = [[e for e in examples if groups.index(e.group) % 2 == half] for half in (0, 1)]
    if not all(halves):
        return usual
    held_out = [nll(held, *_fitted(skill, some)) * len(held) for some, held in (halves, halves[::-1])]
    if sum(held_out) >= nll(examples, *usual) * len(examples):
        return usual
    return _fitted(skill, examples)


def _fitted(skill: str, examples: Sequence[Example]) -> tuple[float, float, float]:
    counts = skill.startswith("how_many.")
    if not counts:
        found = minimize_scalar(lambda log: _loss(examples, math.exp(log)), bounds=(-2.0, 2.0), method="bounded")
        return round(math.exp(float(found.x)), 4), 0.0, 0.5
    given = any(example.probabilities for example in examples)

    def unpack(x: NDArray[np.float64]) -> tuple[float, float, float]:
        blur, decay = (1.0 / (1.0 + np.exp(-np.clip(x[1:], -12, 12)))).tolist()
        return (math.exp(float(np.clip(x[0], -2, 2))) if given else 1.0), blur, min(max(decay, 0.01), 0.99)

    best = minimize(
        lambda x: _loss(examples, *unpack(x)),
        np.array([0.0, -3.0, 0.0]),
        method="Nelder-Mead",
        options={"maxiter": 150, "xatol": 1e-2, "fatol": 1e-4},
    )
    temperature, blur, decay = unpack(best.x)
    return round(temperature, 4), round(blur, 6), round(decay, 4)


def _split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Those for the scaling and those for the thresholds, by whole groups; the same for the same groups."""
    groups = sorted({example.group for example in examples})
    order = np.random.default_rng(len(groups)).permutation(len(groups))
    chosen = {groups[i] for i in order[: int(len(groups) * SCALING_SHARE)]}
    return [e for e in examples if e.group in chosen], [e for e in examples if e.group not in chosen]


def _column(example: Example) -> int:
    if example.skill.startswith("how_many."):
        return min(int(example.truth), MOST_COUNTED)
    return answers_of(example).index(example.truth)


def _words(skill: str, example: Example) -> set[str]:
    options = example.options if skill.startswith("choose.") else ()
    return words_of(example.asked, *options)
