"""The vision service in numbers, each next to the plain library's in the same run. Models have random weights."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_bt.bench.asking import spread
from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.vision_faults import faulted
from vlm_bt.bench.vision_speed import Ask, choices, claims, compared, hits, overhead_ms
from vlm_bt.bench.vision_table import table
from vlm_bt.bench.vision_ticks import ticked, worst_ms
from vlm_bt.bench.vision_views import judged
from vlm_bt.questions import WHAT_IS_IT, Choose, Embed, Look, Question

SLOW_S = 0.25
"""A model that takes over 200 ms, for the cache."""
FIRST_BENCH = 9000
"""Seeds of the benches that views are judged on; those below 1000 were used to choose the cache's limits."""
BENCHES = 100
EDGE_PX = 512
"""SmolVLM's pictures: one tile. Its own 2048 makes 13 tiles of every picture, with the same ratio at 13 times the
price."""


def measure_vision(plan: Plan, say: Say) -> Sequence[Figure]:
    """Processes and ticks first, while nothing heavy is loaded here; then the models."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: list[Figure] = []
        for part in (_faults, _ticks, _cache, _views, _models):
            measured = part(plan, folder, say)
            # Told at once: the whole takes long, and what was measured must survive an interruption.
            for figure in measured:
                say(f"  {figure.name}: {figure.value:g} {figure.unit}".rstrip())
            figures += measured
    return figures


def _faults(plan: Plan, folder: Path, say: Say) -> list[Figure]:
    found = faulted(8 if plan.quick else 200, folder)
    for text in found.wrong[:5]:
        say(f"wrong: {text}")
    say(f"faults: {found.before} before, {found.after} after; slowest end {found.slowest_s:.2f} s")
    grown = found.grown
    return [
        Figure("faults of the model's process", float(found.faults), ""),
        Figure("tickets without their end in time", float(len(found.wrong)), "", 0, "exactly"),
        Figure("memory grown by the faults", grown["megabytes"], "MB", 8, "at most"),
        Figure(
            "handles, threads, processes, shared memory grown",
            grown["handles, threads, children and shared memory"],
            "",
            0,
            "exactly",
        ),
    ]


def _ticks(plan: Plan, folder: Path, say: Say) -> list[Figure]:
    ticks = 2_000 if plan.quick else 12_000
    idle, busy = ticked(ticks // 4, folder, asks=False), ticked(ticks, folder)
    say(f"{len(busy.tick_s)} ticks, {busy.asked} questions, {busy.answered} answered, {busy.timed_out} timed out")
    return [
        Figure("tick p99.9 while the model is busy", worst_ms(busy.tick_s), "ms", 10, "at most"),
        Figure("tick p99.9 of the same tree, nothing asked", worst_ms(idle.tick_s), "ms"),
        Figure("between ticks p99.9 while the model is busy", worst_ms(busy.between_s), "ms"),
        Figure("tick median while the model is busy", round(statistics.median(busy.tick_s) * 1e3, 3), "ms"),
    ]


def _cache(plan: Plan, folder: Path, say: Say) -> list[Figure]:
    script = folder / "slow.yaml"
    script.write_text(f"rules:\n  - {{takes_s: {SLOW_S}, p_yes: 0.9}}\n", encoding="utf-8")
    model = {"backend": "scripted", "script": str(script)}
    times = 100 if plan.quick else 1000
    took, inside, asked_s = hits(model, times, similar=False)
    alike, _, _ = hits(model, times, similar=True)
    say(f"hit: {spread(took)}; inside the process {spread(inside)}; a similar view: {spread(alike)}")
    return [
        Figure("cache hit, end to end", round(statistics.median(took) * 1e3, 3), "ms", 2, "at most"),
        Figure("cache hit, inside the process", round(statistics.median(inside) * 1e3, 3), "ms", 2, "at most"),
        Figure(
            "a hit is faster than a model of 250 ms by",
            round(asked_s / statistics.median(took), 1),
            "times",
            100,
            "at least",
        ),
        Figure("similar hit, end to end", round(statistics.median(alike) * 1e3, 3), "ms"),
    ]


def _views(plan: Plan, folder: Path, say: Say) -> list[Figure]:
    first = FIRST_BENCH + BENCHES * plan.seed
    tally = judged(range(first, first + (2 if plan.quick else BENCHES)))
    say(f"views: {tally}")
    return [
        Figure("changed answers that a similar view hid", tally.wrong_hits / tally.changed, "share", 0.001, "at most"),
        Figure("changed views", float(tally.changed), ""),
        Figure("static views that needed no model", round(tally.same_hits / tally.same, 3), "share"),
    ]


def _models(plan: Plan, folder: Path, say: Say) -> list[Figure]:
    from vlm_bt.bench.random_models import smolvlm_256m
    from vlm_bt.bench.vision_library import PlainChat, PlainClip, vit_b_32

    at = vit_b_32(folder / "clip")
    clip = {"backend": "open_clip", "checkpoint": f"local-dir:{at}"}
    plain_clip = PlainClip(at)
    figures = _eight("ViT-B/32", clip, plain_clip, choices, 2 if plan.quick else 10, say)
    times = 10 if plan.quick else 60
    figures.append(_overhead("ViT-B/32", clip, _vector, plain_clip.picture, times, say))
    figures.append(_overhead("embedded model", {"backend": "embedded"}, _what, _embedded(), times, say))
    if plan.quick:
        say("SmolVLM-256M takes minutes: it is measured without --quick")
        return figures
    at = smolvlm_256m(folder / "smolvlm")
    chat = {"backend": "chat", "checkpoint": str(at), "dtype": "float32", "longest_edge": EDGE_PX}
    plain_chat = PlainChat(at, EDGE_PX)
    figures += _eight("SmolVLM-256M", chat, plain_chat, claims, 3, say)
    figures.append(_overhead("SmolVLM-256M", chat, claims, plain_chat.bare(claims("")[0]), 10, say))
    del plain_clip, plain_chat
    table({"ViT-B/32": clip, "SmolVLM-256M": chat}, say)
    return figures


def _eight(name: str, model: Mapping[str, Any], plain: Any, ask: Ask, rounds: int, say: Say) -> list[Figure]:
    # Only a CLIP remembers words.
    found = compared(model, plain, ask, rounds, warm=8 if ask is choices else 1)
    say(
        f"{name}: eight questions {found.eight_s * 1e3:.0f} ms, with new words {found.first_s * 1e3:.0f} ms, "
        f"eight calls of the library {found.plain_s * 1e3:.0f} ms"
    )
    return [
        Figure(f"{name}: eight questions faster than eight calls by", found.times_faster, "times", 5, "at least"),
        Figure(f"{name}: answers apart from the library's", found.apart, "", 1e-3, "at most"),
    ]


def _overhead(name: str, model: Mapping[str, Any], ask: Ask, bare: Any, times: int, say: Say) -> Figure:
    over_ms, pass_ms = overhead_ms(model, ask, bare, times)
    say(f"{name}: bare forward pass {pass_ms:.1f} ms, through the service {pass_ms + over_ms:.1f} ms")
    allowed = round(max(3.0, 0.05 * pass_ms), 2)
    return Figure(f"{name}: overhead of the service", round(over_ms, 2), "ms", allowed, "at most")


def _vector(frame_id: str) -> tuple[Question, ...]:
    return (Embed((Look(frame_id),)),)


def _what(frame_id: str) -> tuple[Question, ...]:
    return (Choose((Look(frame_id),), WHAT_IS_IT, ("hammer", "pliers", "screw")),)


def _embedded() -> Any:
    """The shipped model, called without the service."""
    from vlm_bt.bench.asking import frame_of
    from vlm_bt.vision.backends import Surroundings, open_model
    from vlm_bt.vision.model import Asked
    from vlm_bt.vision.pictures import Picture
    from vlm_bt.vision_settings import EmbeddedModel

    model = open_model(EmbeddedModel(), Surroundings())  # type: ignore[call-arg]
    (question,) = _what("bare")
    return lambda rgb: model.answer([Asked(question, (Picture(frame_of("bare", rgb), Look("bare")),))])
