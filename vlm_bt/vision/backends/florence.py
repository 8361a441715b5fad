"""Florence-2: it knows tasks, not questions. Where a phrase is, what is there, and what is written there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import Caption, Describe, Found, Ground, Grounded, ReadOut, ReadText, Result, TextLine, name_of
from vlm_bt.types import Box
from vlm_bt.vision.backends.quirks import quirks_of
from vlm_bt.vision.backends.turns import Turns, pixels_per_pixel
from vlm_bt.vision.boxes import in_frame
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision_settings import ChatModel

GROUND, DESCRIBE, READ = "<CAPTION_TO_PHRASE_GROUNDING>", "<DETAILED_CAPTION>", "<OCR_WITH_REGION>"
SCORE = 1.0
"""It gives places without scores."""


class Florence:
    def __init__(self, model: Any, processor: Any, settings: ChatModel, device: str) -> None:
        self._model, self._processor, self._settings = model, processor, settings
        self._device = device
        # Its tasks stand in for a chat template.
        self._turns = Turns(processor, quirks_of("florence2"), device, model.dtype, settings.longest_edge)

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        out: list[Result | VlmBtError] = []
        for asked in batch:
            try:
                out.append(self._one(asked))
            except Unsupported as error:
                out.append(error)
        return out

    def _one(self, asked: Asked) -> Result:
        question, at = asked.question, asked.picture.at
        if isinstance(question, Describe):
            return Caption(str(self._do(DESCRIBE, "", self._turns.image(asked.picture))).strip())
        image = self._turns.image(asked.picture, whole_part=True)
        scale = pixels_per_pixel(image, at)
        if isinstance(question, Ground):
            phrase = self._turns.harmless(question.phrase)
            places = self._do(GROUND, phrase, image)
            boxes = [in_frame(np.array(corners, float) * scale, at) for corners in places["bboxes"]]
            return Grounded(question.phrase, tuple(Found(box, SCORE) for box in boxes if box is not None))
        if isinstance(question, ReadText):
            read = self._do(READ, "", image)
            lines = zip(read["labels"], read["quad_boxes"], strict=True)
            return ReadOut(tuple(_line(text, corners, scale, at) for text, corners in lines if text.strip()))
        raise Unsupported(f"Florence-2 does not answer {name_of(question)}; it finds, describes and reads")

    def _do(self, task: str, about: str, image: Image.Image) -> Any:
        """What the library makes of what the model writes for a task; coordinates are the image's pixels."""
        inputs = self._processor(text=f"{task}{about}", images=image, return_tensors="pt")
        inputs = inputs.to(self._device, dtype=self._model.dtype)
        out = self._model.generate(
            **inputs, max_new_tokens=self._settings.new_tokens, do_sample=False, num_beams=1, early_stopping=False
        )
        text = self._processor.batch_decode(out, skip_special_tokens=False)[0]
        return self._processor.post_process_generation(text, task=task, image_size=image.size)[task]


def _line(text: str, corners: Sequence[float], scale: NDArray[np.float64], at: Box) -> TextLine:
    """A line and the upright box around its four corners (x, y, x, y ...)."""
    x, y = np.array(corners[0::2], float), np.array(corners[1::2], float)
    upright = np.array([x.min(), y.min(), x.max(), y.max()]) * scale
    return TextLine(text.replace("</s>", "").strip(), box=in_frame(upright, at))
