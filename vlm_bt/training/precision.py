"""On which device a training runs, and in which arithmetic. Chosen by what the device has, never by a stop-watch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from vlm_bt.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
_NAMES = {"fp32": "fp32", "bf16": "amp_bf16", "fp16": "amp"}


@dataclass(frozen=True)
class Arithmetic:
    """A device, and what its matrix products are done in; sums, norms and weights stay float32."""

    device: str
    precision: Literal["fp32", "bf16", "fp16"]

    @property
    def autocast(self) -> Callable[[], AbstractContextManager[Any]]:
        """Makes the context that a forward pass runs in: open_clip's own."""
        from open_clip_train.precision import get_autocast  # type: ignore[import-untyped]

        made: Callable[[], AbstractContextManager[Any]] = get_autocast(_NAMES[self.precision], self.device)
        return made


def arithmetic(device: Device = "auto", precision: Precision = "auto") -> Arithmetic:
    """What is there: a CUDA GPU before the CPU, bfloat16 wherever the hardware has it, on GPUs without it float16.

    Raises:
        ConfigError: The device is not there, or has not this arithmetic.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: torch sees no GPU here; take device cpu, or install a build of torch for CUDA")
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if precision == "auto":
        if chosen == "cuda":
            return Arithmetic(chosen, "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16")
        # Emulated by a CPU without the instructions, it is several times slower than float32.
        return Arithmetic(chosen, "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32")
    if chosen == "cpu" and precision == "fp16":
        raise ConfigError("precision fp16: gradients in it need a GPU; on a CPU take bf16 or fp32")
    return Arithmetic(chosen, precision)
