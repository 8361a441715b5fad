"""How the question head is asked and how it speaks: the same words in training and at run time."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_bt.vision.vocabulary import KINDS, names_a_kind
from vlm_bt.vision.words import HANDLED

TRUE_TEMPLATES = ("{}", "yes or no: {}", "is this right: {}")
"""Wordings of a claim; a second look takes the second one."""
NONE_OF_THESE = "none of these"
CAPTION_QUESTION, PARTS_QUESTION = "describe it", "describe its parts"
HOW_MANY_HANDLES = "how many handles does it have"
MOST_PARTS = 2
_NOT_PARTS = ("tool", "part", "shape")
"""Last words of phrases that speak of the whole thing."""


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """One text of a question and what may be answered. Semicolons in an option cannot end it."""
    return f"{question.strip().rstrip('?')}: {'; '.join(option.replace(';', ',') for option in options)}?"


def indefinite(phrase: str) -> str:
    """With "a" or "an", unless it is a plural or has an article."""
    first, last = phrase.split()[0].lower(), phrase.split()[-1]
    if first in ("a", "an", "the", "two", "four", "pair", "some") or (last.endswith("s") and last not in ("glass",)):
        return f"a {phrase}" if first == "pair" else phrase
    return f"{'an' if first[0] in 'aeio' else 'a'} {phrase}"


def proper_parts(parts: Sequence[str]) -> tuple[str, ...]:
    """Those phrases for parts that are not about the whole thing and name no kind."""
    return tuple(part for part in parts if not names_a_kind(part) and part.split()[-1] not in _NOT_PARTS)


def ranked(parts: Sequence[str]) -> list[str]:
    """The parts that tell most first: handles, then ends, then the rest, each by the alphabet."""

    def rank(part: str) -> int:
        if "handle" in part:
            return 0
        return 1 if any(word in part for word in ("end", "jaw", "blade", "tip", "head")) else 2

    return sorted(proper_parts(parts), key=lambda part: (rank(part), part))


def listed(phrases: Sequence[str]) -> str:
    """ "a ring handle, an open jaw and two blades"."""
    some = [indefinite(phrase) for phrase in phrases]
    return "".join(some) if len(some) < 2 else ", ".join(some[:-1]) + " and " + some[-1]


def parts_of(parts: Sequence[str]) -> str:
    """What is said of a thing's parts."""
    return listed(ranked(parts)[: MOST_PARTS + 1]) or "no part that stands out"


def caption_of(source: str, colour: str, parts: Sequence[str]) -> str:
    """What is said of a thing: its kind by name, anything else by colour and parts."""
    if source in KINDS:
        return indefinite(f"{colour}-handled {source}" if source in HANDLED else f"{colour} {source}")
    some = ranked(parts)[:MOST_PARTS]
    return indefinite(f"{colour} thing") + (f" with {listed(some)}" if some else "")


def well_written(text: str) -> str:
    """With the capitals that the model, which knows none, has lost."""
    for word in _CAPITALS:
        text = text.replace(word.lower(), word)
    return text


_CAPITALS = ("Phillips", "Philips", "T-shaped", "L-shaped", "S-shaped", "U-shaped")
