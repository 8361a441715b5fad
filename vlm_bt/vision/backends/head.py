"""The last layer of a language model in float32: in bfloat16 a logit of 20 is known to 0.06 only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

KEPT_UP_TO_BYTES = 256 * 2**20
"""A float32 copy of the weights is kept if it is not larger; otherwise it is made anew, piece by piece."""
PIECE = 8192


class FloatHead:
    """Gives a model's logits in float32 wherever its head is a plain matrix in less; scaling and capping that the
    model does afterwards happen in float32 too."""

    def __init__(self, model: Any) -> None:
        head = model.get_output_embeddings()
        weight = getattr(head, "weight", None)
        # Quantised weights have classes of their own, or whole numbers.
        plain = type(weight) is torch.nn.Parameter and weight.dtype in (torch.bfloat16, torch.float16)
        self._head = head if plain and isinstance(head, torch.nn.Linear) else None
        self._kept: torch.Tensor | None = None
        if self._head is not None and 4 * self._head.weight.numel() <= KEPT_UP_TO_BYTES:
            self._kept = self._head.weight.detach().float()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self._head is None:
            yield
            return
        hook = self._head.register_forward_hook(self._again)
        try:
            yield
        finally:
            hook.remove()

    def _again(self, head: torch.nn.Linear, given: tuple[torch.Tensor, ...], _: torch.Tensor) -> torch.Tensor:
        hidden = given[0].float()
        bias = None if head.bias is None else head.bias.float()
        if self._kept is not None:
            return torch.nn.functional.linear(hidden, self._kept, bias)
        pieces = [hidden @ piece.float().T for piece in torch.split(head.weight, PIECE)]
        logits = torch.cat(pieces, dim=-1)
        return logits if bias is None else logits + bias
