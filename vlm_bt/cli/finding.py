"""Which tree file a person means, and which of its inputs they have filled by saying so."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir


@dataclass(frozen=True)
class Meant:
    """A tree, and the inputs that a sentence filled, as YAML text by name."""

    path: Path
    inputs: Mapping[str, str] = field(default_factory=dict)


def find_tree(named: str) -> Path:
    """The file of `find_mission`, for whoever only wants to read it."""
    return find_mission(named).path


def find_mission(named: str) -> Meant:
    """A file's path, the name of a tree in `trees/`, or a sentence that one of them lists under `says`.

    Raises:
        ConfigError: None fits; the nearest names, or what is understood instead of an unknown word, are given.
    """
    path = Path(named)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return Meant(path)
        raise ConfigError(f"{named}: there is no such file; trees that come along: {', '.join(shipped())}")
    trees = shipped()
    if named in trees:
        return Meant(trees[named])
    heard = _heard(named, trees)
    if heard is not None:
        return heard
    if len(named.split()) > 1:
        raise ConfigError(_understood(named, trees))
    near = difflib.get_close_matches(named, trees, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"no tree is called {named!r}{hint}; there are: {', '.join(trees)}, or name a .yaml file")


def shipped() -> dict[str, Path]:
    """Trees that come along, by name."""
    return {path.stem: path for path in sorted(share_dir("trees").glob("*.yaml"))}


def said(path: Path) -> tuple[str, ...]:
    """The sentences that start a tree; none where the file cannot be read (checking says why)."""
    import yaml

    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ()
    sentences = data.get("says", []) if isinstance(data, dict) else []
    return tuple(text for text in sentences if isinstance(text, str))


def _patterns(trees: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for path in trees.values():
        for pattern in said(path):
            yield pattern, path


def _heard(sentence: str, trees: Mapping[str, Path]) -> Meant | None:
    """The tree whose sentence fits.

    Raises:
        ConfigError: The fixed words of some sentences fit, and a word in a slot is none that is known.
    """
    from vlm_bt.cli.saying import SLOTS, hear

    unknown: list[tuple[str, str]] = []
    for pattern, path in _patterns(trees):
        heard = hear(pattern, sentence)
        if heard is not None and heard.unknown is None:
            return Meant(path, {name: json.dumps(value) for name, value in heard.inputs.items()})
        if heard is not None and heard.unknown is not None:
            unknown.append(heard.unknown)
    if not unknown:
        return None
    slot, phrase = min(unknown, key=lambda one: len(one[1]))
    known = SLOTS.get(slot, {})
    near = difflib.get_close_matches(phrase, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{sentence!r}: {phrase!r} is no {slot} that is known.{hint} There are: {', '.join(known)}")


def _understood(sentence: str, trees: Mapping[str, Path]) -> str:
    patterns = [pattern for pattern, _ in _patterns(trees)]
    near = difflib.get_close_matches(sentence.casefold(), patterns, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = "".join(f"\n  {pattern}" for pattern in patterns)
    return f"no mission is started by {sentence!r}.{hint} These sentences are understood:{listed}"
