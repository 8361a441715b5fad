"""BLIP: three kinds of checkpoint, each with a head of its own. One answers questions, one compares, one describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vlm_bt.errors import ModelError, VlmBtError
from vlm_bt.questions import YES_NO, Caption, Describe, IsTrue, Question, Result, name_of
from vlm_bt.types import Answer
from vlm_bt.vision.backends.quirks import quirks_of
from vlm_bt.vision.backends.turns import Turns
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision_settings import ChatModel

ANSWERS: Mapping[str, frozenset[type[Question]]] = {
    "BlipForQuestionAnswering": frozenset({IsTrue}),
    "BlipForImageTextRetrieval": frozenset({IsTrue}),
    "BlipForConditionalGeneration": frozenset({Describe}),
}
QUESTION = "is this true of the picture: {claim}?"


def class_of(config: Mapping[str, Any], folder: Path) -> Any:
    """The class that reads the checkpoint. Raises: ModelError: It is none of the three."""
    import transformers

    for name in config.get("architectures") or ():
        if name in ANSWERS:
            return getattr(transformers, name)
    raise ModelError(f"{folder} does not say which kind of BLIP it is; architectures names one of {', '.join(ANSWERS)}")


class Blip:
    def __init__(self, model: Any, processor: Any, settings: ChatModel, device: str) -> None:
        self._model, self._processor, self._device = model, processor, device
        self._new_tokens = settings.new_tokens
        self._turns = Turns(processor, quirks_of("blip"), device, model.dtype, settings.longest_edge)
        self._kind = type(model).__name__
        self.answers = ANSWERS[self._kind]

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        out: list[Result | VlmBtError] = []
        for asked in batch:
            try:
                out.append(self._one(asked))
            except Unsupported as error:
                out.append(error)
        return out

    def _one(self, asked: Asked) -> Result:
        question = asked.question
        if type(question) not in self.answers:
            raise Unsupported(f"{self._kind} does not answer {name_of(question)}")
        image = self._turns.image(asked.picture)
        if isinstance(question, IsTrue):
            claim = self._turns.harmless(question.claim)
            yes, no = self._compared(claim, image) if "Retrieval" in self._kind else self._answered(claim, image)
            return Answer(question.claim, YES_NO, (yes, no), outside=max(0.0, 1.0 - yes - no))
        inputs = self._inputs(images=image)
        out = self._model.generate(**inputs, max_new_tokens=self._new_tokens, do_sample=False, num_beams=1)
        return Caption(self._processor.decode(out[0], skip_special_tokens=True).strip())

    def _compared(self, claim: str, image: Any) -> tuple[float, float]:
        scores = self._model(**self._inputs(images=image, text=claim)).itm_score[0].float().softmax(-1)
        return float(scores[1]), float(scores[0])

    def _answered(self, claim: str, image: Any) -> tuple[float, float]:
        """From the first word of the answer, as the decoder begins it."""
        inputs = self._inputs(images=image, text=QUESTION.format(claim=claim))
        out = self._model.generate(
            **inputs, max_new_tokens=1, do_sample=False, num_beams=1, return_dict_in_generate=True, output_logits=True
        )
        chances = out.logits[0][0].float().softmax(-1)
        yes, no = (self._processor.tokenizer.convert_tokens_to_ids(word) for word in YES_NO)
        return float(chances[yes]), float(chances[no])

    def _inputs(self, **given: Any) -> Any:
        inputs = self._processor(**given, return_tensors="pt", truncation=True, max_length=512)
        return {name: _cast(value, self._device, self._model.dtype) for name, value in inputs.items()}


def _cast(value: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)
