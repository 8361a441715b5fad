"""One file for each family of model. They are imported in the model's own process only, by the name in `config/`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

from vlm_bt.types import Zone
from vlm_bt.vision.model import VisionModel
from vlm_bt.vision_settings import AnyModel, ModelChoice

BACKENDS: Mapping[str, tuple[str, str]] = {
    "embedded": ("embedded", "Embedded"),
    "open_clip": ("openclip", "OpenClip"),
    "detection": ("detection", "Detection"),
    "chat": ("chat", "Chat"),
    "openai": ("endpoint", "Endpoint"),
    "langchain": ("langchain_chat", "LangchainChat"),
    "scripted": ("scripted", "Scripted"),
}
"""By the name in `config/`: module of this folder, and the class in it; made as `Class(settings, surroundings)`."""


@dataclass(frozen=True)
class Surroundings:
    """What a model is told besides its own settings.

    Attributes:
        containers: Zones with walls, for models that take their proposals from depth.
        offline: Nothing may be fetched.
        zones: All places that claims may name, containers among them.
    """

    containers: tuple[Zone, ...] = ()
    offline: bool = True
    zones: tuple[Zone, ...] = ()


def open_model(settings: ModelChoice | AnyModel, surroundings: Surroundings) -> VisionModel:
    """Load a model.

    Raises:
        ModelError: It is missing, is not what it should be, or does not fit; the text says what to do.
        ConfigError: The settings cannot be served, such as a package that is not installed.
    """
    module, name = BACKENDS[settings.backend]  # type: ignore[union-attr]
    backend = getattr(importlib.import_module(f"vlm_bt.vision.backends.{module}"), name)
    model: VisionModel = backend(settings, surroundings)
    return model
