"""Answers that a model does not give itself, made from those it gives, where that is sound.

- how many <- ground: the places that were found are counted.
- choose <- embed: cosines of picture and words through a softmax with CLIP's temperature.
- choose <- is true: each option as a claim; what the options leave of one is "none of them".
- is true <- choose: yes or no.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from vlm_bt.errors import ModelError, VlmBtError
from vlm_bt.questions import (
    NAMES,
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Embed,
    Embedding,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Question,
    ReadOut,
    ReadText,
    Result,
    name_of,
)
from vlm_bt.types import Answer
from vlm_bt.vision.model import Asked, Unsupported, VisionModel

CLIP_SCALE = 100.0

RESULTS: Mapping[type[Question], type[Result]] = {
    Ground: Grounded,
    IsTrue: Answer,
    Choose: Answer,
    HowMany: Counted,
    Describe: Caption,
    ReadText: ReadOut,
    Embed: Embedding,
}

Parts = Callable[[Asked], list[Asked]]
Join = Callable[[Asked, list[Result]], Result]


class Composed:
    """A model and what can be made of its answers. It is a `VisionModel` itself."""

    def __init__(self, model: VisionModel) -> None:
        self.model = model
        self._ways = {
            kind: (parts, join)
            for kind, source, parts, join in WAYS
            if kind not in model.answers and source in model.answers
        }

    @property
    def revision(self) -> str:
        return self.model.revision

    @property
    def answers(self) -> frozenset[type[Question]]:
        return self.model.answers | frozenset(self._ways)

    @property
    def composed(self) -> tuple[type[Question], ...]:
        """What is made from other answers."""
        return tuple(kind for kind in NAMES.values() if kind in self._ways)

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        """One entry a question; the parts of composed ones run in the same batch as the others."""
        parts: list[list[Asked]] = [self._parts(asked) for asked in batch]
        flat = [part for some in parts for part in some]
        replies = list(self.model.answer(flat)) if flat else []
        if len(replies) != len(flat):
            raise RuntimeError(f"the model gave {len(replies)} answers to {len(flat)} questions")
        replies = [_checked(asked.question, reply) for asked, reply in zip(flat, replies, strict=True)]
        out: list[Result | VlmBtError] = []
        for asked, some in zip(batch, parts, strict=True):
            mine, replies = replies[: len(some)], replies[len(some) :]
            error = next((reply for reply in mine if isinstance(reply, VlmBtError)), None)
            if not some:
                out.append(Unsupported(self.refusal(asked.question)))
            elif error is not None:
                out.append(error)
            elif type(asked.question) in self._ways:
                out.append(self._ways[type(asked.question)][1](asked, cast(list[Result], mine)))
            else:
                out.append(mine[0])
        return out

    def refusal(self, question: Question) -> str:
        """Why a question gets no answer, and what would give one."""
        known = ", ".join(name for name, kind in NAMES.items() if kind in self.answers)
        return (
            f"the model {self.revision} does not answer {name_of(question)}, nor can it be made of what it answers "
            f"({known}); route {name_of(question)} to another model under vision.route"
        )

    def _parts(self, asked: Asked) -> list[Asked]:
        kind = type(asked.question)
        if kind in self.model.answers:
            return [asked]
        return self._ways[kind][0](asked) if kind in self._ways else []


def _checked(question: Question, reply: Result | VlmBtError) -> Result | VlmBtError:
    """What a model said, or the error that it makes no sense: it must neither be kept nor spoil its neighbours."""
    if isinstance(reply, VlmBtError):
        return reply
    wanted, kind = RESULTS[type(question)], type(reply).__name__
    if not isinstance(reply, wanted):
        return ModelError(f"the model answered {name_of(question)} by {kind}; it must be {wanted.__name__}")
    if isinstance(reply, Answer):
        options = question.options if isinstance(question, Choose) else YES_NO
        shares = (*reply.probabilities, reply.outside)
        if reply.options != options or len(shares) != len(options) + 1 or not all(map(math.isfinite, shares)):
            return ModelError(f"the model's probabilities {shares} of {reply.options} do not fit {options}")
    return reply


def _ground(asked: Asked) -> list[Asked]:
    question = cast(HowMany, asked.question)
    return [Asked(Ground(question.looks, question.phrase), asked.pictures)]


def _count(asked: Asked, results: list[Result]) -> Result:
    found = cast(Grounded, results[0]).found
    return Counted(cast(HowMany, asked.question).phrase, len(found))


def _embed(asked: Asked) -> list[Asked]:
    question = cast(Choose, asked.question)
    texts = [Asked(Embed((), option), ()) for option in question.options]
    return [Asked(Embed(question.looks), asked.pictures), *texts]


def _nearest(asked: Asked, results: list[Result]) -> Result:
    picture, *texts = (cast(Embedding, result).vector for result in results)
    scores = [CLIP_SCALE * sum(a * b for a, b in zip(picture, text, strict=True)) for text in texts]
    shares = [math.exp(score - max(scores)) for score in scores]
    question = cast(Choose, asked.question)
    return Answer(question.question, question.options, tuple(share / sum(shares) for share in shares))


def _claims(asked: Asked) -> list[Asked]:
    question = cast(Choose, asked.question)
    return [Asked(IsTrue(question.looks, option, question.wording), asked.pictures) for option in question.options]


def _truest(asked: Asked, results: list[Result]) -> Result:
    question = cast(Choose, asked.question)
    chances = [cast(Answer, result).probabilities[0] for result in results]
    whole = max(1.0, sum(chances))
    shares = tuple(chance / whole for chance in chances)
    return Answer(question.question, question.options, shares, outside=max(0.0, 1.0 - sum(shares)))


def _choose(asked: Asked) -> list[Asked]:
    question = cast(IsTrue, asked.question)
    text = f"Is this true of the picture: {question.claim}?"
    return [Asked(Choose(question.looks, text, YES_NO, question.wording), asked.pictures)]


def _yes(asked: Asked, results: list[Result]) -> Result:
    chosen = cast(Answer, results[0])
    return Answer(cast(IsTrue, asked.question).claim, YES_NO, chosen.probabilities, outside=chosen.outside)


WAYS: tuple[tuple[type[Question], type[Question], Parts, Join], ...] = (
    (HowMany, Ground, _ground, _count),
    (IsTrue, Choose, _choose, _yes),
    (Choose, IsTrue, _claims, _truest),
    (Choose, Embed, _embed, _nearest),
)
"""(what is wanted, what it is made of, how it is asked, how the answers are joined); later rows win."""

SOURCES: Mapping[type[Question], tuple[type[Question], ...]] = {
    kind: tuple(source for wanted, source, *_ in WAYS if wanted is kind) for kind in NAMES.values()
}
