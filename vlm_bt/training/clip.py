"""Training a CLIP small enough to ship, from nothing, on two CPU cores.

open_clip's own ModifiedResNet and text transformer. What makes so small a model learn from so little: a sigmoid loss
(SigLIP, arXiv:2303.15343) on the exact matrix of which sentence is true of which crop, and heads for kind, colour and
parts on the same features. Things that are no kind, and crops cut together from two kinds, teach it to say so
(outlier exposure, arXiv:1812.04606).
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlm_bt.training.board import Board
from vlm_bt.training.captions import Caption, Captions, matches
from vlm_bt.training.course import Course, Pace, decayed
from vlm_bt.training.crops import MEAN, SIZE, SPREAD, Batch, Crops, Sampler, normalised
from vlm_bt.training.precision import Arithmetic, Device, Precision, arithmetic
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.vocabulary import KINDS

DIMENSIONS = 128
CONTEXT = 24
VOCABULARY = 512
VALIDATED = 512
"""Crops and sentences that a held-out figure is of."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        steps, minutes, averaging: As `course.Pace` has them. threads: part of what makes it the same again.
        unknown_share, chimeras, grey: As `crops.Sampler` has them.
    """

    steps: int = 2000
    minutes: float | None = None
    seed: int = 0
    batch: int = 128
    sentences: int = 80
    rate: float = 2e-3
    decay: float = 0.05
    averaging: float = 0.998
    chimeras: float = 0.08
    unknown_share: float = 0.40
    grey: float = 0.08
    threads: int = 2
    device: Device = "auto"
    precision: Precision = "auto"


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
    crops: Crops,
    directory: Path,
    recipe: Recipe,
    say: Callable[[str], None],
    checkpoint: Path | None = None,
    held_out: Crops | None = None,
    board: Board | None = None,
) -> Trainee:
    """Train on the crops and return the averaged model in evaluation mode, on the CPU.

    Args:
        directory: Gets config and tokenizer. checkpoint: where to keep the state and go on from, if it exists.
        say: Takes lines of progress. held_out: what it is measured on meanwhile, labelled as `crops` are.

    Raises:
        ConfigError: The checkpoint belongs to another training.
    """
    ensure_torchvision()
    import open_clip

    done_in = arithmetic(recipe.device, recipe.precision)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    drawn = Captions(crops.colours, crops.part_names, np.random.default_rng([recipe.seed, 7]))
    if checkpoint is None or not checkpoint.is_file():
        write_config(directory, [caption.text for caption in drawn.draw_many(20000)])
    # open_clip warns on the root logger that there are no weights; making them is what this is for.
    logging.disable(logging.WARNING)
    clip = open_clip.create_model(f"local-dir:{directory}", load_weights=False)
    logging.disable(logging.NOTSET)
    words = open_clip.get_tokenizer(f"local-dir:{directory}")
    model = Trainee(clip, len(crops.colours), len(crops.part_names)).to(done_in.device)
    clip.visual.to(memory_format=torch.channels_last)
    rarity = _rarity(crops).to(done_in.device)
    course = Course(
        model,
        decayed(model, recipe.decay),
        Pace(recipe.steps, recipe.rate, recipe.minutes, averaging=recipe.averaging),
        done_in,
        {**decisive(recipe), "crops": len(crops), "checksum": checksum(crops.pixels)},
        say,
        checkpoint=checkpoint,
        board=board,
        validate=None if held_out is None else lambda ready: figures_of(ready, words, held_out, done_in),
    )
    sampler = Sampler(crops, recipe.batch, recipe.unknown_share, recipe.chimeras, recipe.grey)
    for step in course.steps():
        rng = np.random.default_rng([recipe.seed, 8, step])
        sentences = Captions(crops.colours, crops.part_names, rng).draw_many(recipe.sentences)
        course.learn(*_loss(model, words, sentences, sampler.batch(rng), rarity, done_in))
    return cast(Trainee, course.finished().cpu())


def decisive(recipe: Any) -> dict[str, object]:
    """The fields of a plan that decide the weights: not how long one run may take."""
    return {name: value for name, value in asdict(recipe).items() if name not in ("minutes", "device", "precision")}


def checksum(pixels: NDArray[np.uint8]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(pixels[::31]).tobytes()):08x}"


def figures_of(model: nn.Module, words: Any, crops: Crops, done_in: Arithmetic) -> dict[str, float]:
    """What an averaged model is worth on crops it has not learnt from: shares that are right."""
    trainee = cast(Trainee, model)
    rows = np.linspace(0, len(crops) - 1, min(len(crops), VALIDATED)).round().astype(int)
    ready = normalised(torch.from_numpy(crops.pixels[rows]).permute(0, 3, 1, 2)).to(done_in.device)
    sentences = Captions(crops.colours, crops.part_names, np.random.default_rng(9)).draw_many(VALIDATED)
    with done_in.autocast(), sdpa_kernel(SDPBackend.MATH):
        raw = torch.cat([trainee.clip.encode_image(some) for some in torch.split(ready, 128)]).float()
        said = trainee.clip.encode_text(words([caption.text for caption in sentences]).to(done_in.device)).float()
    kind, colour = trainee.kind(raw).argmax(1).cpu().numpy(), trainee.colour(raw).argmax(1).cpu().numpy()
    fits = _fits(trainee, raw, said).cpu().numpy() > 0
    true = matches(sentences, crops.kind[rows], crops.colour[rows], crops.parts[rows])
    known = crops.colour[rows] >= 0
    said_right = fits[known] == true[known]
    return {
        "kind": float((kind == crops.kind[rows]).mean()),
        "colour": float((colour == crops.colour[rows])[known].mean()) if known.any() else float("nan"),
        "sentences": float((said_right[true[known]].mean() + said_right[~true[known]].mean()) / 2),
    }


def _rarity(crops: Crops) -> Tensor:
    """How much more it weighs to miss a part than to invent it: (P,); most parts are rare."""
    share = torch.from_numpy(crops.parts[crops.colour >= 0].mean(0)).float().clamp_min(1e-4)
    return ((1 - share) / share).sqrt().clamp(1.0, 8.0)


def _fits(model: Trainee, raw: Tensor, said: Tensor) -> Tensor:
    """Logits (N, T) of crops' features (N, D) with sentences' (T, D)."""
    angle = functional.normalize(raw, dim=-1) @ functional.normalize(said, dim=-1).T
    fits: Tensor = model.clip.logit_scale.exp() * angle + model.clip.logit_bias
    return fits


def _loss(
    model: Trainee, words: Any, sentences: Sequence[Caption], batch: Batch, rarity: Tensor, done_in: Arithmetic
) -> tuple[Tensor, dict[str, float]]:
    def there(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(done_in.device)

    true = there(matches(sentences, batch.kind, batch.colour, batch.parts)).float()
    # Where colour and parts are not known (-1), sentences about them teach nothing.
    known = there(batch.colour >= 0)
    details = there(np.array([caption.colour is not None or caption.part is not None for caption in sentences]))
    pixels, tokens = batch.pixels.to(done_in.device), words([caption.text for caption in sentences]).to(done_in.device)
    # The fused attention of the CPU is slower than plain matrix products for so few tokens.
    with done_in.autocast(), sdpa_kernel(SDPBackend.MATH):
        raw, said = model.clip.encode_image(pixels).float(), model.clip.encode_text(tokens).float()
    each = functional.binary_cross_entropy_with_logits(_fits(model, raw, said), true, reduction="none").masked_fill(
        ~known[:, None] & details[None], 0.0
    )
    match = each.sum() / len(raw)
    kind = functional.cross_entropy(model.kind(raw), there(batch.kind), label_smoothing=0.02)
    colour = has = torch.zeros((), device=raw.device)
    if (batch.colour >= 0).any():
        colour = functional.cross_entropy(model.colour(raw), there(batch.colour), ignore_index=-1)
        really = there(batch.parts).float()[known]
        has = functional.binary_cross_entropy_with_logits(model.parts(raw[known]), really, pos_weight=rarity)
    loss = 0.25 * match + kind + 0.4 * colour + 4.0 * has
    return loss, {"match": match.item(), "kind": kind.item(), "colour": colour.item(), "parts": has.item()}
