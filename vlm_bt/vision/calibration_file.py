"""The calibration file of one model and one camera: `config/calibration/<model>-<camera>.json`, checked by pydantic."""

from __future__ import annotations

import datetime
import itertools
import json
import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlm_bt.vision.conformal import Thresholds

FORM = 2
ANY = "*"
"""The class that stands for every answer where answers differ from question to question."""

QuestionName = Literal["choose", "is_true", "how_many"]
Rate = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class ModelId(_Strict):
    """Which model and prompts: `revision` changes with either. `head`: of what answers all but what a thing is, where
    that can be exchanged apart from the rest."""

    name: str
    revision: str
    head: str = ""


class CameraId(_Strict):
    """Name as in the configuration, and the size of its pictures in pixels."""

    name: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    def __str__(self) -> str:
        return f"{self.name} {self.width}x{self.height}"


class Data(_Strict):
    """What it was made from: seeds (first, last) of the simulation, or a folder of pictures by its last name.

    `sha256`: of the questions, the right answers and the scores.
    """

    seeds: tuple[int, int] | None = None
    folder: str | None = None
    groups: int = Field(ge=1)
    examples: int = Field(ge=1)
    sha256: str


class ClassFile(_Strict):
    """Thresholds of one answer: `count` examples; `above` by error rate."""

    count: int = Field(ge=1)
    above: dict[Rate, Fraction]

    @field_validator("above")
    @classmethod
    def _falls(cls, above: dict[float, float]) -> dict[float, float]:
        found = [above[rate] for rate in sorted(above)]
        if any(later > earlier for earlier, later in itertools.pairwise(found)):
            raise ValueError("a laxer error rate has a higher threshold")
        return above

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.count, self.above)


class Skill(_Strict):
    """One type of question about one sort of picture.

    Attributes:
        wordings: The wordings of the prompt that were asked; another one is not calibrated.
        words: Every word of the questions that were asked; a question with another word is not calibrated. Empty: any.
        temperature, blur, decay: See `conformal.scaled` and `conformal.counted`.
        classes: By right answer; `ANY` for all of them together.
    """

    question: QuestionName
    wordings: tuple[int, ...]
    words: tuple[str, ...] = ()
    temperature: float = Field(1.0, gt=0)
    blur: Fraction = 0.0
    decay: float = Field(0.5, gt=0, lt=1)
    classes: dict[str, ClassFile]
    data: Data
    date: datetime.date

    @field_validator("classes")
    @classmethod
    def _some(cls, classes: dict[str, ClassFile]) -> dict[str, ClassFile]:
        if not classes:
            raise ValueError("a skill without classes")
        return classes

    def threshold(self, answer: str, error_rate: float) -> float:
        """A score (1 - probability) above it rules the answer out; infinite where it was not calibrated."""
        found = self.classes.get(answer) or self.classes.get(ANY)
        return found.thresholds.at(error_rate) if found is not None else math.inf


class CalibrationFile(_Strict):
    """All skills of one model, seen through one camera."""

    form: Literal[2] = 2
    model: ModelId
    camera: CameraId
    skills: dict[str, Skill]

    @staticmethod
    def read(path: Path) -> CalibrationFile:
        """Raises: OSError, ValueError (pydantic's and json's among them)."""
        return CalibrationFile.model_validate_json(path.read_text(encoding="utf-8"))

    def write(self, path: Path) -> None:
        """One class a line; replaces the file as a whole."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        text = re.sub(r"[{\[][^{}\[\]]*[}\]]", lambda found: " ".join(found[0].split()), text)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)


def file_name(model: str, camera: str) -> str:
    return f"{model}-{camera}.json"
