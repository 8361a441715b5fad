"""A campaign as a picture: ours beside the baseline, how fast the arm stops, and how missions end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_bt.bench.campaign_figures import false_in_1000, part, scored, share, total

Rows = Sequence[Mapping[str, Any]]
PARTS = ("random", "sticking")
OURS, THEIRS = "#2a6f97", "#d1495b"


def plot(rows: Rows, out: Path, fidelity: str) -> Path:
    """Write campaign-FIDELITY.png; returns its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    (false, wrong), (stops, ends) = figure.subplots(2, 2)
    _pairs(false, "false, unconfirmed motions in 1,000", [_both(rows, name, false_in_1000) for name in PARTS])
    _pairs(wrong, "share of the items put in a wrong place", [_both(rows, name, _wrong_share) for name in PARTS])
    _stops(stops, rows)
    _ends(ends, rows)
    figure.suptitle(f"{len(rows)} missions, {fidelity} fidelity")
    path = out / f"campaign-{fidelity}.png"
    figure.savefig(path, dpi=110)
    return path


def _both(rows: Rows, name: str, measure: Any) -> tuple[float, float]:
    return measure(part(rows, name)), measure(part(rows, name, baseline=True))


def _wrong_share(rows: Rows) -> float:
    return share(total(rows, "misplaced"), scored(rows, "items"))


def _pairs(axes: Any, title: str, pairs: Sequence[tuple[float, float]]) -> None:
    for offset, index, label, colour in ((-0.2, 0, "verified", OURS), (0.2, 1, "baseline", THEIRS)):
        bars = axes.bar([n + offset for n in range(len(pairs))], [pair[index] for pair in pairs], 0.38, label=label,
                        color=colour)  # fmt: skip
        axes.bar_label(bars, fmt="%.3g")
    axes.set_xticks(range(len(PARTS)), [f"{name} errors" for name in PARTS])
    axes.set_title(title)
    axes.legend()


def _stops(axes: Any, rows: Rows) -> None:
    stops = [stop for row in rows for stop in row.get("stops", ()) if stop["moving"]]
    for key, label, colour in (("held", "told to stop", OURS), ("still", "stands still", THEIRS)):
        ticks = Counter(int(stop[key]) - int(stop["shown"]) for stop in stops if stop[key] is not None)
        axes.bar([n + (0.2 if key == "still" else -0.2) for n in ticks], list(ticks.values()), 0.38, label=label,
                 color=colour)  # fmt: skip
    axes.set_title("somebody steps in while the arm moves")
    axes.set_xlabel("ticks after the tick that follows the first frame")
    axes.legend()


def _ends(axes: Any, rows: Rows) -> None:
    found = Counter(
        str(row.get("outcome", "hung" if row.get("hung") else "crashed")) for row in rows if row["part"] == "faults"
    )
    names = [name for name, _ in found.most_common()][::-1]
    axes.barh(names, [found[name] for name in names], color=OURS)
    axes.set_title("how missions under every kind of fault end")
