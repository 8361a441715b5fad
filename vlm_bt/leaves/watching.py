"""Conditions: those of guards read monitors that always run, and never ask anything themselves."""

from __future__ import annotations

from collections import Counter

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, look_and_claim
from vlm_bt.leaves.seeing import as_detection
from vlm_bt.questions import Choose
from vlm_bt.sentences import contents
from vlm_bt.types import Outcome, Scene


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


class ArmIsWell(Leaf):
    """The arm answers and reports no fault. Somebody may be in reach: for handing over, never for a travelling arm."""

    reasons = ("no",)
    instant = True
    ports: Ports

    def act(self) -> Steps:
        return Outcome() if self.ports.arm.state.healthy else Outcome("no", "the arm reports a fault")
        yield


class MayAsk(Leaf):
    """Has the mission asked fewer questions than it may?"""

    takes = {"at_most": Input("number", "how many questions the whole mission may put")}
    reasons = ("no",)
    instant = True
    ports: Ports

    def act(self) -> Steps:
        asked, most = len(self.ports.memory.questions), self.input("at_most")
        return Outcome() if asked < most else Outcome("no", f"{asked} of {most:g} questions have been asked")
        yield


class SomethingNew(Leaf):
    """Look whether anything lies on the bench that did not lie there before. Two frames have to show it."""

    takes = {"before": Input("scene", "what the bench looked like then")}
    gives = {
        "into": Output("detections", "what turned up", required=False),
        "say": Output("report", "what turned up, in words", required=False),
    }
    reasons = ("no", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        before: Scene = self.input("before")
        known = {claim.object.id for claim in before.detections}
        memory = self.ports.memory
        new: list[str] = []
        for _ in range(2):
            seen = yield from look_and_claim(self.ports, fresh=True)
            if not seen.ok:
                return seen
            new = [name for name in memory.objects if name not in known and (not new or name in new)]
            if not new:
                return Outcome("no", "nothing has turned up")
        things = [memory.objects[name] for name in new]
        self.output("into", tuple(as_detection(self.ports, thing) for thing in things))
        said = f"Turned up: {contents(Counter(label_of(self.ports, thing).rstrip('?') for thing in things))}."
        self.output("say", said)
        return Outcome("done", said)
