"""What a mission's record is made of: one frozen value per channel, and the JSON Schema of each.

A record outlives the version that wrote it: a field that is missing takes its default, one that is unknown here stays
readable in `data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

Json = Mapping[str, Any]
Point = tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """One message. `tick` counts executive ticks, `t` is seconds on the mission's clock, `data` the message itself."""

    channel: ClassVar[str] = ""

    tick: int = 0
    t: float = 0.0
    data: Json = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Configuration(Entry):
    """What the mission ran on; every setting stands in `data`."""

    channel: ClassVar[str] = "configuration"


@dataclass(frozen=True)
class TreeSource(Entry):
    """A YAML file of the mission's tree, as it was loaded."""

    channel: ClassVar[str] = "tree"

    path: str = ""
    text: str = ""


@dataclass(frozen=True)
class SkillSource(Entry):
    """The card of a skill that the mission's tree uses, as it was loaded."""

    channel: ClassVar[str] = "skill"

    path: str = ""
    text: str = ""


@dataclass(frozen=True)
class Nodes(Entry):
    """The tree's shape, once: each node with `path` (child indices from the root), `name`, `type` and `skill`."""

    channel: ClassVar[str] = "nodes"

    nodes: tuple[Json, ...] = ()


@dataclass(frozen=True)
class StatusChange(Entry):
    """A node's status where it differs from the tick before. `path`: child indices from the root; `grounds`: what a
    verification went by, each with `source`, `says`, `weighs` (for, against or neutral) and `score`."""

    channel: ClassVar[str] = "status"

    path: tuple[int, ...] = ()
    name: str = ""
    status: str = ""
    outcome: str = ""
    detail: str = ""
    grounds: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Query(Entry):
    """What a model was asked about `frame`."""

    channel: ClassVar[str] = "query"

    id: str = ""
    kind: str = ""
    frame: str = ""


@dataclass(frozen=True)
class ModelAnswer(Entry):
    """What the model said to the query of the same id, `ms` milliseconds of wall time later; the rest is in `data`."""

    channel: ClassVar[str] = "answer"

    id: str = ""
    kind: str = ""
    ms: float = 0.0


@dataclass(frozen=True)
class AskedQuestion(Entry):
    """A question to a person. `mark`: pixel corners (x0, y0, x1, y1) in the picture of `frame`; `marks`: those of the
    things that the options stand for, in their order."""

    channel: ClassVar[str] = "question"

    id: str = ""
    text: str = ""
    options: tuple[str, ...] = ()
    default: str = ""
    about: str = ""
    frame: str = ""
    mark: tuple[int, ...] = ()
    marks: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class FactTold(Entry):
    """A fact of the mission, as it was written down or, `revoked`, taken back; see `vlm_bt.scene.facts.Fact`."""

    channel: ClassVar[str] = "fact"

    id: str = ""
    scope: str = ""
    subject: str = ""
    key: str = ""
    value: Any = None
    by: str = ""
    stamp_s: float = 0.0
    revoked: bool = False


@dataclass(frozen=True)
class SomethingSaid(Entry):
    """What a person said without being asked, the intent it was taken for ("" for none) and what was said back."""

    channel: ClassVar[str] = "said"

    text: str = ""
    by: str = ""
    intent: str = ""
    reply: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplyGiven(Entry):
    """What a person answered to the question of the same id; `late`: after its time limit."""

    channel: ClassVar[str] = "reply"

    id: str = ""
    text: str = ""
    silent: bool = False
    late: bool = False


@dataclass(frozen=True)
class Motion(Entry):
    """A motion of the arm that has ended. `verb`: pick, place or home; `start`, `goal`: metres, base frame."""

    channel: ClassVar[str] = "motion"

    id: str = ""
    verb: str = ""
    label: str = ""
    object: str = ""
    verdict: str = ""
    zone: str = ""
    start: Point | None = None
    goal: Point | None = None
    outcome: str = ""
    detail: str = ""

    @property
    def done(self) -> bool:
        return self.outcome == "done"


@dataclass(frozen=True)
class VerdictGiven(Entry):
    """Who decided what an object is: a model at its calibrated error rate, or a person."""

    channel: ClassVar[str] = "verdict"

    id: str = ""
    object: str = ""
    label: str = ""
    by: str = ""
    frame: str = ""
    error_rate: float | None = None


@dataclass(frozen=True)
class Look(Entry):
    """What one look found. Items: {object, label, score, box [x0, y0, x1, y1], centre [x, y], plausible [labels]}."""

    channel: ClassVar[str] = "detections"

    frame: str = ""
    items: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Event(Entry):
    """Anything else worth telling: the arm was stopped, somebody stepped in, a frame was lost."""

    channel: ClassVar[str] = "event"

    what: str = ""


@dataclass(frozen=True)
class MissionResult(Entry):
    """The final JSON object of `vlm-bt run --json`; it stands in `data`."""

    channel: ClassVar[str] = "result"

    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Looking(Entry):
    """What looking cost until then: a row for each skill, model and type of question (see `vision.metrics`)."""

    channel: ClassVar[str] = "looking"

    rows: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Kept(Entry):
    """An evidence picture. `jpeg` holds its bytes, `why` the reason for keeping it, `stamp_s` when it was taken."""

    channel: ClassVar[str] = "frame"

    id: str = ""
    camera: str = ""
    why: str = ""
    stamp_s: float = 0.0
    width: int = 0
    height: int = 0
    jpeg: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class KeptDepth(Entry):
    """The depth that belongs to the picture of the same id. `png`: 16 bits, millimetres along the optical axis, 0 where
    there is none; `intrinsics` in pixels; `pose_camera_in_base`: the camera's optical frame, metres, quaternion."""

    channel: ClassVar[str] = "depth"

    id: str = ""
    camera: str = ""
    stamp_s: float = 0.0
    intrinsics: Json = field(default_factory=dict)
    pose_camera_in_base: Json = field(default_factory=dict)
    png: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Calibrated(Entry):
    """A camera's `foxglove.CameraCalibration` for the picture of the same id; its matrices stand in `data`."""

    channel: ClassVar[str] = "calibration"

    id: str = ""
    camera: str = ""


@dataclass(frozen=True)
class CameraPlaced(Entry):
    """Where the camera stood for the picture of the same id, as `foxglove.FrameTransform`: in `data`, its optical frame
    in the base frame."""

    channel: ClassVar[str] = "transform"

    id: str = ""
    camera: str = ""


@dataclass(frozen=True)
class Annotated(Entry):
    """What a look found, as `foxglove.ImageAnnotations` for the picture of the same id; `Look` says what it is."""

    channel: ClassVar[str] = "annotations"

    id: str = ""
    camera: str = ""


KINDS: Mapping[str, type[Entry]] = {
    kind.channel: kind
    for kind in (
        Configuration,
        TreeSource,
        SkillSource,
        Nodes,
        StatusChange,
        Query,
        ModelAnswer,
        AskedQuestion,
        FactTold,
        SomethingSaid,
        ReplyGiven,
        Motion,
        VerdictGiven,
        Look,
        Event,
        MissionResult,
        Looking,
        Kept,
        KeptDepth,
        Calibrated,
        CameraPlaced,
        Annotated,
    )
}

ON_WIRE: Mapping[str, str] = {"start": "from", "goal": "to"}
"""Fields whose name in the record is a Python keyword or reads badly in Python."""

E = TypeVar("E", bound=Entry)


def entry(kind: type[E], data: Json) -> E:
    """The typed value of one message; fields that `data` lacks, or holds as null, keep their defaults."""
    given: dict[str, Any] = {"data": data}
    for one in fields(kind):
        value = data.get(ON_WIRE.get(one.name, one.name))
        if one.name != "data" and value is not None:
            given[one.name] = _fitted(one.name, value)
    return kind(**given)


def schema(channel: str) -> dict[str, Any]:
    """JSON Schema of a channel's messages; one that is not known here may hold anything."""
    kind = KINDS.get(channel, Entry)
    properties = {
        ON_WIRE.get(one.name, one.name): _json_type(str(one.type)) for one in fields(kind) if one.name != "data"
    }
    title, about = kind.__name__, (kind.__doc__ or "").strip()
    return {"type": "object", "title": title, "description": about, "properties": properties}


def _fitted(name: str, value: Any) -> Any:
    if name == "id":
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(value)
    return value


def _json_type(annotation: str) -> dict[str, Any]:
    if annotation.startswith(("tuple", "Point")):
        return {"type": ["array", "null"] if "None" in annotation else "array"}
    for start, name in (("int", "integer"), ("float", "number"), ("bool", "boolean"), ("str", "string")):
        if annotation.startswith(start):
            return {"type": [name, "null"]} if "None" in annotation else {"type": name}
    return {}
