"""One question of an evaluation with its truth, and what a model answered: everything that figures are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vlm_bt.questions import Question
from vlm_bt.types import Box

NOTHING = "nothing"
"""What is said of a place where a phrase names nothing that is there."""
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Place:
    """Where a thing that a phrase names really is.

    Attributes:
        box: Its visible pixels. centre: (x, y) of its middle, metres, base frame; None where nobody measured it.
    """

    box: Box
    centre: tuple[float, float] | None = None


@dataclass(frozen=True)
class Item:
    """A question about a scene with its right answer.

    Attributes:
        question: With looks that name the scene's frames.
        truth: An option, or `OTHER`, for a question with options; a number for how many; places for where, any of
            which is right, none where there is no such thing.
        tags: What figures are broken down by, such as {"pair": "seen"}. Items with the same "batch" are asked together.
        box: What it is about, in the last frame that is looked at; for pictures that people look at.
    """

    question: Question
    truth: str | int | tuple[Place, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    box: Box | None = None


@dataclass(frozen=True)
class Answered:
    """An answer, judged.

    Attributes:
        scene: Which scene of which suite, such as "counting/22003/7"; the same name always shows the same pixels.
        confidence: Probability that the model gave to what it said; None where it gives none.
        members: What cannot be ruled out at the question's error rate: by the calibration where it serves, else the
            likeliest answers that together reach one minus the error rate.
        size: How many members there are; of a model that gives no probabilities, all that may be said.
        covered: The truth is among them.
        calibrated: The members come from a calibration.
        off_mm: How far from the truth the place that was found lies, measured on the bench.
        ms: From question to answer. run_ms: of the model alone, for all that it was asked together with.
        failed: Why there is no answer; empty where there is one.
    """

    suite: str
    scene: str
    index: int
    kind: str
    asked: str
    truth: str
    said: str
    right: bool
    confidence: float | None
    members: tuple[str, ...]
    size: int
    covered: bool
    calibrated: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    ms: float = 0.0
    run_ms: float = 0.0
    off_mm: float | None = None
    failed: str = ""
    box: tuple[int, int, int, int] | None = None
    said_box: tuple[int, int, int, int] | None = None

    @property
    def sure(self) -> bool:
        """Whether a mission would act on it without a question to a person."""
        return self.size == 1 and not self.failed

    @property
    def wrong_and_sure(self) -> bool:
        return self.sure and not self.right

    def plain(self) -> dict[str, Any]:
        """JSON."""
        return asdict(self)

    @staticmethod
    def read(stored: Mapping[str, Any]) -> Answered:
        """From JSON."""
        tuples = {key: tuple(stored[key]) if stored[key] is not None else None for key in ("members", *_BOXES)}
        return Answered(**{**stored, **tuples})


_BOXES = ("box", "said_box")


def tagged(answers: Sequence[Answered], **tags: str) -> list[Answered]:
    """Those with all of these tags."""
    return [one for one in answers if all(one.tags.get(key) == value for key, value in tags.items())]
