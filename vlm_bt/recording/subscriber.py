"""Writes a mission down as it happens: every change of status, the trace, and what waits to be flushed."""

from __future__ import annotations

from py_trees.composites import Composite

from vlm_bt.executive import Snapshot
from vlm_bt.recording.record import McapRecorder
from vlm_bt.recording.trace import Trace


class RecordingSubscriber:
    """Subscriber of the executive that keeps the record and the trace."""

    def __init__(self, recorder: McapRecorder) -> None:
        self._recorder = recorder
        self.trace = Trace()

    def after_tick(self, snapshot: Snapshot) -> None:
        self.trace.add(snapshot.tick, snapshot.root)
        for path, node in snapshot.changed:
            status = {"tick": snapshot.tick, "path": list(path), "name": node.name, "status": node.status.name}
            outcome = getattr(node, "outcome", None)
            if outcome is not None and node.status.name in ("SUCCESS", "FAILURE") and not isinstance(node, Composite):
                status["outcome"] = outcome.reason
                status["detail"] = outcome.detail
            self._recorder.write("status", status)
        self._recorder.flush()
