"""Writes a mission down as it happens: every change of status, the trace, and the pictures that wait."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from py_trees.composites import Composite

from vlm_bt.executive import Snapshot
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.recording.trace import Trace


class RecordingSubscriber:
    """Subscriber of the executive that keeps the record and the trace."""

    def __init__(self, recorder: McapRecorder) -> None:
        self._recorder = recorder
        self.trace = Trace()

    def after_tick(self, snapshot: Snapshot) -> None:
        self.trace.add(snapshot.tick, snapshot.root)
        for path, node in snapshot.changed:
            status: dict[str, Any] = {"tick": snapshot.tick, "path": list(path), "name": node.name}
            status["status"] = node.status.name
            outcome = getattr(node, "outcome", None)
            if outcome is not None and node.status.name in ("SUCCESS", "FAILURE") and not isinstance(node, Composite):
                status["outcome"] = outcome.reason
                status["detail"] = outcome.detail
                if outcome.grounds and not node.children:
                    status["grounds"] = [asdict(one) for one in outcome.grounds]
            self._recorder.write("status", status)
        self._recorder.hand_over()
