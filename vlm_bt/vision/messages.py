"""What crosses between the service and the processes that see. Small and picklable; frames stay in shared memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vlm_bt.frames import FrameHandle
from vlm_bt.questions import Look, Question, Reuse
from vlm_bt.vision.geometry import GeometryRequest


@dataclass(frozen=True)
class Shown:
    """One look as it crosses. `thing`: the pickled region of the segmentation that the look names."""

    handle: FrameHandle
    look: Look | None = None
    thing: bytes | None = None


@dataclass(frozen=True)
class Job:
    """One question under way.

    Attributes:
        order: Smaller is more urgent; see `Waiting`.
        group: Only jobs of the same group may run in one batch: the tick in simulation, so that what a batch is made
            of does not depend on how fast the machine is; the priority elsewhere.
    """

    number: int
    question: Question | GeometryRequest
    shown: tuple[Shown, ...]
    order: tuple[float, ...] = ()
    group: int = 0
    reuse: Reuse = "exact"


@dataclass(frozen=True)
class Cancel:
    number: int


@dataclass(frozen=True)
class Ready:
    """A process is up.

    Attributes:
        model: Its revision. answers: names of the questions it answers itself; composed: of those made from others.
        calibrated: False where no calibration fits the model; `note` says why.
        covers: What is calibrated, for each camera.
    """

    model: str
    answers: tuple[str, ...] = ()
    composed: tuple[str, ...] = ()
    calibrated: bool = False
    note: str = ""
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Began:
    """A batch has begun: progress for the watch-dog."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """What an answer took: milliseconds of waiting in the process and of its batch's run, how many ran together, and
    "exact" or "similar" where an earlier answer stood for it."""

    wait_ms: float = 0.0
    run_ms: float = 0.0
    batch: int = 1
    reused: str = ""


@dataclass(frozen=True)
class Done:
    number: int
    value: Any
    cost: Cost = Cost()


@dataclass(frozen=True)
class Failed:
    """A question that got no answer; number 0: the process could not start."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True)
class Sent:
    """What left the machine for a remote model's sake."""

    what: Mapping[str, Any]


Reply = Done | Failed
FromProcess = Ready | Began | Done | Failed | Sent


@dataclass(frozen=True)
class Cutouts:
    """A value of the geometry process with the things it found, each pickled, by index; the service keeps them."""

    value: Any
    frame_id: str
    things: tuple[bytes, ...]


class Worker(Protocol):
    """What runs inside a process: the model with its cache, or the geometry."""

    @property
    def ready(self) -> Ready: ...

    @property
    def batch_at_most(self) -> int: ...

    def prepare(self, job: Job) -> Any:
        """Called when the job arrives, in the thread that listens."""
        ...

    def at_once(self, job: Job, prepared: Any) -> Reply | None:
        """An answer that needs no model, in the thread that listens; None: it waits for its batch."""
        ...

    def run(self, batch: Sequence[tuple[Job, Any]], began: Any) -> Sequence[FromProcess]:
        """Answer a batch; `began(numbers)` is called whenever a part of it begins."""
        ...
