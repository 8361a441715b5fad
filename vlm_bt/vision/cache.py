"""Answers that were given before: for the very same pixels, and, where a skill allows it, for nearly the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from vlm_bt.questions import Question, Result, without_looks
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture

BLOCK_PX = 16
SAME_COLOUR = 4.0
"""Grey levels of 255. Sensor noise of 2 levels leaves 0.1 in the mean of a block; a screw of 30 x 10 pixels that is 30
levels off its ground leaves 35 in one block and 9 where it lies across four."""
SAME_DEPTH_M = 0.004
KEPT_SIMILAR = 8
"""Views kept for one question about one place: the latest ones."""

V = TypeVar("V")
Signature = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Key:
    """What an answer depends on besides the pixels: the question, and the model."""

    question: Question
    model: str

    @staticmethod
    def of(asked: Asked, model: str) -> Key:
        return Key(without_looks(asked.question), model)


class Cache:
    """The latest answers of one model. Two threads may use it.

    Args:
        at_most: Answers kept for the very same pixels, and as many questions for similar ones; 0 keeps none.
    """

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._lock = threading.Lock()
        self._exact: OrderedDict[Hashable, Result] = OrderedDict()
        self._similar: OrderedDict[Hashable, list[tuple[Signature, Result]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._exact)

    def exact(self, key: Key, content: str) -> Result | None:
        with self._lock:
            found = self._exact.get((key, content))
            if found is not None:
                self._exact.move_to_end((key, content))
            return found

    def similar(self, key: Key, pictures: Sequence[Picture]) -> Result | None:
        """The answer for a view of the same place that hardly differs from this one anywhere."""
        with self._lock:
            views = tuple(self._similar.get((key, places(pictures)), ()))
        if not views:
            return None
        mine = signature(pictures)
        return next((result for other, result in reversed(views) if alike(mine, other)), None)

    def keep(self, key: Key, content: str, pictures: Sequence[Picture], result: Result, *, for_similar: bool) -> None:
        """`for_similar`: this answer may stand for views that look alike."""
        if not self._at_most:
            return
        place = (key, places(pictures))
        seen = signature(pictures) if for_similar else ()
        with self._lock:
            _put(self._exact, (key, content), result, self._at_most)
            if for_similar:
                views = [*self._similar.get(place, ()), (seen, result)]
                _put(self._similar, place, views[-KEPT_SIMILAR:], self._at_most)


def _put(kept: OrderedDict[Hashable, V], key: Hashable, value: V, at_most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > at_most:
        kept.popitem(last=False)


def content_of(pictures: Sequence[Picture]) -> str:
    """Hash of everything that the pictures show, 32 hex digits."""
    digest = xxhash.xxh3_128()
    for picture in pictures:
        at = picture.at
        digest.update(repr((at, picture.look.variant, picture.frame.intrinsics)).encode())
        if picture.thing is not None:
            thing = picture.thing
            (x0, y0), (height, width) = thing.near_at, thing.near.shape
            digest.update(_bytes(picture.frame.rgb[y0 : y0 + height, x0 : x0 + width]))
            digest.update(_bytes(thing.near))
            digest.update(repr((thing.footprint, thing.centroid)).encode())
        else:
            digest.update(_bytes(picture.frame.rgb[at.y0 : at.y1, at.x0 : at.x1]))
            digest.update(_bytes(picture.frame.depth_m[at.y0 : at.y1, at.x0 : at.x1]))
    return digest.hexdigest()


def _bytes(pixels: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(pixels).data


def places(pictures: Sequence[Picture]) -> Hashable:
    """Where the pictures look: which camera, which part. A thing is known by the middle of its box, give or take."""
    return tuple(
        (
            picture.frame.camera,
            picture.look.variant,
            picture.thing is not None,
            tuple(round(side / BLOCK_PX) for side in (picture.at.x0, picture.at.y0, picture.at.x1, picture.at.y1)),
        )
        for picture in pictures
    )


def signature(pictures: Sequence[Picture]) -> Signature:
    """Per picture its colours (h, w, 3) and its depth (h, w), averaged over blocks of 16 px; a thing's on grey."""
    parts: list[NDArray[np.float32]] = []
    for picture in pictures:
        at = picture.at
        parts.append(_blocks(picture.pixels().astype(np.float32)))
        parts.append(_blocks(picture.frame.depth_m[at.y0 : at.y1, at.x0 : at.x1, None]))
    return tuple(parts)


def alike(one: Signature, other: Signature) -> bool:
    """No block differs by more than noise does."""
    return len(one) == len(other) and all(
        a.shape == b.shape
        and (a.size == 0 or float(np.abs(a - b).max()) <= (SAME_COLOUR if a.shape[-1] == 3 else SAME_DEPTH_M))
        for a, b in zip(one, other, strict=True)
    )


def _blocks(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = pixels.shape[:2]
    rows = np.arange(0, max(height, 1), BLOCK_PX)
    columns = np.arange(0, max(width, 1), BLOCK_PX)
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, 0), columns, 1)
    counts = np.outer(np.diff(np.append(rows, height)), np.diff(np.append(columns, width)))
    blocks: NDArray[np.float32] = (sums / counts[..., None]).astype(np.float32)
    return blocks
