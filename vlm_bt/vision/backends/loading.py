"""A model of transformers from a folder that was checked: complete, or an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlm_bt.errors import ModelError
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision


def type_of(folder: Path) -> str:
    """`model_type` of a checkpoint, such as "owlv2". Raises: ModelError."""
    config = folder / "config.json"
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{config} cannot be read ({error!r}); it should say model_type") from error


def load_processor(folder: Path, name: str) -> Any:
    """What prepares pictures and texts for a model. `name`: the checkpoint's, for errors. Raises: ModelError."""
    ensure_torchvision()
    from transformers import AutoProcessor

    processors: Any = AutoProcessor
    try:
        return processors.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(f"the processor of {name} does not load: {_short(error)}") from error


def load_complete(kind: Any, folder: Path, name: str, options: dict[str, Any]) -> Any:
    """`kind.from_pretrained`, where no weight may be left to chance: the library only warns of missing ones.

    Args:
        kind: A model class of transformers. name: the checkpoint's, for errors. options: see `loading_options`.

    Raises:
        ModelError: It does not load, or weights are missing or of another shape.
    """
    try:
        model, info = kind.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(f"{name} does not load: {_short(error)}") from error
    lacking = sorted(info["missing_keys"]) + sorted(str(key[0]) for key in info.get("mismatched_keys", ()))
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ModelError(f"{name} lacks weights: {lacking[0]}{more}; fetch it again, or name a complete checkpoint")
    return model


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
