"""What of a tree may be shown to viewers: plain, short text. They draw with HTML, and copy values with pickle."""

from __future__ import annotations

import contextlib
import functools
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from py_trees.behaviour import Behaviour
from py_trees.blackboard import Blackboard, KeyMetaData

LONGEST_NAME = 80
LONGEST_MESSAGE = 120
LONGEST_VALUE = 160
LARGE = 4096
"""Bytes of a value from which on only its size is shown."""
EVERYBODY = uuid.UUID(int=0)
"""Stands for the mission as a reader of all its variables, which have no client of their own on the blackboard."""

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode's categories of what is no sign to be read: controls, turners of direction, halves of characters."""
_LOOKS_LIKE = {"<": "‹", ">": "›", "&": "＆", '"': "”", "'": "’", "`": "’", "\\": "∖"}


@functools.lru_cache(maxsize=8192)
def plain(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """One line that no viewer takes for markup, an entity or the end of a string; it still reads the same."""
    signs = (" " if unicodedata.category(sign) in _UNSEEN else sign for sign in text[: 4 * longest])
    said = " ".join("".join(_LOOKS_LIKE.get(sign, sign) for sign in signs).split())
    return said if len(said) <= longest else f"{said[: longest - 1]}…"


def plain_value(value: Any) -> str:
    """A value of the blackboard in a few words; pictures and other large things by their size."""
    if isinstance(value, str):
        return plain(value, LONGEST_VALUE)
    size = len(value) if isinstance(value, (bytes, bytearray, memoryview)) else getattr(value, "nbytes", 0)
    if isinstance(size, int) and size > LARGE:
        return f"{type(value).__name__} of {size} bytes"
    if isinstance(value, (tuple, list, set, frozenset, dict)) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    try:
        return plain(str(value), LONGEST_VALUE)
    except Exception as error:  # Somebody else's `__str__`.
        return f"{type(value).__name__} that cannot be shown: {type(error).__name__}"


@contextlib.contextmanager
def shown(root: Behaviour | None, clients: Iterable[uuid.UUID] = ()) -> Iterator[None]:
    """While it is open, tree and blackboard hold what may be shown. Only in the thread that ticks, between ticks.

    Args:
        root: Of the tree; None: only the blackboard.
        clients: Who counts as a reader of every variable, besides `EVERYBODY`.
    """
    changed = [(node, node.name, node.feedback_message) for node in root.iterate() if _unsafe(node)] if root else []
    storage, metadata = Blackboard.storage, Blackboard.metadata
    readers = {EVERYBODY, *clients}
    try:
        for node, name, message in changed:
            node.name, node.feedback_message = plain(name, LONGEST_NAME), plain(str(message))
        Blackboard.storage = {plain(key, LONGEST_VALUE): plain_value(value) for key, value in storage.items()}
        Blackboard.metadata = {key: _read_by(readers) for key in Blackboard.storage}
        _clean_activity()
        yield
    finally:
        Blackboard.storage, Blackboard.metadata = storage, metadata
        for node, name, message in changed:
            node.name, node.feedback_message = name, message


def _unsafe(node: Behaviour) -> bool:
    message = node.feedback_message
    return plain(node.name, LONGEST_NAME) != node.name or (
        bool(message) and (not isinstance(message, str) or plain(message) != message)
    )


def _read_by(readers: set[uuid.UUID]) -> Any:
    known = KeyMetaData()
    known.read = readers
    return known


def _clean_activity() -> None:
    """Leaves of other packages use clients, whose doings py_trees keeps for viewers while one asks for them."""
    stream = Blackboard.activity_stream
    for item in stream.data if stream is not None else ():
        item.key, item.client_name = plain(item.key), plain(item.client_name)
        item.previous_value, item.current_value = plain_value(item.previous_value), plain_value(item.current_value)
