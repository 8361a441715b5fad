"""What the frozen trunk makes of the training crops, computed once and kept on disk: it is most of the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.training.clip import checksum
from vlm_bt.training.crops import augmented, normalised
from vlm_bt.training.precision import Arithmetic
from vlm_bt.vision.backends.embedded import EmbeddedClip

BATCH = 128


def trunk_features(
    trunk: EmbeddedClip,
    pixels: NDArray[np.uint8],
    path: Path,
    say: Callable[[str], None],
    done_in: Arithmetic,
    seed: int | None = None,
) -> NDArray[np.float16]:
    """(N, 11, 768) of crops (N, S, S, 3): the pooled vector, the nine places, the evidence; memory-mapped.

    Shorter ones are filled up with 0. An earlier run's work is gone on with, and used as it is where it is done.

    Args:
        path: File to keep them in. done_in: of the trunk's precision; it always runs on the CPU.
        seed: Of the augmentation of the crops; None: as they are.
    """
    marks = path.with_suffix(".done")
    what = f"{trunk.revision} {len(pixels)} {checksum(pixels)} {seed} {done_in.precision}"
    shape = (len(pixels), trunk.places + 2, trunk.channels)
    done = 0
    if marks.is_file() and path.is_file():
        known, _, count = marks.read_text(encoding="utf-8").rpartition(" ")
        done = int(count) if known == what else 0
    mode = "r+" if done else "w+"
    out = np.lib.format.open_memmap(path, mode, None if done else np.float16, None if done else shape)
    told = time.monotonic()
    autocast = Arithmetic("cpu", done_in.precision).autocast
    for start in range(done, len(pixels), BATCH):
        some = torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)
        ready = normalised(some) if seed is None else augmented(some, np.random.default_rng([seed, 21, start]))
        with torch.inference_mode(), autocast():
            pooled, places, evidence = trunk.places_of(ready)
        end = start + len(some)
        out[start:end, 0, : pooled.shape[1]] = pooled.half().numpy()
        out[start:end, 1:-1] = places.half().numpy()
        out[start:end, -1, : evidence.shape[1]] = evidence.half().numpy()
        if time.monotonic() - told > 30 or end == len(pixels):
            told = time.monotonic()
            say(f"looked at {end} of {len(pixels)} crops")
            out.flush()
            marks.write_text(f"{what} {end}", encoding="utf-8")
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
