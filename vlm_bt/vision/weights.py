"""The files of a model that ships or was trained here: where they are, and that they are what they should be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from vlm_bt.errors import ModelError

MANIFEST = "manifest.json"
SHIPPED = "shipped"
"""What the shipped configurations call the model that ships, and its calibration files."""
REMEDY = (
    "reinstall vlm_bt (pip install --force-reinstall .), or in a checkout `git restore vlm_bt/vision/weights`, "
    "or train it again with `vlm-bt train embedded`"
)
CONTENT = (
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "heads.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What the model's answers depend on; the card is not among them."""


def embedded_directory() -> Path:
    """The folder of the model that ships with the package."""
    return Path(__file__).parent / "weights" / "embedded"


def write_manifest(directory: Path) -> str:
    """Write the sha256 of every content file; returns the revision."""
    hashes = {name: _sha256(directory / name) for name in CONTENT}
    (directory / MANIFEST).write_text(json.dumps({"sha256": hashes}, indent=1) + "\n", encoding="utf-8")
    return revision_of(hashes)


def verify(directory: Path) -> str:
    """Check every file against the manifest.

    Returns:
        The revision: sixteen hex digits that change with any byte the answers depend on.

    Raises:
        ModelError: A file is missing or is not what the manifest says.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file():
        raise ModelError(f"no model in {directory}: {MANIFEST} is missing; {REMEDY}")
    try:
        hashes: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest} cannot be read ({error}); {REMEDY}") from error
    for name in CONTENT:
        path = directory / name
        if not path.is_file():
            raise ModelError(f"the model in {directory} lacks {name}; {REMEDY}")
        found = _sha256(path)
        if found != hashes.get(name):
            raise ModelError(
                f"{path} is corrupt: its sha256 begins {found[:12]}, the manifest says "
                f"{str(hashes.get(name))[:12]}; {REMEDY}"
            )
    return revision_of(hashes)


def head_revision(directory: Path) -> str:
    """The revision that the question head's manifest states; "" where there is none. The head checks itself."""
    try:
        stated = json.loads((directory / "question_head.json").read_text(encoding="utf-8"))["sha256"]
        return str(next(iter(stated.values())))[:16]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return ""


def revision_of(hashes: dict[str, str]) -> str:
    """The model's revision from the hashes of its content."""
    text = "\n".join(f"{name} {hashes[name]}" for name in CONTENT)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
