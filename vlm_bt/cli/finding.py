"""Which tree file a person means."""

from __future__ import annotations

import difflib
from pathlib import Path

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir


def find_tree(named: str) -> Path:
    """A file's path, the name of a tree in `trees/`, or a sentence that one of them lists under `says`.

    Raises:
        ConfigError: None fits; the nearest names are given.
    """
    path = Path(named)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise ConfigError(f"{named}: there is no such file; trees that come along: {', '.join(shipped())}")
    trees = shipped()
    if named in trees:
        return trees[named]
    sentences = {sentence.casefold(): name for name, tree in trees.items() for sentence in said(tree)}
    said_name = sentences.get(" ".join(named.casefold().split()).rstrip(".!"))
    if said_name is not None:
        return trees[said_name]
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
