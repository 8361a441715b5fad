"""What a mission knows of things now, as it would tell a person: what they are taken for, and where they lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.looking import label_of
from vlm_bt.sentences import article, listed, named, plural
from vlm_bt.types import LocatedObject

HAND = "hand"
BESIDE_M = 0.14
"""What is said to lie next to something else is no farther from it, middle to middle."""
ASIDE_M = 0.10
"""How far from the middle of the bench its left and its right begin, metres."""


@dataclass(frozen=True)
class Known:
    """A thing that was seen.

    Attributes:
        id: Its track's name; "" for what lies in a container, where nothing is followed.
        label: What it is called; "" where nothing that is known fits.
        sure: Whether that is the only name that fits.
        place: The section of the bench or the container that it lies in, "hand", or "".
        thing: Where depth sees it; None in a container and in the hand.
    """

    id: str
    label: str
    sure: bool
    place: str
    thing: LocatedObject | None = None
    length_m: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """Metres, base frame."""
        assert self.thing is not None
        return self.thing.footprint.centre

    @property
    def name(self) -> str:
        return self.label if self.label and self.sure else f"{self.label}?" if self.label else "unknown thing"


def known_things(ports: Ports) -> list[Known]:
    """Everything on the bench, in the containers and in the hand, from the last look; nothing is asked of a model."""
    memory = ports.memory
    found = []
    for thing in memory.objects.values():
        label = label_of(ports, thing)
        zone = next((zone.name for zone in ports.zones.values() if zone.holds(thing.footprint.centre, 0.005)), "")
        named_so = "" if label in ("?", "unknown tool") else label.rstrip("?")
        found.append(Known(thing.id, named_so, not label.endswith("?"), zone, thing, thing.footprint.length_m))
    inside = Counter(put.zone for put in memory.placed if ports.zones[put.zone].container)
    found += [Known("", put.label, True, put.zone) for put in memory.placed if ports.zones[put.zone].container]
    for zone_name, number in memory.contained.items():
        found += [Known("", "", False, zone_name)] * max(0, number - inside[zone_name])
    held = ports.ledger.in_hand
    if held is not None:
        shape = held.tool.object.footprint
        found.append(Known(held.tool.object.id, held.label, True, HAND, None, shape.length_m))
    return found


def called(things: Sequence[Known], kind: str) -> list[Known]:
    """Those that are called so, or may be; an empty kind means all."""
    return [one for one in things if not kind or (one.label and named(kind, one.label))]


def in_section(place: str) -> str:
    """ "in the left section", "in the parts bin", "in my hand"."""
    if place == HAND:
        return "in my hand"
    name = place.replace("_", " ")
    return f"in the {name}" if "bin" in name or "box" in name else f"in the {name} section"


def place_of(one: Known, among: Sequence[Known]) -> str:
    """Where a thing lies, in words: its section, else its side of the bench and what lies next to it."""
    if one.place:
        return in_section(one.place)
    if one.thing is None:
        return "somewhere I do not see"
    x, y = one.centre
    side = "on the left" if y > ASIDE_M else "on the right" if y < -ASIDE_M else "in the middle"
    near = [other for other in among if other.thing is not None and other.id != one.id and other.label and other.sure]
    near.sort(key=lambda other: math.dist(other.centre, (x, y)))
    beside = f", next to the {near[0].label}" if near and math.dist(near[0].centre, (x, y)) < BESIDE_M else ""
    return f"{side}, {x * 100:.0f} cm ahead of me{beside}"


def places(things: Sequence[Known], among: Sequence[Known]) -> str:
    """Where several things lie: "3 in the left section and 1 on the right, 45 cm ahead of me"."""
    counts = Counter(place_of(one, among) for one in things)
    if len(counts) == 1 and len(things) > 1:
        return f"all {len(things)} {next(iter(counts))}"
    return listed([f"{n} {place}" for place, n in counts.most_common()] if len(things) > 1 else list(counts))


def the(one: Known) -> str:
    """ "the hammer", "what may be pliers"."""
    if not one.label:
        return "the thing without a name"
    return f"the {one.label}" if one.sure else f"what may be {a(one.label)}"


def a(label: str) -> str:
    """ "a hammer", "pliers"."""
    return label if label == plural(label, 2) else f"{article(label)} {label}"
