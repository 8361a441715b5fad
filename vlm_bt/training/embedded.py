"""`vlm-bt train embedded`: pictures, the CLIP, its mixing, the question head, calibration, evaluation, cards.

Each stage keeps what it has made, so that another run with the same folder goes on where this one stopped.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlm_bt.training import evaluate
from vlm_bt.training.benches import make_shards
from vlm_bt.training.board import Board
from vlm_bt.training.calibrate import Plan as CalibrationPlan
from vlm_bt.training.calibrate import calibrate
from vlm_bt.training.clip import Recipe, Trainee, train
from vlm_bt.training.crops import NO_KIND, Crops
from vlm_bt.training.data import FIRST_TRAINING_SEED, gather, read
from vlm_bt.training.head import HeadPlan, scenes_kept_back, train_head
from vlm_bt.training.model_card import write_card
from vlm_bt.training.precision import Device, Precision
from vlm_bt.vision.calibration import KIND_SKILL, Calibration
from vlm_bt.vision.calibration_file import file_name
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.weights import SHIPPED, write_manifest
from vlm_bt.vision_settings import EmbeddedModel

NEUTRAL_MIX = {"head": 1.0, "text": 0.0, "other": 0.0, "far": 0.0}


@dataclass(frozen=True)
class Plan:
    """How much of everything. `poses` looks at each of `scenes` benches.

    Attributes:
        steps, head_steps: Of the CLIP and of the question head. minutes: of wall time for each of the two, at most.
    """

    steps: int = 2000
    head_steps: int = 8000
    minutes: float | None = None
    scenes: int = 180
    poses: int = 6
    seed: int = 0
    calibration_scenes: int = 360
    evaluation_scenes: int = 60
    processes: int = 2
    device: Device = "auto"
    precision: Precision = "auto"

    @property
    def first_seed(self) -> int:
        return FIRST_TRAINING_SEED * (self.seed + 1)

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.steps, self.minutes, self.seed, device=self.device, precision=self.precision)

    @property
    def head(self) -> HeadPlan:
        return HeadPlan(
            self.head_steps,
            self.minutes,
            self.scenes,
            self.poses,
            self.seed,
            self.evaluation_scenes,
            self.processes,
            device=self.device,
            precision=self.precision,
        )


def train_embedded(plan: Plan, out: Path, say: Callable[[str], None], work: Path | None = None) -> dict[str, Any]:
    """Do everything from nothing, or go on where an earlier run with the same folder stopped.

    Args:
        out: Gets `embedded/` (the model) and `calibration/`.
        work: Keeps crops and checkpoints; `out/work` if not given.

    Returns:
        The report that the card is written from.
    """
    work = work or out / "work"
    began = time.monotonic()
    say(f"1 of 4, pictures: {plan.scenes} scenes, {plan.poses} looks at each")
    paths = make_shards(work / "crops", plan.scenes, plan.poses, plan.first_seed, say, plan.processes)
    drawn_s = time.monotonic() - began
    directory = out / "embedded"
    about = _trunk(plan, paths, directory, work, say)
    say("3 of 4, the question head")
    train_head(plan.head, directory, say, work, directory)
    say("4 of 4, calibration and evaluation")
    figures = measure(plan, directory, out / "calibration" / file_name(SHIPPED, "overhead"), work, say)
    figures["plan"] = {**asdict(plan), **about, "recipe": asdict(plan.recipe)}
    figures["took_s"] = {"pictures": round(drawn_s), "all": round(time.monotonic() - began)}
    (work / "report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    write_card(directory / "model_card.md", figures)
    return figures


def _trunk(
    plan: Plan, paths: Sequence[Path], directory: Path, work: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train the CLIP and write it; the last scenes are kept back for validation and for mixing its evidence.

    Returns:
        How many crops it learnt from, and of what.
    """
    crops = gather(paths)
    kept_back = sum(len(read(path)[1]) for path in paths[len(paths) - scenes_kept_back(paths) :])
    learnt, tuning = crops.rows(slice(0, len(crops) - kept_back)), crops.rows(slice(len(crops) - kept_back, len(crops)))
    say(f"2 of 4, the CLIP: {len(learnt)} crops, {len(crops.part_names)} parts, {len(crops.colours)} colours")
    board = Board(work / "tensorboard" / "clip", say)
    model = train(learnt, work / "model", plan.recipe, say, work / "clip.pt", tuning, board)
    export(model, learnt, work / "model", directory)
    fit_mix(directory, crops.colours, crops.part_names, tuning, say)
    sources, counts = np.unique(learnt.source, return_counts=True)
    return {"crops": len(learnt), "sources": dict(zip(sources.tolist(), counts.tolist(), strict=True))}


def measure(plan: Plan, directory: Path, calibration: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Calibrate and evaluate a model on mission benches; writes the calibration file."""
    from vlm_bt.vision.backends.embedded import EmbeddedClip

    held_out = evaluate.make_candidates(
        work / "evaluation", evaluate.EVALUATION_SEED, plan.evaluation_scenes, True, say, plan.processes
    )
    model = EmbeddedClip(directory, threads=2)
    settings = EmbeddedModel(weights=directory, threads=2)  # type: ignore[call-arg]
    wanted = CalibrationPlan(SHIPPED, settings, calibration, work / "calibrate", scenes=plan.calibration_scenes)
    found = calibrate(wanted, say, refuse=False)
    kinds = found.stored.skills[KIND_SKILL].data
    made = {"scenes": list(kinds.seeds or ()), "candidates": kinds.examples, "skills": [asdict(r) for r in found.rows]}
    report = evaluate.report(Calibration.of(found.stored), evaluate.judge(model, held_out))
    return {"revision": model.revision, "calibration": made, "evaluation": report}


def export(model: Trainee, crops: Crops, config: Path, directory: Path) -> None:
    """Write a model as it ships: fp16 weights, heads with their labels, tokenizer, configuration."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    for name in ("open_clip_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(config / name, directory / name)
    weights = {name: _half(value) for name, value in model.clip.state_dict().items()}
    save_file(weights, str(directory / "open_clip_model.safetensors"))
    heads = {
        f"{name}.{part}": getattr(getattr(model, name), part).detach().clone()
        for name in ("kind", "colour", "parts")
        for part in ("weight", "bias")
    }
    size = model.kind.in_features
    heads |= {"means": torch.zeros(len(KINDS), size), "whiten": torch.eye(size), "usual": torch.ones(len(KINDS))}
    write_heads(directory, heads, crops.colours, crops.part_names, NEUTRAL_MIX)


def write_heads(
    directory: Path, heads: dict[str, Tensor], colours: Sequence[str], parts: Sequence[str], mix: dict[str, float]
) -> None:
    """Write heads, labels and mixing weights, and the manifest that then fits."""
    from safetensors.torch import save_file

    labels = {"kinds": list(KINDS), "colours": list(colours), "parts": list(parts), "mix": mix}
    save_file(
        {name: value.contiguous() for name, value in heads.items()},
        str(directory / "heads.safetensors"),
        metadata={"labels": json.dumps(labels)},
    )
    for path in directory.glob("*.safetensors"):
        path.chmod(0o644)
    write_manifest(directory)


def fit_mix(
    directory: Path, colours: Sequence[str], parts: Sequence[str], tuning: Crops, say: Callable[[str], None]
) -> dict[str, float]:
    """Learn where each kind's features lie and how to weigh head, words and distance, on crops kept back for it."""
    from safetensors.torch import load_file

    from vlm_bt.vision.backends.embedded import EmbeddedClip

    heads = load_file(str(directory / "heads.safetensors"))
    write_manifest(directory)
    model = EmbeddedClip(directory, threads=2)
    half = np.arange(len(tuning)) % 2 == 0
    heads |= _geometry(model, tuning, half)
    write_heads(directory, heads, colours, parts, NEUTRAL_MIX)
    model = EmbeddedClip(directory, threads=2)
    mix = _weigh(*model.evidence(tuning.pixels[~half]), tuning.kind[~half])
    write_heads(directory, heads, colours, parts, mix)
    say("mixing: " + ", ".join(f"{name} {value:.3f}" for name, value in mix.items()))
    return mix


def _geometry(model: Any, tuning: Crops, rows: NDArray[np.bool_]) -> dict[str, Tensor]:
    """Means, a common whitening and the usual distance of the kinds' features."""
    with torch.inference_mode():
        raw = torch.cat([model._features(some) for some in np.array_split(tuning.pixels[rows], 20) if len(some)])
    kind = torch.from_numpy(tuning.kind[rows])
    known = kind < NO_KIND
    if not known.any():
        return {}
    present = [bool((kind == k).any()) for k in range(NO_KIND)]
    middle = raw[known].mean(0)
    means = torch.stack([raw[kind == k].mean(0) if present[k] else middle for k in range(NO_KIND)])
    apart = raw[known] - means[kind[known]]
    spread = apart.T @ apart / len(apart) + 0.05 * apart.var() * torch.eye(raw.shape[1])
    values, vectors = torch.linalg.eigh(spread)
    whiten = vectors @ torch.diag(values.clamp_min(1e-6).rsqrt())
    lengths = (apart @ whiten).norm(dim=1)
    usual = torch.stack(
        [lengths[kind[known] == k].median() if present[k] else lengths.median() for k in range(NO_KIND)]
    )
    return {"means": means.clone(), "whiten": whiten.clone(), "usual": usual.clone()}


def _weigh(
    head: NDArray[np.float32], text: NDArray[np.float32], far: NDArray[np.float32], kind: NDArray[np.int64]
) -> dict[str, float]:
    """Weights of the evidence that make the right answer likeliest."""
    h, t, f = (torch.from_numpy(np.ascontiguousarray(some)) for some in (head, text, far))
    truth = torch.from_numpy(kind)
    # Held positive: evidence for a kind must never count against it.
    logs = torch.tensor([0.0, -2.0, -1.0], requires_grad=True)
    other = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs, other], max_iter=80, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimiser.zero_grad()
        a, b, c = logs.exp()
        scores = torch.cat([a * h[:, :-1] + b * t, a * h[:, -1:] + other + c * (f[:, None] - 1.0)], 1)
        loss = torch.nn.functional.cross_entropy(scores, truth) + 1e-4 * (logs**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(cost)  # type: ignore[no-untyped-call]
    a, b, c = (float(value) for value in logs.exp().detach())
    return {"head": a, "text": b, "other": float(other.detach()[0]), "far": c}


def _half(value: Tensor) -> Tensor:
    kept = value.detach().half() if value.is_floating_point() else value.detach()
    return kept.contiguous().clone()
