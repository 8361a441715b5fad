"""Conditions for guards: they read monitors that always run, and never ask anything themselves."""

from __future__ import annotations

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Steps
from vlm_bt.types import Outcome


class WorkspaceIsClear(Leaf):
    """Nobody is in reach of the arm, says the workspace monitor; a reading that is too old counts as somebody."""

    takes = {"max_age_s": Input("number", "how old the monitor's reading may be", required=False, default=0.5)}
    reasons = ("no", "stale")
    instant = True
    ports: Ports

    def act(self) -> Steps:
        reading = self.ports.monitors["workspace"].read()
        age_s = self.ports.clock.now_s - reading.stamp_s
        if age_s > self.input("max_age_s"):
            return Outcome("no", f"the workspace monitor is silent for {age_s:.1f} s")
        return Outcome() if reading.ok else Outcome("no", reading.detail)
        yield
