"""How a model is loaded: on which device, in which precision, with which attention; and what is done to it afterwards.

For `from_pretrained` of transformers. torch is imported only by those who call.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision_settings import Checkpoint

if TYPE_CHECKING:
    import torch


def device_of(settings: Checkpoint) -> str:
    """The device a model runs on: "cpu", "cuda:0", "mps" ... ; `auto` takes the fastest there is.

    Raises:
        ModelError: The device that is named is not there.
    """
    import torch

    here = devices()
    wanted = settings.device
    if wanted == "auto":
        return here[0]
    kind, _, index = wanted.partition(":")
    name = wanted if kind in ("cpu", "mps") else f"{kind}:{index or 0}"
    if name not in here:
        built = "" if kind != "cuda" or torch.version.cuda else " (this torch is built without CUDA)"
        raise ModelError(f"device {wanted} is not there{built}; there are: auto, {', '.join(here)}")
    return name


def devices() -> tuple[str, ...]:
    """Every device of this machine, the fastest first."""
    import torch

    here = [f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    here += [f"xpu:{index}" for index in range(torch.xpu.device_count() if torch.xpu.is_available() else 0)]
    here += ["mps"] if torch.backends.mps.is_available() else []
    return (*here, "cpu")


def dtype_of(settings: Checkpoint, device: str) -> torch.dtype:
    """`auto`: bfloat16 on a GPU that has it, else float16 on a GPU; float32 on a CPU, where answers stay exact."""
    import torch

    if settings.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.dtype]
    if device == "cpu":
        return torch.float32
    if device == "mps" or (device.startswith("cuda") and not torch.cuda.is_bf16_supported(including_emulation=False)):
        return torch.float16
    return torch.bfloat16


def loading_options(settings: Checkpoint, device: str) -> dict[str, Any]:
    """Keyword arguments for `from_pretrained` of a transformers model class.

    Raises:
        ConfigError: A package is missing, or the device cannot do it.
    """
    options: dict[str, Any] = {
        "dtype": dtype_of(settings, device),
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
    }
    if settings.attention != "auto":
        options["attn_implementation"] = _attention(settings, device)
    return options


def finished(model: Any, settings: Checkpoint, device: str) -> Any:
    """The loaded model, ready to answer: evaluation mode, on its device, compiled where that is asked for."""
    model = model.eval()
    if settings.quantisation == "none":
        model = model.to(device)
    return model


def _attention(settings: Checkpoint, device: str) -> str:
    # transformers would fetch a kernel from a hub where flash_attn is missing, so it is looked for here.
    if settings.attention == "flash_attention_2":
        if not device.startswith("cuda"):
            raise ConfigError(f"attention: flash_attention_2 runs on CUDA only, the model is on {device}; use sdpa")
        if importlib.util.find_spec("flash_attn") is None:
            raise ConfigError("attention: flash_attention_2 needs `pip install flash-attn`; or use sdpa")
        if settings.dtype == "float32":
            raise ConfigError("attention: flash_attention_2 needs dtype bfloat16 or float16; or use sdpa")
    return settings.attention
