"""How each family of detectors is asked: its texts, its forward pass, its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.vision.model import Unsupported

Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(N, 4) corners in pixels of the picture, not cut at its edges, and (N,) scores."""

PHRASES_AT_ONCE = 16
LOWEST = -1.0
"""Below every score, so that the library leaves out nothing itself."""


class Detector(Protocol):
    def __init__(self, model: Any, processor: Any, device: str, text_threshold: float) -> None: ...

    def spelt(self, phrase: str) -> str:
        """The phrase as the model reads it; what would be a control sign is drawn otherwise."""
        ...

    def check(self, phrase: str) -> None:
        """Raises: Unsupported: the phrase is empty or longer than the model reads."""
        ...

    def detect(self, pixels: NDArray[np.uint8], phrases: Sequence[str]) -> list[Boxes]:
        """For each phrase, every box, in a picture (H, W, 3)."""
        ...


class Owlv2:
    """OWLv2. All phrases about a picture share its one pass; a box's score for one phrase does not see the others.

    The library would keep a box only for the phrase that fits it best, so each phrase is read off on its own.
    """

    def __init__(self, model: Any, processor: Any, device: str, text_threshold: float) -> None:
        self._model, self._processor, self._device = model, processor, device
        self._longest = int(model.config.text_config.max_position_embeddings)

    def spelt(self, phrase: str) -> str:
        return " ".join(phrase.split())

    def check(self, phrase: str) -> None:
        _check(phrase, len(self._processor.tokenizer(phrase, verbose=False)["input_ids"]), self._longest)

    @torch.inference_mode()
    def detect(self, pixels: NDArray[np.uint8], phrases: Sequence[str]) -> list[Boxes]:
        found: list[Boxes] = []
        height, width = pixels.shape[:2]
        inputs = self._processor(text=[list(phrases)], images=pixels, return_tensors="pt").to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        outputs = self._model(**inputs)
        for column in range(len(phrases)):
            own = SimpleNamespace(
                logits=outputs.logits[..., column : column + 1].float(), pred_boxes=outputs.pred_boxes.float()
            )
            result = self._processor.post_process_grounded_object_detection(
                own, threshold=LOWEST, target_sizes=[(height, width)]
            )[0]
            found.append((_numbers(result["boxes"]), _numbers(result["scores"])))
        return found


class GroundingDino:
    """Grounding DINO and MM-Grounding-DINO. Phrases in one prompt would change each other's scores."""

    def __init__(self, model: Any, processor: Any, device: str, text_threshold: float) -> None:
        self._model, self._processor, self._device = model, processor, device
        self._least = text_threshold
        text = model.config.text_config
        self._longest = min(int(model.config.max_text_len), int(text.max_position_embeddings))

    def spelt(self, phrase: str) -> str:
        # A dot would end the phrase and begin another.
        return " ".join(phrase.lower().replace(".", " ").split())

    def check(self, phrase: str) -> None:
        _check(phrase, len(self._processor.tokenizer(f"{phrase}.", verbose=False)["input_ids"]), self._longest)

    @torch.inference_mode()
    def detect(self, pixels: NDArray[np.uint8], phrases: Sequence[str]) -> list[Boxes]:
        found: list[Boxes] = []
        for start in range(0, len(phrases), PHRASES_AT_ONCE):
            some = phrases[start : start + PHRASES_AT_ONCE]
            inputs = self._processor(
                images=[pixels] * len(some), text=[[phrase] for phrase in some], padding=True, return_tensors="pt"
            ).to(self._device)
            inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
            found += self._read(self._model(**inputs), inputs, pixels.shape[:2], len(some))
        return found

    def _read(self, outputs: Any, inputs: Any, size: tuple[int, int], count: int) -> list[Boxes]:
        own = SimpleNamespace(logits=outputs.logits.float(), pred_boxes=outputs.pred_boxes.float())
        results = self._processor.post_process_grounded_object_detection(
            own, inputs["input_ids"], threshold=LOWEST, text_threshold=self._least, target_sizes=[size] * count
        )
        lengths = inputs["attention_mask"].sum(1).tolist()
        found: list[Boxes] = []
        for row, (result, length) in enumerate(zip(results, lengths, strict=True)):
            # Of "[CLS] the phrase . [SEP]" only the phrase's own words say that a box is meant.
            said = own.logits[row, :, 1 : int(length) - 2].sigmoid().amax(-1) > self._least
            found.append((_numbers(result["boxes"][said]), _numbers(result["scores"][said])))
        return found


FAMILIES: Mapping[str, type[Detector]] = {
    "owlv2": Owlv2,
    "grounding-dino": GroundingDino,
    "mm-grounding-dino": GroundingDino,
}
"""By `model_type` in the checkpoint's config.json."""


def _check(phrase: str, tokens: int, longest: int) -> None:
    if not phrase:
        raise Unsupported("the phrase is empty")
    if tokens > longest:
        raise Unsupported(f"the phrase is too long: {tokens} tokens, this model reads {longest}; use fewer words")


def _numbers(values: torch.Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()
