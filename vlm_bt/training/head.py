"""`vlm-bt train head`: the question head on the frozen trunk of a model that `vlm-bt train embedded` made.

The trunk's files are read and never written: its calibration stays valid. Only the words of the answers are learnt.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlm_bt.training.data import FIRST_TRAINING_SEED, Label, make_shards, read
from vlm_bt.training.questions import Drawn, Questions, is_held_out
from vlm_bt.training.trunk_features import trunk_features
from vlm_bt.vision.backends.embedded import EmbeddedClip
from vlm_bt.vision.backends.question_head import PAD, PLACES, POOLED, HeadShape, QuestionHead, Words, own_question_only
from vlm_bt.vision.vocabulary import KINDS

VOCABULARY = 1024
ROW = 84
"""Tokens of questions and answers that follow one picture in training."""
UNKNOWN_SHARE = 0.35


@dataclass(frozen=True)
class HeadPlan:
    """How much of everything; the pictures are those of `vlm-bt train embedded` with the same seed and scenes."""

    minutes: float = 20.0
    scenes: int = 180
    poses: int = 6
    seed: int = 0
    evaluation_scenes: int = 60
    processes: int = 2
    threads: int = 1
    batch: int = 64
    rate: float = 2e-3
    averaging: float = 0.995

    @property
    def first_seed(self) -> int:
        return FIRST_TRAINING_SEED * (self.seed + 1)


def train_head(
    plan: HeadPlan, out: Path, say: Callable[[str], None], work: Path | None = None, trunk: Path | None = None
) -> dict[str, Any]:
    """Draw the pictures, train, measure, write; goes on where an earlier run with the same folders stopped.

    Args:
        out: Gets the head's files. work: keeps pictures (`crops/`), features and checkpoint; `out/work` if not given.
        trunk: Folder of the model that it sits on; the shipped one if not given.

    Returns:
        What it is worth on benches that nothing was trained on.
    """
    from vlm_bt.training.head_report import measure, write_head_card

    work = work or out / "work"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(plan.threads)
    model = EmbeddedClip(trunk, threads=plan.threads)
    say(f"pictures: {plan.scenes} scenes, {plan.poses} looks at each")
    paths = make_shards(work / "crops", plan.scenes, plan.poses, plan.first_seed, say, plan.processes)
    pixels, labels = _all(paths)
    say(f"{len(labels)} crops; the trunk looks at them twice")
    kept = work / "features"
    kept.mkdir(parents=True, exist_ok=True)
    features = [
        trunk_features(model, pixels, kept / "plain.npy", say),
        trunk_features(model, pixels, kept / "varied.npy", say, plan.seed),
    ]
    del pixels
    words = Words.of_corpus(_corpus(model.parts), VOCABULARY)
    head, steps = train(plan, features, labels, model.parts, words, say, work / "head.pt")
    head.save(out, words, trunk_revision=model.revision)
    figures = measure(plan, model, out, work, say)
    figures["plan"] = {**asdict(plan), "crops": len(labels), "steps": steps}
    (work / "head_report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    write_head_card(out / "question_head.md", figures)
    return figures


def train(
    plan: HeadPlan,
    features: Sequence[NDArray[np.float16]],
    labels: Sequence[Label],
    parts: Sequence[str],
    words: Words,
    say: Callable[[str], None],
    checkpoint: Path | None = None,
) -> tuple[QuestionHead, int]:
    """Train for `plan.minutes` of wall time and return the averaged head, and after how many steps in all.

    Args:
        features: Views of the crops, each (N, 10, 768), as `trunk_features` gives them.
        checkpoint: Where to keep the state every two minutes and go on from, if it exists.
    """
    torch.manual_seed(plan.seed)
    head = QuestionHead(HeadShape(len(words)))
    average = {name: value.detach().clone() for name, value in head.state_dict().items()}
    optimiser = torch.optim.AdamW(head.parameters(), plan.rate, betas=(0.9, 0.98), weight_decay=0.02)
    spent, step = 0.0, 0
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        head.load_state_dict(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        average, spent, step = state["average"], float(state["spent_s"]), int(state["step"])
        say(f"going on from {checkpoint.name}: step {step}, {spent / 60:.1f} min spent")
    rng = np.random.default_rng([plan.seed, 22, step])
    draw = _Batches(features, labels, Questions(parts, rng), words, rng, plan.batch)
    began, saved, told, asked = time.monotonic() - spent, spent, spent, 0
    head.train()
    while (spent := time.monotonic() - began) < plan.minutes * 60:
        share = spent / (plan.minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, share / 0.04 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * share) + 0.003)
        batch = draw.batch()
        loss = _loss(head, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        step, asked = step + 1, asked + batch.asked
        keep = min(plan.averaging, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), list(head.state_dict().values()), 1 - keep)
        if spent - told > 30:
            told = spent
            say(f"{spent / 60:5.1f} min  step {step}  {asked} questions  loss {loss.item():.3f}")
        if checkpoint is not None and spent - saved > 120:
            saved = spent
            _save(checkpoint, head, optimiser, average, spent, step)
    if checkpoint is not None:
        _save(checkpoint, head, optimiser, average, spent, step)
    say(f"{step} steps, {asked} questions in this run")
    head.load_state_dict(average)
    return head.eval(), step


@dataclass(frozen=True, eq=False)
class _Batch:
    """Rows of one picture and several questions that do not see each other.

    Attributes:
        features: (N, 10, 768). tokens: (N, L). part: (N, 10 + L) which question each position belongs to, 0 the
            picture, -1 nothing. at: (N, 10 + L) positions; every question starts behind the picture.
        wanted: (N, L) the token that should follow, PAD where nothing is learnt. weight: (N, L).
    """

    features: Tensor
    tokens: Tensor
    part: Tensor
    at: Tensor
    wanted: Tensor
    weight: Tensor
    asked: int


class _Batches:
    """Draws batches in which every kind is as common as every other, and things of no kind have their share."""

    def __init__(
        self,
        features: Sequence[NDArray[np.float16]],
        labels: Sequence[Label],
        questions: Questions,
        words: Words,
        rng: np.random.Generator,
        size: int,
    ) -> None:
        self._features, self._labels, self._questions = features, labels, questions
        self._words, self._rng, self._size = words, rng, size
        shown = [(row, label) for row, label in enumerate(labels) if not is_held_out(label)]
        groups = [np.array([row for row, label in shown if label.source == kind], np.int64) for kind in KINDS]
        groups = [group for group in groups if len(group)]
        chances = [(1 - UNKNOWN_SHARE) / len(groups)] * len(groups) if groups else []
        unknown = np.array([row for row, label in shown if label.source not in KINDS], np.int64)
        if len(unknown):
            groups, chances = [*groups, unknown], [*chances, UNKNOWN_SHARE]
        self._groups, self._chances = groups, np.array(chances) / sum(chances)

    def batch(self) -> _Batch:
        rng = self._rng
        chosen = rng.choice(len(self._groups), self._size, p=self._chances)
        rows = np.sort([self._groups[g][rng.integers(len(self._groups[g]))] for g in chosen])
        view = self._features[int(rng.integers(len(self._features)))]
        start, asked = PLACES + 1, 0
        tokens, wanted = np.full((2, self._size, ROW), PAD, np.int64)
        part, at = np.full((2, self._size, start + ROW), -1, np.int64)
        weight = np.zeros((self._size, ROW), np.float32)
        part[:, :start], at[:] = 0, 0
        at[:, :start] = np.arange(start)
        for n, row in enumerate(rows):
            used, number = 0, 1
            while True:
                question, answer = self._tokens(self._questions.draw(self._labels[row]))
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
        seen = tensor(view[rows].astype(np.float32))
        return _Batch(seen, tensor(tokens), tensor(part), tensor(at), tensor(wanted), tensor(weight), asked)

    def _tokens(self, drawn: Drawn) -> tuple[list[int], list[int]]:
        return self._words.question(drawn.question), self._words.answer(drawn.answer)


def _loss(head: QuestionHead, batch: _Batch) -> Tensor:
    mask = own_question_only(batch.part)
    # The fused attention of the CPU is slower than plain matrix products for so few tokens.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        seen = head.picture(batch.features[:, 1:], batch.features[:, 0, :POOLED])
        after = head.hidden(seen, batch.tokens, mask.to(seen.dtype), batch.at)
        learnt = batch.wanted != PAD
        logits = head.logits(after[learnt])
    each = functional.cross_entropy(logits.float(), batch.wanted[learnt], reduction="none")
    weight = batch.weight[learnt]
    return (each * weight).sum() / weight.sum()


def _all(paths: Sequence[Path]) -> tuple[NDArray[np.uint8], list[Label]]:
    shards = [read(path) for path in paths]
    return np.concatenate([pixels for pixels, _, _ in shards]), [label for _, some, _ in shards for label in some]


def _corpus(parts: Sequence[str]) -> list[str]:
    """Sentences that the tokenizer is made of: questions and answers about made-up labels."""
    from vlm_bt.simulation.paints import HANDLE_COLOURS

    rng = np.random.default_rng(23)
    questions, out = Questions(parts, rng), []
    sources, colours = (*KINDS, "odd"), tuple(HANDLE_COLOURS)
    for _ in range(20000):
        some = tuple(parts[int(i)] for i in rng.integers(len(parts), size=3))
        drawn = questions.draw(Label(sources[int(rng.integers(len(sources)))], str(rng.choice(colours)), some))
        out += [drawn.question, drawn.answer]
    return out


def _save(
    path: Path,
    head: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    spent: float,
    step: int,
) -> None:
    state = {"head": head.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
    partial = path.with_suffix(".partial")
    torch.save({**state, "spent_s": spent, "step": step}, partial)
    partial.replace(path)
