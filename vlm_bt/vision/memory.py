"""How much memory a checkpoint will take, before it is loaded: from the headers of its files, exact for the weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vlm_bt.errors import ModelError
from vlm_bt.vision.precision import dtype_of
from vlm_bt.vision.tensors import Stored, read_headers, weight_files
from vlm_bt.vision_settings import Checkpoint, Quantisation

GIB = 1 << 30
WORKING_SHARE = 0.2
"""Allowance for activations and caches, as a share of the weights."""
WORKING_BYTES = GIB // 2
"""Allowance for the libraries themselves and for small models, whose activations outweigh their weights."""

_BYTES = {"none": 0.0, "bitsandbytes-8bit": 1.0, "bitsandbytes-4bit": 0.5 + 4 / 64, "torchao-int8": 1.0}
BYTES_A_WEIGHT: dict[Quantisation, float] = {**_BYTES, "torchao-int4": 0.5 + 4 / 32}  # type: ignore[dict-item]
"""In a layer that is quantised, with what is kept for each block of weights."""
_WHOLE = ("embed", "lm_head", "shared", "position", "norm", "class_embed", "bbox")
"""Names of layers that stay in full precision: looked up, or last."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that a model will take on its device.

    Attributes:
        loading: What it takes for a moment while it is loaded, where that is more: quantising on a CPU.
    """

    weights: int
    working: int
    loading: int = 0

    @property
    def total(self) -> int:
        """The most that it takes at any time."""
        return max(self.weights + self.working, self.loading)

    def __str__(self) -> str:
        parts = f"{self.weights / GIB:.2f} weights, {self.working / GIB:.2f} to work with"
        more = f"; {self.loading / GIB:.2f} while it is quantised" if self.loading == self.total else ""
        return f"{self.total / GIB:.2f} GiB ({parts}{more})"


def estimate(folder: Path, settings: Checkpoint, device: str) -> Estimate:
    """What loading will take: weights in their chosen precision, and an allowance for working.

    Raises:
        ModelError: The files of weights are incomplete or broken.
    """
    number = dtype_of(settings, device).itemsize
    tensors = read_headers(weight_files(folder))
    weights = sum(_loaded_bytes(stored, number, settings.quantisation) for stored in tensors)
    working = WORKING_BYTES + int(WORKING_SHARE * weights)
    if settings.quantisation == "none" or device != "cpu":
        return Estimate(weights, working)
    # Measured on a model of 249 M parameters: nearly all of it is there unquantised before the first is let go.
    whole = sum(_loaded_bytes(stored, number, "none") for stored in tensors)
    return Estimate(weights, working, whole + WORKING_BYTES)


def check_fits(folder: Path, settings: Checkpoint, device: str) -> Estimate:
    """Refuse a model that would not fit, before anything is loaded.

    Raises:
        ModelError: It takes more than `memory_gb`, or than is free on the device; the text has the figures.
    """
    wanted = estimate(folder, settings, device)
    free = free_bytes(device)
    if settings.memory_gb is not None:
        limit, whose = int(settings.memory_gb * 1e9), f"memory_gb: {settings.memory_gb:g} allows"
        if free is not None and free < limit:
            limit, whose = free, f"free on {device} are"
    elif free is not None:
        limit, whose = free, f"free on {device} are"
    else:
        return wanted
    if wanted.total > limit:
        raise ModelError(
            f"{folder} takes about {wanted}, {whose} {limit / GIB:.2f} GiB; {_remedies(folder, settings, device)}"
        )
    return wanted


def free_bytes(device: str) -> int | None:
    """What is free on a device; None where nothing tells."""
    kind = device.partition(":")[0]
    if kind == "cpu":
        return _free_in_system()
    import torch

    if kind == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def _loaded_bytes(stored: Stored, number: int, quantisation: Quantisation) -> int:
    if not stored.floating:
        return stored.size_bytes
    linear = stored.name.endswith(".weight") and len(stored.shape) == 2
    if quantisation != "none" and linear and not any(part in stored.name for part in _WHOLE):
        return int(stored.numbers * BYTES_A_WEIGHT[quantisation]) + 4 * stored.shape[0]
    return stored.numbers * number


def _remedies(folder: Path, settings: Checkpoint, device: str) -> str:
    """What would make it smaller, with the size it would then have."""
    tries: list[dict[str, str]] = []
    if dtype_of(settings, device).itemsize > 2:
        tries.append({"dtype": "bfloat16"})
    if settings.quantisation == "none":
        tries += [{"quantisation": "bitsandbytes-8bit"}, {"quantisation": "bitsandbytes-4bit"}]
    said = []
    for change in tries:
        smaller = estimate(folder, settings.model_copy(update=change), device)
        key, value = next(iter(change.items()))
        said.append(f"{key}: {value} ({smaller.total / GIB:.2f} GiB)")
    return f"try {', '.join([*said, 'another device, or a smaller model'])}"


def _free_in_system() -> int | None:
    free = [amount for amount in (_available(), _left_in_container()) if amount is not None]
    return min(free, default=None)


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _left_in_container() -> int | None:
    """What a container's limit leaves, in which pages that only cache files count as free."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = int((group / "memory.max").read_text()), int((group / "memory.current").read_text())
        state = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(state.get("inactive_file", 0)) + int(state.get("active_file", 0)))
    except (OSError, ValueError):
        return None
