"""The desk in a model's process: pictures are cut, known answers handed out, the rest asked in batches and judged."""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vlm_bt.errors import VlmBtError
from vlm_bt.frames import FrameHandle, FrameReader
from vlm_bt.questions import (
    WHAT_IS_IT,
    YES_NO,
    Choose,
    Counted,
    Describe,
    Embed,
    Ground,
    HowMany,
    IsTrue,
    Look,
    Question,
    ReadText,
    Result,
    name_of,
)
from vlm_bt.types import Answer, Frame, Intrinsics, Pose
from vlm_bt.vision.backends import Surroundings, open_model
from vlm_bt.vision.cache import Cache, Key, content_of
from vlm_bt.vision.calibration import Calibrations
from vlm_bt.vision.composing import Composed
from vlm_bt.vision.messages import Cost, Done, Failed, FromProcess, Job, Ready, Reply, Sent, Shown
from vlm_bt.vision.model import Asked, Unsupported, VisionModel
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.weights import SHIPPED
from vlm_bt.vision_settings import EmbeddedModel, LangchainModel, ModelChoice, RemoteModel, ScriptedModel

KEPT_FRAMES = 4


@dataclass(frozen=True)
class OpenDesk:
    """Starts the desk in its process.

    Attributes:
        name: What the configuration calls the model.
        lockstep: Time is simulated: nothing is answered before its turn, so that batches are always the same.
    """

    settings: ModelChoice
    surroundings: Surroundings
    cache: int = 512
    lockstep: bool = False
    name: str = SHIPPED

    def __call__(self, wrap: Callable[[VisionModel], VisionModel] | None = None) -> Desk:
        """Args: wrap: puts something between the desk and its model."""
        model = open_model(self.settings, self.surroundings)
        return Desk(self, model if wrap is None else wrap(model))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its pictures cut, the hash of what they show, and when it came (perf_counter, seconds)."""

    asked: Asked
    key: Key
    content: str
    came_s: float


class Desk:
    """A model with its cache and its calibration.

    Args:
        calibrations: Those that the settings name if not given.
    """

    def __init__(self, opened: OpenDesk, model: VisionModel, calibrations: Calibrations | None = None) -> None:
        settings = opened.settings
        self._lockstep = opened.lockstep
        self._model = Composed(model)
        self._limit = settings.batch_at_most
        self._cache = Cache(opened.cache)
        self._reader = FrameReader()
        self._frames: OrderedDict[str, Frame] = OrderedDict()
        name = calibrated_name(opened.name, settings)
        head: str = getattr(self._model.model, "head_revision", "")
        self._calibrations = calibrations or Calibrations.open(settings.calibration, name, self._model.revision, head)
        if not isinstance(settings, (RemoteModel, LangchainModel, ScriptedModel)):
            self._warm_up()

    @property
    def ready(self) -> Ready:
        composed = tuple(name_of(kind) for kind in self._model.composed)
        own = tuple(sorted(name_of(kind) for kind in self._model.model.answers))
        known = self._calibrations
        return Ready(self._model.revision, own, composed, known.valid, known.note, known.covers)

    @property
    def batch_at_most(self) -> int:
        return self._limit

    def prepare(self, job: Job) -> Prepared:
        came = time.perf_counter()
        asked = Asked(job.question, tuple(self._picture(shown) for shown in job.shown))  # type: ignore[arg-type]
        content = content_of(asked.pictures) if job.reuse != "never" else ""
        return Prepared(asked, Key.of(asked, self._model.revision), content, came)

    def at_once(self, job: Job, prepared: Prepared) -> Reply | None:
        return None if self._lockstep else self._remembered(job, prepared)

    def run(self, batch: Sequence[tuple[Job, Prepared]], began: Callable[[tuple[int, ...]], None]) -> list[FromProcess]:
        replies: list[FromProcess] = []
        # The same question about the same pixels, twice in one batch, is asked once.
        first: dict[tuple[Any, ...], list[tuple[Job, Prepared]]] = {}
        for job, prepared in batch:
            known = self._remembered(job, prepared)
            if known is not None:
                replies.append(known)
            else:
                same = (prepared.key, prepared.content) if prepared.content else (job.number,)
                first.setdefault(same, []).append((job, prepared))
        groups = list(first.values())
        for start in range(0, len(groups), self._limit):
            replies += self._ask(groups[start : start + self._limit], began)
        drain = getattr(self._model.model, "drain_sent", None)
        return replies + ([Sent(what) for what in drain()] if drain is not None else [])

    def _ask(
        self, groups: list[list[tuple[Job, Prepared]]], began: Callable[[tuple[int, ...]], None]
    ) -> list[FromProcess]:
        began(tuple(job.number for group in groups for job, _ in group))
        start = time.perf_counter()
        short = ""
        results: Sequence[Result | VlmBtError] = ()
        try:
            results = self._model.answer([group[0][1].asked for group in groups])
        except Exception as error:
            if not out_of_memory(error):
                raise
            short = f"the memory does not suffice for one question ({error})"
        # Out of the handler: the exception holds on to everything that the failed run had made.
        if short and len(groups) == 1:
            return [Failed(job.number, "model_lost", short) for job, _ in groups[0]]
        if short:
            half = self._limit = len(groups) // 2
            return self._ask(groups[:half], began) + self._ask(groups[half:], began)
        run_ms = (time.perf_counter() - start) * 1e3
        replies: list[FromProcess] = []
        for group, result in zip(groups, results, strict=True):
            for job, prepared in group:
                if isinstance(result, VlmBtError):
                    reason = "unsupported" if isinstance(result, Unsupported) else "model_lost"
                    replies.append(Failed(job.number, reason, str(result)))
                    continue
                if job.reuse != "never":
                    pictures = prepared.asked.pictures
                    similar = job.reuse == "similar"
                    self._cache.keep(prepared.key, prepared.content, pictures, result, for_similar=similar)
                cost = Cost((start - prepared.came_s) * 1e3, run_ms, len(groups))
                replies.append(Done(job.number, self._signed(result, prepared.asked), cost))
        return replies

    def _remembered(self, job: Job, prepared: Prepared) -> Done | None:
        if job.reuse == "never":
            return None
        how, known = "exact", self._cache.exact(prepared.key, prepared.content)
        if known is None and job.reuse == "similar":
            how, known = "similar", self._cache.similar(prepared.key, prepared.asked.pictures)
        if known is None:
            return None
        waited_ms = (time.perf_counter() - prepared.came_s) * 1e3
        return Done(job.number, self._signed(known, prepared.asked), Cost(waited_ms, 0.0, 1, how))

    def _signed(self, result: Result, asked: Asked) -> Result:
        """Says of which frame and by which model, and what of it can be ruled out at the question's error rate."""
        frame_id = asked.pictures[-1].frame.id if asked.pictures else ""
        if isinstance(result, (Answer, Counted)):
            result = self._calibrations.judged(result, asked.question, asked.pictures)
        return replace(result, frame_id=frame_id, model=self._model.revision)

    def _picture(self, shown: Shown) -> Picture:
        assert shown.look is not None
        thing = pickle.loads(shown.thing) if shown.thing is not None else None
        return Picture(self._frame(shown.handle), shown.look, thing)

    def _frame(self, handle: FrameHandle) -> Frame:
        if handle.id not in self._frames:
            self._frames[handle.id] = self._reader.get(handle)
            while len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        return self._frames[handle.id]

    def _warm_up(self) -> None:
        """Ask each type of question once, so that the first real one is not slow. What comes back does not matter."""
        lens = Intrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)
        blank = np.full((48, 64, 3), 127, np.uint8)
        frame = Frame("warm-up", "none", blank, np.zeros((48, 64), np.float32), lens, Pose((0.0, 0.0, 1.0)), 0.0)
        looks = (Look("warm-up"),)
        asked: tuple[Question, ...] = (
            Ground(looks, "thing"),
            IsTrue(looks, "a thing"),
            Choose(looks, WHAT_IS_IT, YES_NO),
            HowMany(looks, "thing"),
            Describe(looks),
            ReadText(looks),
            Embed(looks),
        )
        for question in asked:
            if type(question) in self._model.model.answers:
                self._model.answer([Asked(question, (Picture(frame, looks[0]),))])


def calibrated_name(name: str, settings: ModelChoice) -> str:
    """What a model's calibration files are called by: the shipped model is the same under any name."""
    return SHIPPED if isinstance(settings, EmbeddedModel) and settings.weights is None else name


def out_of_memory(error: BaseException) -> bool:
    """torch says it in several ways, by its own exception on a GPU and in words elsewhere."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in words for sign in ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")
    )
