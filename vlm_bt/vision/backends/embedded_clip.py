"""The small CLIP that ships with the package: open_clip's own code, weights trained on the simulation's pictures.

Deterministic for the same crops in the same batch on the same CPU: fixed threads, float32, no sampling.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from vlm_bt.errors import ModelError
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.vocabulary import KINDS, names_a_kind, prompts_hash, wordings
from vlm_bt.vision.weights import REMEDY, embedded_directory, verify

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

KEPT_TEXTS = 512
_PART_CLAIM = re.compile(r"(?:an?|the)?\s*(?:tool|thing|object|item|something) with (?:an? |the )?(.+)")
SURE_PART, SURE_COLOUR, MOST_PARTS = 0.6, 0.5, 3
_NOT_PARTS = ("tool", "part", "shape")
"""Last words of phrases that speak of the whole thing."""


class EmbeddedClip:
    """Looks at crops of things and says how well words fit them.

    Args:
        directory: Folder with config, tokenizer, weights, heads and manifest; the shipped one if not given.
        threads: CPU threads; part of what makes answers reproducible to the last bit.

    Raises:
        ModelError: A file is missing, corrupt, or made for other kinds.
    """

    def __init__(self, directory: str | Path | None = None, threads: int = 1) -> None:
        self.directory = Path(directory) if directory is not None else embedded_directory()
        weights = verify(self.directory)
        self.revision = f"{weights}-{prompts_hash()}"
        torch.set_num_threads(threads)
        ensure_torchvision()
        import open_clip

        logging.getLogger("open_clip").setLevel(logging.ERROR)
        try:
            model = open_clip.create_model(f"local-dir:{self.directory}", precision="fp32", device="cpu")
            self._words = open_clip.get_tokenizer(f"local-dir:{self.directory}")
            self._heads, self._labels = _read_heads(self.directory / "heads.safetensors")
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise ModelError(f"the model in {self.directory} does not load ({error}); {REMEDY}") from error
        if tuple(self._labels["kinds"]) != KINDS:
            raise ModelError(f"the model in {self.directory} knows {', '.join(self._labels['kinds'])}; {REMEDY}")
        self._model: Any = model.eval()
        self._model.visual.to(memory_format=torch.channels_last)
        config = json.loads((self.directory / "open_clip_config.json").read_text(encoding="utf-8"))
        self.size = int(config["model_cfg"]["vision_cfg"]["image_size"])
        self._mean = torch.tensor(config["preprocess_cfg"]["mean"]).view(1, 3, 1, 1)
        self._spread = torch.tensor(config["preprocess_cfg"]["std"]).view(1, 3, 1, 1)
        self._texts: OrderedDict[str, Tensor] = OrderedDict()

    @property
    def parts(self) -> tuple[str, ...]:
        """Phrases for the parts it can tell."""
        return tuple(self._labels["parts"])

    @property
    def colours(self) -> tuple[str, ...]:
        return tuple(self._labels["colours"])

    @torch.inference_mode()
    def image_embeddings(self, crops: Pixels) -> Floats:
        """Unit vectors (N, D) of crops (N, S, S, 3) uint8."""
        return functional.normalize(self._features(crops), dim=-1).numpy()

    @torch.inference_mode()
    def text_embeddings(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (T, D); those of the latest texts are remembered."""
        return self._said(texts).numpy()

    @torch.inference_mode()
    def logits(self, crops: Pixels, texts: Sequence[str]) -> Floats:
        """How well each text fits each crop: (N, T), the sigmoid of which is a probability as trained."""
        return self._match(self._features(crops), texts).numpy()

    @torch.inference_mode()
    def evidence(self, crops: Pixels, wording: int = 0) -> tuple[Floats, Floats, Floats]:
        """What `classify` weighs, averaged over four views (as is, mirrored, upside down, both).

        Returns:
            Kind head (N, K + 1, the last one "none of them"), text scores (N, K) of one wording, distance (N,) of the
            features from the nearest kind's mean, in units of the usual distance of that kind's own examples.
        """
        return self._evidence(self.views(crops), wording)

    @torch.inference_mode()
    def views(self, crops: Pixels, count: int = 4) -> list[Tensor]:
        """Raw features (N, D) of the first of the four views of crops (N, S, S, 3), for `kinds_of` and the like: the
        trunk's work is most of it, so it is done once."""
        return [self._features(view) for view in _views(crops)[:count]]

    @torch.inference_mode()
    def kinds_of(self, views: Sequence[Tensor], wording: int = 0) -> Floats:
        """(N, K + 1): as `classify` with all kinds."""
        return combine(*self._evidence(views, wording), self._labels["mix"])

    @torch.inference_mode()
    def colours_of(self, views: Sequence[Tensor]) -> Floats:
        """(N, C) probability of each colour, summing to 1."""
        return torch.stack([self._head("colour", raw).softmax(-1) for raw in views]).mean(0).numpy()

    @torch.inference_mode()
    def parts_of(self, views: Sequence[Tensor]) -> Floats:
        """(N, P) probability of each part."""
        return torch.stack([self._head("parts", raw).sigmoid() for raw in views]).mean(0).numpy()

    @torch.inference_mode()
    def fits_of(self, views: Sequence[Tensor], text: str) -> Floats:
        """(N,) probability that the text fits, by words alone."""
        fits: Floats = _sigmoid(torch.stack([self._match(raw, [text])[:, 0] for raw in views]).mean(0).numpy())
        return fits

    @torch.inference_mode()
    def _evidence(self, views: Sequence[Tensor], wording: int) -> tuple[Floats, Floats, Floats]:
        head, text, far = torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1)
        phrases = [wordings(kind)[wording % len(wordings(kind))] for kind in KINDS]
        flat = [phrase for some in phrases for phrase in some]
        ends = np.cumsum([len(some) for some in phrases])
        for raw in views:
            match = self._match(raw, flat)
            text = text + torch.stack([match[:, e - len(p) : e].mean(1) for p, e in zip(phrases, ends, strict=True)], 1)
            head = head + functional.linear(raw, self._heads["kind.weight"], self._heads["kind.bias"])
            far = far + self._distance(raw)
        count = len(views)
        return (head / count).numpy(), (text / count).numpy(), (far / count).numpy()

    def classify(self, crops: Pixels, options: Sequence[str], wording: int = 0) -> Floats:
        """Which of the options is each crop?

        Args:
            crops: (N, S, S, 3) uint8. options: names; those of `KINDS` are judged by words and by the kind head, others
                by words alone. wording: which paraphrases are used.

        Returns:
            (N, len(options) + 1) probabilities, the last one for "something else". Calibrated sets come from
            `vlm_bt.vision.calibration`.
        """
        if len(crops) == 0:
            return np.zeros((0, len(options) + 1), np.float32)
        known = combine(*self.evidence(crops, wording), self._labels["mix"])
        out = np.zeros((len(crops), len(options) + 1), np.float32)
        rest = known.sum(1)
        for column, option in enumerate(options):
            if option in KINDS:
                out[:, column] = known[:, KINDS.index(option)]
                rest = rest - out[:, column]
        strange = [column for column, option in enumerate(options) if option not in KINDS]
        if strange:
            texts = [wordings(options[column])[wording % 2] for column in strange]
            fit = np.stack([_sigmoid(self.logits(crops, list(some)).mean(1)) for some in texts], 1)
            out[:, strange] = known[:, -1:] * fit / np.maximum(1.0, fit.sum(1, keepdims=True))
            rest = rest - out[:, strange].sum(1)
        out[:, -1] = np.clip(rest, 0.0, 1.0)
        return out

    def is_true(self, crop: Pixels, claim: str) -> float:
        """Probability that a phrase, such as "a tool with two handles", fits a crop (S, S, 3).

        A claim about one known part of a thing without a name is judged by the head for parts, which tells rare ones
        better than words do.
        """
        part = _part_claimed(claim, self.parts)
        if part is not None:
            return float(self._looked_at(crop)[1][part])
        return float(_sigmoid(np.mean([self.logits(view, [claim])[0, 0] for view in _views(crop[None])])))

    def describe(self, crop: Pixels) -> str:
        """A phrase of colour and parts that the model is sure of; never a kind's name. Fits "I see ..."."""
        colour, parts = self._looked_at(crop)
        shade = int(colour.argmax())
        noun = f"{self.colours[shade]} thing" if float(colour[shade]) >= SURE_COLOUR else "thing"
        ranked = sorted(range(len(parts)), key=lambda index: (-float(parts[index]), index))
        sure = [self.parts[i] for i in ranked if float(parts[i]) >= SURE_PART and _is_part(self.parts[i])]
        article = "an" if noun[0] in "aeiou" else "a"
        return f"{article} {noun}" + (f" with {_listed(sure[:MOST_PARTS])}" if sure else "")

    @torch.inference_mode()
    def _looked_at(self, crop: Pixels) -> tuple[Tensor, Tensor]:
        """Probability of each colour and of each part, averaged over views of one crop (S, S, 3)."""
        raw = torch.stack([self._features(view)[0] for view in _views(crop[None])])
        return self._head("colour", raw).softmax(-1).mean(0), self._head("parts", raw).sigmoid().mean(0)

    @property
    def places(self) -> int:
        """How many places of a crop the trunk tells apart."""
        return (self.size // 32) ** 2

    @property
    def channels(self) -> int:
        """Length of what the trunk says of each place."""
        return int(self._model.visual.layer4[-1].bn3.num_features)

    @property
    def evidence_sizes(self) -> tuple[int, ...]:
        """Numbers of each sort of evidence that `seen` gives: kind, colour, parts, shades."""
        shades = 2 * int(self._model.visual.layer1[-1].bn3.num_features)
        return len(KINDS) + 1, len(self.colours), len(self.parts), shades

    @torch.inference_mode()
    def seen(self, crops: Pixels) -> tuple[Tensor, Tensor, Tensor]:
        """What `places_of` gives, of crops (N, S, S, 3)."""
        return self.places_of(self._ready(crops))

    def places_of(self, ready: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For the question head, of normalised pictures (N, 3, S, S): pooled vectors (N, D), (N, places, channels), and
        evidence (N, sum of `evidence_sizes`). The shades are means and peaks of the first layer: it knows colours and
        no kinds yet."""
        seen = self._model.visual
        first = seen.layer1(seen.stem(ready))
        places = seen.layer4(seen.layer3(seen.layer2(first)))
        pooled = seen.attnpool(places).float()
        heads = self._head("kind", pooled).softmax(-1), self._head("colour", pooled).softmax(-1)
        shades = first.float().mean((2, 3)), first.float().amax((2, 3))
        evidence = torch.cat([*heads, self._head("parts", pooled).sigmoid(), *shades], 1)
        return pooled, places.flatten(2).transpose(1, 2).float(), evidence

    def _head(self, name: str, raw: Tensor) -> Tensor:
        return functional.linear(raw, self._heads[f"{name}.weight"], self._heads[f"{name}.bias"])

    def _features(self, crops: Pixels) -> Tensor:
        features: Tensor = self._model.encode_image(self._ready(crops)).float()
        return features

    def _ready(self, crops: Pixels) -> Tensor:
        if crops.ndim != 4 or crops.shape[1:] != (self.size, self.size, 3) or crops.dtype != np.uint8:
            raise ValueError(f"crops must be (N, {self.size}, {self.size}, 3) uint8, got {crops.shape} {crops.dtype}")
        pixels = torch.from_numpy(np.array(crops)).permute(0, 3, 1, 2).float() / 255
        return ((pixels - self._mean) / self._spread).contiguous(memory_format=torch.channels_last)

    def _match(self, raw: Tensor, texts: Sequence[str]) -> Tensor:
        scale, bias = self._model.logit_scale.exp(), self._model.logit_bias
        fits: Tensor = scale * functional.normalize(raw, dim=-1) @ self._said(texts).T + bias
        return fits

    def _said(self, texts: Sequence[str]) -> Tensor:
        # One text at a time: the same text then has the same bits whatever it is asked together with.
        for text in texts:
            if text not in self._texts:
                self._texts[text] = functional.normalize(self._model.encode_text(self._words([text])).float(), dim=-1)[
                    0
                ]
            self._texts.move_to_end(text)
        found = torch.stack([self._texts[text] for text in texts])
        while len(self._texts) > KEPT_TEXTS:
            self._texts.popitem(last=False)
        return found

    def _distance(self, raw: Tensor) -> Tensor:
        apart = raw[:, None] - self._heads["means"][None]
        squared = ((apart @ self._heads["whiten"]) ** 2).sum(-1)
        return (squared.clamp_min(0).sqrt() / self._heads["usual"][None]).min(1).values


def combine(head: Floats, text: Floats, far: Floats, mix: dict[str, float]) -> Floats:
    """Probabilities (N, K + 1) from the evidence; the weights were fitted on scenes kept out of training."""
    scores = np.concatenate([mix["head"] * head[:, :-1] + mix["text"] * text, mix["head"] * head[:, -1:]], 1)
    scores[:, -1] += mix["other"] + mix["far"] * (far - 1.0)
    scores -= scores.max(1, keepdims=True)
    shares = np.exp(scores)
    out: Floats = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return out


def _views(crops: Pixels) -> list[Pixels]:
    return [crops, crops[:, :, ::-1], crops[:, ::-1], crops[:, ::-1, ::-1]]


def _sigmoid(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -60.0, 60.0)))


def _part_claimed(claim: str, parts: Sequence[str]) -> int | None:
    """Index of the part in "a tool with a <part>"; None where the claim is anything else."""
    found = _PART_CLAIM.fullmatch(claim.strip().lower())
    low = [part.lower() for part in parts]
    return low.index(found[1]) if found is not None and found[1] in low else None


def _is_part(phrase: str) -> bool:
    return not names_a_kind(phrase) and phrase.split()[-1] not in _NOT_PARTS


def _listed(phrases: Sequence[str]) -> str:
    with_articles = [p if p.endswith("s") or p.split()[0] in ("two",) else f"a {p}" for p in phrases]
    with_articles = [p.replace("a o", "an o", 1) if p.startswith("a o") else p for p in with_articles]
    with_articles = [p.replace("a a", "an a", 1) if p.startswith("a a") else p for p in with_articles]
    if len(with_articles) < 2:
        return "".join(with_articles)
    return ", ".join(with_articles[:-1]) + " and " + with_articles[-1]


def _read_heads(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as stored:
        labels = json.loads((stored.metadata() or {})["labels"])
        tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
    return tensors, labels
