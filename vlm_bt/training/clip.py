"""Training a CLIP small enough to ship, from nothing, on two CPU cores.

open_clip's own ModifiedResNet and text transformer. What makes so small a model learn from so little: a sigmoid loss
(SigLIP, arXiv:2303.15343) on the exact matrix of which sentence is true of which crop, and heads for kind, colour and
parts on the same features. Things that are no kind, and crops cut together from two kinds, teach it to say so
(outlier exposure, arXiv:1812.04606).
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlm_bt.training.captions import Captions, matches
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.vocabulary import KINDS

SIZE = 96
DIMENSIONS = 128
CONTEXT = 24
VOCABULARY = 512
MEAN, SPREAD = 0.5, 0.25
NO_KIND = len(KINDS)


@dataclass(frozen=True)
class Crops:
    """What the model learns from.

    Attributes:
        pixels: (N, SIZE, SIZE, 3) uint8.
        kind: (N,) index into `KINDS`, `NO_KIND` for none of them.
        colour: (N,) index into `colours`, -1 where colour and parts are not known. parts: (N, P) bool.
        source: (N,) what it really is, for reports: a kind, "odd", "several", "fragment".
    """

    pixels: NDArray[np.uint8]
    kind: NDArray[np.int64]
    colour: NDArray[np.int64]
    parts: NDArray[np.bool_]
    source: NDArray[np.str_]
    colours: tuple[str, ...]
    part_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Recipe:
    """How to train. `minutes` of wall time; the learning rate follows a cosine over them."""

    minutes: float = 22.0
    seed: int = 0
    batch: int = 128
    sentences: int = 80
    rate: float = 2e-3
    decay: float = 0.05
    averaging: float = 0.998
    chimeras: float = 0.08
    unknown_share: float = 0.40
    threads: int = 2
    save_every_s: float = 120.0


class Trainee(nn.Module):
    """A CLIP and the three heads on its image features."""

    def __init__(self, clip: Any, colours: int, parts: int) -> None:
        super().__init__()
        self.clip: Any = clip
        self.kind = nn.Linear(DIMENSIONS, len(KINDS) + 1)
        self.colour = nn.Linear(DIMENSIONS, colours)
        self.parts = nn.Linear(DIMENSIONS, parts)


def write_config(directory: Path, corpus: Sequence[str]) -> None:
    """Write `open_clip_config.json` and a tokenizer trained on the corpus, as `local-dir:` wants them."""
    directory.mkdir(parents=True, exist_ok=True)
    words = _train_tokenizer(directory, corpus)
    text = {
        "context_length": CONTEXT,
        "vocab_size": words,
        "width": 128,
        "heads": 4,
        "layers": 3,
        "mlp_ratio": 2.0,
        "pool_type": "eos",
        "eos_id": 2,
        "pad_id": 0,
        "hf_tokenizer_name": "local",
        "tokenizer_kwargs": {"clean": "lower"},
    }
    config = {
        "model_cfg": {
            "embed_dim": DIMENSIONS,
            "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 2, 1], "width": 24},
            "text_cfg": text,
            "init_logit_bias": -4.0,
            "init_logit_scale": 2.3,
            "custom_text": True,
        },
        "preprocess_cfg": {
            "mean": [MEAN] * 3,
            "std": [SPREAD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "longest",
        },
    }
    (directory / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _train_tokenizer(directory: Path, corpus: Sequence[str]) -> int:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    words.train_from_iterator(corpus, trainer)
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=CONTEXT
    )
    fast.save_pretrained(str(directory))
    return len(fast)


def train(
    crops: Crops, directory: Path, recipe: Recipe, say: Callable[[str], None], checkpoint: Path | None = None
) -> Trainee:
    """Train on the crops and return the averaged model in evaluation mode.

    Args:
        directory: Gets config and tokenizer. checkpoint: where to keep the state and go on from, if it exists.
        say: Takes lines of progress.
    """
    ensure_torchvision()
    import open_clip

    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 7])
    captions = Captions(crops.colours, crops.part_names, rng)
    if checkpoint is None or not checkpoint.is_file():
        write_config(directory, [caption.text for caption in captions.draw_many(20000)])
    # open_clip warns on the root logger that there are no weights; making them is what this is for.
    logging.disable(logging.WARNING)
    clip = open_clip.create_model(f"local-dir:{directory}", load_weights=False)
    logging.disable(logging.NOTSET)
    words = open_clip.get_tokenizer(f"local-dir:{directory}")
    model = Trainee(clip, len(crops.colours), len(crops.part_names))
    clip.visual.to(memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimiser = _optimiser(model, recipe)
    spent, step = 0.0, 0
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average, spent, step = state["average"], float(state["spent_s"]), int(state["step"])
        say(f"going on from {checkpoint.name}: step {step}, {spent / 60:.1f} min spent")
    rarity = _rarity(crops)
    draw = _Sampler(crops, recipe, np.random.default_rng([recipe.seed, 8, step]))
    began, saved, told = time.monotonic() - spent, spent, spent
    seen = 0
    model.train()
    while (spent := time.monotonic() - began) < recipe.minutes * 60:
        share = spent / (recipe.minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, share / 0.03 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * share) + 0.003)
        batch = draw.batch()
        loss, parts = _loss(model, words, captions.draw_many(recipe.sentences), batch, rarity)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, seen = step + 1, seen + len(batch.kind)
        _blend(average, model, min(recipe.averaging, (1 + step) / (10 + step)))
        if spent - told > 30:
            told = spent
            say(f"{spent / 60:5.1f} min  step {step}  {parts}  scale {clip.logit_scale.exp().item():.1f}")
        if checkpoint is not None and spent - saved > recipe.save_every_s:
            saved = spent
            _save(checkpoint, model, optimiser, average, spent, step)
    say(f"{step} steps, {seen} crops seen in this run")
    model.load_state_dict(average)
    return model.eval()


@dataclass(frozen=True)
class _Batch:
    pixels: Tensor
    kind: NDArray[np.int64]
    colour: NDArray[np.int64]
    parts: NDArray[np.bool_]


class _Sampler:
    """Draws batches in which every kind is as common as every other, and things of no kind have their share."""

    def __init__(self, crops: Crops, recipe: Recipe, rng: np.random.Generator) -> None:
        self._crops, self._recipe, self._rng = crops, recipe, rng
        self._of_kind = [np.flatnonzero(crops.kind == kind) for kind in range(NO_KIND + 1)]
        present = [kind for kind in range(NO_KIND) if len(self._of_kind[kind])]
        chances = np.zeros(NO_KIND + 1)
        chances[present] = (1 - recipe.unknown_share) / len(present)
        chances[NO_KIND] = recipe.unknown_share if len(self._of_kind[NO_KIND]) else 0.0
        self._chances = chances / chances.sum()

    def batch(self) -> _Batch:
        rng, crops = self._rng, self._crops
        kinds = rng.choice(NO_KIND + 1, self._recipe.batch, p=self._chances)
        rows = np.array([self._of_kind[kind][rng.integers(len(self._of_kind[kind]))] for kind in kinds])
        pixels = crops.pixels[rows]
        kind, colour, parts = crops.kind[rows], crops.colour[rows], crops.parts[rows]
        count = int(self._recipe.chimeras * len(rows))
        for row in range(count):
            other = int(rng.integers(count, len(rows)))
            if _family(kind[row]) == _family(kind[other]):
                continue
            pixels[row] = _joined(pixels[row], pixels[other], rng)
            kind[row], colour[row] = NO_KIND, -1
        return _Batch(augmented(torch.from_numpy(pixels).permute(0, 3, 1, 2), rng), kind, colour, parts)


def _family(kind: int) -> str:
    """Wrenches, screwdrivers and pliers are each one family: cut together, two of one family still look like one."""
    return KINDS[kind].split()[-1] if kind < NO_KIND else "none"


def _joined(first: NDArray[np.uint8], second: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A thing that does not exist: one part of a crop from `first`, the rest from `second`."""
    out, cut = first.copy(), int(rng.integers(SIZE * 2 // 5, SIZE * 3 // 5))
    if rng.random() < 0.5:
        out[:, cut:] = second[:, cut:]
    else:
        out[:, :cut] = second[:, :cut]
    return out


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Flips, half turns, shifts, light, colour cast, blur and small erased patches; normalised, channels last."""
    count = len(pixels)
    image = pixels.float() / 255
    if rng.random() < 0.5:
        image = image.flip(3)
    if rng.random() < 0.5:
        image = image.flip(2)
    if rng.random() < 0.25:
        image = image.rot90(1, (2, 3))
    noise = torch.from_numpy(rng.random((count, 5), np.float32)).view(count, 5, 1, 1)
    image = image * (0.8 + 0.4 * noise[:, :1]) * (0.94 + 0.12 * noise[:, 1:4]) + 0.16 * (noise[:, 4:] - 0.5)
    image = functional.pad(image, (4, 4, 4, 4), mode="replicate")
    across, down = (int(shift) for shift in rng.integers(0, 9, 2))
    image = image[:, :, down : down + SIZE, across : across + SIZE]
    if rng.random() < 0.2:
        some = count // 2
        soft = functional.avg_pool2d(image[:some], 3, 1, 1, count_include_pad=False)
        image = torch.cat([0.4 * image[:some] + 0.6 * soft, image[some:]])
    for row in rng.choice(count, count // 8, replace=False):
        high, wide = (int(side) for side in rng.integers(6, 20, 2))
        top, left = int(rng.integers(SIZE - high)), int(rng.integers(SIZE - wide))
        image[row, :, top : top + high, left : left + wide] = float(rng.random())
    return ((image - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)


def _rarity(crops: Crops) -> Tensor:
    """How much more it weighs to miss a part than to invent it: (P,); most parts are rare."""
    share = torch.from_numpy(crops.parts[crops.colour >= 0].mean(0)).float().clamp_min(1e-4)
    return ((1 - share) / share).sqrt().clamp(1.0, 8.0)


def _loss(model: Trainee, words: Any, sentences: Sequence[Any], batch: _Batch, rarity: Tensor) -> tuple[Tensor, str]:
    true = torch.from_numpy(matches(sentences, batch.kind, batch.colour, batch.parts)).float()
    # Where colour and parts are not known (-1), sentences about them teach nothing.
    known = torch.from_numpy(batch.colour >= 0)
    details = torch.tensor([caption.colour is not None or caption.part is not None for caption in sentences])
    # The fused attention of the CPU is slower than plain matrix products for so few tokens.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        raw = model.clip.encode_image(batch.pixels)
        said = model.clip.encode_text(words([caption.text for caption in sentences]))
    raw, said = raw.float(), functional.normalize(said.float(), dim=-1)
    logits = model.clip.logit_scale.exp() * functional.normalize(raw, dim=-1) @ said.T + model.clip.logit_bias
    each = functional.binary_cross_entropy_with_logits(logits, true, reduction="none").masked_fill(
        ~known[:, None] & details[None], 0.0
    )
    match = each.sum() / len(raw)
    kind = functional.cross_entropy(model.kind(raw), torch.from_numpy(batch.kind), label_smoothing=0.02)
    colour = functional.cross_entropy(model.colour(raw), torch.from_numpy(batch.colour), ignore_index=-1)
    really = torch.from_numpy(batch.parts).float()[known]
    has = functional.binary_cross_entropy_with_logits(model.parts(raw[known]), really, pos_weight=rarity)
    loss = 0.25 * match + kind + 0.4 * colour + 4.0 * has
    told = f"match {match.item():.2f}  kind {kind.item():.3f}  colour {colour.item():.3f}  parts {has.item():.3f}"
    return loss, told


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98))


def _blend(average: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    """Exponential moving average of weights and batch statistics; counters are copied."""
    with torch.no_grad():
        ours, theirs = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                ours.append(average[name])
                theirs.append(value)
            else:
                average[name].copy_(value)
        torch._foreach_lerp_(ours, theirs, 1 - keep)


def _save(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor], spent: float, step: int
) -> None:
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
    partial = path.with_suffix(".partial")
    torch.save({**state, "spent_s": spent, "step": step}, partial)
    partial.replace(path)
