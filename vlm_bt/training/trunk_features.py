"""What the frozen trunk makes of the training crops, computed once and kept on disk: it is most of the work."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlm_bt.training.clip import MEAN, SPREAD, augmented
from vlm_bt.vision.backends.embedded import EmbeddedClip

BATCH = 128


def trunk_features(
    trunk: EmbeddedClip, pixels: NDArray[np.uint8], path: Path, say: Callable[[str], None], seed: int | None = None
) -> NDArray[np.float16]:
    """(N, 10, 768) of crops (N, S, S, 3): the pooled vector (padded with 0) and the nine places; memory-mapped.

    Args:
        path: File to keep them in; one that an earlier run finished is used as it is.
        seed: Of the augmentation of the crops; None: as they are.
    """
    done = path.with_suffix(".done")
    what = f"{trunk.revision} {len(pixels)} {zlib.crc32(pixels[::31].tobytes()):08x}"
    if done.is_file() and done.read_text(encoding="utf-8") == what:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    out = np.lib.format.open_memmap(path, "w+", np.float16, (len(pixels), trunk.places + 1, trunk.channels))
    rng = np.random.default_rng([0 if seed is None else seed, 21])
    told = time.monotonic()
    for start in range(0, len(pixels), BATCH):
        some = pixels[start : start + BATCH]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            pooled, places = trunk.places_of(_ready(some, rng if seed is not None else None))
        out[start : start + len(some), 0, : pooled.shape[1]] = pooled.half().numpy()
        out[start : start + len(some), 1:] = places.half().numpy()
        if time.monotonic() - told > 30:
            told = time.monotonic()
            say(f"looked at {start + len(some)} of {len(pixels)} crops")
    out.flush()
    done.write_text(what, encoding="utf-8")
    return out


def _ready(pixels: NDArray[np.uint8], rng: np.random.Generator | None) -> Tensor:
    image = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)
    if rng is not None:
        return augmented(image, rng)
    return ((image.float() / 255 - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)
