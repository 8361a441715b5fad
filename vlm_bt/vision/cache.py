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
from PIL import Image

from vlm_bt.questions import Question, Result, without_looks
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture

PLACE_PX = 16
COLOUR_PX = 8
"""Side of the blocks that colours are averaged over. Sensor noise of 2.5 levels leaves 0.3 in the mean of a block, and
at most 2.7 between two views of a static bench in the 14,400 blocks of a frame; the smallest screw of the simulation,
moved by 15 mm, changes a block by 26 (`vlm-bt bench vision`)."""
SAME_COLOUR = 4.0
"""Grey levels of 255."""
DEPTH_PX = 16
SAME_DEPTH_M = 0.004
FLAT_M = 0.006
"""Depth is compared where a block is that flat and has returns nearly everywhere: at an edge, which of its pixels have
a return is chance, and moves the mean by centimetres."""
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
            tuple(round(side / PLACE_PX) for side in (picture.at.x0, picture.at.y0, picture.at.x1, picture.at.y1)),
        )
        for picture in pictures
    )


def signature(pictures: Sequence[Picture]) -> Signature:
    """Per picture its colours (h, w, 3) and its depth (h, w) in metres, averaged over blocks; a thing's on grey. NaN
    where depth says nothing."""
    parts: list[NDArray[np.float32]] = []
    for picture in pictures:
        at = picture.at
        parts.append(_blocks(picture.pixels(), COLOUR_PX))
        parts.append(_flat(picture.frame.depth_m[at.y0 : at.y1, at.x0 : at.x1]))
    return tuple(parts)


def alike(one: Signature, other: Signature) -> bool:
    """No block differs by more than noise does."""
    return len(one) == len(other) and all(
        a.shape == b.shape
        and not bool((np.abs(a - b) > (SAME_COLOUR if a.ndim == 3 else SAME_DEPTH_M)).any())  # never so where NaN
        for a, b in zip(one, other, strict=True)
    )


def _flat(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) mean depth of blocks; NaN where they are not flat or lack returns."""
    if not depth_m.any():
        return np.full((1, 1), np.nan, np.float32)
    depth_m = np.ascontiguousarray(depth_m)
    seen = ((depth_m > 0).astype(np.float32), depth_m, depth_m * depth_m)
    seen_share, total, squares = (np.asarray(Image.fromarray(values).reduce(DEPTH_PX)) for values in seen)
    share = np.maximum(seen_share, 1e-6)
    mean = total / share
    spread = np.sqrt(np.maximum(squares / share - mean * mean, 0.0))
    flat: NDArray[np.float32] = np.where((share > 0.75) & (spread < FLAT_M), mean, np.nan).astype(np.float32)
    return flat


def _blocks(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Means of (H, W, 3) over blocks that are at least that large, but for smaller pictures."""
    height, width = pixels.shape[:2]
    if not height or not width:
        return np.zeros((0, 0, 3), np.float32)
    size = (max(1, width // side), max(1, height // side))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.float32)
