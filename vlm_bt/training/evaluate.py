"""What the trained model is worth: on benches laid out as missions are, with scenes that training never saw.

Seeds: calibration from 5000, evaluation from 6000, training from 100000; below 5000 belongs to missions and is refused.
The kinds held out of training are looked at here only, to report how often the model is wrongly sure of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.odd_tools import odd_tool
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scenario import Scenario, outline_at
from vlm_bt.simulation.tools import HELD_OUT, make_tool
from vlm_bt.training.data import ODD, LabelledCrop, Posing, containers_outlines, free_place, read, run_jobs, save
from vlm_bt.training.odd_tools import composite_tool
from vlm_bt.vision.calibration import Calibration
from vlm_bt.vision.vocabulary import KINDS, OTHER

if TYPE_CHECKING:
    from vlm_bt.vision.backends.embedded import EmbeddedClip

EVALUATION_SEED = 6000
FIRST_FREE_SEED = 5000
EXTRA_KINDS = ("tape measure", "hammer", "adjustable wrench", "needle-nose pliers", "pliers")
ODD_EXTRA, HELD_OUT_EXTRA = 7, 3
ERROR_RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.10)


def mission_candidates(seed: int, held_out: bool) -> list[LabelledCrop]:
    """Every candidate of one mission's bench, in both crop variants, with more of what is rare.

    Args:
        held_out: Whether the held-out kinds lie there (evaluation) or odd things in their stead (calibration).
    """
    posing = mission_bench(seed, held_out)
    try:
        return posing.crops()
    finally:
        posing.close()


def mission_bench(seed: int, held_out: bool) -> Posing:
    """One mission's bench with more of what is rare, as `mission_candidates`; to be closed."""
    if seed < FIRST_FREE_SEED:
        raise ValueError(f"seed {seed} belongs to missions; calibration and evaluation start at {FIRST_FREE_SEED}")
    rng = np.random.default_rng([seed, 13])
    scenario = Scenario.from_seed(seed)
    things: list[tuple[str, ToolModel, str]] = []
    places: list[tuple[float, float, float, float] | None] = []
    taken = containers_outlines()
    extra: list[tuple[ToolModel, str]] = []
    for item in scenario.items:
        if item.kind in HELD_OUT and not held_out:
            extra.append((_odd(rng), ODD))
            continue
        things.append((item.name, make_tool(item.kind, item.tool_seed, item.size), item.kind))
        places.append((item.x, item.y, 0.0, item.yaw_rad))
        taken.append(outline_at(item))
    extra += [(_odd(rng), ODD) for _ in range(ODD_EXTRA)]
    extra += [(_tool(kind, rng), kind) for kind in EXTRA_KINDS]
    if held_out:
        extra += [(_tool(kind, rng), kind) for kind in HELD_OUT for _ in range(HELD_OUT_EXTRA)]
    for number, (tool, source) in enumerate(extra):
        things.append((f"extra_{number}", tool, source))
        places.append(free_place(tool, taken, rng))
    posing = Posing(things, seed, scenario)
    posing.set_out(places)
    return posing


def _odd(rng: np.random.Generator) -> ToolModel:
    seed = int(rng.integers(1 << 30))
    return odd_tool(np.random.default_rng(seed)) if rng.random() < 0.5 else composite_tool(seed)


def _tool(kind: str, rng: np.random.Generator) -> ToolModel:
    return make_tool(kind, int(rng.integers(1 << 30)), float(rng.uniform()))


def make_candidates(
    directory: Path, first_seed: int, scenes: int, held_out: bool, say: Callable[[str], None], processes: int = 2
) -> list[Path]:
    """Candidates of some scenes, one npz each; those that are there are kept."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"mission-{first_seed + i}.npz" for i in range(scenes)]
    missing = [(path, first_seed + i, held_out) for i, path in enumerate(paths) if not path.is_file()]
    run_jobs(_write, missing, say, processes)
    return paths


def _write(job: tuple[Path, int, bool]) -> int:
    path, seed, held_out = job
    crops = mission_candidates(seed, held_out)
    save(path, crops)
    return len(crops)


@dataclass(frozen=True, eq=False)
class Judged:
    """What the model said of candidates.

    Attributes:
        probabilities: (N, K + 1). source: (N,) what each really is. variant, scene: (N,).
    """

    probabilities: NDArray[np.float32]
    source: NDArray[np.str_]
    variant: NDArray[np.int8]
    scene: NDArray[np.int64]

    @property
    def truth(self) -> list[str]:
        """The right answer: a kind, or "something else"."""
        return [source if source in KINDS else OTHER for source in self.source]


def judge(model: EmbeddedClip, paths: Sequence[Path]) -> Judged:
    """Ask the model of every candidate: first looks with the first wording, second looks with the second."""
    rows, sources, variants, scenes = [], [], [], []
    for number, path in enumerate(paths):
        pixels, labels, variant = read(path)
        out = np.zeros((len(pixels), len(KINDS) + 1), np.float32)
        for look in np.unique(variant):
            out[variant == look] = model.classify(pixels[variant == look], KINDS, wording=int(look))
        rows.append(out)
        sources += [label.source for label in labels]
        variants.append(variant)
        scenes += [number] * len(labels)
    return Judged(np.concatenate(rows), np.array(sources), np.concatenate(variants), np.array(scenes))


def sets(calibration: Calibration, judged: Judged, error_rate: float) -> list[tuple[str, ...]]:
    return [calibration.plausible(row, KINDS, error_rate) for row in judged.probabilities]


def report(calibration: Calibration, judged: Judged) -> dict[str, Any]:
    """Accuracy of the best guess, and what the sets do at each error rate, for one look and for two that agree."""
    names = np.array([*KINDS, OTHER])
    best, truth = names[judged.probabilities.argmax(1)], np.array(judged.truth)
    first = judged.variant == 0
    sources = sorted(set(judged.source.tolist()))
    accuracy = {
        source: {"n": int((judged.source == source).sum()), "right": _share(best == truth, judged.source == source)}
        for source in sources
    }
    rates = {}
    for rate in ERROR_RATES:
        found = sets(calibration, judged, rate)
        sure = np.array([s[0] if len(s) == 1 else "" for s in found])
        two = _two_looks(sure, judged)
        rates[str(rate)] = {
            "one look": {source: _verdicts(sure, truth, first & (judged.source == source)) for source in sources},
            "two looks": {source: _verdicts(two, truth, first & (judged.source == source)) for source in sources},
        }
    return {"accuracy": accuracy, "sets": rates, "confused": _confused(best, judged)}


def _two_looks(sure: NDArray[np.str_], judged: Judged) -> NDArray[np.str_]:
    """Per first look: what both looks are sure of, else empty. The looks of a candidate are stored in turn."""
    out = np.full(len(sure), "", sure.dtype)
    for row in np.flatnonzero(judged.variant == 0):
        other = row + 1
        if other < len(sure) and judged.variant[other] == 1 and sure[other] == sure[row]:
            out[row] = sure[row]
    return out


def _verdicts(sure: NDArray[np.str_], truth: NDArray[np.str_], rows: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "n": int(rows.sum()),
        "sure and right": _share(sure == truth, rows),
        "sure and wrong": _share((sure != "") & (sure != truth), rows),
    }


def _confused(best: NDArray[np.str_], judged: Judged) -> dict[str, dict[str, int]]:
    """Per source, what it was most often taken for."""
    table: dict[str, dict[str, int]] = {}
    for source in sorted(set(judged.source.tolist())):
        said, counts = np.unique(best[judged.source == source], return_counts=True)
        order = np.argsort(-counts, kind="stable")[:5]
        table[source] = {str(said[i]): int(counts[i]) for i in order}
    return table


def _share(true: NDArray[np.bool_], rows: NDArray[np.bool_]) -> float:
    return round(float(true[rows].mean()), 4) if rows.any() else float("nan")
