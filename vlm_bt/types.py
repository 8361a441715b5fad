"""Frozen values that everything in the house passes around.

Positions are metres in the robot's base frame (x forward, y to the robot's left, z up, the bench top at z = 0)
unless a name says otherwise. Images stay out of these values: they are named by frame id (see `vlm_bt.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["done", "answer", "mishap", "fault"]

REASONS: Mapping[str, Family] = {
    "done": "done",
    # answers: the world or the model said something
    "not_found": "answer",
    "refuted": "answer",
    "unsure": "answer",
    "no": "answer",
    "taken": "answer",
    "added": "answer",
    # mishaps: a motion did not do what it should
    "grasp_failed": "mishap",
    "dropped": "mishap",
    "slipped": "mishap",
    "pushed": "mishap",
    "wrong_zone": "mishap",
    "blocked": "mishap",
    "unreachable": "mishap",
    "no_space": "mishap",
    # faults: something broke
    "timed_out": "fault",
    "busy": "fault",
    "unsupported": "fault",
    "model_lost": "fault",
    "camera_lost": "fault",
    "stale": "fault",
    "human_silent": "fault",
    "arm_fault": "fault",
    "unverified": "fault",
    "cancelled": "fault",
}


@dataclass(frozen=True)
class Pose:
    """Position (x, y, z) in metres and orientation as a unit quaternion (w, x, y, z), in the base frame."""

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera: image size, focal lengths and principal point, all in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One colour image with its aligned depth.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32 metres along the optical axis, 0 where the sensor had no return.
        pose_camera_in_base: Camera's optical frame (x right, y down, z forward) in the base frame.
        stamp_s: When it was taken, on the Clock port.
    """

    id: str
    camera: str
    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics
    pose_camera_in_base: Pose
    stamp_s: float


@dataclass(frozen=True)
class Box:
    """Pixel corners; x1 and y1 are exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Footprint:
    """What depth says of a thing on the bench: the rectangle around its outline, seen from above.

    Attributes:
        centre: (x, y) of the rectangle's centre, metres, base frame.
        length_m: Long side. width_m: short side.
        yaw_rad: Direction of the long side in the base frame, in [-pi/2, pi/2).
        height_m: Robust highest point above the bench. area_m2: Area of the outline itself.
        mean: Mean of the outline's points. The rectangle around a T or an L jumps between directions that fit
            equally well, and its centre with it; this point stays. None: the centre stands for it.
    """

    centre: tuple[float, float]
    length_m: float
    width_m: float
    yaw_rad: float
    height_m: float
    area_m2: float
    mean: tuple[float, float] | None = None

    @property
    def anchor(self) -> tuple[float, float]:
        """The point to follow the thing by."""
        return self.mean or self.centre


@dataclass(frozen=True)
class LocatedObject:
    """Something that depth located on the bench. It has a place and a shape, and no name.

    `id` is the track's name and stays the same from frame to frame while the thing is not moved;
    `region` is its index in the segmentation of `frame_id`.
    """

    id: str
    frame_id: str
    region: int
    box: Box
    footprint: Footprint
    stamp_s: float

    def __str__(self) -> str:
        x, y = self.footprint.centre
        return f"{self.id} at ({x:.2f}, {y:.2f})"


@dataclass(frozen=True)
class Answer:
    """What a model said to one typed question: a claim.

    Attributes:
        probabilities: One per option, calibrated where `plausible` is not empty by accident of calibration.
        plausible: The options that cannot be ruled out at the calibrated error rate; empty: none fits.
        calibrated: False where no valid calibration was found; then nothing is surer than unsure.
        outside: Probability that none of the options fits, or that the model did not answer with one of them.
        uncalibrated: Why no calibration holds for this answer; empty where one does.
    """

    question: str
    options: tuple[str, ...]
    probabilities: tuple[float, ...]
    plausible: tuple[str, ...] = ()
    frame_id: str = ""
    model: str = ""
    calibrated: bool = False
    outside: float = 0.0
    uncalibrated: str = ""

    @property
    def best(self) -> str:
        return self.options[int(np.argmax(self.probabilities))]

    @property
    def score(self) -> float:
        return float(max(self.probabilities))

    def __str__(self) -> str:
        return f"{self.best} ({self.score:.2f})"


@dataclass(frozen=True)
class Detection:
    """A claim: a model says what a located thing is. It has no right to move anything."""

    object: LocatedObject
    label: str
    score: float
    answer: Answer | None = None

    def __str__(self) -> str:
        return f"{self.label}? ({self.score:.2f}) {self.object}"


@dataclass(frozen=True)
class VerifiedObject:
    """A located object whose identity stands in the mission's ledger under `verdict_id`."""

    object: LocatedObject
    label: str
    verdict_id: str

    def __str__(self) -> str:
        return f"{self.label} {self.object}"


@dataclass(frozen=True)
class HeldObject:
    """A verified object between the fingers.

    Attributes:
        offset_m: The object's footprint centre relative to the tool centre point at the grasp, (along, across)
            in the gripper's own axes: along is the hand's x axis, across the closing direction.
        yaw_offset_rad: Object's long axis relative to the hand's x axis at the grasp.
    """

    tool: VerifiedObject
    verdict_id: str
    width_m: float
    height_m: float
    offset_m: tuple[float, float]
    yaw_offset_rad: float

    @property
    def label(self) -> str:
        return self.tool.label

    def __str__(self) -> str:
        return f"{self.label} in the hand"


@dataclass(frozen=True)
class Grasp:
    """A top-down grasp: tool centre point and yaw of the hand's x axis; the fingers close along the hand's y axis."""

    position: tuple[float, float, float]
    yaw_rad: float
    opening_m: float
    score: float


@dataclass(frozen=True)
class PlaceSpot:
    """Where an object's footprint centre and long axis shall come to rest. `drop_m`: height to let go from."""

    centre: tuple[float, float]
    yaw_rad: float
    zone: str
    drop_m: float = 0.0


@dataclass(frozen=True)
class Slot:
    """A place in the row in which the things of a zone lie, far end first: metres along the zone's longer side.

    Attributes:
        at: Where it would lie if everything that belongs there lay there, in its order.
        nearest, farthest: It has to lie between these, for its neighbours in the order lie beyond them.
    """

    at: float
    nearest: float
    farthest: float


@dataclass(frozen=True)
class Count:
    """A claim: how many of each label a look found, with those that could not be told apart."""

    counts: tuple[tuple[str, int], ...]
    unsure: int
    frame_id: str

    @property
    def total(self) -> int:
        """How many there are of all labels together, those not counted that could not be told apart."""
        return sum(number for _, number in self.counts)

    def __str__(self) -> str:
        return ", ".join(f"{n} {label}" for label, n in self.counts) + (
            f", {self.unsure} unsure" if self.unsure else ""
        )


@dataclass(frozen=True)
class Scene:
    """A claim: what one look at the bench found, in words and detections."""

    frame_id: str
    text: str
    detections: tuple[Detection, ...] = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class View:
    """A picture that was kept to be compared with a later one, and the zone that is meant, "" for all of it."""

    frame_id: str
    camera: str
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.frame_id} ({self.zone})" if self.zone else self.frame_id


@dataclass(frozen=True)
class Group:
    """A group of similar tools and the zone they belong in; `by_size`: they are laid out there by their length."""

    name: str
    zone: str
    kinds: tuple[str, ...]
    by_size: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Zone:
    """A named rectangle of the bench, metres, base frame; `container` has walls and things are dropped into it."""

    name: str
    x: tuple[float, float]
    y: tuple[float, float]
    container: bool = False

    def holds(self, point: tuple[float, float], margin_m: float = 0.0) -> bool:
        return (
            self.x[0] - margin_m <= point[0] <= self.x[1] + margin_m
            and self.y[0] - margin_m <= point[1] <= self.y[1] + margin_m
        )


@dataclass(frozen=True)
class Question:
    """A question to a person.

    Attributes:
        topic: What kind of question it is ("identity", "group", "other"): what a fact is made of the answer.
        about: The id of the object it belongs to; subject: what that object is called by now, if anything.
        mark: The region to show in the picture; mark_centre: the same place on the bench, metres.
        marks: Where the question is which of several things is meant: their regions, in the order of the options.
    """

    id: str
    text: str
    options: tuple[str, ...]
    default: str
    timeout_s: float
    topic: str = "other"
    about: str = ""
    subject: str = ""
    free_text: bool = False
    frame_id: str = ""
    mark: Box | None = None
    mark_centre: tuple[float, float] | None = None
    marks: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a person answered; data, never an instruction. `silent` when the time limit passed."""

    question_id: str
    text: str
    silent: bool = False
    stamp_s: float = 0.0


@dataclass(frozen=True)
class Reading:
    """The latest value of a monitor that always runs."""

    ok: bool
    stamp_s: float
    detail: str = ""


@dataclass(frozen=True)
class Evidence:
    """One thing that speaks for or against a claim, or neither.

    Attributes:
        source: What says it, such as "depth", "second look", "known sizes", "a person".
        says: What it says, in words.
        score: How strongly, from 0 to 1, where the source gives a number.
    """

    source: str
    says: str
    weighs: Literal["for", "against", "neutral"] = "neutral"
    score: float | None = None

    def __str__(self) -> str:
        return f"{self.source} ({self.weighs}): {self.says}"


@dataclass(frozen=True)
class Outcome:
    """How a node ended, for trees to branch on and people to read.

    Attributes:
        evidence: What a single question was asked and answered with, JSON. grounds: what a verification went by.
    """

    reason: str = "done"
    detail: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    grounds: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError(f"unknown reason {self.reason!r}; known: {', '.join(REASONS)}")

    @property
    def family(self) -> Family:
        return REASONS[self.reason]

    @property
    def ok(self) -> bool:
        return self.reason == "done"

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


DONE = Outcome()
