"""The benches that the trunk learns from: every kind that may be named, things of no kind, labels on some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt.simulation.odd_tools import odd_tool
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.tools import HELD_OUT, make_tool
from vlm_bt.training.casting import LABEL_WORDS, SMALLEST_LABELLED_M
from vlm_bt.training.data import ODD, TURNED, VARIANTS, LabelledCrop, Posing, run_jobs, save
from vlm_bt.training.held_out import is_pair_held_out
from vlm_bt.training.odd_tools import composite_tool
from vlm_bt.training.printed import Label, add_label, label_for
from vlm_bt.vision.vocabulary import KINDS

_MIX: dict[str, int] = {
    "adjustable wrench": 2,
    "combination wrench": 2,
    "Phillips screwdriver": 3,
    "flat screwdriver": 3,
    "pliers": 2,
    "needle-nose pliers": 2,
    "tape measure": 2,
    "screw": 4,
    "hammer": 2,
}
_ODD_THINGS = 16
_SHOWN = 25

assert not set(_MIX) & set(HELD_OUT), "a held-out kind would be rendered in training"
_LABELLED_SHARE = 0.25
"""Of the things that are large enough for one: a label says nothing, whatever it says."""


def training_things(rng: np.random.Generator) -> list[tuple[str, ToolModel, str]]:
    """What lies on one training bench: every kind that may be named, in no held-out colour, and odd things."""
    things: list[tuple[str, ToolModel, str]] = []
    for kind, count in _MIX.items():
        for _ in range(count):
            things.append((f"thing_{len(things)}", _shown_tool(kind, rng), kind))
    for _ in range(_ODD_THINGS):
        seed = int(rng.integers(1 << 30))
        tool = composite_tool(seed) if rng.random() < 0.65 else odd_tool(np.random.default_rng(seed))
        things.append((f"thing_{len(things)}", tool, ODD))
    return things


def _shown_tool(kind: str, rng: np.random.Generator) -> ToolModel:
    """A tool whose pair of colour and kind is not held out."""
    while True:
        tool = make_tool(kind, int(rng.integers(1 << 30)), float(rng.uniform()))
        if not is_pair_held_out(tool.colour, kind):
            return tool


def write_shard(path: Path, seed: int, poses: int, shown: int = _SHOWN) -> int:
    """Make one training scene's crops; the same for the same seed. Returns how many."""
    rng = np.random.default_rng([seed, 11])
    things = training_things(rng)
    labels = labels_for(things, np.random.default_rng([seed, 12]))

    def furnish(spec: Any) -> None:
        for name, label in labels.items():
            add_label(spec, name, label)

    posing = Posing(things, seed, furnish=furnish)
    crops: list[LabelledCrop] = []
    try:
        for pose in range(poses):
            posing.lay_out(rng, shown)
            crops += posing.crops(VARIANTS if pose % 2 else (*VARIANTS, TURNED))
    finally:
        posing.close()
    save(path, crops)
    return len(crops)


def labels_for(things: Sequence[tuple[str, ToolModel, str]], rng: np.random.Generator) -> dict[str, Label]:
    """Labels for some of the things, by name: the words of any kind, on things of every kind and of none."""
    words = [word for kind in KINDS for word in LABEL_WORDS[kind]]
    labels = {}
    for name, tool, _ in things:
        if tool.length_m >= SMALLEST_LABELLED_M and rng.random() < _LABELLED_SHARE:
            text = words[int(rng.integers(len(words)))]
            label = label_for(tool, text.upper() if rng.random() < 0.5 else text, rng)
            if label is not None:
                labels[name] = label
    return labels


def make_shards(
    directory: Path, scenes: int, poses: int, first_seed: int, say: Callable[[str], None], processes: int = 2
) -> list[Path]:
    """Make the shards that are not there yet."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"shard-{first_seed + i}.npz" for i in range(scenes)]
    missing = [(path, first_seed + i, poses) for i, path in enumerate(paths) if not path.is_file()]
    run_jobs(_shard, missing, say, processes)
    return paths


def _shard(job: tuple[Path, int, int]) -> int:
    return write_shard(*job)
