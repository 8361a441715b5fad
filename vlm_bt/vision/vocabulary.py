"""What the small model can be asked: the kinds it can name, with several wordings.

Light: no torch here. The calibration is bound to `prompts_hash`, so a changed prompt needs a new calibration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

OTHER = "something else"
"""The answer that none of the options fits."""

KINDS: tuple[str, ...] = (
    "adjustable wrench",
    "combination wrench",
    "Phillips screwdriver",
    "flat screwdriver",
    "pliers",
    "needle-nose pliers",
    "tape measure",
    "screw",
    "hammer",
)

PROMPTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "adjustable wrench": (
        ("adjustable wrench", "a photo of an adjustable wrench"),
        ("adjustable spanner", "an adjustable spanner on a bench"),
    ),
    "combination wrench": (
        ("combination wrench", "a photo of a combination wrench"),
        ("combination spanner", "a combination spanner on a bench"),
    ),
    "Phillips screwdriver": (
        ("Phillips screwdriver", "a photo of a Phillips screwdriver"),
        ("cross-head screwdriver", "a crosshead screwdriver on a bench"),
    ),
    "flat screwdriver": (
        ("flat screwdriver", "a photo of a flat screwdriver"),
        ("slotted screwdriver", "a flathead screwdriver on a bench"),
    ),
    "pliers": (
        ("pliers", "a photo of a pair of pliers"),
        ("combination pliers", "combination pliers on a bench"),
    ),
    "needle-nose pliers": (
        ("needle-nose pliers", "a photo of needle-nose pliers"),
        ("long nose pliers", "long-nose pliers on a bench"),
    ),
    "tape measure": (
        ("tape measure", "a photo of a tape measure"),
        ("measuring tape", "a measuring tape on a bench"),
    ),
    "screw": (
        ("screw", "a photo of a screw"),
        ("loose screw", "a small screw on a bench"),
    ),
    "hammer": (
        ("hammer", "a photo of a hammer"),
        ("mallet", "a hammer on a bench"),
    ),
}
"""Per kind, per wording, the paraphrases whose scores are averaged. A second look uses another wording."""


def wordings(option: str) -> tuple[tuple[str, ...], ...]:
    """The paraphrases of an option; an unknown one gets plain templates."""
    known = PROMPTS.get(option)
    return (
        known if known is not None else ((option, f"a photo of a {option}"), (f"a {option}", f"a {option} on a bench"))
    )


def prompts_hash() -> str:
    """Eight hex digits of everything that is asked."""
    asked = json.dumps([list(KINDS), {kind: PROMPTS[kind] for kind in KINDS}], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:8]


def names_a_kind(phrase: str) -> bool:
    """Whether a phrase has the name of a kind in it; such parts are left out of descriptions."""
    low = phrase.lower()
    return any(kind.lower() in low for kind in KINDS)
