"""Which things a person means by "it", "the other screwdrivers", "the largest", "the one next to the hammer"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_bt.conversation.phrases import Phrase
from vlm_bt.conversation.things import ASIDE_M, BESIDE_M, HAND, Known, called

SAME_LENGTH_M = 0.006
"""Lengths that depth cannot tell apart."""
CLEARLY_NEARER = 0.6
"""The nearest is meant where it is nearer than this share of the distance of the next one."""
CLEARLY_ASIDE_M = 0.06


@dataclass(frozen=True)
class Spoken:
    """What "it" may mean, the most likely first: what was asked about, spoken of, is handled or was moved last."""

    ids: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    """What was spoken of together, for "them" and for "the others"."""
    kind: str = ""


def resolve(phrase: Phrase, things: Sequence[Known], spoken: Spoken) -> list[Known]:
    """The things that are meant. More than one for a singular: it cannot be told which."""
    by_id = {one.id: one for one in things if one.id}
    if phrase.pointing and phrase.kind is None and not (phrase.size or phrase.place or phrase.beside):
        names = spoken.group if phrase.plural and len(spoken.group) > 1 else spoken.ids
        found = [by_id[name] for name in names if name in by_id]
        return found if phrase.plural and len(spoken.group) > 1 else found[:1]
    kind = phrase.kind if phrase.kind is not None else spoken.kind if phrase.other or phrase.size else ""
    found = [one for one in called(things, kind or "") if one.id]
    if phrase.pointing and not phrase.place and phrase.beside is None:
        near = [by_id[name] for name in spoken.ids if name in by_id and by_id[name] in found]
        if near and not phrase.plural:
            return near[:1]
    if phrase.other:
        before = set(spoken.group or spoken.ids[:1])
        found = [one for one in found if one.id not in before]
    found = _at(phrase, found)
    if phrase.beside is not None:
        found = _beside(phrase, found, things, spoken)
    if phrase.size in ("largest", "smallest") and found:
        found = _by_size(found, phrase.size)
    return found


def _at(phrase: Phrase, found: list[Known]) -> list[Known]:
    """Those at a place. One of several lies on the left where it lies clearly more to the left than the others."""
    place = phrase.place
    if not place:
        return found
    if place == HAND:
        return [one for one in found if one.place == HAND]
    inside = [one for one in found if one.place == place]
    seen = [one for one in found if one.thing is not None]
    if place in ("left", "right"):
        sign = 1 if place == "left" else -1
        there = [one for one in seen if one.place == place or sign * one.centre[1] > ASIDE_M]
        if len(seen) > 1 and not phrase.plural and len(there) != 1:
            ranked = sorted(there or seen, key=lambda one: -sign * one.centre[1])
            first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
            clear = second is not None and sign * (first.centre[1] - second.centre[1]) > CLEARLY_ASIDE_M
            return [first] if clear else there
        return there or inside
    if place == "centre":
        return inside or [one for one in seen if abs(one.centre[1]) <= ASIDE_M]
    if place in ("front", "rear") and not inside and seen and not phrase.plural:
        ranked = sorted(seen, key=lambda one: one.centre[0] if place == "front" else -one.centre[0])
        return (
            ranked[:1] if len(ranked) == 1 or abs(ranked[1].centre[0] - ranked[0].centre[0]) > CLEARLY_ASIDE_M else seen
        )
    return inside


def _beside(phrase: Phrase, found: list[Known], things: Sequence[Known], spoken: Spoken) -> list[Known]:
    assert phrase.beside is not None
    anchors = [one for one in resolve(phrase.beside, things, spoken) if one.thing is not None]
    anchor_ids = {one.id for one in anchors}
    away = []
    for one in found:
        if one.thing is None or one.id in anchor_ids:
            continue
        for anchor in anchors:
            sign = {"left": 1, "right": -1}.get(phrase.side, 0)
            if sign == 0 or sign * (one.centre[1] - anchor.centre[1]) > 0:
                away.append((math.dist(one.centre, anchor.centre), one))
    away.sort(key=lambda row: row[0])
    if not away:
        return []
    nearest_m = away[0][0]
    if phrase.plural:
        return [one for far, one in away if far < 2 * BESIDE_M]
    return [one for far, one in away if far == nearest_m or nearest_m > CLEARLY_NEARER * far][:4]


def _by_size(found: list[Known], size: str) -> list[Known]:
    sign = -1 if size == "largest" else 1
    ranked = sorted(found, key=lambda one: sign * one.length_m)
    return [one for one in ranked if abs(one.length_m - ranked[0].length_m) <= SAME_LENGTH_M]
