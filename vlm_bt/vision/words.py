"""What people call things: other names, misspellings and groups of kinds, words for colours, what is never there.

Light: no torch here. The words stand here and not beside the training because a phrase is also understood by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from vlm_bt.vision.vocabulary import KINDS

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "adjustable wrench": (
        "adjustable wrench", "adjustable spanner", "crescent wrench", "monkey wrench", "ajustable wrench",
        "adjustible wrench", "adjustable wrentch", "shifting spanner",
    ),
    "combination wrench": (
        "combination wrench", "combination spanner", "ring and open end wrench", "open-end and ring spanner",
        "combi wrench", "combination wrentch", "combination spaner",
    ),
    "Phillips screwdriver": (
        "Phillips screwdriver", "phillips head screwdriver", "philips screwdriver", "philips screw driver",
        "phillips screw driver", "crosshead screwdriver", "cross-head screwdriver", "cross head screwdriver",
        "Philips head screw driver",
    ),
    "flat screwdriver": (
        "flat screwdriver", "flathead screwdriver", "flat-head screwdriver", "flat head screw driver",
        "slotted screwdriver", "flat screw driver", "slot screwdriver", "flat blade screwdriver",
    ),
    "pliers": ("pliers", "combination pliers", "pair of pliers", "plyers", "pliars", "lineman pliers"),
    "needle-nose pliers": (
        "needle-nose pliers", "needle nose pliers", "long-nose pliers", "long nose pliers", "needlenose pliers",
        "needle nose plyers", "pair of needle-nose pliers", "long nosed pliers",
    ),
    "tape measure": ("tape measure", "measuring tape", "tape mesure", "measuring tape roll", "tape measurer"),
    "screw": ("screw", "loose screw", "wood screw", "small screw", "loose fastener", "scew", "threaded screw"),
    "hammer": ("hammer", "mallet", "hamer", "a hammer with a handle"),
}  # fmt: skip

CATEGORIES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("adjustable wrench", "combination wrench"): ("wrench", "spanner", "wrentch", "kind of wrench"),
    ("Phillips screwdriver", "flat screwdriver"): ("screwdriver", "screw driver", "kind of screwdriver", "screwdriver"),
    ("pliers", "needle-nose pliers"): ("kind of pliers", "pliers of any kind", "some pliers"),
}

ABSENT: tuple[str, ...] = (
    "banana", "mug", "coffee cup", "phone", "cable", "bottle", "spoon", "fork", "coin", "book", "glove", "apple",
    "shoe", "light bulb", "flashlight", "laptop", "sponge", "plate", "drill", "saw", "hand", "bowl", "toy car", "dog",
    "cat", "hat", "candle", "pair of glasses", "pizza", "chair", "watch", "camera", "ball", "leaf", "flower", "person",
    "helmet", "soldering iron", "paper", "letter",
)  # fmt: skip
"""Never on a bench: nothing here may look like one of the odd things either."""

GENERIC = ("tool", "thing", "object", "item", "something")

COLOUR_WORDS: Mapping[str, tuple[str, ...]] = {
    "red": ("red",),
    "blue": ("blue",),
    "green": ("green",),
    "yellow": ("yellow",),
    "orange": ("orange",),
    "black": ("black",),
    "purple": ("purple", "violet"),
    "silver": ("silver", "silvery"),
    "grey": ("grey", "gray"),
    "dark grey": ("dark grey", "dark gray"),
    "brass": ("brass", "golden", "brass coloured"),
}
NEAR_COLOURS: Mapping[str, tuple[str, ...]] = {
    "grey": ("grey", "dark grey", "silver"),
    "dark grey": ("dark grey", "grey"),
    "silver": ("silver", "grey"),
}
"""What else fits a colour's name: shades of bare steel that people, too, call one for the other."""
NO_COLOURS = ("pink", "white", "brown", "turquoise")
"""Colours that nothing on the bench has."""

SHORTEST_SLIP = 5
"""Shorter words are too near to each other."""
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

_NEVER_SHOWN = re.compile(
    r"\b(persons?|people|humans?|somebody|someone|m[ae]n|wom[ae]n|child(?:ren)?|workers?|"
    r"hands?(?! tools?\b)|fingers?|faces?|"
    r"spill(?:s|ed|age)?|puddles?|liquids?|water|oil|coffee|wet|(?:warning |safety )?signs?|fire|smoke)\b"
)
"""People and what endangers them: the shipped model has learnt tools, and would guess."""

HANDLED = ("Phillips screwdriver", "flat screwdriver", "pliers", "needle-nose pliers", "hammer")
"""Kinds whose colour is that of their handle."""


def plain(phrase: str) -> str:
    """A phrase without case, articles, end marks and needless blanks."""
    low = " ".join(phrase.lower().strip(" .?!").split())
    return re.sub(r"^(an?|the|any|some) ", "", low)


def kinds_called(phrase: str) -> tuple[str, ...]:
    """The kinds that a noun such as "spanners" or "philips screw driver" names, also with one slip of the finger where
    that leaves no doubt; empty: it names none."""
    forms = _singular_forms(plain(phrase))
    known = next((_CALLED[form] for form in forms if form in _CALLED), ())
    return known or next((kinds for form in forms if (kinds := _slipped(form))), ())


def colour_called(word: str) -> str:
    """The colour by its usual name, or ""."""
    return _COLOURS.get(plain(word), "")


@lru_cache(maxsize=1024)
def _slipped(noun: str) -> tuple[str, ...]:
    """The kinds of the names that are one slip away, if all of them name the same."""
    if len(noun) < SHORTEST_SLIP or noun in ABSENT:
        return ()
    meant = {kinds for name, kinds in _CALLED.items() if is_slip(noun, name)}
    return meant.pop() if len(meant) == 1 else ()


def is_slip(typed: str, meant: str) -> bool:
    """Whether two letters are exchanged, or one is left out, doubled, or hit beside its key; never the first one."""
    if not typed or typed[0] != meant[:1] or abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    at = next((i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    if len(typed) < len(meant):
        return typed[at:] == meant[at + 1 :]
    if len(typed) > len(meant):
        return typed[at + 1 :] == meant[at:] and typed[at] == typed[at - 1]
    exchanged = typed[at + 1 : at + 2] + typed[at : at + 1] + typed[at + 2 :] == meant[at:]
    return exchanged or (typed[at + 1 :] == meant[at + 1 :] and _beside(typed[at], meant[at]))


def _beside(a: str, b: str) -> bool:
    return any(a in row and b in row and abs(row.index(a) - row.index(b)) == 1 for row in _KEYS)


def _singular_forms(noun: str) -> tuple[str, ...]:
    forms = [noun, re.sub(r"^(?:pairs of|pair of) ", "", noun)]
    if noun.endswith("es"):
        forms.append(noun[:-2])
    if noun.endswith("s"):
        forms.append(noun[:-1])
    return tuple(forms)


_CALLED: dict[str, tuple[str, ...]] = {plain(word): (kind,) for kind in KINDS for word in SYNONYMS[kind]}
_CALLED |= {plain(word): kinds for kinds, words in CATEGORIES.items() for word in words if plain(word) not in _CALLED}
_COLOURS = {word: colour for colour, words in COLOUR_WORDS.items() for word in words}


def never_shown(text: str) -> str:
    """The word for a person, a spill or a sign in a phrase, "" where there is none: no tool, and nothing like one."""
    found = _NEVER_SHOWN.search(plain(text))
    return found[0] if found else ""
