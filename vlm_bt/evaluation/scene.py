"""A staged scene as it is asked about: its frames in the service, its truths beside the things that depth finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlm_bt.evaluation.answered import Place
from vlm_bt.evaluation.eye import Eye
from vlm_bt.leaves.grounding import shared
from vlm_bt.training.staged import Staged, Truth
from vlm_bt.vision.geometry import SeenRegion

SEEN_FROM = 0.6
"""Share of a thing that must be visible for it to count as seen."""
_SAME_FROM = 0.5


@dataclass(frozen=True, eq=False)
class Scene:
    """What a suite makes questions of.

    Attributes:
        frame_ids: Of `staged.frames`, in the service.
        regions: Per frame, the things that depth finds.
        tags: Of the stage that it comes from, such as {"light": "-0.5"}.
    """

    staged: Staged
    frame_ids: tuple[str, ...]
    regions: tuple[tuple[SeenRegion, ...], ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def shown(staged: Staged, eye: Eye, tags: Mapping[str, str]) -> Scene:
        """Put a staged scene before the models."""
        ids = tuple(eye.show(frame) for frame in staged.frames)
        deep = [bool(frame.depth_m.any()) for frame in staged.frames]
        regions = tuple(eye.regions(name) if has else () for name, has in zip(ids, deep, strict=True))
        return Scene(staged, ids, regions, tags)

    @property
    def truths(self) -> tuple[Truth, ...]:
        """Of the last frame."""
        return self.staged.truths[-1]

    @property
    def frame_id(self) -> str:
        """The last frame's."""
        return self.frame_ids[-1]

    def seen(self) -> list[Truth]:
        """Things of the last frame of which enough is visible."""
        return [truth for truth in self.truths if is_seen(truth)]

    def alone(self) -> list[tuple[Truth, SeenRegion]]:
        """Things of the last frame that depth cuts out as they are, with their cut-outs."""
        found = []
        for truth in self.seen():
            region = region_of(truth, self.regions[-1])
            if region is not None:
                found.append((truth, region))
        return found


def is_seen(truth: Truth) -> bool:
    return truth.box is not None and truth.visible >= SEEN_FROM


def region_of(truth: Truth, regions: tuple[SeenRegion, ...]) -> SeenRegion | None:
    """The cut-out that shows this thing and hardly anything else."""
    if truth.box is None:
        return None
    box = truth.box
    best = max(regions, key=lambda region: shared(region.box, box), default=None)
    return best if best is not None and shared(best.box, box) >= _SAME_FROM else None


def place_of(truth: Truth) -> Place:
    assert truth.box is not None
    return Place(truth.box, (truth.position[0], truth.position[1]))
