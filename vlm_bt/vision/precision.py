"""How a model is loaded: on which device, in which precision, with which attention; and what is done to it afterwards.

For `from_pretrained` of transformers. torch is imported only by those who call.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import shutil
import sys
from typing import Any

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision_settings import Checkpoint


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


def dtype_of(settings: Checkpoint, device: str) -> Any:
    """A torch.dtype.

    `auto`: bfloat16 on a GPU that has it, else float16 on a GPU; float32 on a CPU, where answers stay exact.
    """
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
    if settings.quantisation != "none":
        options |= {"quantization_config": quantised_by(settings, device), "device_map": {"": device}}
    return options


def finished(model: Any, settings: Checkpoint, device: str) -> Any:
    """The loaded model, ready to answer: evaluation mode, on its device, compiled where that is asked for.

    Compiling happens at the first question of each shape, so it belongs in the warm-up.

    Raises:
        ConfigError: It is to be compiled, and there is no compiler.
    """
    model = model.eval()
    if settings.quantisation == "none":  # a quantised one lies on its device since it was loaded
        model = model.to(device)
    elif device == "cpu":
        _hand_back()
    if settings.compile:
        _needs_compiler(device)
        model.compile()
    return model


def quantised_by(settings: Checkpoint, device: str) -> Any:
    """The `quantization_config` for transformers. Embeddings, and the head that answers, stay in full precision.

    Raises:
        ConfigError: A package is missing, or the device cannot do it.
    """
    kind = settings.quantisation
    library = kind.partition("-")[0]
    missing = [name for name in (library, "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"quantisation: {kind} needs {' and '.join(missing)}: pip install 'vlm_bt[quantisation]', or use none"
        )
    if not device.startswith(_QUANTISED_ON[kind]):
        raise ConfigError(
            f"quantisation: {kind} does not run on {device}, only on {', '.join(_QUANTISED_ON[kind])}; "
            f"there {device} can do: {', '.join(_offered(device))}"
        )
    if library == "bitsandbytes":
        return _bitsandbytes(kind, dtype_of(settings, device))
    return _torchao(kind, settings, device)


_QUANTISED_ON = {
    "bitsandbytes-8bit": ("cuda", "xpu", "cpu"),
    "bitsandbytes-4bit": ("cuda", "xpu", "cpu"),
    "torchao-int8": ("cuda", "xpu", "cpu"),
    "torchao-int4": ("cuda",),
}


def _offered(device: str) -> list[str]:
    return [kind for kind, where in _QUANTISED_ON.items() if device.startswith(where)] + ["none"]


def _bitsandbytes(kind: str, dtype: Any) -> Any:
    import logging

    import transformers

    # One line for each layer of each question says that its input is cast.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    config: Any = transformers.BitsAndBytesConfig
    if kind == "bitsandbytes-8bit":
        return config(load_in_8bit=True)
    return config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _torchao(kind: str, settings: Checkpoint, device: str) -> Any:
    import torch
    from transformers import TorchAoConfig

    ways: Any = importlib.import_module("torchao.quantization")
    if kind == "torchao-int8":
        return TorchAoConfig(ways.Int8WeightOnlyConfig())
    if dtype_of(settings, device) is not torch.bfloat16:
        raise ConfigError("quantisation: torchao-int4 computes in bfloat16 only; set dtype: bfloat16")
    # The plain packing needs a package more (mslk); this one is torch's own kernel.
    return TorchAoConfig(ways.Int4WeightOnlyConfig(group_size=32, int4_packing_format="tile_packed_to_4d"))


def _hand_back() -> None:
    """Give the system what quantising let go: glibc keeps it, which was more than the quantised model itself."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _needs_compiler(device: str) -> None:
    if device.startswith(("cuda", "xpu")) and importlib.util.find_spec("triton") is None:
        raise ConfigError("compile: true needs triton on a GPU; install it, or set compile: false")
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if not any(shutil.which(name) for name in wanted):
        raise ConfigError(
            f"compile: true needs a C++ compiler ({' or '.join(wanted)}), and there is none: "
            "apt-get install g++, or set compile: false"
        )


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
