"""The order in which the things of a zone lie side by side."""

from __future__ import annotations

import math

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.looking import left_alone
from vlm_bt.scene.free_space import along_row
from vlm_bt.scene.layout import PITCH_GAP_M
from vlm_bt.types import HeldObject, Slot, Zone


def slot_by_size(ports: Ports, held: HeldObject, zone: Zone) -> Slot | None:
    """Where what is held belongs in its zone: the longest lies at the far end. None where the plan asks for no order.

    Room is kept for things that belong there and still lie elsewhere, as depth measured them.
    """
    memory, shape = ports.memory, held.tool.object.footprint
    if zone.container or zone.name not in memory.plan.by_size:
        return None
    axis = along_row(zone)
    near_end, far_end = (zone.x, zone.y)[axis]
    farthest, nearest = math.inf, -math.inf
    larger_m = smaller_m = 0.0
    for thing in memory.objects.values():
        lies_there = zone.holds(thing.footprint.centre, margin_m=0.005)
        comes = memory.plan.belong.get(thing.id) == zone.name and not left_alone(ports, thing)
        if not lies_there and not comes:
            continue
        room_m = thing.footprint.width_m + PITCH_GAP_M
        place = thing.footprint.centre[axis]
        if thing.footprint.length_m > shape.length_m:
            larger_m += room_m
            farthest = min(farthest, place) if lies_there else farthest
        else:
            smaller_m += room_m
            nearest = max(nearest, place) if lies_there else nearest
    own_m = shape.width_m + PITCH_GAP_M
    crowded = min(1.0, (far_end - near_end) / (larger_m + own_m + smaller_m))
    return Slot(far_end - crowded * (larger_m + own_m / 2), nearest, farthest)
