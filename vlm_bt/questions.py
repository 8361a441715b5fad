"""The typed questions that a vision-language model is asked, and what comes back.

Every answer is a claim. Questions and answers are frozen and small: pictures are named by frame id, never carried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlm_bt.types import Answer, Box

YES_NO = ("yes", "no")
WHAT_IS_IT = "what is it?"
MOST_COUNTED = 20


@dataclass(frozen=True)
class Look:
    """What the model is shown: a frame, or a part of it.

    Attributes:
        part: None: the whole frame. A box: that part of it, in pixels. A number: the thing with this index in the
            frame's segmentation, cut out on flat grey.
        variant: Which cut-out of a thing (see `scene.crops`): another one is a second look.
    """

    frame_id: str
    part: Box | int | None = None
    variant: int = 0


@dataclass(frozen=True)
class Ground:
    """Where is "the X"? Answered by `Grounded`: every place that the phrase may mean, the best first.

    Attributes:
        least_score: Boxes below it are left out. masks: outlines are wanted too, where the model has them.
    """

    looks: tuple[Look, ...]
    phrase: str
    least_score: float = 0.2
    masks: bool = False


@dataclass(frozen=True)
class IsTrue:
    """Does the claim, a phrase such as "a tool with two handles", fit? Answered by an `Answer` over yes and no.

    Attributes:
        wording: Which wording of the prompt is used; another one is a second look.
        error_rate: How often a sure answer may be wrong.
    """

    looks: tuple[Look, ...]
    claim: str
    wording: int = 0
    error_rate: float = 0.01


@dataclass(frozen=True)
class Choose:
    """Which of the options? Answered by an `Answer`; what fits none of them is its `outside`."""

    looks: tuple[Look, ...]
    question: str
    options: tuple[str, ...]
    wording: int = 0
    error_rate: float = 0.01


@dataclass(frozen=True)
class HowMany:
    """How many of it are there? Answered by `Counted`. `error_rate`: how often a sure number may be wrong."""

    looks: tuple[Look, ...]
    phrase: str
    error_rate: float = 0.01


@dataclass(frozen=True)
class Describe:
    """What is there, in words? Answered by `Caption`. `hint`: what the description is for, such as "its parts"."""

    looks: tuple[Look, ...]
    hint: str = ""


@dataclass(frozen=True)
class ReadText:
    """What is written there? Answered by `ReadOut`; data, never an instruction."""

    looks: tuple[Look, ...]


@dataclass(frozen=True)
class Embed:
    """The vector of a picture, or of a text where there is no look. Answered by `Embedding`."""

    looks: tuple[Look, ...] = ()
    text: str = ""


Question = Ground | IsTrue | Choose | HowMany | Describe | ReadText | Embed
QUESTIONS: tuple[type[Question], ...] = (Ground, IsTrue, Choose, HowMany, Describe, ReadText, Embed)
NAMES: dict[str, type[Question]] = {
    "ground": Ground,
    "is_true": IsTrue,
    "choose": Choose,
    "how_many": HowMany,
    "describe": Describe,
    "read_text": ReadText,
    "embed": Embed,
}
"""How configuration, command line and record call them."""

Reuse = Literal["exact", "similar", "never"]
"""Which earlier answers may stand for a new one: of the very same pixels, also of nearly the same, or none."""


@dataclass(frozen=True)
class Mask:
    """The pixels of a thing inside a box, one bit each, rows first."""

    box: Box
    bits: bytes

    @staticmethod
    def of(box: Box, pixels: NDArray[np.bool_]) -> Mask:
        """Pack (H, W) bool of the box's own size. Raises: ValueError."""
        if pixels.shape != (box.y1 - box.y0, box.x1 - box.x0):
            raise ValueError(f"the mask is {pixels.shape}, its box {box}")
        return Mask(box, np.packbits(pixels).tobytes())

    def pixels(self) -> NDArray[np.bool_]:
        """(H, W) bool of the box."""
        height, width = self.box.y1 - self.box.y0, self.box.x1 - self.box.x0
        flat = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=height * width)
        return flat.reshape(height, width).astype(bool)


@dataclass(frozen=True)
class Found:
    """One place that a phrase may mean. The box is in the pixels of the whole frame; the score is not a probability.

    `part` is the index of the thing in the frame's segmentation where the model judged things that depth proposed.
    """

    box: Box
    score: float
    mask: Mask | None = None
    part: int | None = None


@dataclass(frozen=True)
class Grounded:
    """Places for a phrase, the best first; in the last of the frames that were shown."""

    phrase: str
    found: tuple[Found, ...]
    frame_id: str = ""
    model: str = ""


@dataclass(frozen=True)
class Counted:
    """How many. `probabilities[n]` is that of n; empty where the model only counts.

    Attributes:
        plausible: The numbers that cannot be ruled out at the calibrated error rate, ascending; `MOST_COUNTED` stands
            for as many and more.
        calibrated: False where no valid calibration was found; `uncalibrated` says why.
    """

    phrase: str
    number: int
    probabilities: tuple[float, ...] = ()
    frame_id: str = ""
    model: str = ""
    plausible: tuple[int, ...] = ()
    calibrated: bool = False
    uncalibrated: str = ""


@dataclass(frozen=True)
class Caption:
    text: str
    frame_id: str = ""
    model: str = ""


@dataclass(frozen=True)
class TextLine:
    """One line of writing; the box is in the pixels of the whole frame."""

    text: str
    score: float = 1.0
    box: Box | None = None


@dataclass(frozen=True)
class ReadOut:
    lines: tuple[TextLine, ...]
    frame_id: str = ""
    model: str = ""

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class Embedding:
    """A unit vector."""

    vector: tuple[float, ...]
    frame_id: str = ""
    model: str = ""


Result = Answer | Grounded | Counted | Caption | ReadOut | Embedding


def name_of(question: Question | type[Question]) -> str:
    """ "is_true" for `IsTrue` and for its instances."""
    kind = question if isinstance(question, type) else type(question)
    return next(name for name, known in NAMES.items() if known is kind)


def without_looks(question: Question) -> Question:
    """What is asked, whatever it is asked about; the same for every error rate, which only judges the answer."""
    changes: dict[str, Any] = {"looks": ()}
    if isinstance(question, (IsTrue, Choose, HowMany)):
        changes["error_rate"] = 0.0
    return replace(question, **changes)
