"""Where a model's files lie, that they are what they should be, and that nothing in them is a program.

A checkpoint is a folder, or a hub's name with the commit that it is pinned to. Only safetensors are read as weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision.hashes import sha256_of
from vlm_bt.vision.tensors import read_headers, weight_files

CONTENT = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""What is fetched, hashed and read: weights, configuration, tokenizer, chat template. Never pickles, never Python."""
ELSEWHERE = ("original/*", "onnx/*", "openvino/*", "consolidated*")
"""The same weights once more in other forms, which many repositories hold beside them."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
CODE_KEYS = ("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PREFIXES = ("local-dir:", "hf-hub:")


@dataclass(frozen=True)
class Located:
    """A checkpoint that is on this machine, complete and safe to load.

    Attributes:
        name: As the configuration calls it.
        folder: What `from_pretrained` is given.
        revision: Sixteen hex digits that change with any byte the answers depend on.
        hashes: sha256 by file name, "/" between folders.
        ignored: Python and pickle files that lie beside the weights and are never read.
    """

    name: str
    folder: Path
    revision: str
    hashes: Mapping[str, str]
    ignored: tuple[str, ...] = ()


def locate(
    name: str,
    *,
    model_revision: str | None,
    sha256: Mapping[str, str] = {},
    cache: Path | None = None,
    offline: bool = True,
) -> Located:
    """Find a checkpoint, fetch it if that is allowed, and check it.

    Args:
        name: A folder ("local-dir:FOLDER" too), or a hub's name ("hf-hub:ORG/NAME" too).
        model_revision: Commit of the hub's repository, 40 hex digits. sha256: what files must be, by name.
        cache: Folder of the hub's cache, if not the usual one. offline: nothing is fetched.

    Raises:
        ConfigError: A hub's name without a pinned revision.
        ModelError: It is not here, is incomplete, is not what `sha256` says, or holds a program.
    """
    plain, folder = name, folder_of(name)
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    if folder is None:
        folder = _here_or_fetched(plain, pinned(plain, model_revision), cache, offline)
    ignored = check_safe(folder)
    read_headers(weight_files(folder))
    hashes = {file: sha256_of(folder / file, sha256.get(file)) for file in content_of(folder)}
    _compare(name, folder, hashes, sha256)
    return Located(name, folder, revision_of(hashes), hashes, ignored)


def folder_of(name: str) -> Path | None:
    """The folder that a checkpoint's name means; None where it is a hub's name.

    Raises:
        ModelError: It can only be a folder, and there is none.
    """
    plain = name.removeprefix("local-dir:")
    path = Path(plain).expanduser()
    if path.is_dir():
        return path
    if plain != name or path.is_absolute() or not _HUB_NAME.fullmatch(plain.removeprefix("hf-hub:")):
        raise ModelError(
            f"there is no folder {path}; name a folder that holds a checkpoint, or a hub's name such as ORG/NAME"
        )
    return None


def pinned(name: str, model_revision: str | None) -> str:
    """The commit. Raises: ConfigError: none, or a branch or a tag, which can move."""
    if model_revision is None or not _COMMIT.fullmatch(model_revision):
        given = "no model_revision" if model_revision is None else f"model_revision {model_revision!r}"
        raise ConfigError(
            f"{name}: {given}; a hub's name needs model_revision: the 40 hex digits of a commit, because a name, a "
            "branch and a tag can change what they stand for"
        )
    return model_revision


def _here_or_fetched(name: str, commit: str, cache: Path | None, offline: bool) -> Path:
    # What a commit holds never changes, so a hub is not even asked for what is here.
    try:
        return in_hub_cache(name, commit, cache, True)
    except ModelError:
        if offline:
            raise
    return in_hub_cache(name, commit, cache, False)


def in_hub_cache(name: str, commit: str, cache: Path | None, offline: bool) -> Path:
    """Folder of a repository's files at a commit; fetched unless `offline`.

    Raises:
        ModelError: It is not in the cache while offline, or cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                revision=commit,
                cache_dir=cache,
                local_files_only=offline,
                allow_patterns=list(CONTENT),
                ignore_patterns=list(ELSEWHERE),
            )
        )
    except Exception as error:  # the hub's client raises errors of its own, of its transport and of the system
        where = f" in {cache}" if cache is not None else ""
        if offline:
            raise ModelError(
                f"{name} at {commit[:12]} is not on this machine{where}, and nothing is fetched while offline; run "
                "`vlm-bt models pull NAME --online`, or name a folder that holds it"
            ) from error
        raise ModelError(f"{name} at {commit[:12]} cannot be fetched ({_brief(error)})") from error


def check_safe(folder: Path) -> tuple[str, ...]:
    """Refuse what would run a program, or could.

    Returns:
        Python and pickle files that are never read.

    Raises:
        ModelError: No weights, or only pickles; a configuration that asks for code of its own.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in _walk(folder))
    pickles = [name for name in names if name.endswith(PICKLES)]
    if not any(name.endswith(".safetensors") for name in names):
        if pickles:
            raise ModelError(
                f"{folder} holds its weights only as {', '.join(pickles[:3])}: loading a pickle can run any program; "
                "take a revision with safetensors, or convert it on a machine you can afford to lose"
            )
        raise ModelError(f"{folder} holds no weights: there is no *.safetensors in it")
    if "adapter_config.json" in names:
        raise ModelError(f"{folder} is an adapter, which would load another model by name; merge it into that model")
    for name in names:
        if name.endswith(".json") and "/" not in name and not name.endswith((".index.json", "tokenizer.json")):
            for key in asks_for_code(_json(folder / name)):
                raise ModelError(
                    f"{folder / name} asks for code of its own ({key}), which is never run; take the version of the "
                    "model that transformers knows itself (its name often ends with -hf)"
                )
    return tuple(name for name in names if name.endswith((".py", *PICKLES)))


def asks_for_code(data: Any) -> Iterator[str]:
    """Keys at any depth of a configuration that make a library fetch or import programs."""
    if isinstance(data, dict):
        for key, value in data.items():
            # An attention "ORG/NAME" is a kernel that the library would fetch from the hub and run.
            kernel = "implementation" in key and isinstance(value, str) and "/" in value
            if kernel or (key in CODE_KEYS and value):
                yield key
            yield from asks_for_code(value)
    elif isinstance(data, list):
        for item in data:
            yield from asks_for_code(item)


def content_of(folder: Path) -> list[str]:
    """Names of the files that the answers may depend on, in order."""
    endings = tuple(pattern.removeprefix("*") for pattern in CONTENT)
    return sorted(
        name
        for name in (path.relative_to(folder).as_posix() for path in _walk(folder))
        if name.endswith(endings) and not name.startswith(("original/", "onnx/", "openvino/"))
    )


def revision_of(hashes: Mapping[str, str]) -> str:
    """A model's revision from the hashes of its content."""
    text = "\n".join(f"{name} {hashes[name]}" for name in sorted(hashes))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compare(name: str, folder: Path, hashes: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for file, digest in sorted(wanted.items()):
        if file not in hashes:
            raise ModelError(f"{name}: {folder} lacks {file}, which the configuration lists under sha256")
        if hashes[file] != digest.lower():
            raise ModelError(
                f"{folder / file} is not what the configuration pins: its sha256 begins {hashes[file][:12]}, "
                f"the configuration says {digest[:12]}; fetch it again, or if the change is meant, pin the new hash"
            )


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch it again") from error


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here) / name for name in sorted(files) if not name.startswith("."))
