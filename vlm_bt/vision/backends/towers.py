"""The two halves of a CLIP, pictures to vectors and texts to vectors, whatever runs them."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor


class Towers(Protocol):
    """Unit vectors (N, D) float32 on the CPU."""

    def images(self, prepared: Tensor) -> Tensor:
        """Of (N, 3, H, W) float32."""
        ...

    def texts(self, ids: Tensor) -> Tensor:
        """Of (N, L) int64 token ids."""
        ...


class TorchTowers:
    """Run by torch as the model was loaded; only the vectors' length is computed in float32."""

    def __init__(self, model: Any, device: str, dtype: torch.dtype) -> None:
        self._model, self._device, self._dtype = model, device, dtype

    @torch.inference_mode()
    def images(self, prepared: Tensor) -> Tensor:
        return unit(self._model.encode_image(prepared.to(self._device, self._dtype)))

    @torch.inference_mode()
    def texts(self, ids: Tensor) -> Tensor:
        return unit(self._model.encode_text(ids.to(self._device)))


def unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=-1).cpu()
