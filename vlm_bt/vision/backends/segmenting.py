"""SAM2 of transformers: the outline of what a box holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.errors import ModelError
from vlm_bt.types import Box
from vlm_bt.vision.backends.loading import load_complete, load_processor, type_of
from vlm_bt.vision.checkpoints import locate
from vlm_bt.vision.memory import check_fits
from vlm_bt.vision.pictures import digest_of
from vlm_bt.vision.precision import device_of, finished, loading_options
from vlm_bt.vision_settings import Checkpoint

KINDS = ("sam2", "sam2_video")
BOXES_AT_ONCE = 32
KEPT_PICTURES = 2
"""What SAM2 remembers of a picture takes 16 MB."""


class Segmenter:
    """A SAM2 checkpoint. A picture is read once for all boxes on it.

    Raises:
        ModelError, ConfigError: Files are missing or not what they should be; the settings cannot be served.
    """

    def __init__(self, settings: Checkpoint, offline: bool = True) -> None:
        self._device = device_of(settings)
        located = locate(
            settings.checkpoint,
            model_revision=settings.model_revision,
            sha256=settings.sha256,
            cache=settings.cache,
            offline=offline,
        )
        name = f"masks: {settings.checkpoint}"
        if (kind := type_of(located.folder)) not in KINDS:
            raise ModelError(f"{name} is a {kind}, no segmenter that is known here; known: {', '.join(KINDS)}")
        check_fits(located.folder, settings, self._device)
        self._processor = load_processor(located.folder, name)
        from transformers import Sam2Model

        # A checkpoint of SAM2 for video holds the same weights and more; the library would guess another class.
        loaded = load_complete(Sam2Model, located.folder, name, loading_options(settings, self._device))
        self._model = finished(loaded, settings, self._device)
        self.revision = located.revision
        self._read: OrderedDict[bytes, list[torch.Tensor]] = OrderedDict()

    @torch.inference_mode()
    def outlines(self, pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> list[NDArray[np.bool_]]:
        """For each box, which of its pixels belong to the thing: (H, W) bool of the box's own size.

        Args:
            pixels: (H, W, 3). boxes: in its pixels, inside it.
        """
        if not boxes:
            return []
        found: list[NDArray[np.bool_]] = []
        embedded = self._embedded(pixels)
        for start in range(0, len(boxes), BOXES_AT_ONCE):
            some = boxes[start : start + BOXES_AT_ONCE]
            inputs = self._processor(
                input_boxes=[[[float(b.x0), float(b.y0), float(b.x1), float(b.y1)] for b in some]],
                original_sizes=[list(pixels.shape[:2])],
                return_tensors="pt",
            )
            outputs = self._model(
                image_embeddings=embedded,
                input_boxes=inputs["input_boxes"].to(self._device, self._model.dtype),
                multimask_output=False,
            )
            whole = self._processor.post_process_masks([outputs.pred_masks[0].float()], [pixels.shape[:2]])[0]
            masks = whole[:, 0].cpu().numpy()
            found += [mask[b.y0 : b.y1, b.x0 : b.x1] for mask, b in zip(masks, some, strict=True)]
        return found

    def _embedded(self, pixels: NDArray[np.uint8]) -> list[torch.Tensor]:
        digest = digest_of(pixels)
        if digest not in self._read:
            inputs = self._processor(images=pixels, return_tensors="pt")
            shown = inputs["pixel_values"].to(self._device, self._model.dtype)
            self._read[digest] = self._model.get_image_embeddings(shown)
            while len(self._read) > KEPT_PICTURES:
                self._read.popitem(last=False)
        return self._read[digest]
