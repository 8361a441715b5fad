"""The geometry of the fast fidelity: the same, but pictures that are the same to the last bit are segmented once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from vlm_bt.frames import FrameHandle
from vlm_bt.scene.tabletop import Segmentation, segment
from vlm_bt.types import Frame, Zone
from vlm_bt.vision.geometer import KEPT_SEGMENTATIONS, Geometer
from vlm_bt.vision.pictures import digest_of

KEPT = 4


class FastGeometer(Geometer):
    """Without sensor noise most looks at a bench are at a bench in which nothing has moved."""

    def __init__(self, containers: tuple[Zone, ...]) -> None:
        super().__init__(containers)
        self._known: OrderedDict[tuple[bytes, bytes], Segmentation] = OrderedDict()

    def _look(self, handle: FrameHandle) -> tuple[Frame, Segmentation]:
        if handle.id not in self._seen:
            frame = self._reader.get(handle)
            self._seen[handle.id] = (frame, self._segmented(frame))
            while len(self._seen) > KEPT_SEGMENTATIONS:
                self._seen.popitem(last=False)
        return self._seen[handle.id]

    def _segmented(self, frame: Frame) -> Segmentation:
        key = digest_of(frame.rgb), digest_of(frame.depth_m.view("u1"))
        known = self._known.pop(key, None)
        if known is None:
            known = segment(frame, self._containers)
        self._known[key] = known
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return replace(known, frame_id=frame.id, stamp_s=frame.stamp_s)
