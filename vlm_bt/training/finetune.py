"""`vlm-bt train clip`: any CLIP of open_clip learns the things on a user's own pictures.

Pictures come in their label's place among all labels, or as pairs with their caption; towers are locked as in LiT
(arXiv:2111.07991), so that a few hundred pictures do not undo what the model knows.
"""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image, ImageOps
from torch import Tensor, nn

from vlm_bt.errors import ConfigError
from vlm_bt.scene.crops import FILL
from vlm_bt.training.board import Board
from vlm_bt.training.clip import decisive
from vlm_bt.training.course import Course, Pace, decayed
from vlm_bt.training.labelled import Labelled, LabelledPicture
from vlm_bt.training.precision import Arithmetic, Device, Precision, arithmetic
from vlm_bt.vision.backends.clip_loading import CONFIG, WEIGHTS, LoadedClip, load_clip
from vlm_bt.vision.clip_words import phrasings
from vlm_bt.vision_settings import OpenClipModel

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")
MOST_TEXTS = 64


@dataclass(frozen=True)
class Tuning:
    """How to fine-tune.

    Attributes:
        tune: "last": the image tower's last block and what follows it; "projection": only what follows; "all": both
            towers. steps, minutes: As `course.Pace` has them. held_out: share of the pictures nothing is learnt from.
    """

    steps: int = 300
    minutes: float | None = None
    tune: Literal["projection", "last", "all"] = "last"
    rate: float = 5e-4
    batch: int = 32
    decay: float = 0.05
    held_out: float = 0.2
    seed: int = 0
    threads: int = 2
    device: Device = "auto"
    precision: Precision = "auto"


class Tuned(nn.Module):
    """A CLIP in training whose batch statistics stay as they are: a few pictures are no statistics."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip: Any = clip

    def train(self, mode: bool = True) -> Tuned:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def fits(self, pictures: Tensor, tokens: Tensor) -> Tensor:
        """Logits (N, T) of prepared pictures with texts."""
        seen = functional.normalize(self.clip.encode_image(pictures).float(), dim=-1)
        said = functional.normalize(self.clip.encode_text(tokens).float(), dim=-1)
        bias = getattr(self.clip, "logit_bias", None)
        scores: Tensor = self.clip.logit_scale.exp() * seen @ said.T
        return scores if bias is None else scores + bias


def finetune(
    checkpoint: str, pictures: Labelled, plan: Tuning, out: Path, say: Callable[[str], None], offline: bool = True
) -> dict[str, float]:
    """Fine-tune, measure on the pictures kept back, write the model; goes on where an earlier run stopped.

    Args:
        checkpoint: As `OpenClipModel.checkpoint`. out: gets the model, which `local-dir:OUT` loads, and `work/`.

    Returns:
        Shares of the kept-back pictures named rightly: `before` and `after`.

    Raises:
        ConfigError: Too few pictures or labels, or `out` holds another training. ModelError: As `load_clip`.
    """
    learnt, kept_back = _parts(pictures, plan)
    torch.set_num_threads(plan.threads)
    done_in = arithmetic(plan.device, plan.precision)
    settings = OpenClipModel.model_validate(
        {"backend": "open_clip", "checkpoint": checkpoint, "device": "cpu", "dtype": "float32"}
    )
    loaded = load_clip(settings, offline)
    model = Tuned(loaded.model).to(done_in.device)
    unlock(loaded.model, plan.tune)
    labels = pictures.labels
    tested = Tests(loaded, kept_back, labels, done_in)
    before = tested.right(model)["named"]
    say(f"{len(learnt)} pictures, {len(labels)} labels; {len(kept_back)} kept back, {before:.3f} of them named rightly")
    course = Course(
        model,
        decayed(model, plan.decay),
        Pace(plan.steps, plan.rate, plan.minutes, warm_up=0.1, averaging=0.98),
        done_in,
        {**decisive(plan), "revision": loaded.located.revision, "pictures": len(learnt), "labels": list(labels)},
        say,
        checkpoint=out / "work" / "finetune.pt",
        board=Board(out / "work" / "tensorboard", say),
        validate=tested.right,
    )
    show, kept = _augmentation(loaded), {item: _small(item, 2 * max(loaded.size)) for item in learnt.items}
    for step in course.steps():
        rng = np.random.default_rng([plan.seed, 41, step])
        # The augmentations are torchvision's, which draw from these two.
        torch.manual_seed(int(rng.integers(1 << 62)))
        random.seed(int(rng.integers(1 << 62)))
        chosen = [learnt.items[i] for i in rng.permutation(len(learnt))[: plan.batch]]
        course.learn(*_loss(model, loaded, chosen, kept, labels, show, rng, done_in))
    model = course.finished().cpu()  # type: ignore[assignment]
    figures = {
        "before": before,
        "after": Tests(loaded, kept_back, labels, Arithmetic("cpu", "fp32")).right(model)["named"],
    }
    write(loaded, checkpoint, out)
    (out / "model_card.md").write_text(
        _card(checkpoint, loaded, plan, course.step, learnt, kept_back, figures), "utf-8"
    )
    say(f"kept-back pictures named rightly: {figures['before']:.3f} before, {figures['after']:.3f} now")
    return figures


def unlock(clip: Any, tune: str) -> None:
    """Lock all that is not to be learnt, by open_clip's own means where it has them."""
    clip.requires_grad_(tune == "all")
    if tune == "all":
        return
    visual = clip.visual
    if hasattr(visual, "attnpool") and hasattr(visual, "layer4"):  # open_clip cannot lock a ResNet in part
        visual.attnpool.requires_grad_(True)
        visual.layer4.requires_grad_(tune == "last")
    else:
        clip.lock_image_tower(unlocked_groups=2 if tune == "last" else 1)
    clip.logit_scale.requires_grad_(True)
    if getattr(clip, "logit_bias", None) is not None:
        clip.logit_bias.requires_grad_(True)


class Tests:
    """Pictures kept back, each to be named among all labels."""

    __test__ = False

    def __init__(self, loaded: LoadedClip, pictures: Labelled, labels: Sequence[str], done_in: Arithmetic) -> None:
        prepared = [loaded.prepare(shown(item)) for item in pictures.items]
        self._pictures, self._done_in = torch.stack(prepared), done_in
        self._tokens = loaded.tokenize([phrasings(label, 0)[-1] for label in labels])
        self._true = torch.tensor([labels.index(item.label) for item in pictures.items])

    @torch.no_grad()
    def right(self, model: Any) -> dict[str, float]:
        """Share that is named rightly."""
        model.eval()
        tokens, to = self._tokens.to(self._done_in.device), self._done_in.device
        with self._done_in.autocast():
            fits = torch.cat([model.fits(some.to(to), tokens) for some in torch.split(self._pictures, 32)])
        return {"named": float((fits.argmax(1).cpu() == self._true).float().mean())}


def _parts(pictures: Labelled, plan: Tuning) -> tuple[Labelled, Labelled]:
    if len(pictures.labels) < 2:
        raise ConfigError(
            f"all {len(pictures)} pictures are {pictures.labels[0]!r}; a CLIP learns to tell things apart"
        )
    counts = {label: sum(item.label == label for item in pictures.items) for label in pictures.labels}
    few = [f"{label!r} ({count})" for label, count in counts.items() if count < 3]
    if few and len(few) < len(counts):
        raise ConfigError(f"fewer than 3 pictures of {', '.join(few)}; take more, or leave these lines out")
    learnt, kept_back = pictures.split((1 - plan.held_out, plan.held_out), plan.seed)
    if not len(learnt) or not len(kept_back):
        raise ConfigError(f"{len(pictures)} pictures are too few to keep {plan.held_out:.0%} of them back; take more")
    return learnt, kept_back


def _augmentation(loaded: LoadedClip) -> Callable[[Image.Image], Tensor]:
    import open_clip

    how = open_clip.transform.PreprocessCfg(**loaded.model.visual.preprocess_cfg)
    vary = {
        "scale": (0.6, 1.0),
        "color_jitter": (0.3, 0.3, 0.3, 0.03),
        "color_jitter_prob": 0.8,
        "gray_scale_prob": 0.1,
    }
    with warnings.catch_warnings():
        # It warns of unused settings that it has just used.
        warnings.filterwarnings("ignore", message="Unused augmentation cfg items")
        made: Callable[[Image.Image], Tensor] = open_clip.transform.image_transform_v2(how, is_train=True, aug_cfg=vary)
    return made


def shown(item: LabelledPicture, margin: float = 0.08) -> Image.Image:
    """The picture as the model gets it: a thing's box padded with grey to a square, so that no end is cut off."""
    pixels = item.pixels(margin)
    if item.box is None:
        return Image.fromarray(pixels)
    return ImageOps.pad(Image.fromarray(pixels), (max(pixels.shape[:2]),) * 2, color=(FILL,) * 3)


def _small(item: LabelledPicture, side: int) -> Image.Image:
    """Read once and kept in memory: with more margin, because what is shown is cut out of it."""
    picture = shown(item, margin=0.2)
    picture.thumbnail((side, side))
    return picture


def _loss(
    model: Tuned,
    loaded: LoadedClip,
    chosen: Sequence[LabelledPicture],
    kept: Mapping[LabelledPicture, Image.Image],
    labels: Sequence[str],
    show: Callable[[Image.Image], Tensor],
    rng: np.random.Generator,
    done_in: Arithmetic,
) -> tuple[Tensor, dict[str, float]]:
    """How far the pictures are from their own labels, among all of them or, of many, those in the batch."""
    varied = []
    for item in chosen:
        picture = kept[item]
        # A thing on a bench lies any way round.
        turned = picture.rotate(90 * int(rng.integers(4)), expand=True)
        varied.append(show(turned))
    among = labels if len(labels) <= MOST_TEXTS else tuple(dict.fromkeys(item.label for item in chosen))
    wordings = [phrasings(label, int(rng.integers(2))) for label in among]
    tokens = loaded.tokenize([some[int(rng.integers(len(some)))] for some in wordings]).to(done_in.device)
    true = torch.tensor([among.index(item.label) for item in chosen], device=done_in.device)
    with done_in.autocast():
        fits = model.fits(torch.stack(varied).to(done_in.device), tokens)
    if getattr(model.clip, "logit_bias", None) is not None:
        # As in SigLIP, but with every picture that a text fits as a pair.
        pairs = functional.one_hot(true, len(among)).float()
        loss = functional.binary_cross_entropy_with_logits(fits, pairs, reduction="none").sum(1).mean()
    else:
        loss = functional.cross_entropy(fits, true)
    return loss, {"loss": loss.item()}


def write(loaded: LoadedClip, checkpoint: str, out: Path) -> None:
    """The model as `local-dir:` loads it."""
    import open_clip
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    source = loaded.located.folder
    if (source / CONFIG).is_file():
        shutil.copyfile(source / CONFIG, out / CONFIG)
    else:
        how = asdict(open_clip.transform.PreprocessCfg(**loaded.model.visual.preprocess_cfg))
        config = {
            "model_cfg": open_clip.get_model_config(checkpoint.partition("/")[0]),
            "preprocess_cfg": {k: how[k] for k in ("mean", "std", "interpolation")},
        }
        (out / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    for name in TOKENIZER:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
    weights = {name: value.detach().contiguous().clone() for name, value in loaded.model.state_dict().items()}
    save_file(weights, str(out / WEIGHTS[0]))


def _card(
    checkpoint: str,
    loaded: LoadedClip,
    plan: Tuning,
    steps: int,
    learnt: Labelled,
    kept_back: Labelled,
    figures: dict[str, float],
) -> str:
    labels = sorted({*learnt.labels, *kept_back.labels})
    return "\n".join(
        [
            "# A fine-tuned CLIP",
            "",
            f"- From `{checkpoint}`, revision `{loaded.located.revision}`",
            f"- Learnt: {plan.tune}; {steps} steps of {plan.batch} pictures, seed {plan.seed}, rate {plan.rate:g}",
            f"- Pictures: {len(learnt)} learnt from, {len(kept_back)} kept back",
            f"- Labels: {', '.join(labels[:MOST_TEXTS])}",
            "",
            "| Kept-back pictures named rightly among all labels | share |",
            "|---|---|",
            f"| before | {figures['before']:.3f} |",
            f"| after | {figures['after']:.3f} |",
            "",
            f"{len(kept_back)} pictures of the same series say little of another camera, light or room: evaluate it on",
            "pictures taken there. Its scores are no probabilities until it is calibrated (`vlm-bt calibrate`);",
            "without that nothing it says may move an arm.",
            "",
        ]
    )
