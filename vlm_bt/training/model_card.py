"""Writes the card of a trained model from the figures of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.vision.vocabulary import KINDS

_VERDICTS = ("sure and right", "sure and wrong")


def write_card(path: Path, figures: Mapping[str, Any]) -> None:
    path.write_text(card(figures), encoding="utf-8")


def card(figures: Mapping[str, Any]) -> str:
    """Markdown: what it is, how it was made, what it is worth, what it must not be used for."""
    plan, evaluation = figures["plan"], figures["evaluation"]
    recipe = plan["recipe"]
    lines = [
        "# Embedded CLIP of vlm_bt",
        "",
        "A small image-text model for crops of things on a simulated workbench. It proposes names; it decides nothing",
        "without its calibration, and it is never a safety function.",
        "",
        f"- Revision `{figures['revision']}` (hash of weights, tokenizer, heads and prompts)",
        "- Architecture: open_clip ModifiedResNet (width 24, layers 1-1-2-1, 96 px) and a 3-layer text transformer;",
        "  heads for kind, colour and parts on the image features; fp16 safetensors",
        f"- Made by `{command(plan)}`",
        "- Loss: sigmoid on the exact matrix of which sentence is true of which crop, cross-entropy of the heads,",
        f"  {recipe['unknown_share']:.0%} of each batch are things of no kind, {recipe['chimeras']:.0%} are cut"
        " together from two,",
        f"  {recipe['grey']:.0%} are shown without colour; {plan['steps']} steps of {recipe['batch']} crops",
        f"- Data: {plan['crops']} crops of {plan['scenes']} procedural scenes, seeds {_seeds(plan)}, drawn by the"
        " simulation with",
        "  sensor noise, found by depth and cropped as in a mission; labels from the renderer",
        f"- Kinds: {', '.join(KINDS)}",
        f"- Held out of training, never drawn and never named: {', '.join(HELD_OUT)}",
        f"- Took {figures['took_s']['all'] / 60:.0f} min beside the pictures of an earlier run"
        if figures["took_s"]["pictures"] < 5
        else f"- Took {figures['took_s']['all'] / 60:.0f} min with the pictures",
        f"- Calibration: scenes {figures['calibration']['scenes'][0]}-{figures['calibration']['scenes'][1]},"
        f" {figures['calibration']['candidates']} candidates (both crop variants)",
        "",
        "## Results on held-out scenes",
        "",
        f"Mission benches from seed 6000, {plan['evaluation_scenes']} scenes; both crop variants. "
        "Right: the likeliest answer is right (for what is no kind: `something else`).",
        "",
        "| What it is | candidates | right | most often taken for |",
        "|---|---|---|---|",
    ]
    for source, row in evaluation["accuracy"].items():
        said = ", ".join(f"{name} {count}" for name, count in list(evaluation["confused"][source].items())[:3])
        lines.append(f"| {source} | {row['n']} | {row['right']:.3f} | {said} |")
    for looks in ("one look", "two looks"):
        lines += _curve(evaluation["sets"], looks)
    lines += [
        "",
        "## Limits",
        "",
        "Synthetic pictures only: nothing here speaks of photographs. What it has never seen may still look",
        "like something it knows; the rates above for the held-out kinds say how often. Words far from the training",
        "vocabulary score low.",
        "",
    ]
    return "\n".join(lines)


def command(plan: Mapping[str, Any]) -> str:
    """The command line that makes this model."""
    return f"vlm-bt train embedded --steps {plan['steps']} --scenes {plan['scenes']} --seed {plan['seed']}"


def _curve(sets: Mapping[str, Any], looks: str) -> list[str]:
    lines = [
        "",
        f"### Conformal sets, {looks}",
        "",
        "| stated error rate | known: sure and right | known: sure and wrong | "
        + " | ".join(f"{kind}: wrongly sure" for kind in HELD_OUT)
        + " | odd: wrongly sure |",
        "|---|---|---|" + "---|" * (len(HELD_OUT) + 1),
    ]
    for rate, by_looks in sets.items():
        rows = by_looks[looks]
        known = [rows[kind] for kind in KINDS if kind in rows]
        total = max(1, sum(row["n"] for row in known))
        right, wrong = (
            sum(row[key] * row["n"] for row in known) / total for key in ("sure and right", "sure and wrong")
        )
        strange = [rows[name]["sure and wrong"] if name in rows else float("nan") for name in (*HELD_OUT, "odd")]
        lines.append(
            f"| {rate} | {right:.3f} | {wrong:.4f} | " + " | ".join(f"{value:.3f}" for value in strange) + " |"
        )
    return lines


def _seeds(plan: Mapping[str, Any]) -> str:
    first = 100_000 * (plan["seed"] + 1)
    return f"{first}-{first + plan['scenes'] - 1}"
