"""What a remote model is asked in words, the form its answer must have, and the answer read with suspicion.

Nothing that comes back is trusted: what does not have exactly the form that was asked for is an error, never a result.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlm_bt.errors import ModelError
from vlm_bt.questions import (
    MOST_COUNTED,
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
)
from vlm_bt.types import Answer, Box
from vlm_bt.vision import prompts
from vlm_bt.vision.backends.answer_token import Token, chances
from vlm_bt.vision.model import Unsupported

STATED = 0.75
"""What a stated answer counts as where the endpoint gives no log-probabilities: a convention, not a measurement. It
lies below every sensible `sure_above`, so that a stated answer alone never counts as sure; the rest is shared evenly
by the other options and "none of these"."""
LONGEST_REPLY = 65536
LONGEST_TEXT = 4000
LONGEST_LINE = 500
MOST_LINES = 200
MOST_BOXES = 64
ANSWERS: frozenset[type[Question]] = frozenset({Ground, IsTrue, Choose, HowMany, Describe, ReadText})

_BOX = {
    "type": "object",
    "properties": {"bbox_2d": {"type": "array", "items": {"type": "integer"}}, "label": {"type": "string"}},
    "required": ["bbox_2d", "label"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Form:
    """A question in words, and the form of its answer.

    Attributes:
        schema: JSON schema of {"answer": ...}. sample: an example of it.
    """

    question: Question
    prompt: prompts.Prompt
    schema: Mapping[str, Any]
    sample: str

    def text(self, as_json: bool) -> str:
        if not as_json:
            return self.prompt.text
        return f"{self.prompt.text}\nWrite your answer as JSON and nothing else, like this: {self.sample}"


@dataclass(frozen=True)
class Said:
    """What came back. `tokens` is empty where the endpoint gives no log-probabilities."""

    text: str
    tokens: tuple[Token, ...] = ()


def form_of(question: Question, pictures: int) -> Form:
    """Raises: Unsupported: A remote model cannot be asked this."""
    match question:
        case IsTrue(claim=claim, wording=wording):
            return _form(question, prompts.yes_no(claim, wording, pictures))
        case Choose(question=asked, options=options, wording=wording):
            return _form(question, prompts.choose(asked, options, wording, pictures))
        case HowMany(phrase=phrase):
            return _form(question, prompts.how_many(phrase, pictures), {"type": "integer"}, "2")
        case Ground(phrase=phrase):
            sample = '[{"bbox_2d": [100, 200, 300, 400], "label": "..."}]'
            return _form(question, prompts.ground(phrase, pictures), {"type": "array", "items": _BOX}, sample)
        case Describe(hint=hint):
            return _form(question, prompts.describe(hint, pictures), {"type": "string"}, '"..."')
        case ReadText():
            lines = {"type": "array", "items": {"type": "string"}}
            return _form(question, prompts.read_text(pictures), lines, '["first line", "second line"]')
    raise Unsupported("a remote chat model gives no embeddings: route `embed` to a model on this machine")


def read(form: Form, said: Said, area: Box) -> Result:
    """The typed answer.

    Args:
        area: What the last picture shows, in pixels of the whole frame.

    Raises:
        ModelError: The reply does not have the form that was asked for.
    """
    if len(said.text) > LONGEST_REPLY:
        raise ModelError(f"the reply has {len(said.text)} characters, at most {LONGEST_REPLY} are read")
    text = said.text.strip()
    match form.question:
        case IsTrue(claim=claim):
            found, outside = _probabilities(form, said, text)
            return Answer(claim, YES_NO, found, outside=outside)
        case Choose(question=asked, options=options):
            found, outside = _probabilities(form, said, text)
            return Answer(asked, options, found[:-1], outside=outside + found[-1])
        case HowMany(phrase=phrase):
            return Counted(phrase, _count(_value(text)))
        case Ground(phrase=phrase, least_score=least):
            boxes = _boxes(_value(text), area)
            return Grounded(phrase, tuple(Found(box, STATED) for box in boxes) if least <= STATED else ())
        case Describe():
            return Caption(_line(_value(text, text), LONGEST_TEXT))
        case _:
            lines = _list(_value(text, text.splitlines()), MOST_LINES, "lines")
            read_out = (_line(line, LONGEST_LINE) for line in lines)
            return ReadOut(tuple(TextLine(line, STATED) for line in read_out if line))


def _form(
    question: Question, prompt: prompts.Prompt, answer: Mapping[str, Any] | None = None, sample: str = ""
) -> Form:
    if answer is None:
        answer = {"type": "string", "enum": list(prompt.answers)}
        sample = f'"{prompt.answers[0]}"'
    schema = {
        "title": "answer",
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return Form(question, prompt, schema, f'{{"answer": {sample}}}')


def _probabilities(form: Form, said: Said, text: str) -> tuple[tuple[float, ...], float]:
    """One for each of the expected words, in order, and the mass outside them."""
    words = form.prompt.answers
    if _is_json(text):
        stated = _value(text)
        if not isinstance(stated, str) or stated.strip().casefold() not in [word.casefold() for word in words]:
            raise ModelError(f"the answer is {_shown(stated)}, which is none of {', '.join(words)}")
        start = re.search(r'"answer"\s*:\s*"\s*', said.text)
        at = start.end() if start else None
    else:
        stated = re.match(r"\W*(\w*)", text).group(1)  # type: ignore[union-attr]
        at = len(said.text) - len(said.text.lstrip())
    given = chances(words, said.tokens, said.text, at) if at is not None else None
    if given is not None:
        return given
    index = next((n for n, word in enumerate(words) if word.casefold() == stated.strip().casefold()), None)
    if index is None:
        raise ModelError(f"the reply begins with {_shown(text)}, which is none of {', '.join(words)}")
    # A choice has its "none of these" among its words already; yes and no leave a share outside.
    closed = isinstance(form.question, Choose)
    rest = (1 - STATED) / (len(words) - closed)
    return tuple(STATED if n == index else rest for n in range(len(words))), 0.0 if closed else rest


def _is_json(text: str) -> bool:
    return text.startswith(("{", "[", "```"))


def _value(text: str, otherwise: Any = None) -> Any:
    """What stands under "answer", or a bare JSON value; `otherwise` where the text is no JSON at all."""
    fenced = re.fullmatch(r"```\w*\s*(.*?)\s*```", text, re.DOTALL)
    inner = fenced.group(1) if fenced else text
    if otherwise is not None and not _is_json(text):
        return otherwise
    try:
        value = json.loads(inner, object_pairs_hook=_no_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the reply is no JSON ({_shown(str(error))}): {_shown(text)}") from None
    if not isinstance(value, dict):
        return value
    if set(value) != {"answer"}:
        raise ModelError(f'the reply must hold "answer" and nothing else, it holds: {_shown(", ".join(value))}')
    return value["answer"]


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNTED:
        raise ModelError(f"a number from 0 to {MOST_COUNTED} was asked for, the reply says {_shown(value)}")
    return value


def _boxes(value: Any, area: Box) -> list[Box]:
    """Boxes in thousandths of `area`, in pixels of the frame."""
    width, height = area.x1 - area.x0, area.y1 - area.y0
    found = []
    for place in _list(value, MOST_BOXES, "boxes"):
        if not isinstance(place, dict) or not {"bbox_2d"} <= set(place) <= {"bbox_2d", "label"}:
            raise ModelError(f"a place must hold bbox_2d and label, the reply has {_shown(place)}")
        sides = _list(place["bbox_2d"], 4, "numbers")
        if len(sides) != 4 or not all(_is_number(side) and 0 <= side <= prompts.WHOLE for side in sides):
            raise ModelError(f"a box is four numbers from 0 to {prompts.WHOLE}, the reply has {_shown(sides)}")
        x0, y0, x1, y1 = (side / prompts.WHOLE for side in sides)
        box = Box(
            area.x0 + math.floor(x0 * width),
            area.y0 + math.floor(y0 * height),
            area.x0 + math.ceil(x1 * width),
            area.y0 + math.ceil(y1 * height),
        )
        if box.x1 <= box.x0 or box.y1 <= box.y0:
            raise ModelError(f"a box runs from its upper left to its lower right corner, the reply has {_shown(sides)}")
        found.append(box)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _list(value: Any, most: int, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ModelError(f"a list of {what} was asked for, the reply has {_shown(value)}")
    if len(value) > most:
        raise ModelError(f"the reply lists {len(value)} {what}, at most {most} are read")
    return value


def _line(value: Any, longest: int) -> str:
    """A text as one line without control characters."""
    if not isinstance(value, str):
        raise ModelError(f"a text was asked for, the reply has {_shown(value)}")
    if len(value) > longest:
        raise ModelError(f"the reply's text has {len(value)} characters, at most {longest} are read")
    return _printable(value)


def _printable(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text).split())


def _shown(value: Any) -> str:
    """The beginning of what came back, for an error text."""
    text = value if isinstance(value, str) else repr(value)
    return repr(_printable(text[:80]) + ("..." if len(text) > 80 else ""))
