"""A long record, read where one looks: opened by its index, without what lies before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from mcap.exceptions import McapError
from mcap.reader import SeekingReader

from vlm_bt.errors import ConfigError
from vlm_bt.recording.entries import Entry
from vlm_bt.recording.record import Record, typed


class IndexedRecord:
    """A mission's record on the disk. Use as a context manager, or call `close`.

    A record without an index (its mission still runs, or was killed) is read into memory as `Record.read` does.

    Attributes:
        start_s, end_s: First and last entry, seconds on the mission's clock.
        counts: How many messages each topic has, such as `status` or `frame/overhead`.
        complete: Whether it has an index.

    Raises:
        ConfigError: There is no such file, or it is no MCAP file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._cut_off: tuple[Entry, ...] = ()
        self._reader: SeekingReader | None = None
        try:
            self._stream: IO[bytes] = self.path.open("rb")
        except OSError as cause:
            raise ConfigError(f"no record can be read from {path}: {cause.strerror}") from cause
        try:
            self._open()
        except BaseException:
            self._stream.close()
            raise

    def between(self, start_s: float, end_s: float, topics: tuple[str, ...] | None = None) -> Iterator[Entry]:
        """The entries of a stretch of time, `end_s` not included, in the order in which they were written.

        Args:
            topics: Only these, such as ("status", "frame/overhead").
        """
        start_ns, end_ns = max(0, round(start_s * 1e9)), max(0, round(end_s * 1e9))
        if self._reader is None:
            for one in self._cut_off:
                if start_ns <= round(one.t * 1e9) < end_ns and (topics is None or _topic(one) in topics):
                    yield one
            return
        found = self._reader.iter_messages(topics, starting_at=start_ns, ending_before=end_ns, log_time_order=False)
        for _, channel, message in found:
            yield typed(channel.topic, json.loads(message.data))

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> IndexedRecord:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        """Raises: ConfigError."""
        try:
            reader = SeekingReader(self._stream, validate_crcs=True)
            summary = reader.get_summary()
        except (McapError, OSError, ValueError, UnicodeDecodeError):
            summary = None
        self.complete = summary is not None and summary.statistics is not None
        if summary is not None and summary.statistics is not None:
            self._reader = reader
            told = summary.statistics
            self.start_s, self.end_s = told.message_start_time / 1e9, told.message_end_time / 1e9
            numbers = told.channel_message_counts
            self.counts = {one.topic: numbers.get(one.id, 0) for one in summary.channels.values()}
            return
        self._cut_off = Record.read(self.path).entries
        times = [one.t for one in self._cut_off] or [0.0]
        self.start_s, self.end_s = min(times), max(times)
        self.counts = {}
        for one in self._cut_off:
            self.counts[_topic(one)] = self.counts.get(_topic(one), 0) + 1


def _topic(entry: Entry) -> str:
    """The topic of an entry, for channels that are known here."""
    camera = getattr(entry, "camera", "")
    return f"{entry.channel}/{camera}" if camera else entry.channel
