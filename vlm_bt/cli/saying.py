"""Sentences that start a mission: fixed words with slots, such as "get me the {size} {kind}".

A closed language: a slot takes only words from its own list, what it took becomes an input of the tree, and nothing
that a person says is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.conversation.names import SIZES, kinds_by_name

SILENT = frozenset({"a", "an", "the", "please", "all"})
"""Words that change nothing."""
SLOT = re.compile(r"\{(\w*)\}")


SLOTS: Mapping[str, Mapping[str, str]] = {"kind": kinds_by_name(), "size": SIZES}
"""What may be said in each slot, and what the input of that name is then."""


@dataclass(frozen=True)
class Heard:
    """A sentence that fits: the inputs it fills. `unknown`: (slot, words) where only these words did not fit."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, str] | None = None


def hear(pattern: str, sentence: str) -> Heard | None:
    """Match a sentence with a pattern; None where the fixed words differ.

    Longer names win: in "adjustable wrench" the slot takes both words.
    """
    return _match(words(pattern), words(sentence), {})


def words(text: str) -> tuple[str, ...]:
    """Lower case, without punctuation at the ends of words and without the words that change nothing."""
    parts = (part.strip(".,!?;:\"'") for part in text.casefold().split())
    return tuple(part for part in parts if part and part not in SILENT)


def slots(pattern: str) -> tuple[str, ...]:
    """The names of a pattern's slots, in order."""
    return tuple(SLOT.findall(pattern))


def _match(pattern: tuple[str, ...], said: tuple[str, ...], inputs: dict[str, str]) -> Heard | None:
    if not pattern:
        return None if said else Heard(inputs)
    found = SLOT.fullmatch(pattern[0])
    if found is None:
        return _match(pattern[1:], said[1:], inputs) if said and said[0] == pattern[0] else None
    slot, unknown = found[1], None
    for length in range(len(said) - len(pattern) + 1, 0, -1):
        phrase = " ".join(said[:length])
        value = SLOTS.get(slot, {}).get(phrase)
        rest = _match(pattern[1:], said[length:], {**inputs, slot: value or ""})
        if rest is None:
            continue
        if value is not None:
            return rest
        unknown = unknown or rest.unknown or (slot, phrase)
    return Heard(unknown=unknown) if unknown else None
