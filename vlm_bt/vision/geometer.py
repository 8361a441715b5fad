"""The process of geometry: segmentation, grasps and free space, one request at a time. No model is involved."""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlm_bt.errors import DepthMissing, VlmBtError
from vlm_bt.frames import FrameHandle, FrameReader
from vlm_bt.types import Frame, Zone
from vlm_bt.vision.geometry import FindSpot, LayOutSections, PlanGrasps, SeenRegion, Segment, Segmented
from vlm_bt.vision.messages import Cost, Cutouts, Done, Failed, FromProcess, Job, Ready

if TYPE_CHECKING:
    from vlm_bt.scene.tabletop import Segmentation

KEPT_SEGMENTATIONS = 12


@dataclass(frozen=True)
class OpenGeometry:
    """Starts the worker in its process. `containers`: zones with walls."""

    containers: tuple[Zone, ...] = ()

    def __call__(self) -> Geometer:
        return Geometer(self.containers)


class Geometer:
    """Answers geometry requests one after the other; keeps the latest segmentations."""

    batch_at_most = 1

    def __init__(self, containers: tuple[Zone, ...]) -> None:
        self._containers = containers
        self._reader = FrameReader()
        self._seen: OrderedDict[str, tuple[Frame, Segmentation]] = OrderedDict()
        self._answers: dict[type, Callable[[FrameHandle, Any], Any]] = {
            Segment: self._segment,
            PlanGrasps: self._plan_grasps,
            FindSpot: self._find_spot,
            LayOutSections: self._lay_out_sections,
        }

    @property
    def ready(self) -> Ready:
        return Ready("geometry")

    def prepare(self, job: Job) -> None:
        return None

    def at_once(self, job: Job, prepared: None) -> None:
        return None

    def run(self, batch: Sequence[tuple[Job, None]], began: Callable[[tuple[int, ...]], None]) -> list[FromProcess]:
        replies: list[FromProcess] = []
        for job, _ in batch:
            began((job.number,))
            handle, start = job.shown[0].handle, time.perf_counter()
            try:
                value = self._answers[type(job.question)](handle, job.question)
                replies.append(Done(job.number, value, Cost(run_ms=(time.perf_counter() - start) * 1e3)))
            except FileNotFoundError:
                replies.append(Failed(job.number, "stale", f"frame {handle.id} has left the ring buffer"))
            except VlmBtError as error:
                replies.append(Failed(job.number, "camera_lost", str(error)))
        return replies

    def _look(self, handle: FrameHandle) -> tuple[Frame, Segmentation]:
        from vlm_bt.scene.tabletop import segment

        if handle.id not in self._seen:
            frame = self._reader.get(handle)
            self._seen[handle.id] = (frame, segment(frame, self._containers))
            while len(self._seen) > KEPT_SEGMENTATIONS:
                self._seen.popitem(last=False)
        return self._seen[handle.id]

    def _segment(self, handle: FrameHandle, request: Segment) -> Any:
        _, found = self._look(handle)
        if found.error:
            raise DepthMissing(found.error)
        things = found.regions + found.contents
        regions = tuple(SeenRegion(thing.index, thing.box, thing.footprint, thing.container) for thing in things)
        bench = found.bench
        where, aligned = bench.pose_camera_in_base, bool(bench.aligned)
        seen = Segmented(handle.id, regions, bench.offset_m, bench.tilt_rad, found.hidden, where, aligned)
        return Cutouts(seen, handle.id, tuple(pickle.dumps(thing) for thing in things))

    def _plan_grasps(self, handle: FrameHandle, request: PlanGrasps) -> Any:
        from vlm_bt.scene.grasps import plan_grasps

        return tuple(plan_grasps(self._look(handle)[1], request.region))

    def _find_spot(self, handle: FrameHandle, request: FindSpot) -> Any:
        from vlm_bt.scene.free_space import find_free, find_spot

        found = self._look(handle)[1]
        if request.zone is None:
            return find_free(found, request.zones, request.held, without=request.without, avoid=request.avoid)
        return find_spot(
            found, request.zone, request.held, without=request.without, avoid=request.avoid, slot=request.slot
        )

    def _lay_out_sections(self, handle: FrameHandle, request: LayOutSections) -> Any:
        from vlm_bt.scene.layout import lay_out_sections

        return lay_out_sections(self._look(handle)[1], request.zones, dict(request.belong))
