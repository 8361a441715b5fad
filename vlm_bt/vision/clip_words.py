"""How a CLIP is asked: captions that a picture of the phrase could have. What a person said stands in them as data.

A CLIP reads a caption and nothing else: the question's own text is not read, and no word in a phrase is an instruction.
"""

from __future__ import annotations

import hashlib
import json
import re

from vlm_bt.vision.vocabulary import PROMPTS, wordings

CAPTIONS: tuple[tuple[str, ...], ...] = (
    ("{}", "a photo of {}", "a close-up photo of {}"),
    ("{} on a workbench", "a picture of {}", "a cropped photo of {}"),
)
"""Per wording, the captions whose scores are averaged. A second look uses another wording."""
BACKGROUND: tuple[str, ...] = ("something else", "a photo of an object", "an empty workbench", "a blurry picture")
"""What a picture shows that shows none of the phrases."""
WORDS_REVISION = hashlib.sha256(json.dumps([CAPTIONS, BACKGROUND, dict(PROMPTS)]).encode()).hexdigest()[:8]

_WITH_ARTICLE = re.compile(r"(an?|the|some|no|one|two|three|four|five|six|seven|eight|nine|ten|\d+)\s", re.IGNORECASE)


def phrasings(phrase: str, wording: int) -> tuple[str, ...]:
    """The captions for a phrase; those of a known kind are its own. An empty phrase has one empty caption."""
    plain = " ".join(phrase.split())
    if plain in PROMPTS:
        known = wordings(plain)
        return known[wording % len(known)]
    if not plain:
        return ("",)
    named = plain if _WITH_ARTICLE.match(plain) or plain.endswith("s") else f"{_article(plain)} {plain}"
    first, *others = CAPTIONS[wording % len(CAPTIONS)]
    return (first.format(plain), *(caption.format(named) for caption in others))


def _article(phrase: str) -> str:
    return "an" if phrase[0].lower() in "aeiou" else "a"
