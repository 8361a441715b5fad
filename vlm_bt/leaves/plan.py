"""What a mission has decided before it moves anything: where the groups go, and which things it knows."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_bt.types import Zone


@dataclass
class Plan:
    """Written by the leaf that plans; without one, the configured zones hold and every thing is known.

    Attributes:
        zones: Sections as they were laid out, by name.
        things: What the things that the plan knows are called, by their track's name.
        belong: The zone of each of them that has one.
        longer: Zones that were made longer after the plan, because something found no place there.
        by_size: Zones in which things lie in the order of their length.
    """

    zones: dict[str, Zone] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)
    belong: dict[str, str] = field(default_factory=dict)
    longer: set[str] = field(default_factory=set)
    by_size: frozenset[str] = frozenset()
    made: bool = False

    def knows(self, object_id: str) -> bool:
        return not self.made or object_id in self.things

    def goes_on(self, before: str, after: str) -> None:
        """The thing is followed under another name from now on."""
        for known in (self.things, self.belong):
            if before in known:
                known[after] = known.pop(before)
