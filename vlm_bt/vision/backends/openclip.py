"""Any CLIP of open_clip behind the typed questions: a picture and a phrase become vectors, and their angle the answer.

A batch encodes each distinct picture once and each new text once, whatever is asked of them. Only a model trained with
a sigmoid (SigLIP and its kin: it has a `logit_bias`) answers `IsTrue`: it was taught, for one picture and one text,
whether they belong together. A model trained with a softmax knows only which of several texts fits better; a claim
against made-up contrasts would be a ranking against those contrasts and no probability, so it leaves `IsTrue` out.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import YES_NO, Choose, Embed, Embedding, Found, Ground, Grounded, IsTrue, Question, Result
from vlm_bt.scene.crops import FILL
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.clip_loading import LoadedClip, load_clip
from vlm_bt.vision.backends.export import exported
from vlm_bt.vision.backends.proposals import Proposal, from_depth, from_grid
from vlm_bt.vision.backends.towers import TorchTowers, Towers
from vlm_bt.vision.boxes import best_of_each
from vlm_bt.vision.clip_words import BACKGROUND, WORDS_REVISION, phrasings
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import Picture, digest_of
from vlm_bt.vision_settings import OpenClipModel

Key = TypeVar("Key")

KEPT_TEXTS = 2048
KEPT_PICTURES = 512
AT_ONCE = 32
"""Pictures or texts in one forward pass."""
GRID_OVERLAP = 0.3
"""Squares of the grid overlap by half of their sides, so their doubles are told by less than those of a detector."""


@dataclass(eq=False)
class _Job:
    """One question, the pictures that have to be encoded for it by their digest, and the texts."""

    question: Question
    seen: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)


class OpenClip:
    """A CLIP loaded by open_clip.

    Raises:
        ModelError, ConfigError: See `clip_loading.load_clip` and `export.exported`.
    """

    def __init__(self, settings: OpenClipModel, surroundings: Surroundings) -> None:
        torch.set_num_threads(settings.threads)
        clip = load_clip(settings, surroundings.offline)
        self._settings, self._containers, self._clip = settings, surroundings.containers, clip
        self._scale = float(clip.model.logit_scale.exp())
        bias = getattr(clip.model, "logit_bias", None)
        self._bias = None if bias is None else float(bias)
        self._towers: Towers = TorchTowers(clip.model, clip.device, clip.dtype)
        if settings.runtime != "torch":
            pixels, ids = torch.zeros(1, 3, *clip.size), clip.tokenize(BACKGROUND)
            self._towers = exported(clip.model, pixels, ids, settings.runtime, clip.located.revision, settings.threads)
            self._clip = replace(clip, model=None)  # its weights are in memory only once from here on
        self._texts: OrderedDict[str, Tensor] = OrderedDict()
        self._pictures: OrderedDict[bytes, Tensor] = OrderedDict()
        self.revision = f"{clip.located.revision}-{_marks(settings, clip)}"
        self.answers: frozenset[type[Question]] = frozenset(
            {Choose, Ground, Embed} if self._bias is None else {IsTrue, Choose, Ground, Embed}
        )

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        digests: dict[tuple[int, object, int], bytes] = {}
        wanted: dict[bytes, NDArray[np.uint8]] = {}
        jobs: list[_Job | VlmBtError] = []
        for asked in batch:
            try:
                jobs.append(self._job(asked, digests, wanted))
            except VlmBtError as error:
                jobs.append(error)
        real = [job for job in jobs if isinstance(job, _Job)]
        pictures = self._see(wanted)
        texts = self._read(list(dict.fromkeys(text for job in real for text in job.texts)))
        return [self._answer(job, pictures, texts) if isinstance(job, _Job) else job for job in jobs]

    def _job(
        self, asked: Asked, digests: dict[tuple[int, object, int], bytes], wanted: dict[bytes, NDArray[np.uint8]]
    ) -> _Job:
        question, job = asked.question, _Job(asked.question)
        if type(question) not in self.answers:
            raise Unsupported(self._why_not(question))
        if isinstance(question, Embed) and not asked.pictures:
            job.texts = [self._checked(question.text)]
            return job
        picture = asked.picture
        if picture.at.x1 <= picture.at.x0 or picture.at.y1 <= picture.at.y0:
            raise Unsupported(f"there is nothing to see: {picture.look.part} lies outside the frame")
        if isinstance(question, Ground):
            job.texts = [*self._phrased(question.phrase, 0), *BACKGROUND]
            job.proposals = (
                from_depth(picture, self._containers, max(self._clip.size))
                if self._settings.proposals == "depth"
                else from_grid(picture)
            )
            for proposal in job.proposals:
                whole = proposal.part is None and proposal.box == picture.at and picture.look.part is None
                job.seen.append(_put(proposal.pixels if whole else self._square(proposal.pixels), wanted))
            return job
        # The same look of the same frame is cut out and hashed once for all questions about it.
        key = (id(picture.frame), picture.look.part, picture.look.variant)
        if key not in digests:
            digests[key] = _put(self._shown(picture), wanted)
        job.seen = [digests[key]]
        if isinstance(question, IsTrue):
            job.texts = self._phrased(question.claim, question.wording)
        elif isinstance(question, Choose):
            if {option.strip().lower() for option in question.options} <= set(YES_NO):
                raise Unsupported(
                    "a CLIP reads the options and not the question, and yes and no describe no picture; give options "
                    "that do, such as an open drawer, a closed drawer"
                )
            job.texts = [text for option in question.options for text in self._phrased(option, question.wording)]
            job.texts += BACKGROUND
        return job

    def _answer(self, job: _Job, pictures: dict[bytes, Tensor], texts: dict[str, Tensor]) -> Result:
        question = job.question
        if isinstance(question, Embed):
            vector = pictures[job.seen[0]] if job.seen else texts[job.texts[0]]
            return Embedding(tuple(vector.tolist()))
        seen = torch.stack([pictures[digest] for digest in job.seen]) if job.seen else torch.zeros(0, 1)
        if isinstance(question, IsTrue):
            yes = float(torch.sigmoid(self._fit(seen, [self._phrased(question.claim, question.wording)], texts))[0, 0])
            return Answer(question.claim, YES_NO, (yes, 1.0 - yes))
        if isinstance(question, Choose):
            asked = [self._phrased(option, question.wording) for option in question.options]
            shares = self._shares(seen, asked, texts)[0].tolist()
            return Answer(question.question, question.options, tuple(shares[:-1]), outside=shares[-1])
        if isinstance(question, Ground):
            return self._grounded(question, job, seen, texts)
        raise Unsupported(self._why_not(question))

    def _grounded(self, question: Ground, job: _Job, seen: Tensor, texts: dict[str, Tensor]) -> Grounded:
        if not job.proposals:
            return Grounded(question.phrase, ())
        scores = self._shares(seen, [self._phrased(question.phrase, 0)], texts)[:, 0].numpy()
        corners = np.array([(p.box.x0, p.box.y0, p.box.x1, p.box.y1) for p in job.proposals])
        # Things that depth told apart are no doubles of each other, however their boxes overlap.
        overlap = GRID_OVERLAP if self._settings.proposals == "grid" else 1.0
        found = tuple(
            Found(
                job.proposals[index].box,
                float(scores[index]),
                job.proposals[index].outline if question.masks else None,
                job.proposals[index].part,
            )
            for index in best_of_each(corners, scores, overlap)
            if scores[index] >= question.least_score
        )
        return Grounded(question.phrase, found)

    def _fit(self, seen: Tensor, phrases: Sequence[Sequence[str]], texts: dict[str, Tensor]) -> Tensor:
        """Logits (N, P) of pictures (N, D), each phrase with several wordings.

        A softmax model compares with the direction that the wordings have in common, as CLIP's authors do; the bias of
        a sigmoid model was learnt for single texts, so their logits are averaged.
        """
        means = torch.stack([torch.stack([texts[text] for text in some]).mean(0) for some in phrases])
        if self._bias is None:
            means = torch.nn.functional.normalize(means, dim=-1)
        return self._scale * seen @ means.T + (self._bias or 0.0)

    def _shares(self, seen: Tensor, phrases: Sequence[Sequence[str]], texts: dict[str, Tensor]) -> Tensor:
        """(N, P + 1): how a picture's chances are shared between the phrases, the last one for none of them.

        Sigmoid models judge each phrase alone; given that at most one is true, its share is its odds over one plus all
        odds. For softmax models the background's wordings stand for "none", together as much as one phrase.
        """
        fit = self._fit(seen, phrases, texts)
        if self._bias is not None:
            none = torch.zeros(len(fit), 1)
        else:
            other = self._fit(seen, [[text] for text in BACKGROUND], texts)
            none = torch.logsumexp(other, 1, keepdim=True) - float(np.log(len(BACKGROUND)))
        return torch.cat([fit, none], 1).softmax(-1)

    def _phrased(self, phrase: str, wording: int) -> list[str]:
        return [self._checked(text) for text in phrasings(phrase, wording)]

    def _checked(self, text: str) -> str:
        """Raises: Unsupported: there is nothing to read, or more than the model reads."""
        if not text.strip():
            raise Unsupported("the phrase is empty")
        if text not in self._texts and (count := self._clip.tokens(text)) > self._clip.context:
            raise Unsupported(
                f"the phrase is too long: {count} tokens, this model reads {self._clip.context}; use fewer words"
            )
        return text

    def _why_not(self, question: Question) -> str:
        if isinstance(question, IsTrue):
            return (
                "this CLIP was trained to rank texts, not to judge one, so it has no probability for a claim; ask "
                "`choose`, or take a SigLIP"
            )
        return f"a CLIP compares pictures with phrases; it has no answer to {type(question).__name__}"

    def _shown(self, picture: Picture) -> NDArray[np.uint8]:
        if picture.thing is not None:
            return picture.pixels(max(self._clip.size))
        pixels = picture.pixels()
        return pixels if picture.look.part is None else self._square(pixels)

    def _square(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A part of a frame padded with grey to a square where preparing it would cut its ends off."""
        height, width = pixels.shape[:2]
        if not self._clip.cuts or height == width:
            return pixels
        side = max(height, width)
        whole = np.full((side, side, 3), FILL, np.uint8)
        y, x = (side - height) // 2, (side - width) // 2
        whole[y : y + height, x : x + width] = pixels
        return whole

    def _see(self, wanted: dict[bytes, NDArray[np.uint8]]) -> dict[bytes, Tensor]:
        found = {digest: self._pictures[digest] for digest in wanted if digest in self._pictures}
        new = [digest for digest in wanted if digest not in found]
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            prepared = torch.stack([self._clip.prepare(Image.fromarray(wanted[digest])) for digest in some])
            found.update(zip(some, self._towers.images(prepared), strict=True))
        _remember(self._pictures, found, KEPT_PICTURES)
        return found

    def _read(self, texts: Sequence[str]) -> dict[str, Tensor]:
        found = {text: self._texts[text] for text in texts if text in self._texts}
        new = [text for text in texts if text not in found]
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            found.update(zip(some, self._towers.texts(self._clip.tokenize(some)), strict=True))
        _remember(self._texts, found, KEPT_TEXTS)
        return found


def _remember(kept: OrderedDict[Key, Tensor], found: dict[Key, Tensor], most: int) -> None:
    for key, vector in found.items():
        kept[key] = vector
        kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _put(pixels: NDArray[np.uint8], wanted: dict[bytes, NDArray[np.uint8]]) -> bytes:
    digest = digest_of(pixels)
    wanted.setdefault(digest, np.ascontiguousarray(pixels))
    return digest


def _marks(settings: OpenClipModel, clip: LoadedClip) -> str:
    """Eight hex digits of everything besides the files that the answers depend on."""
    asked = [settings.checkpoint.split("/")[0], clip.preprocessing, str(clip.dtype), settings.runtime]
    asked += [settings.proposals, str(settings.compile), WORDS_REVISION]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]
