"""The shipped model behind the port: every type of question about one thing, a box and a whole bench."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlm_bt.errors import ModelError
from vlm_bt.questions import (
    WHAT_IS_IT,
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Embed,
    Embedding,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Look,
    Question,
    ReadText,
)
from vlm_bt.scene.tabletop import Segmentation, segment
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.simulation.tools import make_tool
from vlm_bt.training.data import Posing, containers_outlines, free_place
from vlm_bt.types import Answer, Box, Frame
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.bench_things import chance_of, distribution
from vlm_bt.vision.backends.embedded import Embedded, EmbeddedClip
from vlm_bt.vision.backends.question_head import HEAD_FILE, HEAD_MANIFEST
from vlm_bt.vision.model import Asked, Unsupported, VisionModel
from vlm_bt.vision.phrases import claim_of
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import KINDS, names_a_kind
from vlm_bt.vision.weights import CONTENT, embedded_directory
from vlm_bt.vision_settings import EmbeddedModel

CONTAINERS = tuple(zone for zone in ZONES if zone.container)
THINGS = (
    ("flat screwdriver", 0, "purple"),
    ("hammer", 1, "red"),
    ("hammer", 2, "yellow"),
    ("pliers", 5, "red"),
    ("tape measure", 0, "green"),
)


@pytest.fixture(scope="module")
def model() -> Embedded:
    return opened()


@pytest.fixture(scope="module")
def frame() -> Frame:
    return drawn(THINGS)


@pytest.fixture(scope="module")
def found(frame: Frame) -> Segmentation:
    seen = segment(frame, CONTAINERS)
    assert len(seen.regions) == len(THINGS)
    return seen


def opened(weights: Path | None = None) -> Embedded:
    return Embedded(EmbeddedModel(weights=weights), Surroundings(CONTAINERS))


def drawn(things: tuple[tuple[str, int, str], ...]) -> Frame:
    """A look at a bench with these things (kind, seed, colour) somewhere apart on it."""
    tools = [make_tool(kind, seed, 0.5) for kind, seed, _ in things]
    assert [tool.colour for tool in tools] == [colour for _, _, colour in things]
    rng, taken = np.random.default_rng(3), containers_outlines()
    posing = Posing([(f"thing_{n}", tool, tool.kind) for n, tool in enumerate(tools)], 7003)
    try:
        posing.set_out([free_place(tool, taken, rng) for tool in tools])
        return posing.look()[0]
    finally:
        posing.close()


def of_frame(frame: Frame, question: Question, part: Box | None = None) -> Asked:
    return Asked(question, (Picture(frame, Look(frame.id, part)),))


def of_thing(frame: Frame, found: Segmentation, index: int, question: Question) -> Asked:
    return Asked(question, (Picture(frame, Look(frame.id, index), found.region(index)),))


def kinds(model: Embedded, frame: Frame, found: Segmentation) -> dict[str, list[int]]:
    """Indices of the things by what the model takes them for."""
    looks = [of_thing(frame, found, r.index, Choose((), WHAT_IS_IT, KINDS)) for r in found.regions]
    out: dict[str, list[int]] = {}
    for region, answer in zip(found.regions, model.answer(looks), strict=True):
        assert isinstance(answer, Answer)
        out.setdefault(answer.best, []).append(region.index)
    return out


def yes(result: object) -> float:
    assert isinstance(result, Answer) and result.options == YES_NO, result
    assert sum(result.probabilities) + result.outside == pytest.approx(1.0, abs=1e-5)
    return result.probabilities[0]


def test_it_is_a_vision_model_whose_revision_is_the_calibrated_one(model: Embedded) -> None:
    assert isinstance(model, VisionModel)
    assert model.revision == EmbeddedClip().revision
    assert model.head_revision and model.head_revision not in model.revision


def test_what_things_are_is_said_bit_for_bit_as_by_the_calibrated_classifier(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    looks = [of_thing(frame, found, r.index, Choose((), WHAT_IS_IT, KINDS, 1)) for r in found.regions]
    mixed = [of_frame(frame, HowMany((), "hammer")), *looks, of_frame(frame, Describe(()))]
    answers = model.answer(mixed)[1:-1]
    pixels = np.stack([look.picture.pixels(96) for look in looks])
    rows = EmbeddedClip().classify(pixels, KINDS, 1)
    for answer, row in zip(answers, rows, strict=True):
        assert isinstance(answer, Answer)
        assert [*answer.probabilities, answer.outside] == [float(p) for p in row]


def test_a_group_of_kinds_or_another_name_stands_for_the_kinds(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    index = kinds(model, frame, found)["flat screwdriver"][0]
    options = ("spanner", "screw driver", "mallet")
    (answer,) = model.answer([of_thing(frame, found, index, Choose((), WHAT_IS_IT, options))])
    assert isinstance(answer, Answer) and answer.best == "screw driver" and answer.score > 0.9
    assert sum(answer.probabilities) + answer.outside == pytest.approx(1.0, abs=1e-5)


def test_claims_about_one_thing_are_answered_in_many_words(model: Embedded, frame: Frame, found: Segmentation) -> None:
    index = kinds(model, frame, found)["pliers"][0]
    true = ("a red tool", "it is red", "is it a pair of pliers?", "a tool with two handles", "red-handled pliers")
    false = ("a blue tool", "is it a banana?", "a hammer", "it has a claw", "a yellow-handled hammer", "tape mesure")
    for wording in (0, 1):
        asked = [of_thing(frame, found, index, IsTrue((), claim, wording)) for claim in (*true, *false)]
        said = [yes(answer) for answer in model.answer(asked)]
        assert np.mean([p > 0.5 for p in said[: len(true)]]) >= 0.8, dict(zip(true, said, strict=False))
        assert np.mean([p < 0.5 for p in said[len(true) :]]) >= 0.8, dict(zip(false, said[len(true) :], strict=True))


def test_the_answer_to_a_question_does_not_depend_on_its_neighbours(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    first = of_thing(frame, found, 0, IsTrue((), "a red tool with two handles"))
    others = [of_thing(frame, found, 1, IsTrue((), claim)) for claim in ("a hammer", "is it made of steel, or not?")]
    alone, together = model.answer([first])[0], model.answer([*others, first])[-1]
    assert yes(alone) == pytest.approx(yes(together), abs=1e-6)


def test_colours_parts_and_numbers_are_chosen_from_what_is_offered(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    index = kinds(model, frame, found)["pliers"][0]
    questions = (
        (Choose((), "what colour is it?", ("green", "red", "black")), "red"),
        (Choose((), "how many handles does it have?", ("none", "one", "two")), "two"),
        (Choose((), "is it red?", ("no", "yes")), "yes"),
    )
    for question, right in questions:
        (answer,) = model.answer([of_thing(frame, found, index, question)])
        assert isinstance(answer, Answer) and answer.options == question.options
        assert answer.best == right, answer
        assert sum(answer.probabilities) + answer.outside == pytest.approx(1.0, abs=1e-5)


def test_what_none_of_the_options_fits_is_outside(model: Embedded, frame: Frame, found: Segmentation) -> None:
    index = kinds(model, frame, found)["tape measure"][0]
    question = Choose((), "what colour is it?", ("red", "black", "yellow"))
    (answer,) = model.answer([of_thing(frame, found, index, question)])
    assert isinstance(answer, Answer) and answer.outside > 0.5, answer


def test_handles_of_one_thing_are_counted(model: Embedded, frame: Frame, found: Segmentation) -> None:
    by_kind = kinds(model, frame, found)
    for kind, number in (("pliers", 2), ("flat screwdriver", 1), ("tape measure", 0)):
        (answer,) = model.answer([of_thing(frame, found, by_kind[kind][0], HowMany((), "handles"))])
        assert isinstance(answer, Counted) and answer.number == number, (kind, answer)


def test_places_are_found_by_name_colour_and_part_with_box_mask_and_index(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    by_kind = kinds(model, frame, found)
    for phrase, right in (
        ("hammer", by_kind["hammer"]),
        ("the mallets on the bench", by_kind["hammer"]),
        ("screwdriver", by_kind["flat screwdriver"]),
        ("measuring tape", by_kind["tape measure"]),
        ("banana", []),
        ("pink hammer", []),
    ):
        (answer,) = model.answer([of_frame(frame, Ground((), phrase, masks=True))])
        assert isinstance(answer, Grounded)
        assert sorted(f.part for f in answer.found if f.part is not None) == sorted(right), phrase
        for place in answer.found:
            assert place.part is not None and place.mask is not None
            region = found.region(place.part)
            assert place.box == region.box and np.array_equal(place.mask.pixels(), region.mask.astype(bool))
    (red,) = model.answer([of_frame(frame, Ground((), "red hammer"))])
    assert isinstance(red, Grounded) and red.found[0].part in by_kind["hammer"] and red.found[0].mask is None


def test_only_what_lies_in_the_box_is_looked_at(model: Embedded, frame: Frame, found: Segmentation) -> None:
    hammer = found.region(kinds(model, frame, found)["hammer"][0])
    (inside,) = model.answer([of_frame(frame, HowMany((), "hammer"), hammer.box)])
    (claim,) = model.answer([of_frame(frame, IsTrue((), "is it a hammer?"), hammer.box)])
    assert isinstance(inside, Counted) and inside.number == 1 and len(inside.probabilities) == 2
    assert yes(claim) > 0.5


def test_things_are_counted_with_how_sure_each_number_is(model: Embedded, frame: Frame) -> None:
    counts = model.answer(
        [of_frame(frame, HowMany((), phrase)) for phrase in ("hammers", "red things", "thing", "screw")]
    )
    numbers = [answer.number for answer in counts if isinstance(answer, Counted)]
    assert numbers == [2, 2, len(THINGS), 0]
    for answer in counts:
        assert isinstance(answer, Counted) and sum(answer.probabilities) == pytest.approx(1.0)


def test_claims_about_the_whole_bench_are_put_together(model: Embedded, frame: Frame) -> None:
    claims = {
        "there is a hammer on the bench": True,
        "are there two hammers?": True,
        "at least three hammers": False,
        "no screws": True,
        "is there a banana here?": False,
        "the bench is empty": False,
    }
    for (claim, true), answer in zip(
        claims.items(), model.answer([of_frame(frame, IsTrue((), claim)) for claim in claims]), strict=True
    ):
        assert (yes(answer) > 0.5) is true, (claim, answer)


def test_an_empty_bench_is_called_empty(model: Embedded) -> None:
    empty = replace(drawn((("screw", 0, "silver"),)), id="seen")
    corner = Box(0, 0, 2, 2)
    (answer,) = model.answer([of_frame(empty, IsTrue((), "the bench is empty"), corner)])
    (text,) = model.answer([of_frame(empty, Describe(()), corner)])
    assert yes(answer) > 0.9
    assert text == Caption("Nothing lies on the bench.")


def test_a_bench_is_described_by_counts_in_words(model: Embedded, frame: Frame) -> None:
    (said,) = model.answer([of_frame(frame, Describe(()))])
    assert said == Caption("On the bench: two hammers, one flat screwdriver, one pair of pliers and one tape measure.")


def test_captions_name_kind_and_colour_and_a_hint_keeps_the_name_out(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    right = {"flat screwdriver": "purple", "pliers": "red", "tape measure": "green"}
    for kind, indices in kinds(model, frame, found).items():
        named, unnamed = model.answer(
            [of_thing(frame, found, indices[0], Describe((), hint)) for hint in ("", "its parts, not its name")]
        )
        assert isinstance(named, Caption) and isinstance(unnamed, Caption)
        assert not names_a_kind(unnamed.text)
        if names_a_kind(named.text) and kind in right:
            assert named.text.endswith(kind) and right[kind] in named.text


def test_pictures_and_texts_lie_in_one_space(model: Embedded, frame: Frame, found: Segmentation) -> None:
    index = kinds(model, frame, found)["hammer"][0]
    results = model.answer(
        [
            of_thing(frame, found, index, Embed((Look(frame.id),))),
            Asked(Embed((), "hammer"), ()),
            Asked(Embed((), "screw"), ()),
        ]
    )
    picture, hammer, screw = (np.array(result.vector) for result in results if isinstance(result, Embedding))
    assert np.linalg.norm(picture) == pytest.approx(1.0, abs=1e-5)
    assert picture @ hammer > picture @ screw


def test_what_it_cannot_do_is_refused_with_what_could(model: Embedded, frame: Frame, found: Segmentation) -> None:
    flat = replace(frame, depth_m=np.zeros_like(frame.depth_m))
    two = (Picture(frame, Look(frame.id)), Picture(frame, Look(frame.id)))
    asked = (
        (Asked(HowMany((), "screws"), two), "one picture at a time"),
        (of_frame(frame, ReadText(())), "route read_text"),
        (of_frame(frame, IsTrue((), "the drawer is open")), "route is_true to a chat model"),
        (of_frame(frame, IsTrue((), "a hand is over the bench")), "would guess about 'hand'.*workspace_is_clear"),
        (of_frame(frame, HowMany((), "people")), "would guess about"),
        (of_frame(frame, Ground((), "the spill")), "would guess about"),
        (of_frame(frame, Choose((), "which is it?", ("a", "b"))), "one thing at a time"),
        (of_frame(flat, Ground((), "hammer")), "by depth.*ask a detector"),
    )
    answers = model.answer([*(question for question, _ in asked), of_thing(frame, found, 0, IsTrue((), "a tool"))])
    for refused, (_, text) in zip(answers, asked, strict=False):
        assert isinstance(refused, Unsupported)
        with pytest.raises(Unsupported, match=text):
            raise refused
    assert isinstance(answers[-1], Answer)


def test_a_model_without_a_head_compares_words_and_picture(frame: Frame, found: Segmentation, tmp_path: Path) -> None:
    for name in (*CONTENT, "manifest.json"):
        shutil.copyfile(embedded_directory() / name, tmp_path / name)
    plain = opened(tmp_path)
    assert plain.head_revision == ""
    answers = plain.answer([of_thing(frame, found, 0, IsTrue((), "a banana")), of_thing(frame, found, 0, Describe(()))])
    assert yes(answers[0]) < 0.5 and isinstance(answers[1], Caption)


def test_a_head_that_is_corrupt_or_of_another_trunk_is_a_clear_error(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(embedded_directory(), tmp_path / "model"))
    content = bytearray((copy / HEAD_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / HEAD_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=r"question_head.safetensors is corrupt.*vlm-bt train head"):
        opened(copy)
    shutil.copyfile(embedded_directory() / HEAD_FILE, copy / HEAD_FILE)
    config = json.loads((copy / "open_clip_config.json").read_text())
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    from vlm_bt.vision.weights import write_manifest

    write_manifest(copy)
    with pytest.raises(ModelError, match=r"was trained on .*vlm-bt train head"):
        opened(copy)
    (copy / HEAD_MANIFEST).unlink()
    with pytest.raises(ModelError, match=r"has no question head"):
        opened(copy)


def test_the_head_and_its_card_ship_and_the_whole_stays_small() -> None:
    folder = embedded_directory()
    assert (folder / HEAD_FILE).stat().st_size < 3_000_000
    assert sum(path.stat().st_size for path in folder.iterdir()) < 15_000_000
    card = (folder / "question_head.md").read_text(encoding="utf-8")
    assert "vlm-bt train head" in card and "held out" in card


def test_numbers_come_from_every_thing_being_there_or_not() -> None:
    counts = distribution([0.5, 0.5, 1.0])
    assert counts.tolist() == [0.0, 0.25, 0.5, 0.25]
    claim = claim_of("at least two screws")
    assert claim is not None and chance_of(claim, [0.5, 0.5, 1.0]) == pytest.approx(0.75)
    none = claim_of("no screws")
    assert none is not None and chance_of(none, [0.5, 0.5]) == pytest.approx(0.25)
    assert len(distribution([1.0] * 40)) == 21 and distribution([1.0] * 40)[-1] == 1.0


def test_a_photograph_without_depth_is_taken_for_one_thing_but_nothing_is_counted_in_it(
    model: Embedded, frame: Frame, found: Segmentation
) -> None:
    tape = max(found.regions, key=lambda region: region.footprint.height_m)
    rgb = Picture(frame, Look(frame.id, tape.index), tape).pixels(240)
    lens = replace(frame.intrinsics, width=240, height=240)
    photo = replace(frame, id="photo", rgb=rgb, depth_m=np.zeros((240, 240), np.float32), intrinsics=lens)
    looks = (Look("photo"),)
    questions = (
        Choose(looks, WHAT_IS_IT, ("tape measure", "hammer")),
        IsTrue(looks, "a tape measure"),
        IsTrue(looks, "the bench is empty"),
        HowMany(looks, "hammers"),
    )
    chosen, true, empty, counted = model.answer([Asked(asked, (Picture(photo, looks[0]),)) for asked in questions])
    assert isinstance(chosen, Answer) and chosen.best == "tape measure"
    assert isinstance(true, Answer) and true.probabilities[0] > 0.5
    for refused in (empty, counted):
        assert isinstance(refused, Unsupported) and "by depth" in str(refused)
