"""Many questions about the same pictures: pictures and common words are computed once, each question only by itself.

Exact for decoders in which a word sees only what stands before it (compared with the plain library to 1e-5, see
`quirks.Quirks.shares_prefix`). The questions follow padded on their right and without an attention mask: what is
padding is seen by nothing that is read, and a mask would disturb Qwen's positions.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from vlm_bt.vision.backends.answer_tokens import Begun
from vlm_bt.vision.backends.head import FloatHead
from vlm_bt.vision.backends.turns import Inputs, Turns, fingerprint
from vlm_bt.vision.prompts import describe

KEPT = 2
"""Pictures whose computed beginning is kept for later questions: keys and values of every layer, up to some 100 MB."""
ROWS_AT_ONCE = 16
"""Each row holds a copy of the picture's keys and values."""
_BEFORE = 4
"""Tokens before the questions part that must agree between the turn as it is written and as it is widened."""


@dataclass(frozen=True, eq=False)
class Beginning:
    """What was computed of the pictures and the words that every question begins with.

    Attributes:
        cache: Keys and values. words: tokens of the turn that it covers, pictures not widened.
        shifts: Of each module that counts positions on its own after a picture, where it stands.
    """

    cache: Any
    words: tuple[int, ...]
    shifts: tuple[tuple[Any, torch.Tensor], ...]


class SharedPrefix:
    """Next-token probabilities of questions about the same pictures."""

    def __init__(self, model: Any, turns: Turns, head: FloatHead) -> None:
        self._model, self._turns, self._head = model, turns, head
        self._kept: OrderedDict[bytes, Beginning] = OrderedDict()
        self._shifting = [module for module in model.modules() if hasattr(module, "rope_deltas")]

    def forget(self) -> None:
        """Give the memory back."""
        self._kept.clear()

    def next_words(self, texts: Sequence[str], images: Sequence[Image.Image], begun: Sequence[Begun]) -> torch.Tensor:
        """(texts, vocabulary) float32 probabilities of the token that follows each text and its begun answer.

        All texts begin with what `prompts` begins with for as many pictures.
        """
        beginning = self._beginning(images)
        known = len(beginning.words)
        suffixes = []
        for text, answer in zip(texts, begun, strict=True):
            tokens = self._turns.tokens(text, images)
            if tuple(tokens[:known]) != beginning.words:
                raise RuntimeError("a question does not begin as all questions about its pictures do")
            suffixes.append([*tokens[known:], *answer])
        try:
            found = [
                self._follow(beginning, suffixes[start : start + ROWS_AT_ONCE])
                for start in range(0, len(suffixes), ROWS_AT_ONCE)
            ]
        except torch.OutOfMemoryError:
            self.forget()
            raise
        return torch.cat(found).softmax(dim=-1)

    def _follow(self, beginning: Beginning, suffixes: Sequence[Sequence[int]]) -> torch.Tensor:
        cache = copy.deepcopy(beginning.cache)
        if len(suffixes) > 1:
            cache.batch_repeat_interleave(len(suffixes))
        for module, shift in beginning.shifts:
            module.rope_deltas = shift
        width = max(map(len, suffixes))
        device = self._model.device
        rows = torch.tensor([[*suffix, *[0] * (width - len(suffix))] for suffix in suffixes], device=device)
        ends = torch.tensor([[len(suffix) - 1] for suffix in suffixes], device=device)
        with self._head():
            out = self._model(input_ids=rows, past_key_values=cache, use_cache=True, logits_to_keep=ends)
        logits: torch.Tensor = out.logits[:, 0].float()
        return logits

    def _beginning(self, images: Sequence[Image.Image]) -> Beginning:
        name = fingerprint(images)
        found = self._kept.get(name)
        if found is not None:
            self._kept.move_to_end(name)
            return found
        while len(self._kept) >= KEPT:
            self._kept.popitem(last=False)
        probe, other = describe("", len(images)).text, describe("", len(images)).text.rpartition("\n")[0] + "\n?"
        written, also = self._turns.tokens(probe, images), self._turns.tokens(other, images)
        known = next(at for at, (one, two) in enumerate(zip(written, also, strict=False)) if one != two)
        inputs = self._turns.inputs([(probe, images)])
        widened = inputs["input_ids"][0].tolist()
        length = len(widened) - (len(written) - known)
        if widened[length - _BEFORE :] != written[known - _BEFORE :]:
            raise RuntimeError("the processor writes the words after a picture differently than its tokenizer")
        out = self._model(**_first(inputs, length), use_cache=True, logits_to_keep=1)
        shifts = tuple(
            (module, module.rope_deltas.clone()) for module in self._shifting if module.rope_deltas is not None
        )
        beginning = Beginning(out.past_key_values, tuple(written[:known]), shifts)
        self._kept[name] = beginning
        return beginning


def _first(inputs: Inputs, length: int) -> Inputs:
    """The first tokens of a turn, with all of its pictures."""
    whole = inputs["input_ids"].shape
    return {
        name: value[:, :length] if torch.is_tensor(value) and value.shape == whole else value
        for name, value in inputs.items()
    }
