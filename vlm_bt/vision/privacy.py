"""What may leave the machine: pictures are cut, masked, shrunk and written as bare JPEG for a remote model.

It fails closed: where a mask cannot be made, nothing is sent.
"""

from __future__ import annotations

import hashlib
import io
import weakref
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.questions import WHAT_IS_IT, Choose, Describe, Ground, HowMany, IsTrue, Question
from vlm_bt.scene.crops import FILL
from vlm_bt.types import Box, Frame
from vlm_bt.vision.bystanders import bystanders
from vlm_bt.vision.faces import Faces, opencv
from vlm_bt.vision.model import Unsupported
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import KINDS, OTHER
from vlm_bt.vision_settings import Privacy

QUALITY = 85
THING_PX = 256
"""Side of a thing's cut-out."""
MOST_MASKED = 0.95
"""With more of a picture masked than this there is nothing left to ask about."""
FRAMED = (255, 0, 255)
"""Colour of the line around the part that is asked about where the whole picture is sent."""
FRAMED_TEXT = "The question is only about what is inside the magenta frame."
_CONTEXT_PX = 96
_KEPT = 32
"""Masks; a frame itself is never kept, for its memory is reused."""


@dataclass(frozen=True)
class Released:
    """A picture that may leave the machine.

    Attributes:
        jpeg: The file, without any metadata.
        width, height: Its size in pixels.
        area: What it shows, in pixels of the whole frame. masked: share of it that is grey for privacy.
        framed: Whether a line marks the part that is asked about.
        turned: It is a thing's cut-out, turned and centred: places in it mean nothing in the frame.
    """

    jpeg: bytes
    width: int
    height: int
    area: Box
    masked: float
    framed: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Sent:
    """What the record says of one picture that left the machine; the picture itself is not kept.

    Attributes:
        host: Name and port of the endpoint. question: type of the question (see `questions.NAMES`).
        sha256: Of the JPEG. masked: share of it that was grey for privacy. attempts: how often it was sent.
    """

    host: str
    question: str
    frame_id: str
    sha256: str
    width_px: int
    height_px: int
    size_bytes: int
    masked: float
    attempts: int

    @staticmethod
    def of(released: Released, host: str, question: str, frame_id: str, attempts: int) -> Sent:
        digest = hashlib.sha256(released.jpeg).hexdigest()
        size = (released.width, released.height, len(released.jpeg))
        return Sent(host, question, frame_id, digest, *size, round(released.masked, 4), attempts)


class Censor:
    """Applies the rules of one model's `privacy` to the pictures and words of its questions.

    Raises:
        ConfigError: Something is to be masked and OpenCV, which finds it, is missing.
    """

    def __init__(self, rules: Privacy, threads: int = 1) -> None:
        self._rules = rules
        if rules.mask_people:
            opencv()
        self._faces = Faces(threads) if rules.mask_faces else None
        self._people: OrderedDict[int, tuple[weakref.ref[Frame], NDArray[np.bool_]]] = OrderedDict()
        self._found: OrderedDict[tuple[int, Box], tuple[weakref.ref[Frame], tuple[Box, ...]]] = OrderedDict()

    def check_words(self, question: Question) -> None:
        """Raises: Unsupported: The question holds words of a person, and `allow_text` is false."""
        if self._rules.allow_text:
            return
        if any(word and word not in _OWN_WORDS for word in _words(question)):
            raise Unsupported(
                "privacy.allow_text is false, and this question holds free text: ask a model on this machine, "
                "or set it to true"
            )

    def release(self, picture: Picture) -> Released:
        """Cut, mask, shrink and encode.

        Raises:
            Unsupported: Next to nothing would be left to see.
            VlmBtError: It cannot be masked. Any exception means: do not send.
        """
        part = picture.look.part
        if isinstance(part, int) and picture.thing is None:
            raise Unsupported(f"thing {part} of frame {picture.frame.id!r} is not known, so it cannot be cut out")
        frame = picture.frame
        whole = Box(0, 0, frame.rgb.shape[1], frame.rgb.shape[0])
        at = picture.at
        if at.x1 <= at.x0 or at.y1 <= at.y0:
            raise Unsupported("the part of the picture that is asked about is empty")
        area = at if self._rules.send == "region" else whole
        mask = self._mask(frame, area)
        masked = float(mask[area.y0 : area.y1, area.x0 : area.x1].mean())
        if masked > MOST_MASKED:
            raise Unsupported(
                f"{masked:.0%} of what is asked about is masked as a person, a face or the robot; nothing was sent"
            )
        frame = replace(frame, rgb=np.where(mask[..., None], np.uint8(FILL), frame.rgb))
        turned = self._rules.send == "region" and picture.thing is not None
        framed = self._rules.send == "frame" and at != whole
        if turned:
            pixels = replace(picture, frame=frame).pixels(min(THING_PX, self._rules.longest_edge))
        else:
            pixels = frame.rgb[area.y0 : area.y1, area.x0 : area.x1]
        if framed:
            pixels = _framed(pixels, at)
        image = _shrunk(pixels, self._rules.longest_edge)
        return Released(_jpeg(image), *image.size, area, masked, framed, turned)

    def _mask(self, frame: Frame, area: Box) -> NDArray[np.bool_]:
        """(H, W) True where the frame is grey before `area` of it is sent."""
        mask = np.zeros(frame.rgb.shape[:2], bool)
        if self._rules.mask_people:
            mask |= self._people_in(frame)
        for box in self._faces_near(frame, area) if self._faces is not None else ():
            mask[box.y0 : box.y1, box.x0 : box.x1] = True
        return mask

    def _people_in(self, frame: Frame) -> NDArray[np.bool_]:
        known = self._people.get(id(frame))
        if known is None or known[0]() is not frame:
            known = self._people[id(frame)] = (weakref.ref(frame), bystanders(frame))
            _shorten(self._people)
        return known[1]

    def _faces_near(self, frame: Frame, area: Box) -> tuple[Box, ...]:
        """Faces that may reach into an area: the search goes half its size further, for a cut face is not found."""
        assert self._faces is not None
        key = (id(frame), area)
        known = self._found.get(key)
        if known is None or known[0]() is not frame:
            near = _wider(area, frame.rgb.shape[1], frame.rgb.shape[0])
            found = self._faces.find(frame.rgb[near.y0 : near.y1, near.x0 : near.x1])
            moved = tuple(Box(b.x0 + near.x0, b.y0 + near.y0, b.x1 + near.x0, b.y1 + near.y0) for b in found)
            known = self._found[key] = (weakref.ref(frame), moved)
            _shorten(self._found)
        return known[1]


def _shorten(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _KEPT:
        kept.popitem(last=False)


def _wider(area: Box, width: int, height: int) -> Box:
    x, y = (max(_CONTEXT_PX, (high - low) // 2) for low, high in ((area.x0, area.x1), (area.y0, area.y1)))
    return Box(max(0, area.x0 - x), max(0, area.y0 - y), min(width, area.x1 + x), min(height, area.y1 + y))


_OWN_WORDS = frozenset((*KINDS, OTHER, WHAT_IS_IT))
"""They say nothing about the person who asks."""


def _words(question: Question) -> tuple[str, ...]:
    """What of a question may have come from a person."""
    match question:
        case Ground(phrase=phrase) | HowMany(phrase=phrase):
            return (phrase,)
        case IsTrue(claim=claim):
            return (claim,)
        case Choose(question=asked, options=options):
            return (asked, *options)
        case Describe(hint=hint):
            return (hint,)
    return ()


def _framed(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A line of 0.4% of the picture's width just around a box."""
    line = max(2, round(0.004 * pixels.shape[1]))
    x0, y0 = max(0, box.x0 - line), max(0, box.y0 - line)
    out = pixels.copy()
    out[y0 : box.y1 + line, x0 : box.x1 + line] = FRAMED
    out[box.y0 : box.y1, box.x0 : box.x1] = pixels[box.y0 : box.y1, box.x0 : box.x1]
    return out


def _shrunk(pixels: NDArray[np.uint8], longest_edge: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = longest_edge / max(image.size)
    if scale >= 1.0:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX if scale <= 0.5 else Image.Resampling.BILINEAR)


def _jpeg(image: Image.Image) -> bytes:
    """The bare file: an image made from pixels has no EXIF, no profile and no comment to carry over."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
