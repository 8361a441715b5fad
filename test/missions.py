"""Building small missions for tests: the real simulation, model and person, on a bench the test lays out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcap.reader import make_reader

from vlm_bt import app, settings
from vlm_bt.cli.run import changed
from vlm_bt.places import share_dir


def mission(
    out: Path, *, kinds=(), seed=11, human="scripted", tree="organise_workbench", lay_out=None, **changes
) -> app.Mission:
    """A mission on a bench with exactly these kinds; `lay_out(scenario)` may change the scenario."""
    chosen = settings.load()
    chosen = changed(chosen, "simulation.kinds", tuple(kinds)) if kinds is not None else chosen
    for key, value in changes.items():
        chosen = changed(chosen, key.replace("__", "."), value)
    path = tree if isinstance(tree, Path) else share_dir("trees") / f"{tree}.yaml"
    return app.build(chosen, path, seed=seed, human=human, out=out, lay_out=lay_out)


def visited(*visits: tuple[float, float]):
    """A person stands at the bench from..to (simulated seconds)."""
    return lambda scenario: replace(scenario, person_visits=visits)


def moved_to(name: str, x: float, y: float):
    """One item lies somewhere else."""
    return lambda scenario: scenario.with_item_at(name, x, y, 0.0)


def messages(record: Path, channel: str) -> list[dict[str, Any]]:
    """Every message of one channel of a record."""
    with record.open("rb") as stream:
        return [json.loads(message.data) for _, _, message in make_reader(stream).iter_messages(topics=[channel])]
