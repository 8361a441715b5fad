"""The model that ships with the package: a small CLIP, and on its frozen trunk a head for questions and captions.

What a thing is, is said by the CLIP: its answers are the calibrated ones. Everything else about one thing is asked of
the head. Of a whole frame depth finds the things, and what is said is put together from what is said of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import (
    WHAT_IS_IT,
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Embed,
    Embedding,
    Found,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Question,
    Result,
)
from vlm_bt.types import Answer, Frame
from vlm_bt.vision.asking_words import HOW_MANY_HANDLES, TRUE_TEMPLATES
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.bench_changes import Changes
from vlm_bt.vision.backends.bench_claims import Layout
from vlm_bt.vision.backends.bench_things import Bench, Things, distribution, look_at_bench
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip, Floats, Pixels
from vlm_bt.vision.backends.head_answers import HeadAnswers
from vlm_bt.vision.backends.question_head import HEAD_FILE
from vlm_bt.vision.backends.thing_words import caption, changes_in_words, scene_in_words
from vlm_bt.vision.happenings import asked_about, filled_in, happening_of, meant_zone
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.phrases import claim_of, denied, phrase_of
from vlm_bt.vision.pictures import Picture, digest_of
from vlm_bt.vision.statements import statement_of
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import kinds_called, never_shown, plain
from vlm_bt.vision_settings import EmbeddedModel

__all__ = ["Embedded", "EmbeddedClip"]

KEPT_BENCHES, KEPT_THINGS = 3, 64
_HANDLES = (("none", 0), ("one", 1), ("two", 2))


class Embedded:
    """The shipped model behind the port.

    Attributes:
        revision: Of the CLIP; the calibration is bound to it, and the head cannot change what it answers.
        head_revision: Of the question head; "" for a model that has none. Then words and picture are compared.
    """

    answers: frozenset[type[Question]] = frozenset((Choose, IsTrue, HowMany, Ground, Describe, Embed))

    def __init__(self, settings: EmbeddedModel, surroundings: Surroundings) -> None:
        self._clip = EmbeddedClip(settings.weights, settings.threads)
        self._containers = surroundings.containers
        self._zones = surroundings.zones or surroundings.containers
        directory = self._clip.directory
        has_head = settings.weights is None or (directory / HEAD_FILE).is_file()
        self._head = HeadAnswers(directory, self._clip) if has_head else None
        self._benches: OrderedDict[int, Bench] = OrderedDict()
        self._seen: OrderedDict[bytes, Things] = OrderedDict()
        self._ways: dict[type[Question], Callable[[Any, Picture], Result]] = {
            IsTrue: self._is_true,
            HowMany: self._how_many,
            Ground: self._ground,
            Describe: self._describe,
            Choose: self._choose,
        }
        self._warm_up()

    @property
    def revision(self) -> str:
        return self._clip.revision

    @property
    def head_revision(self) -> str:
        return self._head.revision if self._head is not None else ""

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        """One entry a question. What things are is asked of all things at once where options and wording are equal."""
        out: dict[int, Result | VlmBtError] = {}
        groups: dict[tuple[tuple[str, ...], int], list[int]] = {}
        for n, asked in enumerate(batch):
            question = asked.question
            if self._is_calibrated(asked):
                assert isinstance(question, Choose)
                groups.setdefault((question.options, question.wording), []).append(n)
                continue
            try:
                out[n] = self._one(asked)
            except VlmBtError as error:
                out[n] = error
        for (options, wording), members in groups.items():
            pixels = np.stack([batch[n].picture.pixels(self._clip.size) for n in members])
            for n, row in zip(members, self._what_are_they(pixels, options, wording), strict=True):
                shares = tuple(float(p) for p in row[:-1])
                out[n] = Answer(WHAT_IS_IT, options, shares, outside=float(row[-1]))
        return [out[n] for n in range(len(batch))]

    @staticmethod
    def _is_calibrated(asked: Asked) -> bool:
        """Whether it is the question that the calibration is about: what one thing is."""
        question = asked.question
        if not isinstance(question, Choose) or question.question != WHAT_IS_IT:
            return False
        return len(asked.pictures) == 1 and asked.pictures[0].thing is not None

    def _what_are_they(self, pixels: Pixels, options: tuple[str, ...], wording: int) -> Floats:
        """As `EmbeddedClip.classify`. An option such as "screwdriver" that names several kinds, or one by another
        name, stands for them: by its words alone it would be judged as something that is none of the kinds."""
        named = {option: (option,) if option in KINDS else kinds_called(option) for option in options}
        kinds = [kind for some in named.values() for kind in some]
        if all(option in KINDS or not some for option, some in named.items()) or len(set(kinds)) < len(kinds):
            return self._clip.classify(pixels, options, wording)
        columns = {option: some or (option,) for option, some in named.items()}
        asked = [name for some in columns.values() for name in some]
        rows = self._clip.classify(pixels, asked, wording)
        shares = [rows[:, [asked.index(name) for name in columns[option]]].sum(1) for option in options]
        return np.stack([*shares, rows[:, -1]], 1)

    def _one(self, asked: Asked) -> Result:
        question = asked.question
        if isinstance(question, Embed) and not question.looks:
            return _embedding(self._clip.text_embeddings([question.text])[0])
        if len(asked.pictures) == 2 and isinstance(question, (IsTrue, Choose, Describe)):
            return self._compared(question, *asked.pictures)
        if isinstance(question, (IsTrue, Ground, HowMany)):
            _refuse_unknown(question.claim if isinstance(question, IsTrue) else question.phrase)
        picture = asked.picture
        if isinstance(question, Embed):
            return _embedding(self._clip.image_embeddings(picture.pixels(self._clip.size)[None])[0])
        way = self._ways.get(type(question))
        if way is None:
            raise Unsupported("the shipped model reads no text; route read_text to another model under vision.route")
        return way(question, picture)

    def _is_true(self, question: IsTrue, picture: Picture) -> Answer:
        pixels, claim = self._one_thing(picture), claim_of(question.claim, self._clip.parts)
        of_a_photograph = pixels is not None and picture.thing is None and picture.look.part is None
        # What is said of a number of things is said of a bench, and that takes depth.
        if pixels is not None and not (of_a_photograph and claim is not None and claim.number != 1):
            return self._said_of(pixels, question.claim, question.wording)
        statement = statement_of(question.claim, self._clip.parts, self._zones)
        if statement is None:
            raise Unsupported(
                "of a whole frame the shipped model can say what is there, how many, where and how things lie to each "
                "other; ask about one thing, or route is_true to a chat model"
            )
        bench = self._bench(picture.frame)
        return _yes_no(question.claim, Layout(bench, bench.within(picture.at), self._zones).chance(statement))

    def _looked_at(self, pixels: Pixels) -> Things:
        """A cut-out (S, S, 3) with what one look at it shows, remembered: the trunk's pass is most of a question."""
        key = digest_of(pixels)
        things = self._seen.pop(key, None)
        if things is None:
            things = Things(self._clip, pixels[None], looks=1)
            while len(self._seen) >= KEPT_THINGS:
                self._seen.popitem(last=False)
        self._seen[key] = things
        return things

    def _said_of(self, pixels: Pixels, claim: str, wording: int) -> Answer:
        """By the CLIP's heads for kind, colour and part where they know every word: for pairs of colour and kind that
        the question head was never shown they are right more often. By the question head where they do not."""
        things = self._looked_at(pixels)
        if self._head is None or not phrase_of(denied(claim)[1], self._clip.parts).free:
            return _yes_no(claim, things.holds(claim)[0])
        text = TRUE_TEMPLATES[wording % len(TRUE_TEMPLATES)].format(" ".join(claim.split()))
        yes, no = (float(p) for p in self._head.yes_no(self._looked_at(pixels).asked_of(self._head), [text])[0])
        return Answer(claim, YES_NO, (yes, no), outside=max(0.0, 1.0 - yes - no))

    def _choose(self, question: Choose, picture: Picture) -> Answer:
        pixels = self._one_thing(picture)
        if tuple(option.lower() for option in question.options) in (YES_NO, YES_NO[::-1]):
            said = self._is_true(IsTrue(question.looks, question.question, question.wording), picture)
            shares = said.probabilities if question.options[0].lower() == "yes" else said.probabilities[::-1]
            return Answer(question.question, question.options, shares, outside=said.outside)
        if pixels is None:
            raise Unsupported(
                "the shipped model chooses for one thing at a time; name the thing, or a box with only it"
            )
        if self._head is None:
            row = self._clip.classify(pixels[None], question.options, question.wording)[0]
            return Answer(question.question, question.options, tuple(map(float, row[:-1])), outside=float(row[-1]))
        known = self._looked_at(pixels).choice(question.question, question.options)
        if known is not None:
            row = known[0]
            return Answer(question.question, question.options, tuple(map(float, row[:-1])), outside=float(row[-1]))
        shown, outside = self._head.choose(
            self._looked_at(pixels).asked_of(self._head), question.question, question.options
        )
        return Answer(question.question, question.options, tuple(float(p) for p in shown), outside=outside)

    def _compared(self, question: IsTrue | Choose | Describe, before: Picture, after: Picture) -> Answer | Caption:
        """About two pictures of one bench, in time order. A claim in the present is about the later one."""
        changes = self._changes(before, after)
        if isinstance(question, Describe):
            return Caption(changes_in_words(changes))
        if isinstance(question, IsTrue):
            return _yes_no(question.claim, self._chance_of_happening(question.claim, changes, "", ""))
        about, meant = asked_about(question.question), meant_zone(question.question, self._zones)
        said = [filled_in(question.question, option) for option in question.options]
        shares = np.array([self._chance_of_happening(text, changes, about, meant) for text in said])
        shares = shares / max(1.0, float(shares.sum()))
        return Answer(question.question, question.options, tuple(map(float, shares)), outside=1.0 - float(shares.sum()))

    def _chance_of_happening(self, claim: str, changes: Changes, about: str, meant: str) -> float:
        happening = happening_of(claim, self._clip.parts, self._zones, about, meant)
        if happening is not None:
            return changes.chance(happening)
        statement = statement_of(claim, self._clip.parts, self._zones)
        if statement is None:
            raise Unsupported(
                "of two pictures the shipped model can say what was put where, moved, dropped, knocked over, taken or "
                "added, and what lies where in the later one; route is_true to a chat model for anything else"
            )
        return Layout(changes.later, changes.later.within(changes.shown[1]), self._zones).chance(statement)

    def _changes(self, before: Picture, after: Picture) -> Changes:
        if before.thing is not None or after.thing is not None:
            raise Unsupported("the shipped model compares two frames, or the same part of both, not two things")
        return Changes(self._bench(before.frame), self._bench(after.frame), (before.at, after.at), self._zones)

    def _how_many(self, question: HowMany, picture: Picture) -> Counted:
        pixels = self._one_thing(picture)
        if (
            pixels is not None
            and self._head is not None
            and plain(question.phrase).split()[-1:]
            in (
                ["handle"],
                ["handles"],
            )
        ):
            words = [word for word, _ in _HANDLES]
            shares, _ = self._head.choose(self._looked_at(pixels).asked_of(self._head), HOW_MANY_HANDLES, words)
            counts = shares.astype(np.float64) / max(float(shares.sum()), 1e-9)
        else:
            bench = self._bench(picture.frame)
            rows = self._rows(bench, picture)
            counts = distribution(bench.fits(phrase_of(question.phrase, self._clip.parts), rows).tolist())
        return Counted(question.phrase, int(counts.argmax()), tuple(float(p) for p in counts))

    def _ground(self, question: Ground, picture: Picture) -> Grounded:
        bench = self._bench(picture.frame)
        scores = bench.things.fits(question.phrase)
        rows = [row for row in self._rows(bench, picture) if scores[row] >= question.least_score]
        found = tuple(
            Found(
                bench.regions[row].box,
                float(scores[row]),
                bench.mask(row) if question.masks else None,
                None if row in bench.pieces else bench.regions[row].index,
            )
            for row in sorted(rows, key=lambda row: (-float(scores[row]), row))
        )
        return Grounded(question.phrase, found)

    def _describe(self, question: Describe, picture: Picture) -> Caption:
        pixels = self._one_thing(picture)
        if pixels is not None:
            return Caption(caption(self._clip, self._head, pixels, question.hint))
        bench = self._bench(picture.frame)
        rows = bench.within(picture.at)
        return Caption(scene_in_words(bench.things.kinds[rows] if rows else np.zeros((0, len(KINDS) + 1))))

    def _one_thing(self, picture: Picture) -> Any:
        """(S, S, 3) cut-out of the only thing that is shown; None where a frame or a box shows several, or none.

        A picture of no camera that measures depth is taken for a photograph of one thing.
        """
        if picture.thing is not None:
            return picture.pixels(self._clip.size)
        if picture.look.part is None:
            return None if picture.frame.depth_m.any() else picture.pixels(self._clip.size)
        bench = self._bench(picture.frame)
        rows = bench.within(picture.at)
        return bench.things.pixels[rows[0]] if len(rows) == 1 else None

    def _rows(self, bench: Bench, picture: Picture) -> list[int]:
        if picture.thing is None:
            return bench.within(picture.at)
        return [row for row, region in enumerate(bench.regions) if region.index == picture.thing.index]

    def _bench(self, frame: Frame) -> Bench:
        bench = self._benches.get(id(frame))
        if bench is None or bench.frame is not frame:
            bench = self._benches[id(frame)] = look_at_bench(frame, self._containers, self._clip)
            while len(self._benches) > KEPT_BENCHES:
                self._benches.popitem(last=False)
        return bench

    def _warm_up(self) -> None:
        grey = np.full((1, self._clip.size, self._clip.size, 3), 127, np.uint8)
        self._clip.classify(grey, KINDS)
        if self._head is not None:
            self._head.yes_no(self._head.pictures(grey), ["a thing"])


def _refuse_unknown(text: str) -> None:
    word = never_shown(text)
    if word:
        raise Unsupported(
            f"the shipped model has learnt tools and would guess about {word!r}; people in reach are seen by depth "
            "(workspace_is_clear), everything else by a chat model under vision.route"
        )


def _yes_no(claim: str, chance: float) -> Answer:
    yes = min(1.0, max(0.0, float(chance)))
    return Answer(claim, YES_NO, (yes, 1.0 - yes))


def _embedding(vector: Any) -> Embedding:
    return Embedding(tuple(float(x) for x in cast(Sequence[float], vector)))
