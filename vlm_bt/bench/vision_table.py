"""One row for every backend and precision that runs here: what a question costs, and what the model takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlm_bt.bench.form import Say
from vlm_bt.bench.vision_speed import Ask, choices, claims, served
from vlm_bt.errors import VlmBtError

ROUNDS = 5
HEAD = f"{'model':16} {'precision':22} {'question':9} {'1 at a time':>12} {'8 together':>12} {'memory':>9}  weights"


def table(models: Mapping[str, Mapping[str, Any]], say: Say) -> None:
    """Print it. A precision that is not installed here has a row that says so."""
    say(HEAD)
    for name, how, model, question, ask in _rows(models):
        weights = "shipped" if name == "embedded" else "random weights"
        try:
            one_s, eight_s, mb = served(model, ask, ROUNDS)
        except (VlmBtError, RuntimeError) as error:
            say(f"{name:16} {how:22} {question:9} does not run here: {str(error).splitlines()[0][:90]}")
            continue
        each = f"{one_s * 1e3:9.1f} ms {eight_s * 1e3 / 8:9.1f} ms"
        say(f"{name:16} {how:22} {question:9} {each} {mb:6.0f} MB  {weights}")


def _rows(models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Mapping[str, Any], str, Ask]]:
    yield "embedded", "float32", {"backend": "embedded"}, "choose", choices
    clip, chat = models["ViT-B/32"], models["SmolVLM-256M"]
    yield "ViT-B/32", "float32", clip, "choose", choices
    yield "ViT-B/32", "bfloat16", {**clip, "dtype": "bfloat16"}, "choose", choices
    for runtime in ("onnxruntime", "openvino"):
        yield "ViT-B/32", f"float32, {runtime}", {**clip, "runtime": runtime}, "choose", choices
    for dtype in ("float32", "bfloat16"):
        yield "SmolVLM-256M", dtype, {**chat, "dtype": dtype}, "is_true", claims
    yield "SmolVLM-256M", "float32, eager", {**chat, "attention": "eager"}, "is_true", claims
    for quantisation in ("bitsandbytes-8bit", "bitsandbytes-4bit", "torchao-int8"):
        yield "SmolVLM-256M", quantisation, {**chat, "quantisation": quantisation}, "is_true", claims
