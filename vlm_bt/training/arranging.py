"""How a bench is laid out, and what happens between a frame before and a frame after."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely.geometry.base import BaseGeometry

from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.casting import STANDING, Prop
from vlm_bt.training.lying import Place, find_apart, find_inside, find_touching, is_seen, left_end, zone_at
from vlm_bt.training.staged import MOST_THINGS, Event, Order
from vlm_bt.types import Zone

Places = dict[int, Place]

_FEWEST_DRAWN = 4
_BIN_SHARE = 0.25
_TOUCHING_SHARE = 0.55
_ZONE_MARGIN_M = 0.025
_DROPPED_M = 0.08
_NUDGE_M, _NUDGE_RAD = 0.012, math.radians(8.0)
_SLIDE_M = 0.04


@dataclass(frozen=True)
class Change:
    """What happened: places before and after, to which prop (index), meant for which zone."""

    before: Places
    after: Places
    about: int | None = None
    goal: str | None = None


def lay_out(props: Sequence[Prop], order: Order, taken: Sequence[BaseGeometry], rng: np.random.Generator) -> Places:
    """Per index of a prop that is shown, where it lies.

    Args:
        taken: Outlines where nothing is laid.
    """
    count = int(rng.integers(_FEWEST_DRAWN, MOST_THINGS + 1)) if order.things is None else order.things
    places, hulls, outlines, binned = Places(), list(taken), list[BaseGeometry](), list[BaseGeometry]()
    order_of = rng.permutation(len(props)).tolist()
    if order.event == "knocked_over":
        first = next(index for index in order_of if props[index].kind in STANDING)
        order_of.sort(key=lambda index: index != first)
    # Things that find no place make way for others, at last for smaller ones.
    for index in [*order_of, *sorted(order_of, key=lambda index: props[index].tool.length_m)]:
        if len(places) == count:
            break
        if index in places:
            continue
        prop = props[index]
        if prop.kind == "screw" and rng.random() < _BIN_SHARE:
            place = find_inside(prop.tool, _BIN, binned, rng)
            if place is not None:
                places[index] = place
                binned.append(place.hull(prop.tool))
            continue
        place = None
        if order.clutter == "touching" and outlines and rng.random() < _TOUCHING_SHARE:
            neighbour = outlines[int(rng.integers(len(outlines)))]
            place = find_touching(prop.tool, neighbour, [*taken, *outlines], rng)
        if place is None:
            place = find_apart(prop.tool, hulls, rng)
        if place is not None:
            places[index] = place
            hulls.append(place.hull(prop.tool))
            if order.clutter == "touching":
                outlines.append(place.outline(prop.tool))
    if len(places) < count and order.things is not None:
        raise ValueError(f"{count} things do not fit on the bench with what else lies there; order fewer")
    return places


def happen(
    event: Event,
    props: Sequence[Prop],
    places: Places,
    taken: Sequence[BaseGeometry],
    rng: np.random.Generator,
) -> Change:
    """Let an event happen to one of the things that lie there."""
    if event == "nothing":
        return Change(places, places)
    for index in rng.permutation(sorted(places)).tolist():
        others = [place.hull(props[i].tool) for i, place in places.items() if i != index] + list(taken)
        change = _HAPPENINGS[event](index, props[index], places, others, rng)
        if change is not None:
            return change
    raise ValueError(f"nothing on the bench can have been {event}; order other things")


def _placed(
    index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator
) -> Change | None:
    goal = _other_zone(prop, places[index], rng)
    found = _in_zone(prop, goal, places, others, rng)
    return None if found is None else Change(places, {**places, index: found}, index, goal.name)


def _missed(index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator) -> Change:
    """The thing stays, or is nudged by the fingers."""
    goal, old, after = _other_zone(prop, places[index], rng), places[index], places
    if rng.random() < 0.6 and not old.floor_m:
        way, far = rng.uniform(-math.pi, math.pi), rng.uniform(0.003, _NUDGE_M)
        nudged = replace(
            old,
            x=old.x + far * math.cos(way),
            y=old.y + far * math.sin(way),
            yaw_rad=old.yaw_rad + float(rng.uniform(-_NUDGE_RAD, _NUDGE_RAD)),
        )
        if not any(nudged.hull(prop.tool).intersects(other) for other in others):
            after = {**places, index: nudged}
    return Change(places, after, index, goal.name)


def _dropped(
    index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator
) -> Change | None:
    """It lies outside every zone, away from where it was."""
    goal, (x0, y0, _) = _other_zone(prop, places[index], rng), places[index].middle(prop.tool)

    def elsewhere(x: float, y: float) -> bool:
        outside = not any(zone.holds((x, y), _ZONE_MARGIN_M) for zone in ZONES)
        return outside and math.hypot(x - x0, y - y0) > _DROPPED_M

    found = find_apart(prop.tool, others, rng, elsewhere, tries=200)
    return None if found is None else Change(places, {**places, index: found}, index, goal.name)


def _wrong(
    index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator
) -> Change | None:
    goal = _other_zone(prop, places[index], rng)
    here = zone_at(*places[index].middle(prop.tool)[:2])
    zones = [zone for zone in _fitting(prop) if zone.name != goal.name and zone != here]
    found = _in_zone(prop, zones[int(rng.integers(len(zones)))], places, others, rng)
    return None if found is None else Change(places, {**places, index: found}, index, goal.name)


def _knocked(
    index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator
) -> Change | None:
    """It stood on its end and lies now, beside where it stood."""
    if prop.kind not in STANDING or places[index].floor_m:
        return None
    x, y, _ = places[index].middle(prop.tool)
    standing = Place(x, y, float(rng.uniform(-math.pi, math.pi)), stands=True)
    for _ in range(40):
        yaw, slid = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.0, _SLIDE_M))
        reach = slid - left_end(prop.tool)
        fallen = Place(x + reach * math.cos(yaw), y + reach * math.sin(yaw), yaw)
        if is_seen(fallen.hull(prop.tool)) and not any(fallen.hull(prop.tool).intersects(other) for other in others):
            return Change({**places, index: standing}, {**places, index: fallen}, index)
    return None


def _taken(index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator) -> Change:
    return Change(places, {i: place for i, place in places.items() if i != index}, index)


def _added(index: int, prop: Prop, places: Places, others: list[BaseGeometry], rng: np.random.Generator) -> Change:
    return Change({i: place for i, place in places.items() if i != index}, places, index)


def _in_zone(
    prop: Prop, zone: Zone, places: Mapping[int, Place], others: list[BaseGeometry], rng: np.random.Generator
) -> Place | None:
    """A free place with its middle well inside a zone."""
    if zone.container:
        walls_apart = [other for other in others if _inside_bin(other)]
        return find_inside(prop.tool, zone, walls_apart, rng)
    margin = _ZONE_MARGIN_M
    area = ((zone.x[0] + margin, zone.x[1] - margin), (zone.y[0] + margin, zone.y[1] - margin))
    return find_apart(prop.tool, others, rng, area=area, tries=200)


def _inside_bin(shape: BaseGeometry) -> bool:
    x, y = shape.centroid.x, shape.centroid.y
    return _BIN.holds((x, y)) and shape.area < 0.5 * (_BIN.x[1] - _BIN.x[0]) * (_BIN.y[1] - _BIN.y[0])


def _fitting(prop: Prop) -> list[Zone]:
    """Zones that the thing fits into: the bin takes screws only."""
    return [zone for zone in ZONES if not zone.container or prop.kind == "screw"]


def _other_zone(prop: Prop, place: Place, rng: np.random.Generator) -> Zone:
    here = zone_at(*place.middle(prop.tool)[:2])
    zones = [zone for zone in _fitting(prop) if zone != here]
    return zones[int(rng.integers(len(zones)))]


_BIN = next(zone for zone in ZONES if zone.container)
_Happening = Callable[[int, Prop, Places, list[BaseGeometry], np.random.Generator], Change | None]
_HAPPENINGS: dict[Event, _Happening] = {
    "placed": _placed,
    "missed_grasp": _missed,
    "dropped": _dropped,
    "wrong_zone": _wrong,
    "knocked_over": _knocked,
    "taken": _taken,
    "added": _added,
}
