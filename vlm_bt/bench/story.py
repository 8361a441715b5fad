"""The story of the workbench on benches that nothing was trained or tuned on: each of its steps, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.kept import Kept
from vlm_bt.bench.mission import fingerprint
from vlm_bt.bench.story_steps import STEPS
from vlm_bt.bench.story_told import tell_story

FIRST_SEED = 7000
STORIES = 20
Row = Mapping[str, Any]


def measure_story(plan: Plan, say: Say) -> Sequence[Figure]:
    """Run each seed's story and judge its steps. Results of earlier runs of the same program are used again."""
    first = FIRST_SEED + STORIES * plan.seed
    seeds = plan.seeds or tuple(range(first, first + (1 if plan.quick else STORIES)))
    kept = Kept(plan.out / "story.jsonl", {"program": fingerprint(), "seeds": list(seeds)})

    def trial(number: int) -> Row:
        row = judged(seeds[number], plan.out / f"story-{seeds[number]}")
        say(line(row))
        return row

    return figures(kept.complete(len(seeds), trial))


def judged(seed: int, out: Path) -> Row:
    """One seed's story: by step, why it did not pass, or "" where it did."""
    told = tell_story(seed, out)
    why = {name: step(told) for name, step in STEPS.items()}
    return {"seed": seed, "why": why, "wall_s": told.wall_s, "questions": told.questions, "false": told.false_motions}


def line(row: Row) -> str:
    failed = [f"{name}: {why}" for name, why in row["why"].items() if why]
    return f"seed {row['seed']}: {len(row['why']) - len(failed)} of {len(row['why'])} steps, {row['wall_s']:.0f} s" + (
        f"; {'; '.join(failed)}" if failed else ""
    )


def figures(rows: Sequence[Row]) -> list[Figure]:
    """For each step the share of stories in which it passed, and of stories that passed whole."""
    count = max(1, len(rows))
    passed = {name: sum(not row["why"][name] for row in rows) for name in STEPS}
    whole = sum(not any(row["why"].values()) for row in rows)
    return [
        Figure("stories", len(rows), ""),
        *(Figure(f"step: {name}", n / count, "share", 1.0, "exactly") for name, n in passed.items()),
        Figure("stories that pass whole", whole / count, "share", 1.0, "exactly"),
        Figure("false motions", float(sum(row["false"] for row in rows)), ""),
        Figure("questions a story", sum(row["questions"] for row in rows) / count, ""),
        Figure("wall time of the longest story", max((row["wall_s"] for row in rows), default=0.0), "s"),
    ]
