"""The file of a scripted model: rules, tried in order, with answers, delays and faults. Checked by pydantic."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from vlm_bt.errors import ConfigError
from vlm_bt.questions import (
    NAMES,
    Choose,
    Describe,
    Embed,
    Ground,
    HowMany,
    IsTrue,
    Question,
    name_of,
)
from vlm_bt.vision.model import Asked
from vlm_bt.vision_settings import Strict

ANSWER_KEYS: dict[str, str] = {
    "ground": "boxes",
    "is_true": "p_yes",
    "choose": "probabilities",
    "how_many": "number",
    "describe": "text",
    "read_text": "lines",
    "embed": "vector",
}
"""Which key of a rule answers which question."""
FAULTS = ("hang", "raise", "out_of_memory", "exit", "kill", "garbage", "unsupported")


class When(Strict):
    """What a rule is for; everything that is given must fit.

    Attributes:
        question: One type of question, or several.
        about: The phrase, claim, question, hint or text that is asked: exactly, or with the wildcards * ? [..].
        camera: Of the last frame that is shown. part: index of the thing that it shows.
    """

    question: str | tuple[str, ...] = ()
    about: str | None = None
    camera: str | None = None
    part: int | None = None

    @field_validator("question")
    @classmethod
    def _known(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in (value,) if isinstance(value, str) else value:
            if name not in NAMES:
                raise ValueError(f"no question is called {name!r}; there are: {', '.join(NAMES)}")
        return value

    def fits(self, asked: Asked) -> bool:
        question, last = asked.question, asked.pictures[-1] if asked.pictures else None
        names = (self.question,) if isinstance(self.question, str) else self.question
        about = about_of(question)
        return (
            (not names or name_of(question) in names)
            and (self.about is None or about == self.about or fnmatchcase(about, self.about))
            and (self.camera is None or (last is not None and last.frame.camera == self.camera))
            and (self.part is None or (last is not None and last.look.part == self.part))
        )


class Place(Strict):
    """A box in pixels of the whole frame, (x0, y0, x1, y1), or the thing with this index in its segmentation."""

    box: tuple[int, int, int, int]
    score: float = Field(1.0, ge=0, le=1)
    part: int | None = None


class Act(Strict):
    """How long something takes, and what goes wrong. At most one fault."""

    times: int | None = Field(None, ge=1)
    takes_s: float = Field(0.0, ge=0)
    works_s: float = Field(0.0, ge=0)
    """As `takes_s`, but a core is busy for so long."""
    hang: bool = False
    raise_: str | None = Field(None, alias="raise")
    out_of_memory: int | None = Field(None, ge=0)
    exit: int | None = Field(None, ge=0, le=255)
    kill: bool = False
    garbage: bool = False
    unsupported: str | None = None

    @property
    def faults(self) -> list[str]:
        """Names of the faults that are given."""
        given = {name: getattr(self, "raise_" if name == "raise" else name) for name in FAULTS}
        return [name for name, value in given.items() if value is not None and value is not False]

    @model_validator(mode="after")
    def _one_fault(self) -> Act:
        if len(self.faults) > 1:
            raise ValueError(f"give one fault, not {' and '.join(self.faults)}")
        return self


class Rule(Act):
    """What to answer where `when` fits; several keys of answers make it a rule for several types of questions."""

    when: When = When()
    boxes: tuple[Place, ...] | None = None
    p_yes: float | None = Field(None, ge=0, le=1)
    probabilities: dict[str, float] | tuple[float, ...] | None = None
    outside: float | None = Field(None, ge=0, le=1)
    number: int | None = Field(None, ge=0)
    numbers: tuple[float, ...] = ()
    text: str | None = None
    lines: tuple[str, ...] | None = None
    vector: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Rule:
        given = [key for key in ANSWER_KEYS.values() if getattr(self, key) is not None]
        if not given and not self.faults:
            known = ", ".join(ANSWER_KEYS.values())
            raise ValueError(f"give an answer ({known}) or a fault ({', '.join(FAULTS)})")
        if self.p_yes is not None and self.p_yes + (self.outside or 0.0) > 1.0 + 1e-9:
            raise ValueError("p_yes and outside are more than 1 together")
        chances = self.probabilities or ()
        shares = tuple(chances.values()) if isinstance(chances, dict) else chances
        if any(share < 0 for share in shares) or sum(shares) + (self.outside or 0.0) > 1.0 + 1e-9:
            raise ValueError("probabilities and outside are each at least 0 and at most 1 together")
        if self.vector is not None and not any(self.vector):
            raise ValueError("vector has no direction")
        return self

    def holds_for(self, asked: Asked) -> bool:
        """Whether it fits and has an answer to this type of question, or a fault."""
        answers = getattr(self, ANSWER_KEYS[name_of(asked.question)]) is not None
        return (answers or bool(self.faults)) and self.when.fits(asked)


class Script(Strict):
    """A whole file.

    Attributes:
        answers: The questions the model answers itself; all of them if not given.
        starting: What happens while the model loads.
        tally: File in which it is counted how often each rule has held, so that `times` outlives the process; without
            it every new process counts from nothing.
    """

    revision: str = "scripted"
    answers: tuple[str, ...] = tuple(NAMES)
    starting: Act = Act()  # type: ignore[call-arg]
    tally: Path | None = None
    rules: tuple[Rule, ...] = ()

    @field_validator("starting")
    @classmethod
    def _can_happen(cls, value: Act) -> Act:
        if value.garbage or value.unsupported is not None:
            raise ValueError(f"{value.faults[0]} is no fault of a start")
        return value

    @field_validator("answers")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        When.model_validate({"question": value})
        return value


def load_script(path: Path) -> Script:
    """Read a script; its `tally` is beside it.

    Raises:
        ConfigError: It cannot be read, is no YAML, or has wrong keys or values; every one of them is named.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file under script") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML\n{error}") from error
    try:
        script = Script.model_validate(data if data is not None else {})
    except ValidationError as error:
        lines = [f"{path}: the script does not fit"]
        lines += [f"  {'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error
    return script if script.tally is None else script.model_copy(update={"tally": path.parent / script.tally})


def about_of(question: Question) -> str:
    """The words of a question; "" where it has none."""
    if isinstance(question, (Ground, HowMany)):
        return question.phrase
    if isinstance(question, IsTrue):
        return question.claim
    if isinstance(question, Choose):
        return question.question
    if isinstance(question, Describe):
        return question.hint
    return question.text if isinstance(question, Embed) else ""
