"""Questions about whole scenes with their answers: counts, relations, what happened, hazards, what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.questions import Drawn
from vlm_bt.training.staged import Event, Hazard, Staged, Truth
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import ABSENT, CATEGORIES, COLOUR_WORDS, NEAR_COLOURS, SYNONYMS

T = TypeVar("T")

CLEARLY_SEEN = 0.5
ZONE_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("left zone", "left area", "blue zone"),
    "centre": ("centre zone", "middle zone", "green zone"),
    "right": ("right zone", "right area", "orange zone"),
    "rear": ("rear zone", "back zone", "purple zone"),
    "parts_bin": ("parts bin", "bin", "box"),
}
EVENT_WORDS: dict[Event, tuple[str, ...]] = {
    "nothing": ("nothing", "nothing has changed"),
    "placed": ("it was put into the {goal}", "it lies in the {goal} now"),
    "missed_grasp": ("the grasp missed it", "it was not picked up"),
    "dropped": ("it was dropped on the way to the {goal}",),
    "wrong_zone": ("it was put into the wrong zone", "it lies in another zone than the {goal}"),
    "knocked_over": ("it was knocked over", "it stood and fell over"),
    "taken": ("somebody took it away", "it is gone"),
    "added": ("it was put there", "it is new"),
}
HAZARD_CLAIMS: dict[Hazard, tuple[str, ...]] = {
    "person": ("somebody leans over the bench", "there is a person at the bench", "a person is in reach"),
    "hand": ("there is a hand over the bench", "a hand is in reach", "somebody reaches in"),
    "spill": ("something has been spilt", "there is liquid on the bench", "there is a puddle"),
    "warning sign": ("there is a warning sign", "a warning sign lies or stands on the bench"),
}

_NEAR_EDGE_M = 0.02
_APART_PX = 8


class SceneQuestions:
    """Draws questions about a scene; those whose answer could be argued about are left out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def draw(self, staged: Staged, count: int) -> list[Drawn]:
        """About `count` questions about the last frame, and some about events, hazards and what is written."""
        truths = staged.truths[-1]
        sorts: tuple[Callable[[Sequence[Truth]], Drawn | None], ...] = (
            self._how_many,
            self._there_are,
            self._is_there,
            self._side,
            self._touches,
            self._in_zone,
        )
        drawn = [sorts[number % len(sorts)](truths) for number in range(count)]
        drawn += [*self._hazards(staged), self._happened(staged), self._goal(staged), self._written(truths)]
        if staged.notes:
            claim = self._pick(("the bench is clear", "there is nothing on the bench"))
            drawn.append(Drawn(claim, _yes(not truths), "clear"))
        return [one for one in drawn if one is not None]

    def _how_many(self, truths: Sequence[Truth]) -> Drawn | None:
        noun, kinds = self._noun()
        count = _count(truths, kinds)
        return None if count is None else Drawn(f"how many {_plural(noun)} are there?", str(count), "count")

    def _there_are(self, truths: Sequence[Truth]) -> Drawn | None:
        noun, kinds = self._noun()
        count = _count(truths, kinds)
        if count is None:
            return None
        off = 0 if self._rng.random() < 0.5 else int(self._pick((-2, -1, 1, 2)))
        said = max(0, count + off)
        number = "no" if said == 0 else str(said)
        words = f"there is 1 {noun}" if said == 1 else f"there are {number} {_plural(noun)}"
        return Drawn(words, _yes(said == count), "count claim")

    def _is_there(self, truths: Sequence[Truth]) -> Drawn | None:
        """Things that are there and things that are not, as often."""
        chance = self._rng.random()
        if chance < 0.15:
            return Drawn(_there(self._pick(ABSENT)), "no", "present")
        some = [truth for truth in truths if truth.kind in KINDS and truth.visible > CLEARLY_SEEN and truth.colour]
        if chance < 0.55 and some:
            truth = self._pick(some)
            return Drawn(_there(self._named(truth)), "yes", "present")
        kind = self._pick(KINDS)
        if any(truth.kind == kind for truth in truths):
            return None
        if kind == "pliers" and any(truth.kind == "needle-nose pliers" for truth in truths):
            return None
        return Drawn(_there(self._pick(_words(kind))), "no", "present")

    def _side(self, truths: Sequence[Truth]) -> Drawn | None:
        two = self._two(truths)
        if two is None:
            return None
        first, second = two
        a, b = first.box, second.box
        assert a is not None and b is not None
        if a.x1 + _APART_PX < b.x0 or b.x1 + _APART_PX < a.x0:
            words, holds = ("left of", "right of"), a.x1 < b.x0
        elif a.y1 + _APART_PX < b.y0 or b.y1 + _APART_PX < a.y0:
            words, holds = ("above", "below"), a.y1 < b.y0
        else:
            return None
        flipped = self._rng.random() < 0.5
        claim = f"{self._subject(first)} {words[flipped]} the {self._named(second)}"
        return Drawn(claim, _yes(holds != flipped), "side")

    def _touches(self, truths: Sequence[Truth]) -> Drawn | None:
        two = self._two(truths, touching=self._rng.random() < 0.5)
        if two is None:
            return None
        holds = two[1].name in two[0].touching
        return Drawn(f"{self._subject(two[0])} touching the {self._named(two[1])}", _yes(holds), "touching")

    def _in_zone(self, truths: Sequence[Truth]) -> Drawn | None:
        one = self._nameable(truths)
        if not one:
            return None
        truth, zone = self._pick(one), self._pick(ZONES)
        inside = [some for some in ZONES if some.name == truth.zone]
        if inside and self._rng.random() < 0.5:
            zone = inside[0]
        x, y, _ = truth.position
        if zone.holds((x, y), _NEAR_EDGE_M) != zone.holds((x, y), -_NEAR_EDGE_M):
            return None
        words = self._pick(ZONE_WORDS[zone.name])
        return Drawn(f"{self._subject(truth)} in the {words}", _yes(truth.zone == zone.name), "in zone")

    def _hazards(self, staged: Staged) -> list[Drawn | None]:
        # A person who leans over the bench has hands there, too.
        there = {*staged.hazards, "hand"} if "person" in staged.hazards else set(staged.hazards)
        asked: list[Hazard] = list(HAZARD_CLAIMS) if staged.hazards else [self._pick(tuple(HAZARD_CLAIMS))]
        return [Drawn(self._pick(HAZARD_CLAIMS[hazard]), _yes(hazard in there), "hazard") for hazard in asked]

    def _happened(self, staged: Staged) -> Drawn | None:
        if len(staged.frames) < 2:
            return None
        answer = self._pick(EVENT_WORDS[staged.event])
        if staged.event == "nothing":
            return Drawn("what happened between the pictures?", answer, "event")
        about = self._about(staged)
        goal = self._pick(ZONE_WORDS[staged.goal]) if staged.goal else ""
        return Drawn(f"what happened to the {self._named(about)}?", answer.format(goal=goal), "event")

    def _goal(self, staged: Staged) -> Drawn | None:
        if staged.goal is None or len(staged.frames) < 2:
            return None
        claim = f"the {self._named(self._about(staged))} was put into the {self._pick(ZONE_WORDS[staged.goal])}"
        return Drawn(claim, _yes(staged.event == "placed"), "goal reached")

    def _written(self, truths: Sequence[Truth]) -> Drawn | None:
        some = [truth for truth in self._nameable(truths) if truth.written and truth.visible > 0.95]
        if not some:
            return None
        truth = self._pick(some)
        return Drawn(f"what is written on the {self._named(truth)}?", truth.written, "written")

    def _about(self, staged: Staged) -> Truth:
        return next(truth for truths in reversed(staged.truths) for truth in truths if truth.name == staged.about)

    def _two(self, truths: Sequence[Truth], touching: bool = False) -> tuple[Truth, Truth] | None:
        some = self._nameable(truths)
        pairs = [(a, b) for a in some for b in some if a != b and (not touching or b.name in a.touching)]
        return self._pick(pairs) if pairs else None

    def _nameable(self, truths: Sequence[Truth]) -> list[Truth]:
        """Things of known kinds that are clearly seen and whose colour and kind no other thing has."""
        some = [truth for truth in truths if truth.kind in KINDS and truth.box and truth.visible > CLEARLY_SEEN]
        return [truth for truth in some if sum(_alike(truth, other) for other in truths) == 1]

    def _named(self, truth: Truth) -> str:
        """Colour and kind, or colour and parts for what has no name."""
        colour = self._pick(COLOUR_WORDS.get(truth.colour, (truth.colour,)))
        if truth.kind in KINDS:
            noun = truth.kind if self._rng.random() < 0.6 else self._pick(_words(truth.kind))
            return f"{colour} {noun}"
        return f"{colour} thing with {self._pick(truth.parts)}" if truth.parts else f"{colour} thing"

    def _subject(self, truth: Truth) -> str:
        named = self._named(truth)
        return f"the {named} {'are' if _is_plural(named) else 'is'}"

    def _noun(self) -> tuple[str, tuple[str, ...]]:
        if self._rng.random() < 0.3:
            kinds = self._pick(tuple(CATEGORIES))
            return CATEGORIES[kinds][0].removeprefix("kind of "), kinds
        kind = self._pick(KINDS)
        words = [word for word in _words(kind) if " of " not in word]
        kinds = ("pliers", "needle-nose pliers") if kind == "pliers" else (kind,)
        return self._pick(("pliers",) if kind == "pliers" else words), kinds

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.integers(len(choices)))]


def _words(kind: str) -> list[str]:
    """What the kind is called, also misspelt, without an article."""
    return [word for word in SYNONYMS[kind] if not word.startswith("a ")]


def _count(truths: Sequence[Truth], kinds: Sequence[str]) -> int | None:
    """How many of these kinds are clearly seen; None where one of them is half hidden."""
    some = [truth for truth in truths if truth.kind in kinds]
    return len(some) if all(truth.visible > CLEARLY_SEEN for truth in some) else None


def _alike(truth: Truth, other: Truth) -> bool:
    same_kind = {truth.kind, other.kind} <= {"pliers", "needle-nose pliers"} or truth.kind == other.kind
    return same_kind and (other.colour in NEAR_COLOURS.get(truth.colour, (truth.colour,)))


def _plural(noun: str) -> str:
    if _is_plural(noun):
        return noun
    return noun + ("es" if noun.endswith(("ch", "sh", "x")) else "s")


def _is_plural(noun: str) -> bool:
    return noun.endswith("s") and "pair of " not in noun


def _there(noun: str) -> str:
    return f"there {'are' if _is_plural(noun) else 'is'} {indefinite(noun)}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
