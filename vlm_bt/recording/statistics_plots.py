"""Statistics of many missions as a picture: skills, confusion, latency and where the time went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlm_bt.recording.statistics import Statistics
from vlm_bt.recording.time_spent import PARTS

GOOD, ANSWER, BAD = "#2a6f97", "#a9c5d8", "#d1495b"


def plot(found: Statistics, out: Path) -> Path:
    """Write stats.png into a folder that is there; returns its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tall = max(9.0, 0.3 * (len(found.skills) + len(found.latency_ms)))
    figure = Figure(figsize=(15, tall), layout="constrained")
    FigureCanvasAgg(figure)
    (skills, confusion), (latency, spent) = figure.subplots(2, 2)
    _skills(skills, found)
    _confusion(confusion, found)
    _latency(latency, found)
    _spent(spent, found)
    figure.suptitle(f"{found.missions} missions, {found.questions} questions to a person")
    path = out / "stats.png"
    figure.savefig(path, dpi=100)
    return path


def _skills(axes: Any, found: Statistics) -> None:
    names = sorted(found.skills, reverse=True)
    left = [0] * len(names)
    for part, text, colour in (("done", "done", GOOD), ("answers", "said no", ANSWER), ("failures", "failed", BAD)):
        counts = [getattr(found.skills[name], part) for name in names]
        axes.barh(names, counts, left=left, label=text, color=colour)
        left = [a + b for a, b in zip(left, counts, strict=True)]
    axes.set_title("how skills ended")
    axes.tick_params(axis="y", labelsize=8)
    axes.legend()


def _confusion(axes: Any, found: Statistics) -> None:
    claims = sorted({claimed for claimed, _, _ in found.confusion})
    said = sorted({label for _, label, _ in found.confusion})
    axes.set_title("claimed (down) against said by a person or a verdict (across)")
    if not claims:
        axes.set_axis_off()
        return
    table = [[sum(n for (c, s, _), n in found.confusion.items() if (c, s) == (a, b)) for b in said] for a in claims]
    axes.imshow(table, cmap="Blues", aspect="auto")
    most = max(map(max, table))
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            if count:
                axes.text(column, row, str(count), ha="center", va="center", color="w" if count > most / 2 else "k")
    axes.set_xticks(range(len(said)), said, rotation=40, ha="right", fontsize=8, parse_math=False)
    axes.set_yticks(range(len(claims)), claims, fontsize=8, parse_math=False)


def _latency(axes: Any, found: Statistics) -> None:
    keys = sorted(found.latency_ms, reverse=True)
    axes.set_title("answers of models, wall milliseconds")
    if not keys:
        axes.set_axis_off()
        return
    axes.boxplot([found.latency_ms[key] for key in keys], orientation="horizontal", whis=(1, 99), showfliers=False)
    axes.set_yticks(range(1, len(keys) + 1), [" · ".join(key) for key in keys], fontsize=8, parse_math=False)
    axes.set_xscale("log")


def _spent(axes: Any, found: Statistics) -> None:
    shares = found.spent.shares()
    bars = axes.barh([*PARTS.values()][::-1], [shares[name] * 100 for name in PARTS][::-1], color=GOOD)
    axes.bar_label(bars, fmt="%.1f%%")
    axes.set_title(f"where {found.spent.whole:.0f} s of missions went")
