"""`vlm-bt train head`: the question head on the frozen trunk of a model that `vlm-bt train embedded` made.

The trunk's files are read and never written: its calibration stays valid. Only the words of the answers are learnt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.training.benches import make_shards
from vlm_bt.training.board import Board
from vlm_bt.training.clip import decisive
from vlm_bt.training.course import Course, Pace, decayed
from vlm_bt.training.data import FIRST_TRAINING_SEED, Label, read
from vlm_bt.training.head_batches import Batches, Claims, loss_of
from vlm_bt.training.precision import Device, Precision, arithmetic
from vlm_bt.training.questions import Questions
from vlm_bt.training.trunk_features import trunk_features
from vlm_bt.vision.backends.embedded import EmbeddedClip
from vlm_bt.vision.backends.question_head import HeadShape, QuestionHead, Words
from vlm_bt.vision.vocabulary import KINDS

VOCABULARY = 1024
TUNING_SHARE = 0.06
"""Share of the scenes that nothing is learnt from: held-out figures, and what mixes the evidence of the trunk."""


@dataclass(frozen=True)
class HeadPlan:
    """How much of everything; the pictures are those of `vlm-bt train embedded` with the same seed and scenes.

    Attributes:
        steps, minutes, averaging: As `course.Pace` has them. threads: part of what makes it the same again.
        recombined: As `head_batches.Batches` has it.
    """

    steps: int = 8000
    minutes: float | None = None
    scenes: int = 180
    poses: int = 6
    seed: int = 0
    evaluation_scenes: int = 60
    processes: int = 2
    threads: int = 2
    batch: int = 64
    rate: float = 2e-3
    averaging: float = 0.998
    recombined: float = 0.3
    device: Device = "auto"
    precision: Precision = "auto"

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

    Raises:
        ConfigError: The checkpoint belongs to another training.
    """
    from vlm_bt.training.head_report import measure, write_head_card

    work = work or out / "work"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(plan.threads)
    model = EmbeddedClip(trunk, threads=plan.threads)
    say(f"pictures: {plan.scenes} scenes, {plan.poses} looks at each")
    paths = make_shards(work / "crops", plan.scenes, plan.poses, plan.first_seed, say, plan.processes)
    pixels, labels, learnt = _all(paths)
    say(f"{len(labels)} crops; the trunk looks at them twice")
    kept = work / "features"
    kept.mkdir(parents=True, exist_ok=True)
    done_in = arithmetic(plan.device, plan.precision)
    plain = trunk_features(model, pixels, kept / "plain.npy", say, done_in)
    varied = trunk_features(model, pixels[:learnt], kept / "varied.npy", say, done_in, plan.seed)
    del pixels
    words = Words.of_corpus(_corpus(model.parts), VOCABULARY)
    claims = Claims.about(plain[learnt:], labels[learnt:], model.parts, words)
    board = Board(work / "tensorboard" / "head", say)
    shape = HeadShape(len(words), evidence=model.evidence_sizes)
    head, steps = train(
        plan,
        shape,
        [plain[:learnt], varied],
        labels[:learnt],
        model.parts,
        words,
        say,
        checkpoint=work / "head.pt",
        held_out=claims,
        board=board,
        trunk=model.revision,
    )
    head.save(out, words, trunk_revision=model.revision)
    figures = measure(plan, model, out, work, say)
    figures["plan"] = {**asdict(plan), "crops": learnt, "steps": steps}
    (work / "head_report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    write_head_card(out / "question_head.md", figures)
    return figures


def train(
    plan: HeadPlan,
    shape: HeadShape,
    features: Sequence[NDArray[np.float16]],
    labels: Sequence[Label],
    parts: Sequence[str],
    words: Words,
    say: Callable[[str], None],
    *,
    checkpoint: Path | None = None,
    held_out: Claims | None = None,
    board: Board | None = None,
    trunk: str = "",
) -> tuple[QuestionHead, int]:
    """Train and return the averaged head on the CPU, and after how many steps.

    Args:
        features: Views of the crops, each (N, 11, 768), as `trunk_features` gives them.
        checkpoint: Where to keep the state and go on from, if it exists. trunk: revision that the features are of.

    Raises:
        ConfigError: The checkpoint belongs to another training.
    """
    torch.manual_seed(plan.seed)
    done_in = arithmetic(plan.device, plan.precision)
    head = QuestionHead(shape).to(done_in.device)
    course = Course(
        head,
        decayed(head, 0.02),
        Pace(plan.steps, plan.rate, plan.minutes, averaging=plan.averaging),
        done_in,
        {**decisive(plan), "trunk": trunk, "crops": len(labels)},
        say,
        checkpoint=checkpoint,
        board=board,
        validate=None if held_out is None else lambda ready: held_out.right(cast(QuestionHead, ready), done_in),
    )
    draw = Batches(features, labels, parts, words, plan.batch, shape, plan.recombined)
    for step in course.steps():
        course.learn(*loss_of(head, draw.batch(np.random.default_rng([plan.seed, 22, step])), done_in))
    return cast(QuestionHead, course.finished().cpu()), course.step


def scenes_kept_back(paths: Sequence[Path]) -> int:
    """How many scenes, the last ones, nothing is learnt from."""
    return max(1, round(len(paths) * TUNING_SHARE))


def _all(paths: Sequence[Path]) -> tuple[NDArray[np.uint8], list[Label], int]:
    """Crops, labels, and how many of them are learnt from; the others come last."""
    shards = [read(path) for path in paths]
    labels = [label for _, some, _ in shards for label in some]
    kept_back = sum(len(some) for _, some, _ in shards[len(shards) - scenes_kept_back(paths) :])
    return np.concatenate([pixels for pixels, _, _ in shards]), labels, len(labels) - kept_back


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
