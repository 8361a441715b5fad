"""Missions under faults: what the model, the camera, the arm and the people of a mission may do to it, and what it
then does. Beside it a baseline that verifies nothing meets the same faults on the same benches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vlm_bt.bench.campaign_crew import with_processes, with_ray
from vlm_bt.bench.campaign_figures import figures
from vlm_bt.bench.campaign_mission import Case
from vlm_bt.bench.campaign_plots import plot
from vlm_bt.bench.campaign_table import write_tables
from vlm_bt.bench.fault_table import TABLE, Injection, drawn, lasting
from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.kept import Kept, Row
from vlm_bt.bench.mission import fingerprint

FIRST_SEED = 50_000
SEEDS_APART = 10_000
"""Two values of --seed share no bench."""
MISSIONS = {"full": 50, "fast": 1000}
QUICK_MISSIONS = 2
ITEMS, QUICK_ITEMS = 6, 4
CORRUPTED = 0.2
FAULTS_EACH = 12
MOMENTS_EACH = 5
STOPPED_EVERY = 4
VISIT_S = (1.5, 4.0)
SECONDS_AN_ITEM = 10.0
"""About how long a mission takes for each thing: faults and visits fall into that time."""


def measure_campaign(plan: Plan, say: Say) -> list[Figure]:
    """Run every mission that no earlier run of the same program has kept in `plan.out`, then add up, tell and draw."""
    kept = Kept(plan.out / f"campaign-{plan.fidelity}.jsonl", {"program": fingerprint()})
    done = {str(row["key"]): row for row in kept.rows}
    cases = all_cases(plan)
    missing = [case for case in cases if case.key not in done]
    say(f"{len(cases)} missions, {len(cases) - len(missing)} of them kept from before")
    rows: Iterable[Row] = with_ray(missing, plan.ray) if plan.ray else with_processes(missing, plan.jobs)
    for row in rows if missing else ():
        kept.add(row)
        done[str(row["key"])] = row
        say(line(row))
    wanted = [done[case.key] for case in cases]
    for path in (write_tables(wanted, plan.out, plan.fidelity), plot(wanted, plan.out, plan.fidelity)):
        say(f"written: {path}")
    return figures(wanted)


def all_cases(plan: Plan) -> list[Case]:
    """Every mission of the campaign; the same seeds for all parts, and for the baseline."""
    first = FIRST_SEED + SEEDS_APART * plan.seed
    count = QUICK_MISSIONS if plan.quick else plan.missions or MISSIONS[plan.fidelity]
    seeds = plan.seeds or tuple(range(first, first + count))
    items = QUICK_ITEMS if plan.quick else ITEMS
    within_s = SECONDS_AN_ITEM * items
    cases = []
    for seed in seeds:
        for part, name in (("random", "wrong_label"), ("sticking", "sticking_label")):
            spoilt = (lasting(name, CORRUPTED),)
            cases += [Case(part, seed, items, spoilt, baseline, plan.fidelity) for baseline in (False, True)]
        cases.append(Case("person", seed, items, visits(seed, within_s), fidelity=plan.fidelity))
        cases.append(Case("faults", seed, items, every_kind(seed, within_s, plan.fidelity), fidelity=plan.fidelity))
    return cases


def every_kind(seed: int, within_s: float, fidelity: str) -> tuple[Injection, ...]:
    """Faults from the whole table; somebody says stop in every fourth mission, which ends it."""
    # In fast fidelity models run in the mission's own process: there is none to kill.
    apart = {"says_stop"} | ({"model_killed"} if fidelity == "fast" else set())
    faults = drawn(seed, FAULTS_EACH, within_s, tuple(name for name in TABLE if name not in apart))
    if seed % STOPPED_EVERY:
        return faults
    return (*faults, *drawn(seed + 1, 1, within_s, ("says_stop",)))


def visits(seed: int, within_s: float) -> tuple[Injection, ...]:
    """Somebody steps in at random moments, one in each equal part of the time, so that each is seen apart."""
    chance = np.random.default_rng((seed, 5))
    each_s = within_s / MOMENTS_EACH
    begins = [each_s * (number + 0.5 * chance.random()) for number in range(MOMENTS_EACH)]
    return tuple(
        Injection("person_in_reach", begin_s, begin_s + float(chance.uniform(*VISIT_S)), 1.0) for begin_s in begins
    )


def line(row: Mapping[str, Any]) -> str:
    """One mission in words."""
    if row.get("hung"):
        return f"{row['key']}: HUNG"
    if "crashed" in row:
        return f"{row['key']}: CRASHED: {row['crashed']}"
    score = row["score"]
    return (
        f"{row['key']}: {row['outcome']}, {score['sorted']}/{score['items']} sorted, {row['misplaced']} put in a "
        f"wrong zone, {row['questions']} questions, {row['false_unconfirmed']} of {row['motions']} motions false, "
        f"{injected([row])} faults, {row['wall_s']:.0f} s"
    )


def injected(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many faults had an effect; one that lasts counts once."""
    return sum(hits > 0 for row in rows for _, hits in row.get("hits", ()))
