"""Whole missions on benches that nothing was trained or tuned on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.places import PACKAGE, share_dir

FIRST_SEED = 1000
MISSIONS = 20
QUICK_ITEMS = 6
PATIENCE_S = 900.0
SAFE_ENDINGS = (0, 1)


def measure_missions(plan: Plan, say: Say) -> list[Figure]:
    """Run each seed in a process of its own and add up. Results of earlier runs in `plan.out` are used again."""
    first = FIRST_SEED + MISSIONS * plan.seed
    seeds = plan.seeds or tuple(range(first, first + (2 if plan.quick else MISSIONS)))
    items = QUICK_ITEMS if plan.quick else None
    program = fingerprint()

    def measured(seed: int) -> dict[str, Any]:
        return mission(seed, items, plan.out / f"mission-{seed}{'-quick' if plan.quick else ''}", program)

    results = []
    with ThreadPoolExecutor(max(1, plan.jobs)) as pool:
        for seed, result in zip(seeds, pool.map(measured, seeds), strict=True):
            results.append(result)
            say(line(seed, result))
    return figures(results)


def mission(seed: int, items: int | None, out: Path, program: str) -> dict[str, Any]:
    """One mission's result, from an earlier run of the same program where there is one.

    `{"crashed": True}` where the process ended without a result; that is not kept.
    """
    kept = out / "result.json"
    stored: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if stored.get("program") == program:
        found: dict[str, Any] = stored["result"]
        return found
    result = run_mission(seed, out, items=items)
    if not result.get("crashed"):
        out.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"program": program, "result": result}) + "\n", encoding="utf-8")
    return result


def fingerprint() -> str:
    """A hash of everything that a mission's result may depend on: code, weights, trees, skills and configuration."""
    total = hashlib.sha256()
    roots = (PACKAGE, *(share_dir(name) for name in ("trees", "skills", "config")))
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".yaml", ".json", ".safetensors"):
                total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def run_mission(
    seed: int, out: Path, *, items: int | None = None, extra: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run `vlm-bt run` in a fresh process and read the JSON object it ends with."""
    command = [sys.executable, "-m", "vlm_bt.cli", "run", "organise_workbench", "--human", "scripted"]
    command += ["--seed", str(seed), "--out", str(out), "--json", *extra]
    if items is not None:
        command += ["--items", str(items)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, env={**os.environ, **(env or {})}, check=False
        )
    except subprocess.TimeoutExpired:
        return {"crashed": True, "why": f"no end within {PATIENCE_S:g} s"}
    if done.returncode not in SAFE_ENDINGS:
        return {"crashed": True, "why": done.stderr.strip()[-2000:]}
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return {"crashed": True, "why": done.stderr.strip()[-2000:] or "it ended without a result"}
    return result


def line(seed: int, result: Mapping[str, Any]) -> str:
    if result.get("crashed"):
        return f"seed {seed}: crashed: {result['why']}"
    score = result["score"]
    return (
        f"seed {seed}: {result['outcome']}, {score['sorted']}/{score['items']} sorted, {score['wrong_zone']} in a "
        f"wrong zone, {score['on_floor']} on the floor, {result['questions']} questions, {result['motions']} motions, "
        f"{result['false_motions']} false, {result['wall_s']:.0f} s"
    )


def figures(results: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The numbers of the mission benchmark from each mission's result."""
    ended = [result for result in results if not result.get("crashed")]
    safe = sum(bool(result["safe"]) for result in ended)
    if not ended:
        return [Figure("missions that end in a safe state", 0.0, "share", 1.0, "exactly")]
    items = max(1, sum(result["score"]["items"] for result in ended))
    motions = max(1, sum(result["motions"] for result in ended))

    def total(key: str) -> float:
        return float(sum(result["score"][key] for result in ended))

    def most(name: str) -> float:
        return float(max(result[name] for result in ended))

    asked = sum(result["questions"] for result in ended)
    return [
        Figure("missions", len(results), ""),
        Figure("items in their right place", round(total("sorted") / items, 4), "share", 0.90, "at least"),
        Figure("items in a wrong zone", round(total("wrong_zone") / items, 4), "share", 0.01, "at most"),
        Figure("items on the floor", total("on_floor"), "items"),
        Figure("unverified motions", float(sum(r["unverified_motions"] for r in ended)), "", 0, "exactly"),
        Figure("false motions", float(sum(r["false_motions"] for r in ended)), ""),
        Figure(
            "false motions in 200", round(200 * sum(r["false_motions"] for r in ended) / motions, 3), "", 1, "at most"
        ),
        Figure("missions that end in a safe state", safe / len(results), "share", 1.0, "exactly"),
        Figure("wall time of the longest mission", most("wall_s"), "s", 120, "at most"),
        Figure("tick p99, worst mission", max(r["tick_ms"]["p99"] for r in ended), "ms", 20, "at most"),
        Figure("questions a mission", asked / len(ended), ""),
        Figure("motions", float(motions), ""),
    ]
