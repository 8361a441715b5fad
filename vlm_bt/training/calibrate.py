"""`vlm-bt calibrate`: ask a model what missions ask, hold it against the truth, and write what it may be sure of.

Scenes come from the simulation (seeds from 5000) or from a user's labelled pictures. Every scene's answers are kept as
soon as they are there, so that a run that was stopped goes on.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from vlm_bt.errors import ConfigError, VlmBtError
from vlm_bt.questions import Choose, Counted, HowMany, IsTrue
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.calibration_fit import Example, Row, coverage, fit
from vlm_bt.training.calibration_questions import OF_CHANGES, OF_SCENES, OF_THINGS, Case, of_scene, of_things
from vlm_bt.training.evaluate import mission_bench
from vlm_bt.training.staging import BLOCK, EVENTS, Order, Studio
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings, open_model
from vlm_bt.vision.calibration import KIND_SKILL
from vlm_bt.vision.calibration_file import CalibrationFile, CameraId, ModelId, Skill
from vlm_bt.vision.composing import Composed
from vlm_bt.vision.conformal import least_examples
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision_settings import ModelChoice

FIRST_SEED, LAST_SEED = 5000, 5999
SKILLS = (*OF_THINGS, *OF_SCENES, *OF_CHANGES)
"""What can be calibrated on scenes of the simulation."""
OVERHEAD = CameraId(name="overhead", width=1280, height=720)
CONTAINERS = tuple(zone for zone in ZONES if zone.container)
_TURNS = (("things", OF_THINGS), ("apart", OF_SCENES), ("touching", OF_SCENES), ("changes", OF_CHANGES))
"""What blocks of scenes are about in turn, and which skills need them."""

Progress = Callable[[int, int], None]
Scenes = Callable[[int], list[Case]]


@dataclass(frozen=True)
class Plan:
    """What to calibrate.

    Attributes:
        name: What the calibration file calls the model.
        skills: Of `SKILLS`. scenes: how many scenes or pictures.
        error_rate: What the table is about, and what there must be enough examples for.
        out: The file. What it has of other skills of the same model is kept.
        work: Keeps the answers.
    """

    name: str
    settings: ModelChoice
    out: Path
    work: Path
    camera: CameraId = OVERHEAD
    skills: tuple[str, ...] = SKILLS
    scenes: int = 240
    error_rate: float = 0.01
    seed: int = FIRST_SEED
    offline: bool = True


@dataclass(frozen=True)
class Calibrated:
    """What came of it.

    Attributes:
        rows: One a skill, measured on held-out halves. examples: by skill, for plots.
        notes: What is too little or was not answered, with the remedy.
    """

    file: Path
    stored: CalibrationFile
    rows: tuple[Row, ...]
    examples: dict[str, list[Example]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Asking:
    """A model in this process, and what it says to cases; which skills it does not answer is found out once."""

    def __init__(self, settings: ModelChoice, offline: bool = True) -> None:
        self._model = Composed(open_model(settings, Surroundings(CONTAINERS, offline, ZONES)))
        self._batch = settings.batch_at_most
        self.refused: dict[str, str] = {}

    @property
    def revision(self) -> str:
        return self._model.revision

    @property
    def head(self) -> str:
        return cast(str, getattr(self._model.model, "head_revision", ""))

    def examples(self, cases: Sequence[Case], group: int) -> list[Example]:
        """Raises: VlmBtError: what a model says of a question that it should answer."""
        out: list[Example] = []
        for start in range(0, len(cases), self._batch):
            some = cases[start : start + self._batch]
            answers = self._model.answer([Asked(case.question, case.pictures) for case in some])
            for case, answer in zip(some, answers, strict=True):
                if isinstance(answer, Unsupported):
                    self.refused.setdefault(case.skill, str(answer))
                elif isinstance(answer, VlmBtError):
                    raise answer
                elif isinstance(answer, (Answer, Counted)):
                    out.append(example_of(case, answer, group))
        return out


def example_of(case: Case, answer: Answer | Counted, group: int) -> Example:
    """A case with its answer as numbers."""
    question = case.question
    assert isinstance(question, (IsTrue, Choose, HowMany))
    if isinstance(answer, Counted):
        said = tuple(float(p) for p in answer.probabilities)
        return Example(case.skill, group, 0, answer.phrase, case.truth, (), said, answer.number)
    assert not isinstance(question, HowMany)
    asked = question.claim if isinstance(question, IsTrue) else question.question
    shares = (*map(float, answer.probabilities), float(answer.outside))
    return Example(case.skill, group, question.wording, asked, case.truth, answer.options, shares)


def calibrate(
    plan: Plan,
    say: Callable[[str], None],
    progress: Progress = lambda done, of: None,
    scenes: Scenes | None = None,
    origin: dict[str, object] | None = None,
    refuse: bool = True,
) -> Calibrated:
    """Ask, fit, measure on held-out halves, and write the file.

    Args:
        scenes: The cases of a scene by its number; those of the simulation if not given, with `origin` for `Data`.
        refuse: Whether a calibration that can never be sure is an error; else it is written all the same.

    Raises:
        ConfigError: There are too few examples for the error rate, or nothing is answered; the text says what to do.
        ModelError: The model cannot be loaded.
    """
    asking = Asking(plan.settings, plan.offline)
    work = plan.work / f"{plan.name}-{plan.camera.name}-{_signature(plan, asking, origin)}"
    examples = _collected(plan, asking, scenes, work, progress)
    made = CalibrationFile(model=ModelId(name=plan.name, revision=asking.revision, head=asking.head),
                           camera=plan.camera, skills={})  # fmt: skip
    today, notes, rows, skills = datetime.date.today(), [], list[Row](), {}
    where = origin or {"seeds": (plan.seed, plan.seed + plan.scenes - 1)}
    for skill in plan.skills:
        some = examples.get(skill, [])
        if not some:
            notes.append(f"{skill}: {asking.refused.get(skill, 'no question of this kind came up')}: not calibrated")
            continue
        skills[skill] = fit(skill, some, where, today)
        rows.append(coverage(skill, some, plan.error_rate))
        notes += _too_few(skill, {name: found.count for name, found in skills[skill].classes.items()}, plan)
    served = [
        skill for skill in skills.values() if any(c.thresholds.at(plan.error_rate) <= 1 for c in skill.classes.values())
    ]
    if refuse and not served:
        raise ConfigError(
            f"nothing could be sure at an error rate of {plan.error_rate:g}:\n  " + "\n  ".join(notes or ["no example"])
        )
    stored = made.model_copy(update={"skills": {**_kept(plan.out, made), **skills}})
    stored.write(plan.out)
    for note in notes:
        say(note)
    return Calibrated(plan.out, stored, tuple(rows), examples, tuple(notes))


def simulated(plan: Plan) -> Scenes:
    """The cases of each scene of the simulation; the same for the same seed and number.

    Things are asked about on benches of missions, scenes and changes on staged ones, in turn by blocks.
    """
    wanted = set(plan.skills)
    turns = [turn for turn, skills in _TURNS if wanted & set(skills)]
    studio: list[tuple[int, Studio]] = []

    def scene(number: int) -> list[Case]:
        rng = np.random.default_rng([plan.seed, number, 19])
        block = number // BLOCK
        turn = turns[block % len(turns)]
        if turn == "things":
            posing = mission_bench(plan.seed + number, held_out=False)
            try:
                return list(of_things(*posing.regions(), rng))
            finally:
                posing.close()
        if not studio or studio[0][0] != block:
            for _, old in studio:
                old.close()
            size = (plan.camera.width, plan.camera.height)
            studio[:] = [(block, Studio(plan.seed + block, _order(turn, block), size))]
        return list(of_scene(studio[0][1].stage(number % BLOCK), rng))

    return scene


def _order(turn: str, block: int) -> Order:
    if turn == "changes":
        return Order(event=EVENTS[block % len(EVENTS)], held_out_kinds=False)
    return Order(clutter="apart" if turn == "apart" else "touching", held_out_kinds=False)


def _collected(
    plan: Plan, asking: Asking, scenes: Scenes | None, work: Path, progress: Progress
) -> dict[str, list[Example]]:
    """Every answer, by skill; scenes that an earlier run has answered are read."""
    if plan.seed + plan.scenes - 1 > LAST_SEED and scenes is None:
        raise ConfigError(f"{plan.scenes} scenes are more than seeds {FIRST_SEED} to {LAST_SEED} have; ask for fewer")
    work.mkdir(parents=True, exist_ok=True)
    cases = scenes or simulated(plan)
    out: dict[str, list[Example]] = {}
    for number in range(plan.scenes):
        path = work / f"scene-{number:05d}.json"
        if not path.is_file():
            wanted = [case for case in cases(number) if case.skill in plan.skills and case.skill not in asking.refused]
            rows = [asdict(example) for example in asking.examples(wanted, number)]
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps({"rows": rows, "refused": asking.refused}), encoding="utf-8")
            partial.replace(path)
        kept = json.loads(path.read_text(encoding="utf-8"))
        asking.refused.update(kept["refused"])
        for row in kept["rows"]:
            example = Example(**{**row, "options": tuple(row["options"]), "probabilities": tuple(row["probabilities"])})
            out.setdefault(example.skill, []).append(example)
        progress(number + 1, plan.scenes)
    return out


def _signature(plan: Plan, asking: Asking, origin: dict[str, object] | None) -> str:
    """Changes with everything that kept answers depend on."""
    parts = [asking.revision, asking.head, str(plan.camera), sorted(plan.skills), plan.seed, origin]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


def _too_few(skill: str, counts: dict[str, int], plan: Plan) -> Iterator[str]:
    """What has fewer examples than 1 / rate - 1, and how to get more."""
    least = least_examples(plan.error_rate)
    few = {name: count for name, count in counts.items() if count < least}
    if few:
        listed = ", ".join(f"{name} {count}" for name, count in few.items())
        times = least / max(1, min(few.values()))
        yield (
            f"{skill}: never sure at an error rate of {plan.error_rate:g} where it has fewer than {least} examples: "
            f"{listed}; ask of about {int(np.ceil(plan.scenes * times * 1.1))} scenes or pictures, "
            "or state a laxer rate"
        )


def _kept(path: Path, made: CalibrationFile) -> dict[str, Skill]:
    """What the file has of the same model and camera already."""
    try:
        stored = CalibrationFile.read(path)
    except (OSError, ValueError):
        return {}
    if stored.model.revision != made.model.revision or stored.camera != made.camera:
        return {}
    same_head = stored.model.head == made.model.head
    return {name: skill for name, skill in stored.skills.items() if same_head or name == KIND_SKILL}
