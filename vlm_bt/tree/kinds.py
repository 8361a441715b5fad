"""The type table: every type that an input, an output or a variable of a tree can have.

Objects can't be written in YAML: they come from skills. What a model says is a claim, and so is every field of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_bt import types
from vlm_bt.tree.findings import Problem, did_you_mean, one_of
from vlm_bt.tree.source import Many, Scalar, Value
from vlm_bt.tree.source import Mapping as MappingValue

Parse = Callable[[Value, list[Problem]], Any]


@dataclass(frozen=True)
class Kind:
    """A type of the language.

    Attributes:
        python: The class its values have at run time.
        parse: Makes a value from YAML and adds what is wrong to the list; None where it can't be written in YAML.
        fields: Field name to the name of its type.
        claim: True for what a model says; a claim has no right to move anything.
        also: The wider type whose place it can take.
        items: The type of its items, where `for_each` can walk it.
    """

    name: str
    python: type | tuple[type, ...]
    help: str
    parse: Parse | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    claim: bool = False
    also: str = ""
    items: str = ""

    def __str__(self) -> str:
        return self.name

    def fits(self, wanted: Kind) -> bool:
        """Can a value of this type stand where `wanted` is expected? (Trust is checked apart.)"""
        return self.name == wanted.name or (self.also != "" and KINDS[self.also].fits(wanted))

    def accepts(self, value: Any) -> bool:
        """Is this Python value one of this type?"""
        if isinstance(value, bool) and self.python is not bool:
            return False
        if not isinstance(value, self.python):
            return False
        if not isinstance(value, tuple):
            return True
        return self.items == "" or all(KINDS[self.items].accepts(item) for item in value)


def describe(value: Value) -> str:
    """What an author wrote, in the words of an error."""
    if isinstance(value, Many):
        return "a list"
    if isinstance(value, MappingValue):
        return "a mapping"
    if value.value is None:
        return "nothing"
    if isinstance(value.value, bool):
        return f"{value.text}, a boolean"
    return f"{value.text[:40]!r}" if isinstance(value.value, str) else f"{value.text}, a number"


def _text(value: Value, problems: list[Problem]) -> str:
    if isinstance(value, Scalar) and isinstance(value.value, str):
        return value.value
    quote = f' Quote it: "{value.text}".' if isinstance(value, Scalar) and value.value is not None else ""
    problems.append(Problem("type", value.mark, f"expected text, not {describe(value)}", quote.strip()))
    return ""


def _number(value: Value, problems: list[Problem]) -> float:
    number = value.value if isinstance(value, Scalar) else None
    if isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < 1e15:
        return number
    problems.append(Problem("type", value.mark, f"expected a number, not {describe(value)}"))
    return 0.0


def _fraction(value: Value, problems: list[Problem]) -> float:
    before = len(problems)
    number = _number(value, problems)
    if len(problems) == before and not 0 <= number <= 1:
        problems.append(Problem("type", value.mark, f"expected a number from 0 to 1, not {describe(value)}"))
    return number


def _boolean(value: Value, problems: list[Problem]) -> bool:
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        return value.value
    problems.append(Problem("type", value.mark, f"expected true or false, not {describe(value)}"))
    return False


def _texts(value: Value, problems: list[Problem]) -> tuple[str, ...]:
    if not isinstance(value, Many):
        problems.append(
            Problem("type", value.mark, f"expected a list of text, not {describe(value)}", "Write it as [one, two].")
        )
        return ()
    return tuple(_text(item, problems) for item in value.items)


def _groups(value: Value, problems: list[Problem]) -> tuple[types.Group, ...]:
    shape = "Groups are written as name: {zone: NAME, kinds: [KIND, ...]}, with by_size: true for an order."
    if not isinstance(value, MappingValue) or not value.entries:
        problems.append(Problem("type", value.mark, f"expected groups, not {describe(value)}", shape))
        return ()
    taken: dict[str, str] = {}
    return tuple(_group(name, entry.value, entry.key, taken, problems, shape) for name, entry in value.entries.items())


_GROUP = ("zone", "kinds", "by_size")


def _group(
    name: str, body: Value, key: Scalar, taken: dict[str, str], problems: list[Problem], shape: str
) -> types.Group:
    given = body.entries if isinstance(body, MappingValue) else {}
    for wrong in [entry.key for key_name, entry in given.items() if key_name not in _GROUP]:
        hint = did_you_mean(wrong.text, _GROUP)
        problems.append(
            Problem(
                "unknown-key",
                wrong.mark,
                f"group {name!r} has no {wrong.text!r}",
                f"It takes: {', '.join(_GROUP)}.{hint}",
            )
        )
    missing = [part for part in ("zone", "kinds") if part not in given]
    if missing:
        problems.append(Problem("missing-key", key.mark, f"group {name!r} lacks {' and '.join(missing)}", shape))
        return types.Group(name, "", ())
    zone, kinds = _text(given["zone"].value, problems), given["kinds"].value
    members = _texts(kinds, problems)
    if isinstance(kinds, Many):
        if not members:
            problems.append(Problem("type", kinds.mark, f"group {name!r} has no kinds", shape))
        for member, item in zip(members, kinds.items, strict=True):
            if member and taken.setdefault(member, name) != name:
                message = f"{member!r} is in two groups, {taken[member]!r} and {name!r}"
                problems.append(Problem("type", item.mark, message))
    by_size = "by_size" in given and _boolean(given["by_size"].value, problems)
    return types.Group(name, zone, members, by_size)


_NUMBER = (int, float)

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("text", str, "words", _text),
        Kind("texts", tuple, "a list of text", _texts, items="text"),
        Kind("number", _NUMBER, "a number", _number),
        Kind("fraction", _NUMBER, "a number from 0 to 1", _fraction, also="number"),
        Kind("boolean", bool, "true or false", _boolean),
        Kind("zone", str, "the name of a zone of the bench", _text, also="text"),
        Kind("report", str, "what the mission wrote down", also="text"),
        Kind("claimed_text", str, "what a model said or read, in words", claim=True, also="text"),
        Kind(
            "claimed_texts",
            tuple,
            "what a model said or read, line by line",
            claim=True,
            also="texts",
            items="claimed_text",
        ),
        Kind(
            "group",
            types.Group,
            "similar tools and the zone they belong in",
            fields={"name": "text", "zone": "zone", "kinds": "texts"},
        ),
        Kind("groups", tuple, "every group, by name", _groups, items="group"),
        Kind("question", types.Question, "a question to a person", fields={"text": "text", "options": "texts"}),
        Kind(
            "answer",
            types.Answer,
            "what a model said to one question",
            fields={"question": "text", "best": "text", "score": "number", "options": "texts", "plausible": "texts"},
            claim=True,
        ),
        Kind(
            "located_object", types.LocatedObject, "something that depth located; it has no name", fields={"id": "text"}
        ),
        Kind(
            "detection",
            types.Detection,
            "what a model says a located thing is",
            fields={"object": "located_object", "label": "text", "score": "number", "answer": "answer"},
            claim=True,
        ),
        Kind("detections", tuple, "what a model says of several things", claim=True, items="detection"),
        Kind(
            "count",
            types.Count,
            "how many of each a look found",
            fields={"total": "number", "unsure": "number"},
            claim=True,
        ),
        Kind(
            "view",
            types.View,
            "a picture that was kept, to be compared with a later one",
            fields={"camera": "text", "zone": "text"},
        ),
        Kind(
            "scene",
            types.Scene,
            "what one look at the bench found",
            fields={"text": "text", "detections": "detections"},
            claim=True,
        ),
        Kind(
            "verified_object",
            types.VerifiedObject,
            "a located object whose identity was verified",
            fields={"object": "located_object", "label": "text"},
        ),
        Kind(
            "held_object",
            types.HeldObject,
            "a verified object in the hand",
            fields={"tool": "verified_object", "label": "text"},
        ),
    )
}


WRITABLE = ("text", "number", "fraction", "boolean", "zone", "report", "texts", "claimed_text", "claimed_texts")
"""Types whose values are plain data, which may stand in a line of the record."""


def constant_kind(value: Value, named: str = "") -> Kind | None:
    """The type of a constant: the one that its author names, or the one that it looks like."""
    if named:
        return KINDS[named]
    if isinstance(value, Many):
        return KINDS["texts"]
    if isinstance(value, MappingValue) or value.value is None:
        return None
    number = isinstance(value.value, (int, float)) and not isinstance(value.value, bool)
    return KINDS["number" if number else "boolean" if isinstance(value.value, bool) else "text"]


def a(kind: Kind) -> str:
    """The type with its article; text and lists need none."""
    if kind.name in ("text", "texts", "groups", "detections"):
        return kind.name
    return f"an {kind}" if kind.name[0] in "aeiou" else f"a {kind}"


def kind_names() -> str:
    return one_of(KINDS)
