"""Single faults in the shipped trees and cards: how many are told at their exact place, and how many alone."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlm_bt.bench.faults import Fault, Faults
from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.tree.load import check_tree, vocabulary

QUICK_EVERY = 10


@dataclass
class Tally:
    """How the checker did. `missed` and `followed` keep the faults whose report was wrong or not alone."""

    faults: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[Fault, list[str]]] = field(default_factory=list)
    followed: list[tuple[Fault, list[str]]] = field(default_factory=list)


def measure_mutants(plan: Plan, say: Say) -> Sequence[Figure]:
    """Every fault of every kind; a tenth of them with --quick."""
    tally = judged(shipped_faults(QUICK_EVERY if plan.quick else 1))
    for title, rows in (("not told at its place", tally.missed), ("not alone", tally.followed)):
        for fault, told in rows[:20]:
            say(f"{title}: {fault.base}:{fault.line}:{fault.column} {fault.rule}; told: {'; '.join(told) or 'nothing'}")
    alone = 1 - len(tally.followed) / max(1, tally.faults)
    return [
        Figure("single faults", float(tally.faults), "", 100 if plan.quick else 1_000, "at least"),
        Figure("rules among them", float(len(tally.rules)), "", 20, "at least"),
        Figure("told at their exact place", 1 - len(tally.missed) / max(1, tally.faults), "share", 1.0, "exactly"),
        Figure("without a second error", round(alone, 4), "share", 0.95, "at least"),
    ]


def shipped_faults(every: int = 1) -> Iterator[Fault]:
    """The faults of the trees and cards that come along; every n-th of them."""
    cards = {card.name: card for card in vocabulary(LEAVES)}
    number = 0
    for folder in ("trees", "skills"):
        for path in sorted(share_dir(folder).glob("*.yaml")):
            for fault in Faults(path, cards):
                number += 1
                if number % every == 0:
                    yield fault


def judged(faults: Iterable[Fault]) -> Tally:
    """Check every faulty file in a folder of its own."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for fault in faults:
            path = Path(folder) / fault.base
            path.parent.mkdir(exist_ok=True)
            path.write_text(fault.text, encoding="utf-8")
            card = fault.base.startswith("skills/")
            skills = _others(Path(folder), path.name) if card else share_dir("skills")
            found = check_tree(path, LEAVES, skills_dirs=[skills])
            path.unlink()
            told = [f"{f.rule} {f.line}:{f.column}" for f in found if f.path == str(path)]
            tally.faults += 1
            tally.rules[fault.rule] += 1
            if f"{fault.rule} {fault.line}:{fault.column}" not in told:
                tally.missed.append((fault, told))
            if len(found) > 1:
                tally.followed.append((fault, [f"{f.rule} {f.line}:{f.column}" for f in found]))
    return tally


def _others(folder: Path, but: str) -> Path:
    """The shipped cards without the one that is being spoilt, as links in a folder of their own."""
    others = folder / f"without_{but.removesuffix('.yaml')}"
    if not others.is_dir():
        others.mkdir()
        for path in share_dir("skills").glob("*.yaml"):
            if path.name != but:
                (others / path.name).symlink_to(path)
    return others
