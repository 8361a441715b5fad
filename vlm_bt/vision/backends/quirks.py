"""What differs from family to family of chat models: one row for each, by the `model_type` of its `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlm_bt.questions import Choose, Describe, Ground, HowMany, IsTrue, Question, ReadText

Talk = Literal["dialogue", "florence", "blip"]
Boxes = Literal["thousandths", "pixels", "loc"]

TYPED: frozenset[type[Question]] = frozenset({IsTrue, Choose, HowMany})
SPOKEN: frozenset[type[Question]] = frozenset({Describe, ReadText})
WITH_BOXES = TYPED | SPOKEN | {Ground}


@dataclass(frozen=True)
class Quirks:
    """How to talk to a family.

    Attributes:
        answers: What it was trained to answer; the rest is composed from that, or refused.
        talk: "dialogue": a decoder that reads picture and words as one sequence. Others have a file of their own.
        shares_prefix: Picture and common words may be computed once for many questions. Not where words before the
            answer see those after them, and not where nobody has compared it with the plain library.
        several_pictures: A question may be about several.
        boxes: How it says where something is. "thousandths": JSON, of width and height. "pixels": JSON, in pixels of
            the picture as its processor scaled it. "loc": four tokens y0, x0, y1, x1 of 1024 steps.
        ground: Its own words for Ground, if it was trained on those; "{phrase}" stands for the phrase.
        forms: Its own words for every question, for a model without a chat template.
        enlarges: Its processor scales every picture up to an edge of its own and cuts it into tiles, each as expensive
            as a picture; `longest_edge` sets that edge too.
        drop: Inputs that its processor makes and its model must not get.
        needs: Packages beyond transformers, and the extra of vlm_bt that brings them.
    """

    answers: frozenset[type[Question]] = TYPED | SPOKEN
    talk: Talk = "dialogue"
    shares_prefix: bool = False
    several_pictures: bool = True
    boxes: Boxes = "thousandths"
    ground: str = ""
    forms: Mapping[str, str] | None = None
    enlarges: bool = False
    drop: tuple[str, ...] = ()
    needs: Mapping[str, str] | None = None


_PALIGEMMA = {
    "is_true": "answer en is this true of the picture: {claim}? yes or no",
    "how_many": "answer en how many of {phrase} are there?",
    "ground": "detect {phrase}",
    "describe": "caption en",
    "read_text": "ocr",
}
_BLIP2 = {
    "is_true": "Question: is this true of the picture: {claim}? Answer yes or no. Answer:",
    "describe": "a photo of",
}

ROWS: Mapping[str, Quirks] = {
    "qwen3_vl": Quirks(answers=WITH_BOXES, shares_prefix=True),
    "qwen3_vl_moe": Quirks(answers=WITH_BOXES, shares_prefix=True),
    "qwen2_5_vl": Quirks(answers=WITH_BOXES, shares_prefix=True, boxes="pixels"),
    "smolvlm": Quirks(shares_prefix=True, enlarges=True, needs={"num2words": "chat"}),
    "idefics3": Quirks(shares_prefix=True, enlarges=True),
    "llava_onevision": Quirks(shares_prefix=True),
    "llava": Quirks(shares_prefix=True, several_pictures=False),
    "internvl": Quirks(
        answers=WITH_BOXES,
        shares_prefix=True,
        ground="Please provide the bounding box coordinates of the region this sentence describes: <ref>{phrase}</ref>",
    ),
    "gemma3": Quirks(shares_prefix=True),
    "paligemma": Quirks(
        answers=frozenset({IsTrue, HowMany, Ground, Describe, ReadText}),
        several_pictures=False,
        boxes="loc",
        forms=_PALIGEMMA,
        drop=("labels",),
    ),
    "blip-2": Quirks(answers=frozenset({IsTrue, Describe}), several_pictures=False, forms=_BLIP2),
    "florence2": Quirks(answers=frozenset({Ground, Describe, ReadText}), talk="florence", several_pictures=False),
    "blip": Quirks(answers=frozenset({IsTrue, Describe}), talk="blip", several_pictures=False),
}
UNKNOWN = Quirks(drop=("labels",))
"""A family without a row: by its own chat template, nothing shared, no boxes."""


def quirks_of(model_type: str) -> Quirks:
    return ROWS.get(model_type, UNKNOWN)
