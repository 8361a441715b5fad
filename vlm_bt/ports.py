"""The Protocols the house is wired through, and the `Ticket` that every piece of work under way is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar

from vlm_bt.questions import Question as VisionQuestion
from vlm_bt.questions import Reuse
from vlm_bt.types import (
    Grasp,
    HeldObject,
    Outcome,
    PlaceSpot,
    Question,
    Reading,
    Reply,
    VerifiedObject,
)

T = TypeVar("T")


class Ticket(Generic[T]):
    """One piece of work under way. Polled, never waited for.

    Exactly one of `resolve`, `fail` and `cancel` takes effect; what comes later is dropped.
    """

    __slots__ = ("_callbacks", "_on_cancel", "_outcome", "_value", "label")

    def __init__(self, label: str, on_cancel: Callable[[], None] | None = None) -> None:
        self.label = label
        self._value: T | None = None
        self._outcome: Outcome | None = None
        self._on_cancel = on_cancel
        self._callbacks: list[Callable[[Outcome], None]] = []

    @property
    def outcome(self) -> Outcome | None:
        """None while under way."""
        return self._outcome

    @property
    def value(self) -> T:
        """The result; only where `outcome.ok`."""
        if self._outcome is None or not self._outcome.ok:
            raise RuntimeError(f"{self.label} has no result: {self._outcome}")
        return self._value  # type: ignore[return-value]

    def resolve(self, value: T) -> None:
        if self._outcome is None:
            self._value = value
            self._end(Outcome())

    def fail(self, outcome: Outcome) -> None:
        if self._outcome is None:
            self._end(outcome)

    def cancel(self) -> None:
        """Idempotent. The worker is told once."""
        if self._outcome is None:
            self._end(Outcome("cancelled", self.label))
            if self._on_cancel is not None:
                self._on_cancel()

    def when_done(self, callback: Callable[[Outcome], None]) -> None:
        """Call back once with the outcome, in the thread that ends the ticket; at once where it has ended."""
        if self._outcome is not None:
            callback(self._outcome)
        else:
            self._callbacks.append(callback)

    def _end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(outcome)


class Priority(IntEnum):
    """Whose questions a model answers first."""

    GUARD = 0
    MISSION = 1
    CHATTER = 2


@dataclass(frozen=True)
class Asker:
    """Who asks a model now, and on which terms.

    Attributes:
        deadline_s: On the mission's clock: after it nobody wants the answer. None: whenever it comes.
        reuse: Which earlier answers may stand for a new one.
    """

    skill: str = ""
    priority: Priority = Priority.MISSION
    deadline_s: float | None = None
    reuse: Reuse = "exact"


ASKER: ContextVar[Asker] = ContextVar("ASKER", default=Asker())  # noqa: B039
"""Set by a leaf while it acts, read by the vision service when something is submitted."""


class Vision(Protocol):
    """Typed questions to models, and geometry too slow for a tick. Nothing here waits."""

    def submit(self, question: Any) -> Ticket[Any]:
        """Ask one question. The ticket resolves to its answer, or fails with `stale` (a frame is gone), `timed_out`
        (the deadline passed), `busy` (too many wait), `unsupported` (no model answers it) or `model_lost`."""
        ...

    def submit_all(self, questions: Sequence[VisionQuestion]) -> Ticket[tuple[Any, ...]]:
        """Ask several, to be answered together: a tuple of answers in the same order, or the first failure."""
        ...


class Clock(Protocol):
    """Time of the mission. Nothing else tells the time."""

    @property
    def now_s(self) -> float: ...

    @property
    def tick(self) -> int: ...

    @property
    def period_s(self) -> float: ...

    def advance(self) -> None:
        """Let one tick period pass: the only place that waits."""

    def hurry(self) -> None:
        """Let the tick that is being waited for come at once. Only sets a word: safe from a signal handler."""


class Camera(Protocol):
    """Named cameras. A request in one tick, the frame's id in a later one."""

    def request(self, camera: str) -> Ticket[str]: ...


class Arm(Protocol):
    """An arm with a parallel gripper.

    `pick` resolves to the held object once the object is lifted clear, or fails with `grasp_failed`, `unreachable`,
    `blocked` or `arm_fault`. `place` resolves once the hand is open and clear of the object. `release` opens the
    fingers where the hand is and moves nothing else. `move_to` takes "home" (folded, out of the overhead camera's
    view), "look" (wrist camera over the middle of the bench) or "hand_over" (over the far edge, where a person can
    take what is held).
    """

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]: ...

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]: ...

    def release(self, held: HeldObject) -> Ticket[None]: ...

    def move_to(self, named: str) -> Ticket[None]: ...

    def hold(self) -> None:
        """Stop where it is, keep the grip, keep the motion for `resume`."""

    def resume(self) -> None: ...

    def stop(self) -> None:
        """Stop and throw the motion away; the grip stays."""

    @property
    def state(self) -> ArmState: ...


class ArmState(Protocol):
    """What the arm's own sensors say; no camera is involved."""

    @property
    def healthy(self) -> bool: ...

    @property
    def moving(self) -> bool: ...

    @property
    def gripper_width_m(self) -> float: ...

    @property
    def tcp(self) -> tuple[float, float, float]: ...

    @property
    def last_motion_s(self) -> float:
        """When the arm last moved, on the Clock: a frame older than this is stale for where it moved."""


class Human(Protocol):
    """A channel to a person. The ticket resolves to a reply, a silent one when the time limit has passed."""

    def ask(self, question: Question) -> Ticket[Reply]: ...

    def late_replies(self) -> list[tuple[str, Reply]]:
        """(question id, reply) of answers that came after their question's limit, each handed over once."""
        ...


class Monitor(Protocol):
    """Something that is always watched; reading it costs nothing."""

    def read(self) -> Reading: ...


class Recorder(Protocol):
    """The mission's record. `data` must be plain JSON values."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None: ...

    def keep_frame(self, frame_id: str, why: str) -> None:
        """Put a frame's picture into the record as evidence."""
