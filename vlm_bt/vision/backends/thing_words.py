"""What the shipped model says of things in words: nothing that two looks of it do not agree on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.vision.asking_words import CAPTION_QUESTION, MOST_PARTS, indefinite, listed, proper_parts, ranked
from vlm_bt.vision.backends.bench_changes import Changes, happened_to
from vlm_bt.vision.backends.bench_things import Things
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip
from vlm_bt.vision.backends.head_answers import HeadAnswers
from vlm_bt.vision.vocabulary import KINDS, names_a_kind

SURE_KIND, SURE_COLOUR, SURE_PART = 0.8, 0.5, 0.97
"""Parts: the head for them was trained to miss none; below this every fourth of its best is wrong on odd things."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def caption(clip: EmbeddedClip, head: HeadAnswers | None, pixels: NDArray[np.uint8], hint: str = "") -> str:
    """A phrase for one cut-out (S, S, 3), such as "a red-handled flat screwdriver".

    The head's own words, if the CLIP's heads agree with each of them; otherwise colour and parts that are sure. A hint
    that asks for parts, or for no name, gets no name.
    """
    if head is None or hint:
        return clip.describe(pixels)
    said = head.say(head.pictures(pixels[None]), CAPTION_QUESTION)
    things = Things(clip, pixels[None])
    return said if is_backed(said, things) else colour_and_parts(things)


def colour_and_parts(things: Things) -> str:
    """What is sure of the first thing's colour and parts."""
    colour, parts = things.colours[0], things.parts[0]
    shade = things.clip.colours[int(colour.argmax())] if colour.max() >= SURE_COLOUR else ""
    sure = [part for part, chance in zip(things.clip.parts, parts, strict=True) if chance >= SURE_PART]
    return indefinite(f"{shade} thing".strip()) + (f" with {listed(ranked(sure)[:MOST_PARTS])}" if ranked(sure) else "")


def is_backed(said: str, things: Things) -> bool:
    """Whether kind, colour and every part that a caption names are also seen by the CLIP's heads for them."""
    clip = things.clip
    kind = next((name for name in sorted(KINDS, key=len, reverse=True) if said.endswith(name)), "")
    thing, _, having = said.partition(" thing")
    if kind:
        if things.fits(kind)[0] < SURE_KIND:
            return False
        thing = said[: -len(kind)]
    elif names_a_kind(said) or " thing" not in said:
        return False
    shade = thing.strip().removeprefix("an ").removeprefix("a ").removesuffix("-handled").strip()
    if shade not in clip.colours or things.fits(f"{shade} thing")[0] < SURE_COLOUR:
        return False
    parts = [part for part in having.removeprefix(" with ").replace(" and ", ", ").split(", ") if part]
    known = {indefinite(part): part for part in proper_parts(clip.parts)}
    return all(part in known and things.fits(f"thing with {known[part]}")[0] >= SURE_PART for part in parts)


def scene_in_words(kinds: NDArray[Any]) -> str:
    """A sentence of counts from (N, K + 1) probabilities; what is likeliest none of the kinds is not named."""
    if len(kinds) == 0:
        return "Nothing lies on the bench."
    names = Counter((*KINDS, "")[int(best)] for best in kinds.argmax(1))
    unknown = names.pop("", 0)
    order = sorted(names, key=lambda name: (-names[name], name))
    said = [_counted(names[name], name) for name in order]
    if unknown:
        said.append(f"{_number(unknown)} {'thing' if unknown == 1 else 'things'} that I cannot name")
    text = listed_plainly(said)
    return f"On the bench: {text}."


def changes_in_words(changes: Changes) -> str:
    """A sentence for every thing that has changed, those that moved first."""
    said = []
    for change in changes.things:
        bench, row = (changes.later, change.after) if change.after is not None else (changes.earlier, change.before)
        assert row is not None
        kind = (*KINDS, "")[int(bench.things.kinds[row].argmax())]
        what = happened_to(changes, change)
        if what:
            said.append(f"{f'The {kind}' if kind else 'A thing that I cannot name'} {_passive(kind)} {what}.")
    return " ".join(said) or "Nothing has changed."


def _passive(kind: str) -> str:
    return "were" if kind.endswith("pliers") else "was"


def listed_plainly(phrases: list[str]) -> str:
    return "".join(phrases) if len(phrases) < 2 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _counted(count: int, kind: str) -> str:
    if kind.endswith("pliers"):
        return f"{_number(count)} {'pair' if count == 1 else 'pairs'} of {kind}"
    ending = "" if count == 1 else "es" if kind.endswith("ch") else "s"
    return f"{_number(count)} {kind}{ending}"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
