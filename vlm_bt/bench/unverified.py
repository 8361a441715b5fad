"""The baseline of a campaign: the same mission without verification. Nothing outside a benchmark can reach it.

Its leaf stands in no table that `vlm-bt run`, `check` or ROS uses, so a tree that names it can't be loaded there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.table import LEAVES
from vlm_bt.types import Detection, Outcome

FOLDER = Path(__file__).parent / "baseline"
TREE = FOLDER / "organise_unverified.yaml"
SKILLS = FOLDER / "skills"


class BelieveUnverified(Leaf):
    """UNSAFE, for comparison alone: enters what a model says into the ledger as if somebody had verified it."""

    takes = {"candidate": Input("detection", "the claim that is believed")}
    gives = {"into": Output("verified_object", "the object under the name that the model gave it")}
    reasons = ("refuted",)
    ports: Ports

    def act(self) -> Steps:
        candidate: Detection = self.input("candidate")
        thing = self.ports.memory.objects.get(candidate.object.id)
        if thing is None:
            return Outcome("refuted", f"{candidate.object.id} is no longer followed")
        label = candidate.answer.best if candidate.answer is not None else candidate.label
        tool = self.ports.ledger.enter(thing, label, "model", 1.0)
        self.ports.memory.verdicts[thing.id] = tool
        self.output("into", tool)
        return Outcome("done", f"{label}, unverified")
        yield


UNVERIFIED_LEAVES: Mapping[str, type[Leaf]] = {**LEAVES, BelieveUnverified.__name__: BelieveUnverified}
