"""Which models a configuration names, and what of them lies on this machine. Nothing is loaded, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import NAMES
from vlm_bt.vision.checkpoints import content_of, folder_of, in_hub_cache, pinned
from vlm_bt.vision.weights import embedded_directory, verify
from vlm_bt.vision_settings import (
    AnyModel,
    Checkpoint,
    DetectionModel,
    EmbeddedModel,
    LangchainModel,
    OpenClipModel,
    RemoteModel,
    ScriptedModel,
    VisionSettings,
)


@dataclass(frozen=True)
class Part:
    """A checkpoint that a model needs: its name as a folder or in a hub, and the commit that it is pinned to."""

    name: str
    revision: str | None
    cache: Path | None

    def folder(self, offline: bool = True) -> Path:
        """Where it lies; fetched unless `offline`. Raises: ModelError, ConfigError: as `checkpoints.locate`."""
        plain = self.name.removeprefix("hf-hub:")
        return folder_of(self.name) or in_hub_cache(plain, pinned(plain, self.revision), self.cache, offline)


@dataclass(frozen=True)
class Entry:
    """One model of a configuration.

    Attributes:
        asked: Names of the questions that the configuration routes to it, also as a second choice.
        folders: Where its files lie. size_bytes: of what is read of them; None where there are none.
        missing: Why it cannot be used here; "" where all of it is on this machine.
    """

    name: str
    backend: str
    checkpoint: str
    asked: tuple[str, ...]
    revision: str = ""
    folders: tuple[str, ...] = ()
    size_bytes: int | None = None
    missing: str = ""


def parts_of(model: AnyModel) -> tuple[Part, ...]:
    """The checkpoints of a model; none for one that ships, is scripted, or runs elsewhere.

    Raises:
        ModelError: Its name means nothing.
    """
    if not isinstance(model, Checkpoint):
        return ()
    name = model.checkpoint
    if isinstance(model, OpenClipModel):
        from vlm_bt.vision.backends.clip_loading import lies_at

        name = lies_at(name)
    parts = [Part(name, model.model_revision, model.cache)]
    if isinstance(model, DetectionModel) and model.masks is not None:
        parts.append(Part(model.masks, model.masks_revision, model.cache))
    return tuple(parts)


def inventory(vision: VisionSettings) -> Iterator[Entry]:
    """Every model of a configuration, in its order."""
    for name, model in vision.models.items():
        asked = tuple(question for question in NAMES if name in vision.route_of(question))
        entry = Entry(name, model.backend, _called(model), asked)
        try:
            yield _looked_up(entry, model)
        except VlmBtError as error:
            yield Entry(name, model.backend, entry.checkpoint, asked, missing=str(error))


def _called(model: AnyModel) -> str:
    if isinstance(model, Checkpoint):
        return model.checkpoint
    if isinstance(model, RemoteModel):
        return f"{model.model} at {model.base_url}"
    if isinstance(model, LangchainModel):
        return model.model
    if isinstance(model, ScriptedModel):
        return str(model.script)
    return str(model.weights) if isinstance(model, EmbeddedModel) and model.weights else "ships with vlm_bt"


def _looked_up(entry: Entry, model: AnyModel) -> Entry:
    known: dict[str, object] = {}
    if isinstance(model, EmbeddedModel):
        folder = model.weights or embedded_directory()
        known = {"revision": verify(folder), "folders": (str(folder),), "size_bytes": _size(folder)}
    elif isinstance(model, Checkpoint):
        parts = parts_of(model)
        folders = [part.folder() for part in parts]
        known = {
            "revision": (parts[0].revision or "")[:12],
            "folders": tuple(map(str, folders)),
            "size_bytes": sum(map(_size, folders)),
        }
    elif isinstance(model, ScriptedModel) and not model.script.is_file():
        known = {"missing": f"there is no file {model.script}"}
    return Entry(**{**entry.__dict__, **known})


def _size(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in content_of(folder))
