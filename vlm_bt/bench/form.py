"""The one form of every benchmark: figures with targets, as a table and as JSON."""

from __future__ import annotations

import json as json_module
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vlm_bt.errors import ConfigError

Say = Callable[[str], None]
Sense = Literal["at least", "at most", "exactly"]


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        seeds: Empty for the benchmark's own, moved by `seed`.
        quick: A version that ends within 2 minutes on 2 cores.
        out: Keeps results, so that an interrupted benchmark goes on.
        jobs: How many missions run at once; more than one spoils their timings.
        missions: How many seeds, where the benchmark can run more or fewer; 0: as many as its targets ask for.
        fidelity: Of the simulation, where the benchmark runs in either.
        ray: The address of a Ray cluster that runs the missions; "" runs them here.
    """

    seeds: tuple[int, ...]
    seed: int
    quick: bool
    out: Path
    jobs: int = 1
    missions: int = 0
    fidelity: str = "full"
    ray: str = ""


@dataclass(frozen=True)
class Figure:
    """One measured number. `target` is None where none is stated; then it always holds."""

    name: str
    value: float
    unit: str
    target: float | None = None
    sense: Sense = "at most"

    @property
    def holds(self) -> bool:
        if self.target is None:
            return True
        return {
            "at least": self.value >= self.target,
            "at most": self.value <= self.target,
            "exactly": self.value == self.target,
        }[self.sense]


Bench = Callable[[Plan, Say], Sequence[Figure]]


def seed_range(text: str) -> tuple[int, ...]:
    """ "1000-1019", "7" or "1,5,8" as seeds. Raises: ConfigError."""
    try:
        seeds: list[int] = []
        for part in text.split(","):
            first, dash, last = part.partition("-")
            seeds += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: write 1000-1019, or 3,5,8") from None
    if not seeds:
        raise ConfigError(f"--seeds {text!r} names no seed: the first is greater than the last")
    return tuple(seeds)


def finish(name: str, figures: Sequence[Figure], json: bool, say: Say) -> int:
    """Print the table and, with `json`, the one object as the last line; returns the exit code."""
    wide = max(len(figure.name) for figure in figures)
    for figure in figures:
        target = f"{figure.sense} {figure.target:g}" if figure.target is not None else ""
        verdict = "" if figure.target is None else "holds" if figure.holds else "MISSED"
        say(f"{figure.name:{wide}}  {figure.value:>10.4g} {figure.unit:8}  {target:14}  {verdict}".rstrip())
    if json:
        rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
        say(json_module.dumps({"bench": name, "machine": machine(), "figures": rows}))
    return 0 if all(figure.holds for figure in figures) else 1


def machine() -> str:
    """This machine in words, without its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.machine()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory_gb:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )
