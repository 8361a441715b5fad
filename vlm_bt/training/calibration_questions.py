"""Questions as missions ask them about a scene, with their right answers: what a calibration is made from.

Half of the claims hold. What does not hold is nearly true as often as it is far off: another colour of a kind that is
there, a kind that is missing, something that lies on no bench.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vlm_bt.frames import FrameHandle
from vlm_bt.leaves.showing import zone_box
from vlm_bt.questions import MOST_COUNTED, WHAT_IS_IT, Choose, HowMany, IsTrue, Look, Question
from vlm_bt.scene.tabletop import Region
from vlm_bt.sentences import plural
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.data import Label
from vlm_bt.training.staged import Staged, Truth
from vlm_bt.training.wanted import STEEL, Wanted, by_colour_and_kind, by_kind, by_nothing, pick, who_fits
from vlm_bt.types import Box, Frame
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.calibration import KIND_SKILL, skill_of
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import KINDS, OTHER
from vlm_bt.vision.words import ABSENT, COLOUR_WORDS

OF_THINGS = (KIND_SKILL, "is_true.thing", "choose.thing")
OF_SCENES = ("is_true.scene", "how_many.scene")
OF_CHANGES = ("is_true.change",)
SEEN_FROM = 0.6
COLOUR_QUESTIONS = ("what colour is it?", "which colour is it?")
_THERE = ("there is {} on the bench", "there is {}", "{}", "is there {} on the bench?")
_THING = ("{}", "it is {}", "is it {}?", "this is {}")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_CLAIMS_OF_SCENE, _CLAIMS_OF_THING, _TRIES = 4, 2, 40


@dataclass(frozen=True, eq=False)
class Case:
    """One question with its pictures and its right answer: an option, `OTHER`, or a number."""

    question: Question
    pictures: tuple[Picture, ...]
    truth: str

    @property
    def skill(self) -> str:
        return skill_of(self.question, self.pictures)


@dataclass(frozen=True)
class CutOut:
    """A thing that was cut out of a picture; `visible`: share of it that is seen."""

    kind: str
    colour: str
    parts: tuple[str, ...] = ()
    visible: float = 1.0


def of_things(frame: Frame, regions: Sequence[tuple[Region, Label]], rng: np.random.Generator) -> Iterator[Case]:
    """What is asked about each candidate of a mission's bench."""
    for region, label in regions:
        yield from _of_thing(frame, region, label, rng)


def of_scene(staged: Staged, rng: np.random.Generator) -> Iterator[Case]:
    """What is asked about a bench, and about one of its zones; of two frames what happened between them."""
    frame, truths = staged.frames[-1], staged.truths[-1]
    if len(staged.frames) > 1:
        yield from _of_change(staged)
        return
    yield from _of_scene(frame, None, list(truths), rng)
    zone = pick(rng, ZONES)
    box = zone_box(FrameHandle(frame.id, frame.camera, "", frame.intrinsics, frame.pose_camera_in_base, 0.0), zone)
    if box is not None:
        yield from _of_scene(frame, box, [truth for truth in truths if truth.zone == zone.name], rng)


def _of_thing(frame: Frame, region: Region, label: Label, rng: np.random.Generator) -> Iterator[Case]:
    """What it is, in both looks of a mission, and what is said of it. What shows no one thing is none of the kinds."""
    thing = CutOut(label.source, label.colour)
    for look in (0, 1):
        looks = (Look(frame.id, region.index, look),)
        picture = (Picture(frame, looks[0], region),)
        yield Case(
            Choose(looks, WHAT_IS_IT, KINDS, wording=look), picture, thing.kind if thing.kind in KINDS else OTHER
        )
    if thing.colour not in COLOUR_WORDS:
        return
    looks = (Look(frame.id, region.index),)
    picture = (Picture(frame, looks[0], region),)
    for _ in range(_CLAIMS_OF_THING):
        holds = bool(rng.random() < 0.5)
        named = _named(rng, [thing], holds)
        if named is not None:
            text = pick(rng, _THING).format(indefinite(named.text))
            yield Case(IsTrue(looks, text), picture, "yes" if holds else "no")
    near = STEEL if thing.colour in STEEL else (thing.colour,)
    others = [colour for colour in COLOUR_WORDS if colour not in near]
    wrong = [others[int(i)] for i in rng.permutation(len(others))[: int(rng.integers(2, 5))]]
    there = bool(rng.random() < 0.85)
    options = [*wrong, thing.colour] if there else wrong
    options = [options[int(i)] for i in rng.permutation(len(options))]
    asked = pick(rng, COLOUR_QUESTIONS)
    yield Case(Choose(looks, asked, tuple(options)), picture, thing.colour if there else OTHER)


def _of_scene(frame: Frame, box: Box | None, truths: Sequence[Truth], rng: np.random.Generator) -> Iterator[Case]:
    """What lies in the frame, or in a part of it."""
    looks = (Look(frame.id, box),)
    picture = (Picture(frame, looks[0]),)
    for number in range(_CLAIMS_OF_SCENE):
        holds = number % 2 == 0
        named = _named(rng, truths, holds)
        if named is not None:
            text = pick(rng, _THERE).format(indefinite(named.text))
            yield Case(IsTrue(looks, text), picture, "yes" if holds else "no")
    # What hides behind another thing nobody can count.
    if not all(truth.box is not None and truth.visible >= SEEN_FROM for truth in truths):
        return
    yield Case(HowMany(looks, "things"), picture, str(min(len(truths), MOST_COUNTED)))
    for kind in {pick(rng, [t.kind for t in truths if t.kind in KINDS] or KINDS), pick(rng, KINDS)}:
        found = who_fits(by_kind(kind), truths)
        if found is not None:
            yield Case(HowMany(looks, plural(kind, 2)), picture, str(min(len(found), MOST_COUNTED)))
            if len(found) + 1 < len(_NUMBERS):
                holds = bool(rng.random() < 0.5)
                number = len(found) + (0 if holds else 1 if not found or rng.random() < 0.5 else -1)
                text = f"there {'is' if number == 1 else 'are'} {_NUMBERS[number]} {plural(kind, number)}"
                text = f"there is exactly one {kind}" if number == 1 else text
                yield Case(IsTrue(looks, text), picture, "yes" if holds else "no")


def _of_change(staged: Staged) -> Iterator[Case]:
    """What happened between two pictures, and what did not."""
    looks = tuple(Look(frame.id) for frame in staged.frames)
    pictures = tuple(Picture(frame, look) for frame, look in zip(staged.frames, looks, strict=True))
    about = next((t for truths in reversed(staged.truths) for t in truths if t.name == staged.about), None)
    noun = about.kind if about is not None and about.kind in KINDS else "thing"
    claims = [
        ("nothing has changed", staged.event in ("nothing", "missed_grasp")),
        (f"{indefinite(noun)} was taken away", staged.event == "taken"),
        (f"{indefinite(noun)} was added", staged.event == "added"),
    ]
    if staged.goal is not None:
        goal = staged.goal.replace("_", " ") if staged.goal.endswith("bin") else f"{staged.goal} zone"
        claims.append((f"the {noun} was put into the {goal}", staged.event == "placed"))
    for claim, holds in claims:
        yield Case(IsTrue(looks, claim), pictures, "yes" if holds else "no")


def _named(rng: np.random.Generator, truths: Sequence[Truth | CutOut], holds: bool) -> Wanted | None:
    """A phrase that somebody there fits, or nobody; None where none was found."""
    shown = [t for t in truths if t.kind in KINDS and t.colour in COLOUR_WORDS and t.visible >= SEEN_FROM]
    for _ in range(_TRIES):
        if holds and not shown:
            return None
        one = pick(rng, shown) if shown else None
        chance = rng.random()
        if holds and one is not None:
            named = by_colour_and_kind(one.colour, one.kind, rng) if chance < 0.6 else by_kind(one.kind)
        elif chance < 0.2:
            named = by_nothing(pick(rng, ABSENT))
        elif chance < 0.6 and one is not None:
            named = by_colour_and_kind(pick(rng, tuple(COLOUR_WORDS)), one.kind, rng)
        else:
            kind = pick(rng, KINDS)
            colour = pick(rng, tuple(COLOUR_WORDS))
            named = by_kind(kind) if chance < 0.8 else by_colour_and_kind(colour, kind, rng)
        found = who_fits(named, truths)
        if found is not None and bool(found) is holds:
            return named
    return None
