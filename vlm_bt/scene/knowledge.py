"""What is known of a kind before it is seen: plausible sizes, and what asks for care. Read from a file people edit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vlm_bt.errors import ConfigError
from vlm_bt.sentences import article
from vlm_bt.types import Evidence, Footprint

REMEDY = "a range is [least, most] in metres; docs/08-verification.md says what each key means"


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= span[0] <= span[1]:
        raise ValueError(f"{list(span)} is no range: write [least, most], with 0 <= least <= most")
    return span


Span = Annotated[tuple[float, float], AfterValidator(_rising)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kind(_Strict):
    """One kind of thing. Lengths are metres, (least, most).

    Attributes:
        length_m, width_m: Sides of the rectangle around it as it lies. height_m: its highest point above the bench.
        grasp_m: Opening of the fingers that hold it. weight: its class; what is heavy is not lifted unasked.
        sharp, fragile, liquid: What asks for care.
    """

    length_m: Span
    width_m: Span
    height_m: Span
    grasp_m: Span | None = None
    weight: Literal["light", "medium", "heavy"] = "light"
    sharp: bool = False
    fragile: bool = False
    liquid: bool = False

    @property
    def care(self) -> str:
        """What asks for care, such as "sharp and heavy"; empty where nothing does."""
        words = [name for name in ("sharp", "fragile") if getattr(self, name)]
        words += ["full of liquid"] * self.liquid + ["heavy"] * (self.weight == "heavy")
        return " and ".join(words)


class Knowledge(_Strict):
    """Everything that the file says.

    Attributes:
        reach_m: How far from its base, along the bench, the arm can take something, (least, most) metres.
        kinds: By the name that the model gives them. What is not listed is neither plausible nor implausible.
    """

    reach_m: Span = (0.0, 2.0)
    kinds: Mapping[str, Kind] = Field(default_factory=dict)

    def size(self, label: str, shape: Footprint) -> Evidence:
        """Whether what depth measured has a size of that kind."""
        known = self.kinds.get(label)
        if known is None:
            return Evidence("known sizes", f"nothing is known of {_a(label)}")
        for name, value, span in _sides(known, shape):
            if not span[0] <= value <= span[1]:
                said = f"it is {value * 1e3:.0f} mm {name}, {_a(label)} is {_mm(span)}"
                return Evidence("known sizes", said, "against")
        return Evidence("known sizes", f"{shape.length_m * 1e3:.0f} mm long, as {_a(label)} may be", "for")

    def reach(self, shape: Footprint) -> Evidence:
        """Whether the arm can get there at all."""
        away = math.hypot(*shape.centre)
        inside = self.reach_m[0] <= away <= self.reach_m[1]
        said = f"{away * 100:.0f} cm from the arm, which reaches {self.reach_m[0] * 100:.0f} to "
        return Evidence("reach", f"{said}{self.reach_m[1] * 100:.0f} cm", "for" if inside else "against")

    def grasp(self, label: str, opening_m: float) -> Evidence:
        """Whether fingers that hold something so wide may hold one of that kind."""
        known = self.kinds.get(label)
        if known is None or known.grasp_m is None:
            return Evidence("known widths", f"nothing is known of how wide {_a(label)} is between the fingers")
        fits = known.grasp_m[0] <= opening_m <= known.grasp_m[1]
        said = f"{opening_m * 1e3:.1f} mm between the fingers, {_a(label)} is {_mm(known.grasp_m)}"
        return Evidence("known widths", said, "for" if fits else "against")

    def care(self, label: str) -> str:
        """Why only a person may say that something is one: "a knife is sharp". Empty where nothing asks for care."""
        known = self.kinds.get(label)
        return f"{_a(label)} is {known.care}" if known is not None and known.care else ""


def load_knowledge(path: Path) -> Knowledge:
    """Read a knowledge file.

    Raises:
        ConfigError: It cannot be read, is no YAML, or something in it does not fit; every mistake with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another one: knowledge: FILE") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML\n{error}") from error
    lines = [f"{path}:{line}: {name!r} stands there twice" for line, name in _twice(node)]
    try:
        known = Knowledge.model_validate({} if data is None else data)
    except ValidationError as error:
        for one in error.errors():
            where = ".".join(str(part) for part in one["loc"]) or "file"
            said = one["msg"].removeprefix("Value error, ")
            lines.append(f"{path}:{_line(node, one['loc'])}: {where}: {said}")
        raise ConfigError("\n".join([*lines, REMEDY])) from error
    if lines:
        raise ConfigError("\n".join([*lines, "take one of them out"]))
    return known


def _sides(known: Kind, shape: Footprint) -> tuple[tuple[str, float, tuple[float, float]], ...]:
    return (
        ("long", shape.length_m, known.length_m),
        ("wide", shape.width_m, known.width_m),
        ("high", shape.height_m, known.height_m),
    )


def _mm(span: tuple[float, float]) -> str:
    return f"{span[0] * 1e3:.0f} to {span[1] * 1e3:.0f} mm"


def _a(label: str) -> str:
    return f"{article(label)} {label}"


def _line(node: Any, where: tuple[int | str, ...]) -> int:
    """The line of the innermost thing on the way that the file has; 1 is the first."""
    line = 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _twice(node: Any) -> list[tuple[int, str]]:
    """Keys that a mapping has twice, each with its line; PyYAML lets the last one win."""
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[str] = set()
    found: list[tuple[int, str]] = []
    for key, value in node.value:
        if key.value in seen:
            found.append((key.start_mark.line + 1, key.value))
        seen.add(key.value)
        found += _twice(value)
    return found
