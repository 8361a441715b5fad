"""What things are called: kinds and families of kinds, sizes, sides of the bench, names a mission has learnt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vlm_bt.sentences import plural, singular
from vlm_bt.vision.vocabulary import KINDS, PROMPTS

EVERYTHING = ("tool", "tools", "thing", "things", "part", "parts", "everything")
"""Words for any kind; the kind is then empty."""
FAMILIES: Mapping[str, str] = {"wrench": "wrench", "spanner": "wrench", "screwdriver": "screwdriver"}
"""Words for several kinds at once."""
SIZES: Mapping[str, str] = {
    "largest": "largest",
    "biggest": "largest",
    "longest": "largest",
    "smallest": "smallest",
    "shortest": "smallest",
    "nearest": "any",
}
SIDES: Mapping[str, str] = {
    "left": "left",
    "right": "right",
    "middle": "centre",
    "centre": "centre",
    "center": "centre",
    "front": "front",
    "back": "rear",
    "rear": "rear",
}
"""Sides of the bench as the robot sees it, as its sections are called: left is the base frame's +y, front is near."""


def kinds_by_name() -> dict[str, str]:
    """Every way to name a kind or a family of kinds, in the singular and the plural, to what is meant."""
    named = {wording[0]: kind for kind in KINDS for wording in PROMPTS[kind]} | dict(FAMILIES)
    forms = {form.casefold(): kind for word, kind in named.items() for form in (word, plural(word, 2))}
    return forms | dict.fromkeys(EVERYTHING, "")


class Names:
    """The names that are understood now.

    Args:
        labels: Further names of things, such as one that a person gave.
        groups: Names of groups of the tree, such as "measuring tools".
        zones: Names of sections of the bench.
    """

    def __init__(self, labels: Iterable[str] = (), groups: Iterable[str] = (), zones: Iterable[str] = ()) -> None:
        self.labels = tuple(labels)
        self.groups = tuple(groups)
        kinds = {_split(form): kind for form, kind in kinds_by_name().items()}
        for name in (*self.groups, *self.labels):
            for form in (name, plural(name, 2), singular(name)):
                kinds.setdefault(_split(form), name)
        self.kinds = kinds
        """Words, without hyphens, to the kind, family, label or group that they name."""
        self.zones = {_split(zone.replace("_", " ")): zone for zone in zones if zone not in SIDES.values()}
        self.longest = max(len(form) for form in kinds)


def _split(name: str) -> tuple[str, ...]:
    return tuple(name.casefold().replace("-", " ").split())
