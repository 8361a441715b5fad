"""What can be asked of depth alone: what stands out, how to grasp it, where it fits. Too slow for a tick.

Regions are indices into the segmentation of the named frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_bt.types import Box, Footprint, HeldObject, Pose, Slot, Zone


@dataclass(frozen=True)
class Segment:
    """Which things stand out from the bench in this frame? Answered by depth alone: `Segmented`."""

    frame_id: str


@dataclass(frozen=True)
class SeenRegion:
    """One thing that stands out: box in pixels, footprint in the base frame, and the container it lies in, or ""."""

    index: int
    box: Box
    footprint: Footprint
    container: str = ""


@dataclass(frozen=True)
class Segmented:
    """What a frame's depth shows.

    `bench_offset_m` and `bench_tilt_rad`: how far the bench plane lies from where the configuration says; `hidden`:
    the share of the bench that something tall covers; `camera`: its pose in the base frame as the bench corrects it
    and, where `aligned`, the walls of a container.
    """

    frame_id: str
    regions: tuple[SeenRegion, ...]
    bench_offset_m: float
    bench_tilt_rad: float
    hidden: float
    camera: Pose | None = None
    aligned: bool = False


@dataclass(frozen=True)
class PlanGrasps:
    """Ranked top-down grasps for one region: a tuple of `Grasp`."""

    frame_id: str
    region: int


@dataclass(frozen=True)
class FindSpot:
    """A free place in a zone for what is held: `PlaceSpot` or None.

    Attributes:
        without: A region that is gone from the bench since (the thing in the hand), or None.
        avoid: Centres that were tried and could not be reached.
        zones: Every zone of the bench; a place outside all of them is looked for where `zone` is None.
        slot: Where in the zone's row it belongs, if its things lie in an order.
    """

    frame_id: str
    zone: Zone | None
    held: HeldObject
    without: int | None
    zones: tuple[Zone, ...]
    avoid: tuple[tuple[float, float], ...] = field(default=())
    slot: Slot | None = None


@dataclass(frozen=True)
class LayOutSections:
    """Where have the sections of the bench most room, near their usual places? A tuple of `Section`, one for each.

    Attributes:
        belong: (zone, regions that belong there) of each zone; what is not named takes up room everywhere.
    """

    frame_id: str
    zones: tuple[Zone, ...]
    belong: tuple[tuple[str, tuple[int, ...]], ...] = ()


GeometryRequest = Segment | PlanGrasps | FindSpot | LayOutSections
