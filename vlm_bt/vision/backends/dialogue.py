"""Typed questions to a model that reads pictures and words as one sequence and goes on writing."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import (
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Found,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Question,
    ReadOut,
    ReadText,
    Result,
    TextLine,
    name_of,
)
from vlm_bt.types import Answer
from vlm_bt.vision import prompts
from vlm_bt.vision.backends.answer_tokens import AnswerTokens, Begun
from vlm_bt.vision.backends.head import FloatHead
from vlm_bt.vision.backends.prefix import SharedPrefix
from vlm_bt.vision.backends.quirks import TYPED, Quirks
from vlm_bt.vision.backends.turns import Inputs, Turns, fingerprint, pixels_per_pixel
from vlm_bt.vision.box_text import loc_boxes, written_boxes
from vlm_bt.vision.boxes import in_frame
from vlm_bt.vision.model import Asked, Unsupported

ROWS_AT_ONCE = 8
"""Whole turns, each with its pictures, that run together where nothing is shared."""


@dataclass(frozen=True)
class Spoken:
    """What a model wrote, and the probability of each of its tokens; `ends` are their ends in the text."""

    text: str
    ends: tuple[int, ...]
    chances: tuple[float, ...]

    def sureness(self, start: int, end: int) -> float:
        """Geometric mean of the probabilities of the tokens that wrote this part of the text."""
        begins = (0, *self.ends[:-1])
        logs = [
            math.log(max(chance, 1e-12))
            for begin, stop, chance in zip(begins, self.ends, self.chances, strict=True)
            if begin < end and stop > start
        ]
        return math.exp(sum(logs) / len(logs)) if logs else 0.0


@dataclass(frozen=True, eq=False)
class Turn:
    """A typed question, ready to be asked."""

    question: Question
    prompt: prompts.Prompt
    images: tuple[Image.Image, ...]


class Dialogue:
    """Answers typed questions from the next token's probabilities, the others from what the model writes."""

    def __init__(self, model: Any, turns: Turns, quirks: Quirks, new_tokens: int) -> None:
        self._model, self._turns, self._quirks, self._new_tokens = model, turns, quirks, new_tokens
        self._words = AnswerTokens(turns.tokenizer)
        self._head = FloatHead(model)
        self._shared = SharedPrefix(model, turns, self._head) if quirks.shares_prefix else None
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        # Greedy writing has no use for them, and the library warns about each.
        model.generation_config.update(do_sample=False, temperature=None, top_p=None, top_k=None)

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        out: dict[int, Result | VlmBtError] = {}
        turns: dict[int, Turn] = {}
        for place, asked in enumerate(batch):
            try:
                if type(asked.question) not in self._quirks.answers:
                    raise Unsupported(f"this model does not answer {name_of(asked.question)} itself")
                if type(asked.question) in TYPED:
                    turns[place] = self._turn(asked)
                else:
                    out[place] = self._said(asked)
            except Unsupported as error:
                out[place] = error
        for places in self._groups(turns):
            some = [turns[place] for place in places]
            out.update(zip(places, self._typed(some), strict=True))
        return [out[place] for place in range(len(batch))]

    def _groups(self, turns: dict[int, Turn]) -> list[list[int]]:
        """Places of questions that run together: about the same pictures, or as many as fit."""
        if self._shared is None:
            places = list(turns)
            return [places[start : start + ROWS_AT_ONCE] for start in range(0, len(places), ROWS_AT_ONCE)]
        groups: dict[bytes, list[int]] = {}
        for place, turn in turns.items():
            groups.setdefault(fingerprint(turn.images), []).append(place)
        return list(groups.values())

    def _images(self, asked: Asked, whole_part: bool = False) -> tuple[Image.Image, ...]:
        shown = asked.pictures
        if not self._quirks.several_pictures or not shown:
            shown = (asked.picture,)
        return tuple(self._turns.image(picture, whole_part) for picture in shown)

    def _turn(self, asked: Asked) -> Turn:
        question, images = asked.question, self._images(asked)
        clean, several = self._turns.harmless, len(images)
        forms = self._quirks.forms
        if isinstance(question, IsTrue):
            prompt = prompts.yes_no(clean(question.claim), question.wording, several)
            if forms is not None:
                prompt = prompts.Prompt(forms["is_true"].format(claim=clean(question.claim)), prompt.answers)
        elif isinstance(question, Choose):
            options = tuple(map(clean, question.options))
            prompt = prompts.choose(clean(question.question), options, question.wording, several)
        else:
            assert isinstance(question, HowMany)
            prompt = prompts.how_many(clean(question.phrase), several)
            if forms is not None:
                prompt = prompts.Prompt(forms["how_many"].format(phrase=clean(question.phrase)), prompt.answers)
        return Turn(question, prompt, images)

    def _typed(self, turns: Sequence[Turn]) -> list[Result | VlmBtError]:
        """Answers from one forward pass; numbers that the vocabulary writes in several tokens take more."""
        if self._shared is not None:
            texts, images = [turn.prompt.text for turn in turns], turns[0].images
            first = self._shared.next_words(texts, images, [()] * len(turns))
            following: list[Callable[[Sequence[Begun]], torch.Tensor]] = [
                partial(self._follow_shared, turn) for turn in turns
            ]
        else:
            inputs = self._turns.inputs([(turn.prompt.text, turn.images) for turn in turns])
            counts = any(isinstance(turn.question, HowMany) for turn in turns)
            out = self._forward(inputs, use_cache=counts)
            first = out.logits[:, -1].float().softmax(dim=-1)
            following = [
                partial(self._follow_whole, inputs, out.past_key_values if counts else None, row)
                for row in range(len(turns))
            ]
        found: list[Result | VlmBtError] = []
        for turn, row, follow in zip(turns, first.cpu(), following, strict=True):
            try:
                found.append(self._read(turn, row, follow))
            except Unsupported as error:
                found.append(error)
        return found

    def _read(self, turn: Turn, row: torch.Tensor, follow: Callable[[Sequence[Begun]], torch.Tensor]) -> Result:
        question = turn.question
        if isinstance(question, HowMany):
            chances = self._words.numbers(row, follow)
            return Counted(question.phrase, int(np.argmax(chances)), tuple(chances))
        shares = self._words.shares(row, turn.prompt.answers)
        if isinstance(question, IsTrue):
            return Answer(question.claim, YES_NO, tuple(shares), outside=max(0.0, 1.0 - sum(shares)))
        assert isinstance(question, Choose)
        fits = tuple(shares[:-1])
        return Answer(question.question, question.options, fits, outside=max(0.0, 1.0 - sum(fits)))

    def _follow_shared(self, turn: Turn, begun: Sequence[Begun]) -> torch.Tensor:
        assert self._shared is not None
        return self._shared.next_words([turn.prompt.text] * len(begun), turn.images, begun).cpu()

    def _follow_whole(self, inputs: Inputs, cache: Any, row: int, begun: Sequence[Begun]) -> torch.Tensor:
        """The same as `generate` goes on: one row of a left-padded batch, once for each begun answer."""
        mask = inputs["attention_mask"][row : row + 1].repeat(len(begun), 1)
        tokens = torch.tensor(begun, device=mask.device)
        mine = copy.deepcopy(cache)
        mine.batch_select_indices(torch.full((len(begun),), row, device=mask.device))
        mask = torch.cat([mask, torch.ones_like(tokens, dtype=mask.dtype)], dim=1)
        with self._head():
            out = self._model(input_ids=tokens, attention_mask=mask, past_key_values=mine, use_cache=True)
        found: torch.Tensor = out.logits[:, -1].float().softmax(dim=-1).cpu()
        return found

    def _forward(self, inputs: Inputs, use_cache: bool) -> Any:
        extra: Inputs = {"logits_to_keep": 1} if self._keeps else {}
        if use_cache:
            extra["use_cache"] = True
        if getattr(self._model.config, "use_decoder_only_language_model", True) is False:
            start = self._model.config.text_config.decoder_start_token_id
            rows = len(inputs["input_ids"])
            extra["decoder_input_ids"] = torch.full((rows, 1), start, device=inputs["input_ids"].device)
        with self._head():
            return self._model(**inputs, **extra)

    def _said(self, asked: Asked) -> Result:
        question, clean, forms = asked.question, self._turns.harmless, self._quirks.forms or {}
        if isinstance(question, Ground):
            return self._grounded(asked, question)
        images = self._images(asked)
        if isinstance(question, Describe):
            said = self._say(forms.get("describe") or prompts.describe(clean(question.hint), len(images)).text, images)
            return Caption(said.text.strip())
        assert isinstance(question, ReadText)
        said = self._say(forms.get("read_text") or prompts.read_text(len(images)).text, images)
        lines, start = [], 0
        for line in said.text.split("\n"):
            if line.strip():
                lines.append(TextLine(line.strip(), said.sureness(start, start + len(line))))
            start += len(line) + 1
        return ReadOut(tuple(lines))

    def _grounded(self, asked: Asked, question: Ground) -> Grounded:
        images = self._images(asked, whole_part=True)
        phrase = self._turns.harmless(question.phrase)
        own = (self._quirks.forms or {}).get("ground") or self._quirks.ground
        text = own.format(phrase=phrase) if own else prompts.ground(phrase, len(images)).text
        width, height = images[-1].size
        if self._quirks.boxes == "loc":
            said = self._say(text, images, keep_special=True)
            written = list(loc_boxes(said.text))
        else:
            said = self._say(text, images)
            size = self._seen_size(images) if self._quirks.boxes == "pixels" else (prompts.WHOLE, prompts.WHOLE)
            written = list(written_boxes(said.text, *size))
        at = asked.pictures[-1].at
        scale = pixels_per_pixel(images[-1], at)
        found = []
        for box in written:
            corners = np.array([box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height]) * scale
            place, score = in_frame(corners, at), said.sureness(box.start, box.end)
            if place is not None and score >= question.least_score:
                found.append(Found(place, score))
        return Grounded(question.phrase, tuple(sorted(found, key=lambda one: -one.score)))

    def _seen_size(self, images: Sequence[Image.Image]) -> tuple[float, float]:
        """Width and height that the last picture was scaled to."""
        grid = self._turns.processor.image_processor(images=[images[-1]], return_tensors="pt")["image_grid_thw"][0]
        patch = self._turns.processor.image_processor.patch_size
        return float(grid[2]) * patch, float(grid[1]) * patch

    def _say(self, text: str, images: Sequence[Image.Image], keep_special: bool = False) -> Spoken:
        """Write on, the likeliest token first; one question at a time, so that no other changes a word of it."""
        inputs = self._turns.inputs([(text, images)])
        out = self._model.generate(
            **inputs,
            max_new_tokens=self._new_tokens,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_logits=True,
        )
        tokens = out.sequences[0, -len(out.logits) :].tolist()
        chances = [float(row[0].float().softmax(-1)[token]) for row, token in zip(out.logits, tokens, strict=True)]
        decode = partial(self._turns.tokenizer.decode, skip_special_tokens=not keep_special)
        ends = tuple(len(decode(tokens[: n + 1])) for n in range(len(tokens)))
        return Spoken(decode(tokens), ends, tuple(chances))
