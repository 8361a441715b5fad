"""A question and its pictures as a model's input: pictures first, then the words, by the family's own chat template."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.errors import ModelError
from vlm_bt.types import Box
from vlm_bt.vision.backends.quirks import Quirks
from vlm_bt.vision.model import Unsupported
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.prompts import as_data, picture_names

THING_PX = 384
"""A thing's cut-out is drawn at what most of these families see by."""
SHORTEST_EDGE = 32
MOST_STRETCHED = 8
"""Long thin parts are padded with grey to this ratio: some processors refuse them."""

Inputs = dict[str, Any]


class Turns:
    """Writes what a model reads.

    Args:
        processor: What `AutoProcessor` loaded. longest_edge: pictures are shrunk to it, in pixels.
    """

    def __init__(
        self, processor: Any, quirks: Quirks, device: str, dtype: torch.dtype, longest_edge: int | None = None
    ) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"
        self._quirks = quirks
        self._device, self._dtype = device, dtype
        self._longest_edge = longest_edge
        if quirks.enlarges and longest_edge is not None:
            processor.image_processor.size = {"longest_edge": longest_edge}
        added = (str(token) for token in self.tokenizer.added_tokens_decoder.values())
        named = (value for name, value in vars(processor).items() if name.endswith("_token"))
        written = {text.strip() for text in (*added, *named) if isinstance(text, str)}
        self._control = sorted((text for text in written if text and not text.isalnum()), key=lambda t: (-len(t), t))
        if (
            quirks.talk == "dialogue"
            and quirks.forms is None
            and not (processor.chat_template or self.tokenizer.chat_template)
        ):
            raise ModelError(
                "this checkpoint has no chat template, so it is not known how to talk to it; take the version of the "
                "model that is tuned for chat (its name often ends with -Instruct, -it or -hf)"
            )

    def harmless(self, text: str) -> str:
        """Data that holds none of the tokenizer's control tokens, such as "[INST]"; the slot itself is the prompt's.

        Raises:
            Unsupported: It is too long.
        """
        text = as_data(text)
        while found := next((token for token in self._control if token in text), None):
            text = text.replace(found, f"{found[0]} {found[1:]}" if len(found) > 1 else " ")
        return text

    def image(self, picture: Picture, whole_part: bool = False) -> Image.Image:
        """What the model sees. `whole_part`: a thing is shown in its place, so that boxes can be mapped back.

        Raises:
            Unsupported: The part lies outside the frame.
        """
        if picture.thing is not None and not whole_part:
            pixels = picture.pixels(THING_PX)
        else:
            at = picture.at
            pixels = picture.frame.rgb[max(at.y0, 0) : max(at.y1, 0), max(at.x0, 0) : max(at.x1, 0)]
        if 0 in pixels.shape:
            raise Unsupported(f"the part {picture.at} holds no pixel of the frame")
        image = Image.fromarray(pixels)
        width, height = image.size
        scale = max(1.0, SHORTEST_EDGE / min(width, height) if max(width, height) < 4 * SHORTEST_EDGE else 1.0)
        if self._longest_edge is not None:
            scale = min(scale, self._longest_edge / max(width, height))
        if scale != 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = image.resize(size, Image.Resampling.BICUBIC)
        return _not_too_thin(image)

    def messages(self, text: str, images: Sequence[Image.Image]) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        for name, image in zip(picture_names(len(images)), images, strict=True):
            content += [{"type": "text", "text": name}] if name else []
            content.append({"type": "image", "image": image})
        return [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]

    def inputs(self, asked: Sequence[tuple[str, Sequence[Image.Image]]]) -> Inputs:
        """Texts with their pictures as one left-padded batch on the model's device."""
        if self._quirks.forms is not None:
            made = self.processor(
                text=[text for text, _ in asked],
                images=[list(images) for _, images in asked] if len(asked) > 1 else list(asked[0][1]),
                return_tensors="pt",
                padding=True,
            )
        else:
            made = self.processor.apply_chat_template(
                [self.messages(text, images) for text, images in asked],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                padding=True,
            )
        made = made.to(self._device, dtype=self._dtype)
        return {name: value for name, value in made.items() if name not in self._quirks.drop}

    def tokens(self, text: str, images: Sequence[Image.Image]) -> list[int]:
        """The turn's tokens before a picture's mark is widened to all the places that the picture takes."""
        template = self.processor.apply_chat_template(
            self.messages(text, images), add_generation_prompt=True, tokenize=False
        )
        return cast(list[int], self.tokenizer(template, add_special_tokens=False)["input_ids"])


def pixels_per_pixel(image: Image.Image, at: Box) -> NDArray[np.float64]:
    """(4,) how many of the frame's pixels one of the image's stands for, for x0, y0, x1, y1; see `Turns.image`."""
    width, height = at.x1 - at.x0, at.y1 - at.y0
    # The longer side is never padded.
    scale = max(image.size) / max(width, height)
    x, y = (size / max(1, round(size * scale)) for size in (width, height))
    return np.array([x, y, x, y])


def fingerprint(images: Sequence[Image.Image]) -> bytes:
    """The same for the same pixels."""
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(f"{image.size}".encode())
        digest.update(image.tobytes())
    return digest.digest()


def _not_too_thin(image: Image.Image) -> Image.Image:
    width, height = image.size
    least = -(-max(width, height) // MOST_STRETCHED)
    if min(width, height) >= least:
        return image
    wider = Image.new("RGB", (max(width, least), max(height, least)), (127, 127, 127))
    wider.paste(image, (0, 0))
    return wider
