"""What training never shows, so that a test can tell what a model has put together itself."""

from __future__ import annotations

HELD_OUT_PAIRS: tuple[tuple[str, str], ...] = (
    ("red", "Phillips screwdriver"),
    ("purple", "flat screwdriver"),
    ("blue", "pliers"),
    ("green", "needle-nose pliers"),
    ("orange", "hammer"),
    ("yellow", "tape measure"),
    ("brass", "screw"),
    ("blue", "adjustable wrench"),
)
"""Colour and kind. Each colour is shown on other kinds, each kind in other colours; never named together either."""


def is_pair_held_out(colour: str, kind: str) -> bool:
    return (colour, kind) in HELD_OUT_PAIRS
