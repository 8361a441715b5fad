"""What a seed decides, and that an arm can get at it."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from vlm_bt.errors import ConfigError
from vlm_bt.simulation.scenario import REACH_M, ZONES, Scenario, outline_at

SEEDS = range(40, 52)


@pytest.fixture(scope="module")
def benches() -> list[Scenario]:
    return [Scenario.from_seed(seed) for seed in SEEDS]


def test_the_same_seed_gives_the_same_scenario() -> None:
    assert Scenario.from_seed(3) == Scenario.from_seed(3)
    assert Scenario.from_seed(3) != Scenario.from_seed(4)


def test_a_mission_bench_holds_the_tools_of_the_story(benches: list[Scenario]) -> None:
    for bench in benches:
        count = Counter(item.kind for item in bench.items)
        assert len(bench.items) == 25
        assert (count["adjustable wrench"], count["combination wrench"], count["tape measure"]) == (2, 3, 1)
        assert (count["pliers"], count["needle-nose pliers"]) == (2, 2)
        assert count["Phillips screwdriver"] in (2, 3) and count["flat screwdriver"] in (2, 3)
        assert (count["T-handle Allen wrench"], count["multi-tool"]) == (1, 1)
        assert count["hammer"] <= 1 and count["screw"] >= 5


def test_items_lie_apart_within_reach_and_out_of_the_bin(benches: list[Scenario]) -> None:
    bin_zone = next(zone for zone in ZONES if zone.container)
    for bench in benches:
        outlines = [outline_at(item) for item in bench.items]
        for index, item in enumerate(bench.items):
            assert REACH_M[0] <= math.hypot(item.x, item.y) <= REACH_M[1]
            assert not bin_zone.holds((item.x, item.y), 0.01)
            for other in range(index):
                gap = 0.010 if "screw" in (item.kind, bench.items[other].kind) else 0.012
                assert outlines[index].distance(outlines[other]) >= gap - 1e-3


def test_nothing_lies_in_its_own_zone_and_at_most_a_third_in_any(benches: list[Scenario]) -> None:
    for bench in benches:
        within = [(item, zone.name) for item in bench.items for zone in ZONES if zone.holds((item.x, item.y))]
        assert len(within) <= len(bench.items) // 3
        assert all(item.right_zone != zone for item, zone in within)


def test_events_are_staged_by_seed(benches: list[Scenario]) -> None:
    assert all(
        len(bench.late) == 2 and all(bench.item(name).kind == "screw" for name in bench.late) for bench in benches
    )
    assert all(bench.slip is not None for bench in benches)
    visits = [bench.person_visits for bench in [*benches, *(Scenario.from_seed(seed) for seed in range(60, 80))]]
    assert 2 <= sum(map(bool, visits)) <= 16
    assert all(60 <= begins <= 140 and 6 <= ends - begins <= 10.1 for visit in visits for begins, ends in visit)


def test_small_benches_have_no_staged_events_and_an_empty_one_is_empty() -> None:
    assert Scenario.from_seed(1, items=0).items == ()
    four = Scenario.from_seed(1, items=4)
    assert len({item.kind for item in four.items}) == 4
    assert not four.late and not four.person_visits and four.slip is None


def test_explicit_kinds_win() -> None:
    bench = Scenario.from_seed(1, kinds=["screw", "hammer", "screw"])
    assert [item.name for item in bench.items] == ["screw_1", "hammer_1", "screw_2"]


def test_an_unknown_kind_and_too_many_items_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kind of tool 'spoon'; known: adjustable wrench"):
        Scenario.from_seed(1, kinds=["spoon"])
    with pytest.raises(ConfigError, match="90 items do not fit on the bench"):
        Scenario.from_seed(1, kinds=["hammer"] * 90)


def test_a_tool_can_be_laid_out_of_reach() -> None:
    bench = Scenario.from_seed(1, kinds=["pliers"]).with_item_at("pliers_1", 0.74, 0.60)
    assert math.hypot(bench.items[0].x, bench.items[0].y) > 0.9


def test_the_camera_hangs_at_most_5_mm_and_a_third_of_a_degree_off(benches: list[Scenario]) -> None:
    for bench in benches:
        assert 0 < math.hypot(*bench.camera_offset.position) <= 0.005
        assert 0 < math.hypot(*bench.camera_offset.rotation) <= math.radians(0.3)
