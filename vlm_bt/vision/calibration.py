"""How sure is sure: what of an answer can be ruled out at a stated error rate, for one model and one camera.

Where the answers are always the same ones (kinds, yes and no) each has its own threshold, taken from how wrong the
model was about things that really were that (class-conditional, Vovk 2012), and "none of them" is an answer like the
others. Where they differ from question to question one threshold serves all. So, for questions like those of the
calibration, the right answer is missing from a set at most `error_rate` of the time. What the calibration does not
speak of (another camera, another wording, a word that was never asked) is answered and never sure.
"""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.places import share_dir
from vlm_bt.questions import WHAT_IS_IT, Choose, Counted, HowMany, IsTrue, Question, name_of
from vlm_bt.types import Answer
from vlm_bt.vision.calibration_file import CalibrationFile, CameraId, Skill, file_name
from vlm_bt.vision.conformal import counted, scaled
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import OTHER

KIND_SKILL = "what_is_it"
"""The skill whose answers let a model identify things."""
REMEDY = "nothing will be surer than unsure; make one with `vlm-bt calibrate`"

log = logging.getLogger(__name__)


def calibration_folder() -> Path:
    """Where the calibrations of shipped configurations lie. Raises: ConfigError."""
    return share_dir("config") / "calibration"


def skill_of(question: Question, pictures: Sequence[Picture]) -> str:
    """ "what_is_it", or the question's type with what is shown: "is_true.thing", "is_true.scene", "is_true.change"."""
    shown = "change" if len(pictures) > 1 else "thing" if pictures and pictures[0].thing is not None else "scene"
    if isinstance(question, Choose) and question.question == WHAT_IS_IT and shown == "thing":
        return KIND_SKILL
    return f"{name_of(question)}.{shown}"


def words_of(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"[^\W_]+", text.lower())}


@dataclass(frozen=True)
class Calibration:
    """Thresholds for one model through one camera.

    Attributes:
        revision: The model it was made for.
        camera: Whose pictures it speaks of; None only where it is not valid.
        valid: False where no file fits; then nothing is surer than unsure. `note` says why.
    """

    revision: str
    valid: bool = True
    note: str = ""
    camera: CameraId | None = None
    skills: dict[str, Skill] = field(default_factory=dict)

    @staticmethod
    def absent(revision: str, note: str) -> Calibration:
        return Calibration(revision, valid=False, note=note)

    @staticmethod
    def of(stored: CalibrationFile) -> Calibration:
        """For the model that it was made for."""
        return Calibration(stored.model.revision, camera=stored.camera, skills=dict(stored.skills))

    @staticmethod
    def load(path: str | Path, revision: str, head: str | None = None) -> Calibration:
        """Read a calibration; one that is missing, unreadable or made for other weights or prompts counts as absent.

        Args:
            head: Revision of the question head; what was calibrated with another one is left out. None: not compared.
        """
        try:
            stored = CalibrationFile.read(Path(path))
        except FileNotFoundError:
            return _loudly(revision, f"no calibration at {path}")
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0]
            return _loudly(revision, f"the calibration {path} cannot be read ({first})")
        if stored.model.revision != revision:
            return _loudly(
                revision, f"the calibration {path} was made for model {stored.model.revision}, this is {revision}"
            )
        skills, note = dict(stored.skills), ""
        if head is not None and stored.model.head != head:
            lost = [name for name in skills if name != KIND_SKILL]
            skills = {name: skill for name, skill in skills.items() if name == KIND_SKILL}
            if lost:
                note = f"{', '.join(lost)} of {path} was made for question head {stored.model.head or 'none'}, " + (
                    f"this is {head or 'none'}: never sure; make it again with `vlm-bt calibrate`"
                )
                log.warning(note)
        return Calibration(revision, True, note, stored.camera, skills)

    def plausible(
        self, probabilities: Sequence[float] | NDArray[np.floating[Any]], options: Sequence[str], error_rate: float
    ) -> tuple[str, ...]:
        """What a thing may be: the options that cannot be ruled out, likeliest first.

        Args:
            probabilities: One per option and a last one for "something else".

        Returns:
            One member: sure. Several: unsure between them, `OTHER` among them where it may be none of the options.
            None: sure that no option fits. An option that was never calibrated is never ruled out.
        """
        row = np.asarray(probabilities, np.float64)
        labels = (*options, OTHER)
        if row.shape != (len(labels),):
            raise ValueError(
                f"{len(labels)} probabilities are needed (one per option, one for {OTHER!r}), got {row.shape}"
            )
        skill = self.skills.get(KIND_SKILL)
        if not self.valid or skill is None:
            return tuple(labels[i] for i in np.argsort(-row, kind="stable"))
        limits = [skill.threshold(label, error_rate) for label in labels]
        return _without_other(tuple(labels[i] for i in kept(scaled(row, skill.temperature), limits, error_rate)))

    def judged(self, result: Answer | Counted, question: Question, pictures: Sequence[Picture]) -> Answer | Counted:
        """The answer with what of it can be ruled out, and calibrated probabilities; or why no calibration holds."""
        why = self._silent_about(question, pictures)
        if isinstance(result, Counted):
            if why:
                return replace(result, uncalibrated=why)
            return self._number(result, question, self.skills[skill_of(question, pictures)])
        if why:
            ranked = sorted(range(len(result.options)), key=lambda i: -result.probabilities[i])
            return replace(result, plausible=tuple(result.options[i] for i in ranked), uncalibrated=why)
        return self._answer(result, question, self.skills[skill_of(question, pictures)])

    def _answer(self, answer: Answer, question: Question, skill: Skill) -> Answer:
        assert isinstance(question, (IsTrue, Choose))
        row = scaled(np.array([*answer.probabilities, answer.outside]), skill.temperature)
        new: set[str] = set()
        labels = answer.options
        if isinstance(question, Choose):
            labels = (*labels, OTHER)
            new = {option for option in answer.options if skill.words and not words_of(option) <= set(skill.words)}
        limits = [np.inf if label in new else skill.threshold(label, question.error_rate) for label in labels]
        found = tuple(labels[i] for i in kept(row[: len(labels)], limits, question.error_rate))
        if skill.temperature != 1.0:
            shares = tuple(float(p) for p in row)
            answer = replace(answer, probabilities=shares[:-1], outside=shares[-1])
        return replace(answer, plausible=_without_other(found), calibrated=True)

    @staticmethod
    def _number(result: Counted, question: Question, skill: Skill) -> Counted:
        assert isinstance(question, HowMany)
        said = np.array(result.probabilities, np.float64)[None]
        row = counted(np.array([result.number]), said, skill.temperature, skill.blur, skill.decay)[0]
        limits = [skill.threshold(str(number), question.error_rate) for number in range(len(row))]
        found = tuple(sorted(kept(row, limits, question.error_rate)))
        return replace(result, probabilities=tuple(float(p) for p in row), plausible=found, calibrated=True)

    def _silent_about(self, question: Question, pictures: Sequence[Picture]) -> str:
        """Why the calibration does not speak of this question; empty where it does."""
        if not self.valid:
            return self.note
        frame = pictures[-1].frame
        seen = CameraId(name=frame.camera, width=frame.intrinsics.width, height=frame.intrinsics.height)
        if seen != self.camera:
            return f"calibrated for camera {self.camera}, this is {seen}"
        name = skill_of(question, pictures)
        skill = self.skills.get(name)
        if skill is None:
            return f"{name} is not calibrated for camera {self.camera}"
        if isinstance(question, (IsTrue, Choose)) and question.wording not in skill.wordings:
            return f"wording {question.wording} of {name} is not calibrated"
        asked = ""
        if isinstance(question, (IsTrue, HowMany)):
            asked = question.claim if isinstance(question, IsTrue) else question.phrase
        strange = words_of(asked) - set(skill.words) if skill.words else set()
        return f"{name} was calibrated without the word {min(strange)!r}" if strange else ""


@dataclass(frozen=True)
class Calibrations:
    """All calibrations of one model, by the name of the camera.

    Attributes:
        note: Of files that cannot be used, and where there is none at all.
    """

    revision: str
    by_camera: dict[str, Calibration]
    note: str = ""

    @staticmethod
    def open(where: Path | None, name: str, revision: str, head: str = "") -> Calibrations:
        """Read those of a folder (`<name>-<camera>.json`), or one file.

        Args:
            where: The folder of the shipped configurations if not given.
            name: What the configuration calls the model.
        """
        where = calibration_folder() if where is None else where
        is_file = where.suffix == ".json"
        paths = [where] if is_file else sorted(where.glob(file_name(glob.escape(name), "*")))
        if not paths:
            note = _loudly(revision, f"no calibration at {where / file_name(name, '<camera>')}").note
            return Calibrations(revision, {}, note)
        read = [Calibration.load(path, revision, head) for path in paths]
        found = {one.camera.name: one for one in read if one.valid and one.camera is not None}
        return Calibrations(revision, found, "; ".join(one.note for one in read if one.note))

    @property
    def valid(self) -> bool:
        """Whether anything at all can be sure."""
        return bool(self.by_camera)

    @property
    def covers(self) -> tuple[str, ...]:
        """ "overhead 1280x720: what_is_it, is_true.thing" for each camera."""
        return tuple(f"{one.camera}: {', '.join(one.skills)}" for one in self.by_camera.values())

    def judged(self, result: Answer | Counted, question: Question, pictures: Sequence[Picture]) -> Answer | Counted:
        """See `Calibration.judged`; by the camera of the last picture."""
        camera = pictures[-1].frame.camera if pictures else ""
        known = self.by_camera.get(camera)
        if known is None:
            there = ", ".join(str(one.camera) for one in self.by_camera.values())
            note = f"no calibration for camera {camera!r}; there is one for {there}" if there else self.note
            known = Calibration.absent(self.revision, note)
        return known.judged(result, question, pictures)


def kept(row: NDArray[np.float64], limits: Sequence[float], error_rate: float) -> list[int]:
    """Which answers cannot be ruled out, likeliest first; never none.

    Args:
        row: (K,) probabilities. limits: (K,) greatest 1 - probability that an answer may have.
    """
    order = np.argsort(-row, kind="stable")
    found = [int(i) for i in order if 1.0 - row[i] <= limits[i]]
    if not found:
        # Nothing looks like a usual example of anything: that is doubt, not knowledge.
        shares = np.cumsum(row[order])
        found = [int(i) for i in order[: max(2, int(np.searchsorted(shares, 1.0 - error_rate)) + 1)]]
    return found


def _without_other(found: tuple[str, ...]) -> tuple[str, ...]:
    return () if found == (OTHER,) else found


def _loudly(revision: str, note: str) -> Calibration:
    text = f"{note}: {REMEDY}"
    log.warning(text)
    return Calibration.absent(revision, text)
