"""Open-vocabulary detectors of transformers: OWLv2, Grounding DINO, MM-Grounding-DINO; outlines by SAM2.

Each phrase is judged as if it were asked alone. OWLv2 reads a picture once for all phrases; Grounding DINO mixes words
and picture from the start, so each phrase has a row of its own in the batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.errors import ModelError, VlmBtError
from vlm_bt.questions import Found, Ground, Grounded, Mask, Question, Result
from vlm_bt.types import Box
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.detectors import FAMILIES, Detector
from vlm_bt.vision.backends.loading import load_complete, load_processor, type_of
from vlm_bt.vision.backends.segmenting import Segmenter
from vlm_bt.vision.boxes import OVERLAP_AT_MOST, best_of_each, in_frame
from vlm_bt.vision.checkpoints import locate
from vlm_bt.vision.memory import check_fits
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import digest_of
from vlm_bt.vision.precision import device_of, finished, loading_options
from vlm_bt.vision_settings import DetectionModel

_Place = tuple[bytes, Box]
"""Digest of the pixels that are shown, and where they lie in the frame."""


@dataclass(eq=False)
class _Scene:
    """One picture (H, W, 3), and by phrase the least score that anyone asks for and what was found."""

    pixels: NDArray[np.uint8]
    at: Box
    least: dict[str, float] = field(default_factory=dict)
    found: dict[str, tuple[Found, ...]] = field(default_factory=dict)


class Detection:
    """A detector, and a segmenter where `masks` names one.

    Raises:
        ModelError, ConfigError: Files are missing or not what they should be; the settings cannot be served.
    """

    answers: frozenset[type[Question]] = frozenset({Ground})

    def __init__(self, settings: DetectionModel, surroundings: Surroundings) -> None:
        torch.set_num_threads(settings.threads)
        device = device_of(settings)
        located = locate(
            settings.checkpoint,
            model_revision=settings.model_revision,
            sha256=settings.sha256,
            cache=settings.cache,
            offline=surroundings.offline,
        )
        kind = _family(located.folder, settings.checkpoint)
        check_fits(located.folder, settings, device)
        options = loading_options(settings, device)
        processor = load_processor(located.folder, settings.checkpoint)
        from transformers import AutoModelForZeroShotObjectDetection

        loaded = load_complete(AutoModelForZeroShotObjectDetection, located.folder, settings.checkpoint, options)
        model = finished(loaded, settings, device)
        self._detector: Detector = kind(model, processor, device, settings.text_threshold)
        self._segmenter: Segmenter | None = None
        marks = [str(options["dtype"]), settings.quantisation, settings.attention, str(settings.compile)]
        marks += [str(settings.text_threshold), str(OVERLAP_AT_MOST)]
        if settings.masks is not None:
            other = _of_masks(settings, settings.masks)
            self._segmenter = Segmenter(other, surroundings.offline)
            marks.append(self._segmenter.revision)
        self.revision = f"{located.revision}-{hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:8]}"

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        scenes: dict[_Place, _Scene] = {}
        digests: dict[tuple[int, Box], bytes] = {}
        planned: list[tuple[Ground, _Scene] | VlmBtError] = []
        for asked in batch:
            try:
                planned.append(self._planned(asked, scenes, digests))
            except VlmBtError as error:
                planned.append(error)
        for scene in scenes.values():
            self._detect(scene)
        return [plan if isinstance(plan, VlmBtError) else self._grounded(*plan) for plan in planned]

    def _planned(
        self, asked: Asked, scenes: dict[_Place, _Scene], digests: dict[tuple[int, Box], bytes]
    ) -> tuple[Ground, _Scene]:
        question = asked.question
        if not isinstance(question, Ground):
            raise Unsupported(f"a detector says where things are; it has no answer to {type(question).__name__}")
        if question.masks and self._segmenter is None:
            raise Unsupported("this detector gives boxes only; name a SAM2 checkpoint under masks")
        # A thing is looked for in its own box, because a box in its turned cut-out has no place in the frame.
        picture, phrase, at = asked.picture, self._detector.spelt(question.phrase), asked.picture.at
        if at.x1 <= at.x0 or at.y1 <= at.y0:
            raise Unsupported(f"there is nothing to see: {picture.look.part} lies outside the frame")
        self._detector.check(phrase)
        pixels = picture.frame.rgb[at.y0 : at.y1, at.x0 : at.x1]
        key = (id(picture.frame), at)
        if key not in digests:
            digests[key] = digest_of(pixels)
        scene = scenes.setdefault((digests[key], at), _Scene(np.ascontiguousarray(pixels), at))
        scene.least[phrase] = min(question.least_score, scene.least.get(phrase, question.least_score))
        return question, scene

    def _detect(self, scene: _Scene) -> None:
        phrases = list(scene.least)
        for phrase, (corners, scores) in zip(phrases, self._detector.detect(scene.pixels, phrases), strict=True):
            enough = scores >= scene.least[phrase]
            corners, scores = corners[enough], scores[enough]
            boxes = [(in_frame(corners[n], scene.at), float(scores[n])) for n in best_of_each(corners, scores)]
            scene.found[phrase] = tuple(Found(box, score) for box, score in boxes if box is not None)

    def _grounded(self, question: Ground, scene: _Scene) -> Grounded:
        places = scene.found[self._detector.spelt(question.phrase)]
        found = tuple(place for place in places if place.score >= question.least_score)
        if question.masks and self._segmenter is not None:
            shown = [_in_part(place.box, scene.at) for place in found]
            outlines = self._segmenter.outlines(scene.pixels, shown)
            found = tuple(
                replace(place, mask=Mask.of(place.box, outline)) for place, outline in zip(found, outlines, strict=True)
            )
        return Grounded(question.phrase, found)


def _of_masks(settings: DetectionModel, checkpoint: str) -> DetectionModel:
    """The same settings for the segmenter's own files."""
    changes: dict[str, Any] = {"checkpoint": checkpoint, "model_revision": settings.masks_revision, "sha256": {}}
    return settings.model_copy(update=changes)


def _family(folder: Path, name: str) -> type[Detector]:
    kind = type_of(folder)
    if kind not in FAMILIES:
        raise ModelError(f"{name} is a {kind}, no detector that is known here; known: {', '.join(FAMILIES)}")
    return FAMILIES[kind]


def _in_part(box: Box, part: Box) -> Box:
    return Box(box.x0 - part.x0, box.y0 - part.y0, box.x1 - part.x0, box.y1 - part.y0)
