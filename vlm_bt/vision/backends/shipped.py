"""Stands in until the embedded backend speaks the port itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import YES_NO, Caption, Choose, Describe, IsTrue, Question, Result
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.embedded import EmbeddedClip
from vlm_bt.vision.model import Asked
from vlm_bt.vision_settings import EmbeddedModel


class Embedded:
    answers: frozenset[type[Question]] = frozenset((Choose, IsTrue, Describe))

    def __init__(self, settings: EmbeddedModel, surroundings: Surroundings) -> None:
        self._clip = EmbeddedClip(settings.weights, settings.threads)
        self.revision = self._clip.revision

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        out: list[Result | VlmBtError | None] = [None] * len(batch)
        groups: dict[tuple[tuple[str, ...], int], list[int]] = {}
        for n, asked in enumerate(batch):
            question = asked.question
            if isinstance(question, Choose):
                groups.setdefault((question.options, question.wording), []).append(n)
            elif isinstance(question, IsTrue):
                p = self._clip.is_true(asked.picture.pixels(96), question.claim)
                out[n] = Answer(question.claim, YES_NO, (p, 1 - p))
            else:
                out[n] = Caption(self._clip.describe(asked.picture.pixels(96)))
        for (options, wording), members in groups.items():
            pictures = np.stack([batch[n].picture.pixels(96) for n in members])
            for n, row in zip(members, self._clip.classify(pictures, options, wording), strict=True):
                shares = tuple(float(p) for p in row[:-1])
                out[n] = Answer(batch[n].question.question, options, shares, outside=float(row[-1]))  # type: ignore[union-attr]
        return [result for result in out if result is not None]
