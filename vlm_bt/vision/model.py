"""The port that every model is behind: a batch of typed questions, each with its pictures, in; answers out.

A model lives in the process that the service spawned for it. It is called from one thread, one batch at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import Question, Result
from vlm_bt.vision.pictures import Picture


class Unsupported(VlmBtError):
    """The model cannot answer this question; the text says why and what could."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One question with the pictures of its looks, in time order; none for the embedding of a text."""

    question: Question
    pictures: tuple[Picture, ...]

    @property
    def picture(self) -> Picture:
        """The only picture. Raises: Unsupported: there are several, or none."""
        if len(self.pictures) != 1:
            raise Unsupported(f"this model looks at one picture at a time, it was given {len(self.pictures)}")
        return self.pictures[0]


@runtime_checkable
class VisionModel(Protocol):
    """A model that answers some types of questions itself. What it lacks is composed (`vision.composing`) or refused.

    `answer` gives one entry per question, in order: a result (its `frame_id` and `model`, and an Answer's `plausible`
    and `calibrated`, are filled in afterwards), or the `VlmBtError` that concerns this question alone. The answer to a
    question must not depend on what it is asked together with, but for the last bits. Running out of memory is
    raised: the batch is then asked in halves.
    """

    @property
    def revision(self) -> str:
        """Changes with anything the answers depend on: weights, prompts, precision."""
        ...

    @property
    def answers(self) -> frozenset[type[Question]]:
        """The types of questions it answers itself."""
        ...

    def answer(self, batch: Sequence[Asked]) -> Sequence[Result | VlmBtError]: ...
