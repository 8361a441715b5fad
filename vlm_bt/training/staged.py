"""Scenes to learn from and to be tested on: what to stage, and what is then known of every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlm_bt.types import Box, Frame

Event = Literal["nothing", "placed", "missed_grasp", "dropped", "wrong_zone", "knocked_over", "taken", "added"]
Hazard = Literal["person", "hand", "spill", "warning sign"]

EVENTS: tuple[Event, ...] = (
    "nothing",
    "placed",
    "missed_grasp",
    "dropped",
    "wrong_zone",
    "knocked_over",
    "taken",
    "added",
)
HAZARDS: tuple[Hazard, ...] = ("person", "hand", "spill", "warning sign")


@dataclass(frozen=True)
class Truth:
    """One thing as the renderer knows it, in one frame.

    Attributes:
        kind: A kind of `vision.vocabulary.KINDS`, one of `simulation.tools.HELD_OUT`, or "odd".
        position: Middle of the rectangle around its outline, metres, base frame.
        yaw_rad: Direction of its length in the base frame.
        box: Around its visible pixels; None where none is.
        visible: Share of its silhouette that nothing hides and the picture's edge does not cut, 0..1.
        touching: Names of the things whose outlines, seen from above, come within 1 mm of its own.
        written: What is printed on it; "" where nothing is.
        stands: On its end, instead of lying.
    """

    name: str
    kind: str
    colour: str
    parts: tuple[str, ...]
    length_m: float
    position: tuple[float, float, float]
    yaw_rad: float
    box: Box | None
    visible: float
    zone: str | None
    touching: tuple[str, ...]
    written: str
    stands: bool = False


@dataclass(frozen=True, eq=False)
class Staged:
    """A scene: one frame, or one before and one after something happened.

    Attributes:
        truths: Per frame, every thing on the bench.
        event: What happened between the frames ("nothing" for one frame).
        about: Name of the thing that it happened to. goal: Zone that it was meant for.
        notes: Texts that lie on the bench.
        shows: Per frame, (H, W) int16: 1 and up for the things in the order of `truths`, 0 for anything else.
    """

    seed: int
    frames: tuple[Frame, ...]
    truths: tuple[tuple[Truth, ...], ...]
    event: Event
    about: str | None
    goal: str | None
    hazards: tuple[Hazard, ...]
    notes: tuple[str, ...]
    shows: tuple[NDArray[np.int16], ...] = ()


@dataclass(frozen=True)
class Order:
    """What to stage; the default is a bench as missions have it.

    Attributes:
        things: How many lie there, at most 25; None: drawn.
        pairs: Which pairs of colour and kind (`training.held_out.HELD_OUT_PAIRS`); "held_out": every thing of a known
            kind shows such a pair.
        clutter: "touching": about half of the things touch another one.
        event: What happens between two frames; None: one frame only.
        labels: Printed on about half of the larger things, true or not; "lying" adds notes that do not hold.
        light: -1 almost dark .. 0 usual .. 1 glaring. blur, noise: 0 usual .. 1 extreme.
        camera: "cell": another lens, viewpoint, noise, light and other materials.
        held_out_kinds: Whether the kinds that training never shows may lie there.
    """

    things: int | None = None
    pairs: Literal["seen", "held_out", "any"] = "any"
    clutter: Literal["apart", "touching"] = "apart"
    event: Event | None = None
    hazards: tuple[Hazard, ...] = ()
    labels: Literal["none", "honest", "lying"] = "none"
    light: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    camera: Literal["bench", "cell"] = "bench"
    held_out_kinds: bool = True

    def __post_init__(self) -> None:
        """Raises: ValueError: A figure out of its range."""
        for name, value, low in (("light", self.light, -1), ("blur", self.blur, 0), ("noise", self.noise, 0)):
            if not low <= value <= 1:
                raise ValueError(f"{name} is {value:g}; it goes from {low} to 1")
        if self.things is not None and not 0 <= self.things <= MOST_THINGS:
            raise ValueError(f"{self.things} things are asked for; a bench holds 0 to {MOST_THINGS}")


MOST_THINGS = 25
