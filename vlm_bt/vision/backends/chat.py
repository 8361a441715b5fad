"""Chat models that see, through transformers: Qwen3-VL, SmolVLM, LLaVA-OneVision, InternVL, Florence-2 and others.

What differs between the families is in `quirks`; this file loads them and says what they are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from vlm_bt.errors import ConfigError, ModelError, VlmBtError
from vlm_bt.questions import Question, Result
from vlm_bt.vision import prompts
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.quirks import Quirks, quirks_of
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.checkpoints import locate
from vlm_bt.vision.memory import check_fits
from vlm_bt.vision.model import Asked
from vlm_bt.vision.precision import device_of, dtype_of, finished, loading_options
from vlm_bt.vision_settings import ChatModel

ensure_torchvision()


class Talker(Protocol):
    """What a family is asked through."""

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]: ...


class Chat:
    """A chat model of any family, as a `VisionModel`.

    Raises:
        ModelError: It is missing, is not what it should be, has no chat template, or is of a type that transformers
            does not know.
        ConfigError: A package is missing.
    """

    def __init__(self, settings: ChatModel, surroundings: Surroundings) -> None:
        located = locate(
            settings.checkpoint,
            model_revision=settings.model_revision,
            sha256=settings.sha256,
            cache=settings.cache,
            offline=surroundings.offline,
        )
        config = json.loads((located.folder / "config.json").read_text(encoding="utf-8"))
        self.model_type = str(config.get("model_type", ""))
        self.quirks = quirks_of(self.model_type)
        _need(self.model_type, self.quirks)
        device = device_of(settings)
        check_fits(located.folder, settings, device)
        loaded = _load(located.folder, config, self.model_type)
        model = finished(loaded.from_pretrained(located.folder, **loading_options(settings, device)), settings, device)
        processor = _processor(located.folder)
        self._talker, self._answers = _talker(model, processor, self.quirks, settings, device)
        how = (
            *(located.revision, prompts.prompts_hash(), repr(self.quirks), str(dtype_of(settings, device))),
            *(settings.quantisation, str(settings.new_tokens), str(settings.longest_edge)),
        )
        self._revision = hashlib.sha256("\n".join(how).encode()).hexdigest()[:16]

    @property
    def revision(self) -> str:
        return self._revision

    @property
    def answers(self) -> frozenset[type[Question]]:
        return self._answers

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        with torch.inference_mode():
            return self._talker.answer(batch)


def _need(model_type: str, quirks: Quirks) -> None:
    for package, extra in (quirks.needs or {}).items():
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"{model_type} needs {package}: pip install 'vlm_bt[{extra}]'")


def _load(folder: Any, config: dict[str, Any], model_type: str) -> Any:
    """The class that reads the weights."""
    import transformers

    if model_type == "blip":
        from vlm_bt.vision.backends.blip import class_of

        return class_of(config, folder)
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN

    if model_type not in KNOWN:
        raise ModelError(
            f"{folder} is of type {model_type!r}; transformers {transformers.__version__} knows no chat model of that "
            "type that sees; take another model or a newer transformers"
        )
    return transformers.AutoModelForImageTextToText


def _processor(folder: Any) -> Any:
    from transformers import AutoProcessor

    loads: Any = AutoProcessor
    try:
        return loads.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"the processor in {folder} does not load ({error}); fetch the model again") from error


def _talker(
    model: Any, processor: Any, quirks: Quirks, settings: ChatModel, device: str
) -> tuple[Talker, frozenset[type[Question]]]:
    if quirks.talk == "florence":
        from vlm_bt.vision.backends.florence import Florence

        return Florence(model, processor, settings, device), quirks.answers
    if quirks.talk == "blip":
        from vlm_bt.vision.backends.blip import Blip

        blip = Blip(model, processor, settings, device)
        return blip, blip.answers
    from vlm_bt.vision.backends.dialogue import Dialogue
    from vlm_bt.vision.backends.turns import Turns

    turns = Turns(processor, quirks, device, model.dtype, settings.longest_edge)
    return Dialogue(model, turns, quirks, settings.new_tokens), quirks.answers
