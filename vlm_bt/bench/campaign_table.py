"""A campaign as a page of Markdown: its figures, and for each fault how the missions that met it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_bt.bench.campaign_figures import figures
from vlm_bt.bench.fault_table import TABLE
from vlm_bt.bench.form import machine

MOST_ENDINGS = 4


def write_tables(rows: Sequence[Mapping[str, Any]], out: Path, fidelity: str) -> Path:
    """Write campaign-FIDELITY.md; returns its path."""
    lines = [
        f"# Fault campaign, {fidelity} fidelity",
        "",
        f"{machine()}.",
        "",
        "| Measure | Value | Asked |",
        "|---|---|---|",
    ]
    for figure in figures(rows):
        asked = (
            f"{figure.sense} {figure.target:g}{'' if figure.holds else ' (MISSED)'}"
            if figure.target is not None
            else ""
        )
        lines.append(f"| {figure.name} | {figure.value:g} {figure.unit} | {asked} |")
    lines += [
        "",
        "| Fault | Port | What happens | Met | Done | Other ends | Expected |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_fault_row(name, rows) for name in TABLE]
    path = out / f"campaign-{fidelity}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _fault_row(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    met = [
        row for row in rows if not row.get("baseline", False) and any(n == name and h for n, h in row.get("hits", ()))
    ]
    ends = Counter(str(row["outcome"]) for row in met)
    done = ends.pop("done", 0)
    others = ", ".join(f"{number} {reason}" for reason, number in ends.most_common(MOST_ENDINGS))
    fault = TABLE[name]
    return f"| {name} | {fault.port} | {fault.does} | {len(met)} | {done} | {others} | {fault.expected} |"
