"""Batches of pictures with questions for the question head, and what it has to learn of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlm_bt.training.data import Label
from vlm_bt.training.held_out import is_pair_held_out
from vlm_bt.training.precision import Arithmetic
from vlm_bt.training.questions import Drawn, Questions, is_held_out
from vlm_bt.vision.backends.question_head import PAD, POOLED, HeadShape, QuestionHead, Words, own_question_only
from vlm_bt.vision.vocabulary import KINDS

ROW = 84
"""Tokens of questions and answers that follow one picture in training."""
UNKNOWN_SHARE = 0.35


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one picture and several questions that do not see each other.

    Attributes:
        features: (N, 11, 768) as `trunk_features` gives them. tokens: (N, L). part: (N, P + L) which question each
            position belongs to, 0 the picture, -1 nothing. at: (N, P + L) positions; every question starts behind the
            picture.
        wanted: (N, L) the token that should follow, PAD where nothing is learnt. weight: (N, L).
    """

    features: Tensor
    tokens: Tensor
    part: Tensor
    at: Tensor
    wanted: Tensor
    weight: Tensor
    asked: int


class Batches:
    """Draws batches in which every kind is as common as every other, and things of no kind have their share.

    Args:
        shape: Of the head. recombined: share of the pictures that are only evidence, with the colour of another crop:
            every kind is then seen in every colour but those that are held out, and neither is learnt from the other.
    """

    def __init__(
        self,
        features: Sequence[NDArray[np.float16]],
        labels: Sequence[Label],
        parts: Sequence[str],
        words: Words,
        size: int,
        shape: HeadShape,
        recombined: float,
    ) -> None:
        self._features, self._labels, self._parts = features, labels, parts
        self._words, self._size, self._shape = words, size, shape
        self._recombined = round(recombined * size) if shape.evidence else 0
        shown = [(row, label) for row, label in enumerate(labels) if not is_held_out(label)]
        groups = [np.array([row for row, label in shown if label.source == kind], np.int64) for kind in KINDS]
        groups = [group for group in groups if len(group)]
        chances = [(1 - UNKNOWN_SHARE) / len(groups)] * len(groups) if groups else []
        unknown = np.array([row for row, label in shown if label.source not in KINDS], np.int64)
        if len(unknown):
            groups, chances = [*groups, unknown], [*chances, UNKNOWN_SHARE]
        self._groups, self._chances = groups, np.array(chances) / sum(chances)

    def batch(self, rng: np.random.Generator) -> Batch:
        """The batch that this generator draws."""
        questions = Questions(self._parts, rng)
        chosen = rng.choice(len(self._groups), self._size, p=self._chances)
        rows = np.sort([self._groups[g][rng.integers(len(self._groups[g]))] for g in chosen])
        view = self._features[int(rng.integers(len(self._features)))]
        features, labels = self._pictures(rows, view, rng)
        start, asked = self._shape.picture, 0
        tokens, wanted = np.full((2, self._size, ROW), PAD, np.int64)
        part, at = np.full((2, self._size, start + ROW), -1, np.int64)
        weight = np.zeros((self._size, ROW), np.float32)
        part[:, :start], at[:] = 0, 0
        at[:, :start] = np.arange(start)
        for n, label in enumerate(labels):
            used, number = 0, 1
            while True:
                question, answer = self._tokens(questions.draw(label))
                whole = question + answer
                if used + len(whole) > ROW:
                    if used:
                        break
                    continue
                end = used + len(whole)
                tokens[n, used:end] = whole
                wanted[n, used + len(question) - 1 : end - 1] = answer
                weight[n, used + len(question) - 1 : end - 1] = len(answer) ** -0.5
                part[n, start + used : start + end] = number
                at[n, start + used : start + end] = start + np.arange(len(whole))
                used, number, asked = end, number + 1, asked + 1
        tensor = torch.from_numpy
        return Batch(tensor(features), tensor(tokens), tensor(part), tensor(at), tensor(wanted), tensor(weight), asked)

    def _pictures(
        self, rows: NDArray[np.int64], view: NDArray[np.float16], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], list[Label]]:
        features, labels = view[rows].astype(np.float32), [self._labels[row] for row in rows]
        if not self._recombined:
            return features, labels
        original, (kinds, colours, parts, shades) = features.copy(), self._shape.evidence
        end = kinds + colours + parts
        for n in rng.choice(len(rows), self._recombined, replace=False):
            other = int(rng.integers(len(rows)))
            colour = self._labels[rows[other]].colour
            if colour and labels[n].colour and not is_pair_held_out(colour, labels[n].source):
                features[n, :-1] = 0.0
                for some in (slice(kinds, kinds + colours), slice(end, end + shades)):
                    features[n, -1, some] = original[other, -1, some]
                labels[n] = replace(labels[n], colour=colour)
        return features, labels

    def _tokens(self, drawn: Drawn) -> tuple[list[int], list[int]]:
        return self._words.question(drawn.question), self._words.answer(drawn.answer)


def seen_by(head: QuestionHead, features: Tensor) -> Tensor:
    """(N, P, W) words of picture of features (N, 11, 768)."""
    return head.picture(features[:, 0, :POOLED], features[:, 1:-1], features[:, -1, : sum(head.shape.evidence)])


def loss_of(head: QuestionHead, batch: Batch, done_in: Arithmetic) -> tuple[Tensor, dict[str, float]]:
    """How far the answers are from the right ones; every answer counts by the root of its length."""
    to = done_in.device
    mask, learnt = own_question_only(batch.part).to(to), (batch.wanted != PAD).to(to)
    # The fused attention of the CPU is slower than plain matrix products for so few tokens.
    with done_in.autocast(), sdpa_kernel(SDPBackend.MATH):
        seen = seen_by(head, batch.features.to(to))
        after = head.hidden(seen, batch.tokens.to(to), mask.to(seen.dtype), batch.at.to(to))
        logits = head.logits(after[learnt])
    each = functional.cross_entropy(logits.float(), batch.wanted.to(to)[learnt], reduction="none")
    weight = batch.weight.to(to)[learnt]
    loss = (each * weight).sum() / weight.sum()
    return loss, {"answers": loss.item()}


@dataclass(frozen=True, eq=False)
class Claims:
    """Claims about crops that nothing was learnt from, with the truth: what the head is measured on meanwhile."""

    features: Tensor
    asked: list[list[int]]
    true: NDArray[np.bool_]
    yes: int
    no: int

    @staticmethod
    def about(
        features: NDArray[np.float16], labels: Sequence[Label], parts: Sequence[str], words: Words, count: int = 1024
    ) -> Claims:
        """Of features (N, 11, 768) of crops with these labels, evenly spread."""
        rows = np.linspace(0, len(labels) - 1, count).round().astype(int)
        questions = Questions(parts, np.random.default_rng(25))
        drawn = [questions.yes_no(labels[row]) for row in rows]
        return Claims(
            torch.from_numpy(features[rows].astype(np.float32)),
            [words.question(some.question) for some in drawn],
            np.array([some.answer == "yes" for some in drawn]),
            words.answer("yes")[0],
            words.answer("no")[0],
        )

    def right(self, head: QuestionHead, done_in: Arithmetic) -> dict[str, float]:
        """Share of them that it answers rightly, and of those that are not true."""
        longest = max(map(len, self.asked))
        tokens = torch.tensor([some + [PAD] * (longest - len(some)) for some in self.asked])
        last = torch.tensor([len(some) - 1 for some in self.asked])
        said = []
        for start in range(0, len(tokens), 128):
            some = slice(start, start + 128)
            seen = seen_by(head, self.features[some].to(done_in.device))
            states = head.hidden(seen, tokens[some].to(done_in.device)).cpu()
            logits = head.logits(states[torch.arange(len(states)), last[some]].to(done_in.device))
            said.append((logits[:, self.yes] > logits[:, self.no]).cpu().numpy())
        right = np.concatenate(said) == self.true
        return {"claims": float(right.mean()), "false claims": float(right[~self.true].mean())}
