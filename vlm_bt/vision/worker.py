"""The process that sees: segmentation, crops, model and grasp planning, one request at a time.

It is spawned, never forked, gets frames through shared memory and may be killed at any time.
"""

from __future__ import annotations

import os
import signal
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from vlm_bt.errors import DepthMissing, VlmBtError
from vlm_bt.frames import FrameHandle, FrameReader
from vlm_bt.types import Answer, Frame, Zone
from vlm_bt.vision.requests import (
    Classify,
    Describe,
    FindSpot,
    IsTrue,
    PlanGrasps,
    Request,
    SeenRegion,
    Segment,
    Segmented,
)

if TYPE_CHECKING:
    from vlm_bt.scene.tabletop import Segmentation

KEPT_SEGMENTATIONS = 12


@dataclass(frozen=True)
class WorkerSettings:
    """What the worker needs to start.

    Attributes:
        weights: Folder of the embedded model. calibration: its calibration file.
        threads: CPU threads of the model; fixed, because the count changes the last bits of its answers.
    """

    weights: str
    calibration: str
    containers: tuple[Zone, ...]
    threads: int = 1


@dataclass(frozen=True)
class Ready:
    """The worker is up. `calibrated` is False where no calibration fits the model; `note` says why."""

    model: str
    calibrated: bool
    note: str = ""


@dataclass(frozen=True)
class Done:
    value: Any
    ms: float


@dataclass(frozen=True)
class Failed:
    reason: str
    text: str


def serve(pipe: Connection, settings: WorkerSettings) -> None:
    """Entry of the process: load, say `Ready`, answer until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two torch processes that spin while they wait starve each other on a small machine. Set before torch loads.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        eyes = Eyes(settings)
        pipe.send((0, eyes.ready))
    except VlmBtError as error:
        pipe.send((0, Failed("model_lost", str(error))))
        return
    while True:
        try:
            number, handle, request = pipe.recv()
        except (EOFError, OSError):
            return
        began = time.perf_counter()
        try:
            answer: Done | Failed = Done(eyes.answer(handle, request), 0.0)
        except FileNotFoundError:
            answer = Failed("stale", f"frame {handle.id} has left the ring buffer")
        except VlmBtError as error:
            answer = Failed("camera_lost", str(error))
        if isinstance(answer, Done):
            answer = Done(answer.value, (time.perf_counter() - began) * 1e3)
        try:
            pipe.send((number, answer))
        except (BrokenPipeError, OSError):
            return


class Eyes:
    """Everything that looks at pixels."""

    def __init__(self, settings: WorkerSettings) -> None:
        from vlm_bt.vision.backends.embedded import EmbeddedClip
        from vlm_bt.vision.calibration import Calibration

        self._settings = settings
        self._model = EmbeddedClip(settings.weights, threads=settings.threads)
        self._calibration = Calibration.load(settings.calibration, self._model.revision)
        self._reader = FrameReader()
        self._seen: OrderedDict[str, tuple[Frame, Segmentation]] = OrderedDict()
        self.ready = Ready(self._model.revision, self._calibration.valid, self._calibration.note)
        self._answers: dict[type, Callable[[FrameHandle, Any], Any]] = {
            Segment: self._segment,
            Classify: self._classify,
            IsTrue: self._is_true,
            Describe: self._describe,
            PlanGrasps: self._plan_grasps,
            FindSpot: self._find_spot,
        }

    def answer(self, handle: FrameHandle, request: Request) -> Any:
        return self._answers[type(request)](handle, request)

    def _look(self, handle: FrameHandle) -> tuple[Frame, Segmentation]:
        from vlm_bt.scene.tabletop import segment

        if handle.id not in self._seen:
            frame = self._reader.get(handle)
            self._seen[handle.id] = (frame, segment(frame, self._settings.containers))
            while len(self._seen) > KEPT_SEGMENTATIONS:
                self._seen.popitem(last=False)
        return self._seen[handle.id]

    def _segment(self, handle: FrameHandle, request: Segment) -> Segmented:
        _, found = self._look(handle)
        if found.error:
            raise DepthMissing(found.error)
        regions = tuple(
            SeenRegion(region.index, region.box, region.footprint, region.container)
            for region in found.regions + found.contents
        )
        return Segmented(handle.id, regions, found.bench.offset_m, found.bench.tilt_rad, found.hidden)

    def _classify(self, handle: FrameHandle, request: Classify) -> tuple[Answer, ...]:
        from vlm_bt.scene.crops import crops

        if not request.regions:
            return ()
        frame, found = self._look(handle)
        pictures = crops(frame, [found.region(index) for index in request.regions], variant=request.variant)
        chances = self._model.classify(pictures, request.options, wording=request.wording)
        return tuple(
            Answer(
                question="what is it?",
                options=request.options,
                probabilities=tuple(float(p) for p in row[: len(request.options)]),
                plausible=self._calibration.plausible(row, request.options, request.error_rate),
                frame_id=handle.id,
                model=self._model.revision,
                calibrated=self._calibration.valid,
            )
            for row in chances
        )

    def _is_true(self, handle: FrameHandle, request: IsTrue) -> float:
        from vlm_bt.scene.crops import crop

        frame, found = self._look(handle)
        return self._model.is_true(crop(frame, found.region(request.region)), request.claim)

    def _describe(self, handle: FrameHandle, request: Describe) -> str:
        from vlm_bt.scene.crops import crop

        frame, found = self._look(handle)
        return self._model.describe(crop(frame, found.region(request.region)))

    def _plan_grasps(self, handle: FrameHandle, request: PlanGrasps) -> Any:
        from vlm_bt.scene.grasps import plan_grasps

        return tuple(plan_grasps(self._look(handle)[1], request.region))

    def _find_spot(self, handle: FrameHandle, request: FindSpot) -> Any:
        from vlm_bt.scene.free_space import find_free, find_spot

        found = self._look(handle)[1]
        if request.zone is None:
            return find_free(found, request.zones, request.held, without=request.without, avoid=request.avoid)
        return find_spot(found, request.zone, request.held, without=request.without, avoid=request.avoid)
