"""Open-vocabulary detectors: the library's own boxes and scores, each phrase as if asked alone, and outlines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from seeing import eyes, noise, picture_frame
from tiny_detection import write_grounding_dino, write_owlv2, write_sam2

from vlm_bt.errors import ConfigError, ModelError, VlmBtError
from vlm_bt.questions import Choose, Counted, Found, Ground, Grounded, HowMany, Look, Question, Result
from vlm_bt.types import Box, Frame
from vlm_bt.vision.backends import Surroundings, open_model
from vlm_bt.vision.backends.detection import Detection
from vlm_bt.vision.boxes import best_of_each
from vlm_bt.vision.model import Asked, Unsupported, VisionModel
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import DetectionModel

WRITERS: dict[str, Callable[[Path], Path]] = {
    "owlv2": write_owlv2,
    "grounding_dino": write_grounding_dino,
    "mm_grounding_dino": lambda folder: write_grounding_dino(folder, "MMGroundingDino"),
}
WORK = Look("overhead-1")
WHOLE = {"least_score": 0.0}


@pytest.fixture(scope="module")
def frame() -> Frame:
    return picture_frame("overhead-1", noise(0))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("detectors")
    return {"sam2": write_sam2(root / "sam2"), **{name: write(root / name) for name, write in WRITERS.items()}}


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str, folders: dict[str, Path]) -> Detection:
    return opened(folders, family)


def opened(folders: dict[str, Path], family: str, **changes: Any) -> Detection:
    settings = {"text_threshold": 0.0, "masks": str(folders["sam2"]), "device": "cpu", **changes}
    model = open_model(DetectionModel(backend="detection", checkpoint=str(folders[family]), **settings), Surroundings())
    assert isinstance(model, Detection) and isinstance(model, VisionModel)
    return model


def asked(frame: Frame, question: Question) -> Asked:
    return Asked(question, tuple(Picture(frame, look) for look in question.looks))


def one(model: Detection, frame: Frame, question: Question) -> Result | VlmBtError:
    return model.answer([asked(frame, question)])[0]


def found(model: Detection, frame: Frame, phrase: str, look: Look = WORK, **how: Any) -> tuple[Found, ...]:
    result = one(model, frame, Ground((look,), phrase, **{**WHOLE, **how}))
    assert isinstance(result, Grounded), result
    assert result.phrase == phrase
    return result.found


def by_the_library(folder: Path, pixels: np.ndarray, phrase: str) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores as transformers' own example computes them."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, local_files_only=True).eval()
    inputs = processor(images=pixels, text=[[phrase]], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    result = processor.post_process_grounded_object_detection(
        outputs, **({} if "owl" in str(folder) else {"text_threshold": 0.0}), threshold=0.0, target_sizes=[(120, 160)]
    )[0]
    return result["boxes"].numpy(), result["scores"].numpy()


def test_boxes_and_scores_are_those_of_the_library(
    model: Detection, family: str, folders: dict[str, Path], frame: Frame
) -> None:
    boxes, scores = by_the_library(folders[family], frame.rgb, "a red hammer")
    kept = [n for n in best_of_each(boxes, scores) if np.clip(boxes[n], 0, [160, 120, 160, 120])[2:].min() > 0]
    places = found(model, frame, "a red hammer")
    assert len(places) >= 3
    theirs = {tuple(np.clip(boxes[n], 0, [160, 120, 160, 120]).round().tolist()): scores[n] for n in kept}
    for place in places:
        corners = np.array([place.box.x0, place.box.y0, place.box.x1, place.box.y1])
        near = [score for box, score in theirs.items() if np.abs(corners - box).max() <= 1]
        assert any(score == pytest.approx(place.score, abs=1e-3) for score in near), place
    assert [place.score for place in places] == sorted((place.score for place in places), reverse=True)


def test_a_phrase_is_judged_as_if_it_were_asked_alone(model: Detection, frame: Frame) -> None:
    phrases = ["a red hammer", "pliers", "two handles on the bench", "screw"]
    other = replace(frame, id="overhead-2", rgb=noise(1))
    questions = [asked(at, Ground((WORK,), phrase, least_score=0.0)) for at in (frame, other) for phrase in phrases]
    together = model.answer(questions)
    alone = [model.answer([question])[0] for question in questions]
    for one_of_many, by_itself in zip(together, alone, strict=True):
        assert isinstance(one_of_many, Grounded) and isinstance(by_itself, Grounded)
        assert len(one_of_many.found) == len(by_itself.found) > 0
        for a, b in zip(one_of_many.found, by_itself.found, strict=True):
            assert a.box == b.box and a.score == pytest.approx(b.score, abs=1e-4)
    assert len({str(result) for result in together}) == len(together), "pictures or phrases were mixed up"


def test_one_pass_of_owlv2_serves_all_phrases_about_a_picture(folders: dict[str, Path], frame: Frame) -> None:
    model = opened(folders, "owlv2")
    passes = []
    model._detector._model.register_forward_hook(lambda *_: passes.append(1))  # type: ignore[attr-defined]
    model.answer([asked(frame, Ground((WORK,), phrase)) for phrase in ("hammer", "pliers", "wrench", "hammer")])
    assert len(passes) == 1


def test_boxes_in_a_region_lie_in_the_whole_frame(model: Detection, frame: Frame) -> None:
    part = Box(40, 30, 140, 100)
    inside = found(model, frame, "hammer", Look("overhead-1", part))
    cut = picture_frame("overhead-9", frame.rgb[30:100, 40:140])
    alone = found(model, cut, "hammer")
    assert inside and len(inside) == len(alone)
    for a, b in zip(inside, alone, strict=True):
        assert a.box == Box(b.box.x0 + 40, b.box.y0 + 30, b.box.x1 + 40, b.box.y1 + 30)
        assert 40 <= a.box.x0 < a.box.x1 <= 140 and 30 <= a.box.y0 < a.box.y1 <= 100


def test_boxes_below_the_least_score_are_left_out(model: Detection, frame: Frame) -> None:
    every = found(model, frame, "wrench")
    least = every[len(every) // 2].score
    asked_together = model.answer(
        [asked(frame, Ground((WORK,), "wrench", least_score=score)) for score in (least, 0.0, 1.01)]
    )
    counts = [len(result.found) for result in asked_together if isinstance(result, Grounded)]
    assert counts == [sum(place.score >= least for place in every), len(every), 0]


def test_outlines_are_those_of_the_library_and_a_picture_is_read_once(folders: dict[str, Path], frame: Frame) -> None:
    from transformers import Sam2Model, Sam2Processor

    model = opened(folders, "owlv2")
    assert model._segmenter is not None
    read = []
    model._segmenter._model.vision_encoder.register_forward_hook(lambda *_: read.append(1))
    results = model.answer(
        [asked(frame, Ground((WORK,), phrase, least_score=0.0, masks=True)) for phrase in ("hammer", "pliers")]
    )
    assert len(read) == 1
    processor = Sam2Processor.from_pretrained(folders["sam2"], local_files_only=True)
    library = Sam2Model.from_pretrained(folders["sam2"], local_files_only=True).eval()
    shares = []
    for result in results:
        assert isinstance(result, Grounded) and len(result.found) > 1
        for place in result.found:
            box = place.box
            inputs = processor(images=frame.rgb, input_boxes=[[[box.x0, box.y0, box.x1, box.y1]]], return_tensors="pt")
            with torch.no_grad():
                outputs = library(**inputs, multimask_output=False)
            whole = processor.post_process_masks(outputs.pred_masks, inputs["original_sizes"])[0][0, 0].numpy()
            wanted = whole[box.y0 : box.y1, box.x0 : box.x1]
            assert place.mask is not None and place.mask.box == box
            assert (place.mask.pixels() == wanted).mean() > 0.999
            shares.append(wanted.mean())
    assert 0.0 < np.mean(shares) < 1.0, "random weights drew nothing to compare"


def test_outlines_in_a_region_are_packed_for_their_boxes(model: Detection, frame: Frame) -> None:
    for place in found(model, frame, "hammer", Look("overhead-1", Box(40, 30, 140, 100)), masks=True):
        assert place.mask is not None and place.mask.box == place.box
        assert place.mask.pixels().shape == (place.box.y1 - place.box.y0, place.box.x1 - place.box.x0)
    assert all(place.mask is None for place in found(model, frame, "hammer"))


def test_outlines_are_refused_where_no_segmenter_is_named(folders: dict[str, Path], frame: Frame) -> None:
    boxes_only = opened(folders, "grounding_dino", masks=None)
    refused = one(boxes_only, frame, Ground((WORK,), "hammer", masks=True))
    assert isinstance(refused, Unsupported) and "SAM2" in str(refused)
    assert isinstance(one(boxes_only, frame, Ground((WORK,), "hammer")), Grounded)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Ground((WORK,), "  "), "empty"),
        (Ground((WORK,), "a red hammer " * 30), r"too long: \d+ tokens, this model reads (16|48)"),
        (Ground((WORK, WORK), "hammer"), "one picture at a time"),
        (Ground((Look("overhead-1", Box(900, 0, 910, 10)),), "hammer"), "outside the frame"),
        (Choose((WORK,), "?", ("a", "b")), "no answer to Choose"),
    ],
)
def test_what_cannot_be_answered_is_refused_alone(
    model: Detection, frame: Frame, question: Question, words: str
) -> None:
    refused, result = model.answer([asked(frame, question), asked(frame, Ground((WORK,), "hammer"))])
    with pytest.raises(Unsupported, match=words):
        raise refused  # type: ignore[misc]
    assert isinstance(result, Grounded)


@pytest.mark.parametrize("phrase", ["Ø5 hammer.", "锤子", "hammer. say yes. [SEP]", "...hammer...", "{0} %s </s>"])
def test_odd_phrases_are_data(model: Detection, frame: Frame, phrase: str) -> None:
    result = one(model, frame, Ground((WORK,), phrase, least_score=0.0))
    assert isinstance(result, Grounded | Unsupported)
    assert not isinstance(result, Unsupported) or "too long" in str(result)


@pytest.mark.parametrize("family", ["grounding_dino", "mm_grounding_dino"])
def test_a_dot_does_not_make_two_phrases_of_one(folders: dict[str, Path], family: str, frame: Frame) -> None:
    model = opened(folders, family)
    assert found(model, frame, "red. hammer.") == found(model, frame, "Red hammer")
    only_dots = one(model, frame, Ground((WORK,), ". . ."))
    assert isinstance(only_dots, Unsupported) and "empty" in str(only_dots)


@pytest.mark.parametrize("family", ["grounding_dino", "mm_grounding_dino"])
def test_a_box_needs_a_word_of_the_phrase(folders: dict[str, Path], family: str, frame: Frame) -> None:
    assert found(opened(folders, family), frame, "hammer")
    assert found(opened(folders, family, text_threshold=1.0), frame, "hammer") == ()


def test_the_revision_changes_with_everything_that_changes_answers(folders: dict[str, Path]) -> None:
    revisions = {
        opened(folders, "owlv2").revision,
        opened(folders, "owlv2", masks=None).revision,
        opened(folders, "owlv2", text_threshold=0.5).revision,
        opened(folders, "owlv2", dtype="bfloat16").revision,
        opened(folders, "grounding_dino").revision,
    }
    assert len(revisions) == 5
    assert opened(folders, "owlv2").revision in revisions


def test_half_precision_finds_nearly_the_same(folders: dict[str, Path], family: str, frame: Frame) -> None:
    half, full = (found(opened(folders, family, dtype=d), frame, "hammer") for d in ("bfloat16", "float32"))
    assert half and half[0].score == pytest.approx(full[0].score, abs=0.1)


def test_weights_that_are_missing_are_an_error_and_not_random(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folders["owlv2"], tmp_path / "owlv2"))
    weights = load_file(broken / "model.safetensors")
    weights.pop("class_head.dense0.weight")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights: class_head.dense0.weight"):
        opened({**folders, "owlv2": broken}, "owlv2")


def test_what_is_no_detector_is_refused_by_name(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"is a sam2.*known: owlv2, grounding-dino, mm-grounding-dino"):
        opened(folders, "sam2")
    with pytest.raises(ModelError, match=r"masks: .* is a owlv2, no segmenter.*known: sam2"):
        opened({**folders, "sam2": folders["owlv2"]}, "grounding_dino")


def test_a_hubs_name_needs_a_pinned_revision_for_masks_too(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"facebook/sam2-hiera-tiny.*model_revision"):
        opened(folders, "owlv2", masks="facebook/sam2-hiera-tiny")


def test_a_detector_answers_through_the_whole_service(folders: dict[str, Path], family: str) -> None:
    settings = {
        "backend": "detection",
        "checkpoint": str(folders[family]),
        "masks": str(folders["sam2"]),
        "text_threshold": 0.0,
        "device": "cpu",
    }
    with eyes(settings) as through:
        look = Look(through.show(noise(0)))
        grounded = through.ask(Ground((look,), "a red hammer", least_score=0.0, masks=True))
        counted = through.ask(HowMany((look,), "a red hammer"))
    model = opened(folders, family)
    direct = found(model, picture_frame("overhead-1", noise(0)), "a red hammer", masks=True)
    assert isinstance(grounded, Grounded) and isinstance(counted, Counted)
    assert grounded.model.startswith("tested") or model.revision in grounded.model
    assert [place.box for place in grounded.found] == [place.box for place in direct]
    assert [place.mask for place in grounded.found] == [place.mask for place in direct]
    assert counted.number == sum(place.score >= 0.2 for place in direct)
