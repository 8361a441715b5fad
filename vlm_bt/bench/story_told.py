"""The story of the workbench as it was lived once: a bench, a scripted supervisor, two missions and their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vlm_bt.places import share_dir
from vlm_bt.recording.record import Record
from vlm_bt.settings import Settings
from vlm_bt.types import Zone

if TYPE_CHECKING:
    from vlm_bt.app.simulated import SimulatedSite

KINDS = (
    *("adjustable wrench", "adjustable wrench", "combination wrench", "combination wrench"),
    *("Phillips screwdriver", "Phillips screwdriver", "flat screwdriver"),
    *("pliers", "needle-nose pliers", "tape measure", "T-handle Allen wrench", "multi-tool"),
)
LATE_SCREWS = 2
ASKED_AT_S = 50.0
ASKED = "How many screwdrivers are there?"
FETCH = {"kind": "adjustable wrench", "size": "largest"}
"""What the sentence 'get me the largest adjustable wrench' fills in."""


@dataclass(frozen=True)
class Lies:
    """Where a thing really is. `zone`: "" outside all; `taken`: a person has it."""

    name: str
    kind: str
    x: float
    y: float
    length_m: float
    zone: str = ""
    taken: bool = False


@dataclass(frozen=True)
class Told:
    """A story: the records of its two missions, and what is true at the begin, between them and at the end."""

    sorting: Record
    fetching: Record
    began: Sequence[Lies]
    sorted: Sequence[Lies]
    ended: Sequence[Lies]
    wall_s: float
    questions: int
    false_motions: int

    def of(self, channel: str) -> list[Mapping[str, Any]]:
        """What the first mission's record holds on a channel."""
        return on(self.sorting, channel)


def on(record: Record, channel: str) -> list[Mapping[str, Any]]:
    """Every message of a channel, each with its time `t`."""
    return [one.data for one in record.entries if one.channel == channel]


def tell_story(seed: int, out: Path) -> Told:
    """Live through it. The records lie in `out`, of the second mission in `out/then-1`.

    Raises:
        ModelError, DrawingError.
    """
    from vlm_bt import app
    from vlm_bt.app.simulated import SimulatedSite

    chosen = bench_of_the_story()
    trees = share_dir("trees")
    organise, fetch = trees / "organise_workbench.yaml", trees / "fetch_tool.yaml"
    human = f"scripted:{_supervisor(out)}"
    with app.build(chosen, organise, seed=seed, human=human, out=out) as mission:
        site = mission.site
        assert isinstance(site, SimulatedSite)
        began = _lie(site, {})
        first = mission.run()
        zones = {**chosen.zones(), **mission.memory.plan.zones}
        sorted_ = _lie(site, zones)
        with mission.follow_up(fetch, FETCH, out / "then-1") as following:
            second = following.run()
        ended = _lie(site, zones)
    return Told(
        Record.read(out / "mission.mcap"),
        Record.read(out / "then-1" / "mission.mcap"),
        began,
        sorted_,
        ended,
        wall_s=round(first.wall_s + second.wall_s, 1),
        questions=first.questions + second.questions,
        false_motions=second.false_motions,
    )


def bench_of_the_story() -> Settings:
    """The shipped configuration, with the story's tools and two screws that turn up late."""
    from vlm_bt import settings

    chosen = settings.load()
    staged = chosen.simulation.model_copy(update={"kinds": KINDS, "late_screws": LATE_SCREWS})
    return chosen.model_copy(update={"simulation": staged})


def _supervisor(out: Path) -> Path:
    """The shipped supervisor, who besides asks a question of their own accord while the robot is at work."""
    script = yaml.safe_load((share_dir("config") / "supervisor.yaml").read_text(encoding="utf-8"))
    script["says"] = [{"at_s": ASKED_AT_S, "text": ASKED}]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "supervisor.yaml"
    path.write_text(yaml.safe_dump(script), encoding="utf-8")
    return path


def _lie(site: SimulatedSite, zones: Mapping[str, Zone]) -> tuple[Lies, ...]:
    from vlm_bt.simulation.tools import make_tool

    long = {item.name: make_tool(item.kind, item.tool_seed, item.size).length_m for item in site.world.scenario.items}
    return tuple(
        Lies(one.name, one.kind, one.x, one.y, long[one.name], one.zone, one.handed_over)
        for one in site.truth.score(zones).details
    )
