"""What a person, or an unlucky motion, changes on the bench: noticed from images, named, and recovered from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from vlm_bt import settings
from vlm_bt.app.fast import FastCell
from vlm_bt.app.result import Result
from vlm_bt.places import share_dir
from vlm_bt.recording.entries import StatusChange
from vlm_bt.recording.record import Record
from vlm_bt.simulation.truth import ItemScore
from vlm_bt.simulation.world import World

KINDS = ("combination wrench", "pliers", "tape measure", "screw")
PLIERS = "pliers_1"
When = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Ended:
    result: Result
    outcomes: tuple[StatusChange, ...]
    items: Mapping[str, ItemScore]

    def named(self, reason: str) -> list[str]:
        return [f"{one.name}: {one.detail}" for one in self.outcomes if one.outcome == reason]


def run(
    out: Path,
    when: When,
    happens: Callable[[World], None],
    *,
    late: str = "",
    places: Mapping[str, tuple[float, float]] | None = None,
) -> Ended:
    """A mission on a small bench; `happens` once, in the tick after the record shows what `when` waits for."""
    loaded = settings.load()
    simulation = loaded.simulation.model_copy(update={"kinds": KINDS})
    waiting, due = [happens], []

    def notice(channel: str, entry: Mapping[str, Any]) -> None:
        if waiting and when(channel, entry):
            due.append(waiting.pop())

    def lay_out(scenario: Any) -> Any:
        items = tuple(replace(i, appears_s=18.0) if i.name == late else i for i in scenario.items)
        changed = replace(scenario, items=items)
        for name, (x, y) in (places or {}).items():
            changed = changed.with_item_at(name, x, y)
        return changed

    with FastCell(loaded.model_copy(update={"simulation": simulation})) as cell:
        site = cell.site(4, lay_out=lay_out)
        step = site.step

        def stepped(tick: int) -> None:
            while due:
                due.pop()(site.world)
            step(tick)

        site.step = stepped  # type: ignore[method-assign]
        scored: dict[str, ItemScore] = {}
        score = site.truth.score

        def kept(zones: Any) -> Any:
            found = score(zones)
            scored.update({one.name: one for one in found.details})
            return found

        site.truth.score = kept  # type: ignore[method-assign]
        tree = share_dir("trees") / "organise_workbench.yaml"
        with cell.mission(tree, site, seed=4, out=out, onlooker=notice) as mission:
            result = mission.run()
    assert late or places or not waiting, "the moment came"
    entries = Record.read(out / "mission.mcap").entries
    leaves = tuple(e for e in entries if isinstance(e, StatusChange) and e.outcome and e.status != "RUNNING")
    return Ended(result, leaves, scored)


def planned(channel: str, entry: Mapping[str, Any]) -> bool:
    return channel == "event" and entry.get("what") == "plan"


def moved(verb: str, label: str) -> When:
    return lambda channel, entry: channel == "motion" and (entry.get("verb"), entry.get("label")) == (verb, label)


def shift(name: str, dx: float, dy: float) -> Callable[[World], None]:
    """Somebody moves a thing along the bench."""

    def happens(world: World) -> None:
        address = int(world.model.joint(f"{name}_free").qposadr[0])
        world.data.qpos[address : address + 2] += (dx, dy)

    return happens


def take(name: str) -> Callable[[World], None]:
    return lambda world: world._carry_off(name)


def test_a_thing_that_a_person_takes_is_named_and_not_looked_for(tmp_path: Path) -> None:
    ended = run(tmp_path, planned, take(PLIERS))
    assert any("pliers" in said and "bare" in said for said in ended.named("taken"))
    assert ended.result.outcome == "done" and ended.result.false_motions == 0
    assert ended.result.score["sorted"] == len(KINDS) - 1


def test_a_thing_that_was_pushed_is_named_verified_anew_and_brought_to_its_place(tmp_path: Path) -> None:
    ended = run(tmp_path, planned, shift(PLIERS, -0.06, 0.05))
    assert any("pliers" in said and "from where it lay" in said for said in ended.named("pushed"))
    assert ended.result.score["sorted"] == len(KINDS) and ended.result.false_motions == 0


def test_a_thing_that_is_pushed_while_the_arm_is_about_to_take_it_is_followed(tmp_path: Path) -> None:
    made = []

    def about_to(channel: str, entry: Mapping[str, Any]) -> bool:
        made.extend([1] if planned(channel, entry) else [])
        return bool(made) and channel == "verdict" and entry.get("label") == "pliers"

    ended = run(tmp_path, about_to, shift(PLIERS, -0.06, 0.05))
    assert any(said.startswith("locate again") for said in ended.named("pushed"))
    assert any(one.name.startswith("follow pushed") and one.outcome == "done" for one in ended.outcomes)
    assert ended.items[PLIERS].judgement == "sorted"


def test_a_thing_that_a_person_adds_is_named_and_waits_for_a_word(tmp_path: Path) -> None:
    ended = run(tmp_path, lambda channel, entry: False, lambda world: None, late="screw_1")
    assert any("screw" in said and "nothing lay before" in said for said in ended.named("added"))
    assert any(one.name.startswith("ask to collect") for one in ended.outcomes)
    assert ended.items["screw_1"].judgement == "sorted"


def test_what_comes_to_rest_outside_its_zone_is_put_down_once_more(tmp_path: Path) -> None:
    ended = run(tmp_path, moved("place", "tape measure"), shift("tape_measure_1", 0.0, 0.057))
    assert ended.named("wrong_zone") and ended.items["tape_measure_1"].judgement == "sorted"
    assert any(one.name.startswith("locate placed") and one.outcome == "done" for one in ended.outcomes)


@pytest.mark.parametrize(("stall_s", "lost"), [(1.0, False), (8.0, True)])
def test_a_short_stall_of_the_camera_is_waited_out_and_a_long_one_is_named(
    tmp_path: Path, stall_s: float, lost: bool
) -> None:
    def stall(world: World) -> None:
        world.cameras.lost.add("overhead")
        until_s = world.now_s + stall_s
        serve = world.cameras.serve

        def served(now_s: float, step: int) -> None:
            if now_s >= until_s:
                world.cameras.lost.clear()
            serve(now_s, step)

        world.cameras.serve = served  # type: ignore[method-assign]

    ended = run(tmp_path, planned, stall)
    assert bool(ended.named("camera_lost")) is lost


def test_what_the_fingers_find_no_way_to_waits_until_its_neighbour_is_gone(tmp_path: Path) -> None:
    beside = {"screw_1": (0.30, -0.36), "tape_measure_1": (0.30, -0.314)}
    ended = run(tmp_path, lambda channel, entry: False, lambda world: None, places=beside)
    assert ended.named("blocked") and ended.items["screw_1"].judgement == "sorted"
