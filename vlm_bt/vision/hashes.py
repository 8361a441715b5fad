"""sha256 of files. That of a large file is remembered, so that sixteen gigabytes are not read at every start."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vlm_bt.errors import ModelError

REMEMBERED_FROM_BYTES = 1 << 20


def sha256_of(path: Path, wanted: str | None = None) -> str:
    """Hex digest of a file.

    What was remembered stands while path, size, inode, and times of change are the same. Where it is not `wanted`, the
    file is read: nothing is refused by memory alone.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        note = _note_of(path)
        known = _remembered(note) if note is not None else None
        if known is not None and (wanted is None or known == wanted.lower()):
            return known
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if note is not None and note == _note_of(path):
            _remember(note, found)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); fetch it again") from error
    return found


def _note_of(path: Path) -> Path | None:
    """Where the digest of this state of a file is remembered; None for a small file, which is quicker read."""
    real = path.resolve()
    state = real.stat()
    if state.st_size < REMEMBERED_FROM_BYTES:
        return None
    # The time of change cannot be set back as that of modification can, so a file put in its place is noticed.
    key = f"{real}\n{state.st_size}\n{state.st_ino}\n{state.st_mtime_ns}\n{state.st_ctime_ns}"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "vlm_bt" / "sha256" / hashlib.sha256(key.encode()).hexdigest()


def _remembered(note: Path) -> str | None:
    try:
        text = note.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) == 64 else None


def _remember(note: Path, digest: str) -> None:
    # A cache folder that cannot be written costs time at the next start, nothing else.
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(f".{os.getpid()}")
        draft.write_text(digest, encoding="ascii")
        draft.replace(note)
    except OSError:
        return
