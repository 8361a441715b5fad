"""Brings a model of open_clip from its files into memory: architecture, weights, tokenizer, preprocessing.

open_clip alone would fetch what is missing, take pickles, and start from random weights where it finds none. Here the
files are located and checked first, and exactly those are read.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.checkpoints import Located, locate
from vlm_bt.vision.memory import check_fits
from vlm_bt.vision.precision import device_of, dtype_of, finished
from vlm_bt.vision_settings import OpenClipModel

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
_PRECISION = {torch.float32: "fp32", torch.bfloat16: "pure_bf16", torch.float16: "pure_fp16"}
_ELSEWHERE = ("hf-hub:", "hf_hub:", "local-dir:", "local_dir:")


@dataclass(frozen=True, eq=False)
class LoadedClip:
    """A model of open_clip, ready to answer.

    Attributes:
        tokenize: (T, L) int64 token ids of texts. tokens: how many a text has, with its beginning and end.
        prepare: (3, H, W) float32 of a picture, as the model was trained to see it.
        size: Height and width of what it sees. cuts: whether preparing cuts the long side of a picture off.
    """

    model: Any
    tokenize: Callable[[Sequence[str]], Tensor]
    tokens: Callable[[str], int]
    context: int
    prepare: Callable[[Image.Image], Tensor]
    size: tuple[int, int]
    cuts: bool
    device: str
    dtype: torch.dtype
    located: Located
    preprocessing: str


def load_clip(settings: OpenClipModel, offline: bool = True) -> LoadedClip:
    """Load "ARCHITECTURE/TAG", "ARCHITECTURE/FILE.safetensors", "hf-hub:ORG/NAME" or "local-dir:FOLDER".

    Raises:
        ModelError: Files are missing or not what they should be, or do not fit together.
        ConfigError: The settings cannot be served.
    """
    device = _device(settings)
    ensure_torchvision()
    import open_clip

    logging.getLogger().addFilter(_without_random_weights_warning)
    architecture, name, file, forced = _source(settings.checkpoint)
    located = locate(
        name, model_revision=settings.model_revision, sha256=settings.sha256, cache=settings.cache, offline=offline
    )
    known = architecture or f"local-dir:{located.folder}"
    text = _text_settings(architecture, located.folder)
    weights = _weights(located.folder, file)
    dtype = dtype_of(settings, device)
    check_fits(located.folder, settings, device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = open_clip.create_model(
                known,
                load_weights=False,
                pretrained_text=False,
                precision=_PRECISION[dtype],
                device=device,
                **forced,
            )
            open_clip.load_checkpoint(model, str(weights))
            tokenizer = _tokenizer(known, text, located.folder)
    except (RuntimeError, ValueError, KeyError, TypeError, AssertionError, OSError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{settings.checkpoint}: open_clip cannot load {weights} ({_first_line(error)})") from error
    finally:
        logging.getLogger().removeFilter(_without_random_weights_warning)
    how = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    height, width = how.size if isinstance(how.size, tuple | list) else (how.size, how.size)
    model = model.eval().requires_grad_(False)
    # Texts are few and remembered; compiling pays for pictures.
    finished(model.visual, settings, device)
    return LoadedClip(
        model,
        tokenizer,
        _counter(tokenizer),
        int(tokenizer.context_length),
        open_clip.transform.image_transform_v2(how, is_train=False),
        (int(height), int(width)),
        how.resize_mode == "shortest",
        device,
        dtype,
        located,
        str(how),
    )


def lies_at(checkpoint: str) -> str:
    """What `checkpoints.locate` is given for a checkpoint: a hub's name or a folder. Raises: ModelError."""
    ensure_torchvision()
    return _source(checkpoint)[1]


def _device(settings: OpenClipModel) -> str:
    if settings.quantisation != "none":
        raise ConfigError(
            f"quantisation: open_clip models do not run in {settings.quantisation}; use dtype bfloat16 or float16, or "
            "runtime openvino"
        )
    if settings.attention not in ("auto", "sdpa"):
        raise ConfigError(f"attention: open_clip chooses it itself and has no {settings.attention}; leave it at auto")
    if settings.runtime == "torch":
        return device_of(settings)
    if settings.device not in ("auto", "cpu") or settings.dtype not in ("auto", "float32"):
        raise ConfigError(f"runtime: {settings.runtime} runs here on the CPU in float32; set device: cpu, dtype: auto")
    return "cpu"


def _source(checkpoint: str) -> tuple[str | None, str, str | None, dict[str, Any]]:
    """Architecture of open_clip's own (None: the files say), what to locate, which file, what its tag prescribes."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    architecture, _, rest = checkpoint.partition("/")
    if architecture not in open_clip.list_models():
        if not checkpoint.startswith(("hf-hub:", "local-dir:")):
            raise ModelError(
                f"open_clip has no architecture {architecture!r}; checkpoint: ARCHITECTURE/TAG such as "
                "ViT-B-32/laion2b_s34b_b79k, hf-hub:ORG/NAME, or local-dir:FOLDER"
            )
        return None, checkpoint, None, {}
    if rest.endswith(".safetensors"):
        path = Path(rest).expanduser()
        return architecture, f"local-dir:{path.parent}", path.name, {}
    tag = get_pretrained_cfg(architecture, rest)
    if not tag:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise ModelError(f"{architecture} has no weights called {rest!r}; its tags: {tags}; or a FILE.safetensors")
    if not tag.get("hf_hub"):
        raise ModelError(f"{checkpoint} exists only as a pickle at {tag.get('url')}, which is never loaded; take a tag")
    repository, _, file = str(tag["hf_hub"]).rpartition("/")
    shown = {key: tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if tag.get(key) is not None}
    forced: dict[str, Any] = {"force_preprocess_cfg": shown}
    if tag.get("quick_gelu"):  # open_clip only warns of another activation, and the answers are wrong
        forced["force_quick_gelu"] = True
    return architecture, repository, file and f"{Path(file).stem}.safetensors", forced


def _text_settings(architecture: str | None, folder: Path) -> dict[str, Any]:
    """`text_cfg` of the model. Raises: ModelError: none, or it sends open_clip to fetch a part elsewhere."""
    import open_clip

    if architecture is not None:
        config = open_clip.get_model_config(architecture) or {}
    else:
        path = folder / CONFIG
        if not path.is_file():
            raise ModelError(f"{folder} is no model of open_clip: {CONFIG} is missing")
        try:
            config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} cannot be read ({error!r}); fetch it again") from error
    try:
        text, sight = dict(config["text_cfg"]), dict(config["vision_cfg"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG} lacks text_cfg or vision_cfg; fetch it again") from error
    if text.get("hf_model_name"):
        raise ModelError(
            f"the text part of this model is described in another repository ({text['hf_model_name']}), which is not "
            "pinned; take a model that holds both parts"
        )
    if str(sight.get("timm_model_name", "")).startswith(_ELSEWHERE):
        raise ModelError(
            f"the image part of this model lies elsewhere ({sight['timm_model_name']}), which is not pinned"
        )
    return text


def _weights(folder: Path, file: str | None) -> Path:
    for name in (file, *WEIGHTS) if file else WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ModelError(f"{folder}: which file holds the weights? Expected {file or WEIGHTS[0]}; there are: {names}")
    return found[0]


def _tokenizer(known: str, text: dict[str, Any], folder: Path) -> Any:
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    if not text.get("hf_tokenizer_name"):
        return open_clip.get_tokenizer(known)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise OSError(f"its tokenizer is missing: no tokenizer.json in {folder}")
    return HFTokenizer(
        str(folder),
        context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=text.get("tokenizer_mode"),
        local_files_only=True,
        trust_remote_code=False,
        **text.get("tokenizer_kwargs", {}),
    )


def _counter(tokenizer: Any) -> Callable[[str], int]:
    """How many tokens a text has before open_clip would silently cut it."""

    def count(text: str) -> int:
        clean = tokenizer.clean_fn(text)
        if hasattr(tokenizer, "tokenizer"):
            return len(tokenizer.tokenizer(clean, verbose=False)["input_ids"])
        return len(tokenizer.encode(clean)) + 2

    return count


def _without_random_weights_warning(record: logging.LogRecord) -> bool:
    return "initialized randomly" not in str(record.msg)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
