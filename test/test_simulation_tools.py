"""Procedural tools: sizes a gripper can take, tips that can be told apart, and what odd things never are."""

from __future__ import annotations

import numpy as np
import pytest

from vlm_bt.simulation.odd_tools import odd_tool, resembles_held_out
from vlm_bt.simulation.tools import HELD_OUT, KINDS, make_tool


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_lies_low_and_fits_between_the_fingers(kind: str) -> None:
    for seed, size in ((1, 0.0), (2, 1.0), (3, None)):
        tool = make_tool(kind, seed, size)
        height = max(float(visual.vertices[:, 2].max()) for visual in tool.visuals) + tool.half_height_m
        assert 0.006 <= height <= 0.036
        assert min(2 * min(c.size[:2]) if c.shape == "box" else 2 * c.size[0] for c in tool.colliders) < 0.078
        assert tool.parts and tool.colour and 0.004 < tool.mass_kg < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_no_collider_reaches_below_the_half_height_that_a_tool_is_laid_down_by(kind: str) -> None:
    tool = make_tool(kind, 7)
    upright = [c for c in tool.colliders if c.quaternion[1] == 0.0]
    assert all(
        c.position[2] - (c.size[2] if c.shape == "box" else c.size[1]) >= -tool.half_height_m - 1e-4 for c in upright
    )


def test_the_same_seed_makes_the_same_tool_and_another_seed_another() -> None:
    assert make_tool("pliers", 5).length_m == make_tool("pliers", 5).length_m
    assert len({make_tool("pliers", seed).length_m for seed in range(6)}) == 6


def test_size_sets_the_length() -> None:
    small, large = make_tool("adjustable wrench", 1, 0.0), make_tool("adjustable wrench", 1, 1.0)
    assert small.length_m < 0.13 and large.length_m > 0.18


def test_a_flat_blade_is_wider_than_its_shaft_and_a_phillips_tip_is_narrower() -> None:
    def tip_width(kind: str) -> float:
        tool = make_tool(kind, 4)
        corners = np.concatenate([visual.vertices for visual in tool.visuals])
        return float(np.ptp(corners[corners[:, 0] > corners[:, 0].max() - 0.003][:, 1]))

    assert tip_width("flat screwdriver") > 0.009
    assert tip_width("Phillips screwdriver") < 0.007


def test_an_unknown_kind_is_refused_with_the_kinds_that_are_known() -> None:
    with pytest.raises(KeyError, match="no tool of kind 'spoon'; known: adjustable wrench"):
        make_tool("spoon", 1)


def test_odd_things_are_never_a_held_out_tool() -> None:
    things = [odd_tool(np.random.default_rng(seed)) for seed in range(300)]
    assert not any(resembles_held_out(thing.parts) for thing in things)
    assert all(resembles_held_out(make_tool(kind, 1).parts) for kind in HELD_OUT)
    assert {"T-shaped handle", "hexagonal shaft", "folding body"} <= {part for thing in things for part in thing.parts}


def test_an_odd_thing_comes_from_its_seed() -> None:
    assert odd_tool(12).parts == odd_tool(12).parts
    assert len({odd_tool(seed).parts for seed in range(40)}) > 10
