"""`vlm-bt models`: which models there are, fetched, checked and tried."""

from __future__ import annotations

import json as json_module
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.cli import trying
from vlm_bt.errors import ConfigError, ModelError, VlmBtError

if TYPE_CHECKING:
    from vlm_bt.vision_settings import ModelChoice, VisionSettings

app = typer.Typer(help="The models that a mission sees through: listed, fetched, checked, tried.", no_args_is_help=True)
app.command("try")(trying.try_)

Config = Annotated[Path | None, typer.Option(help="Which configuration. Default: config/embedded.yaml.")]
ASKED_TIMES = 3
BACKENDS = {
    "embedded": "the small model that ships, and others that `vlm-bt train embedded` makes",
    "open_clip": "every architecture of open_clip: CLIP, SigLIP, MobileCLIP ...",
    "detection": "OWLv2, Grounding DINO, MM-Grounding-DINO; masks by SAM2",
    "chat": "",
    "openai": "any OpenAI-compatible endpoint: vLLM, SGLang, Ollama, llama.cpp, hosted models",
    "langchain": "any chat model of LangChain by its name",
    "scripted": "answers from a file",
}


@app.command("list")
def list_(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What the configuration names, where it lies, and what each model is asked. Loads and fetches nothing.

    \b
    vlm-bt models list
    vlm-bt models list --config my_robot.yaml --json
    """
    from vlm_bt import settings
    from vlm_bt.vision.inventory import inventory

    entries = list(inventory(settings.load(config).vision))
    if json:
        typer.echo(json_module.dumps({"models": [asdict(entry) for entry in entries], "backends": backends()}))
        return
    for entry in entries:
        typer.echo(f"{entry.name}: {entry.backend}, {entry.checkpoint}")
        if entry.size_bytes is not None:
            typer.echo(f"  here      {entry.size_bytes / 1e6:,.1f} MB in {', '.join(entry.folders)}")
        if entry.revision:
            typer.echo(f"  revision  {entry.revision}")
        typer.echo(f"  asked     {', '.join(entry.asked) or 'nothing: no route leads to it'}")
        if entry.missing:
            typer.echo(f"  MISSING   {entry.missing}")
    typer.echo("\nBackends that a model may have:")
    for name, what in backends().items():
        typer.echo(f"  {name:9}  {what}")


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(help="A model's name in the configuration.")],
    config: Config = None,
    online: Annotated[bool, typer.Option("--online", help="Fetch although the configuration says offline.")] = False,
) -> None:
    """Fetch what the configuration pins, and print the sha256 lines to paste into it.

    \b
    vlm-bt models pull detector --config my_robot.yaml --online
    """
    from vlm_bt import settings
    from vlm_bt.vision.checkpoints import locate
    from vlm_bt.vision.inventory import parts_of

    vision = settings.load(config).vision
    parts = parts_of(_model(vision, name))
    if not parts:
        raise ConfigError(f"{name} has nothing to fetch: its backend is {vision.models[name].backend}")
    if vision.offline and not online:
        raise ConfigError("the configuration says offline: true, so nothing is fetched; add --online to fetch now")
    for index, part in enumerate(parts):
        folder = part.folder(offline=False)
        found = locate(f"local-dir:{folder}", model_revision=None)
        typer.echo(f"{part.name}: {folder}, revision {found.revision}", err=True)
        if index == 0:
            typer.echo(f"# vision.models.{name}\nsha256:")
            typer.echo("\n".join(f"  {file}: {digest}" for file, digest in found.hashes.items()))


@app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="One model; all of the configuration if not given.")] = None,
    config: Config = None,
) -> None:
    """Files, hashes, safety and memory of each model; then it is loaded in a process of its own and asked.

    \b
    vlm-bt models check
    vlm-bt models check detector --config my_robot.yaml

    Ends with 0 when every model can be used, 2 when one cannot.
    """
    from vlm_bt import settings

    vision = settings.load(config).vision
    names = [name] if name is not None else list(vision.models)
    failed = []
    for each in names:
        model = _model(vision, each)
        typer.echo(f"{each}: {model.backend}")
        try:
            for line in _files(model, vision.offline):
                typer.echo(f"  {line}")
            for line in _loaded(vision, each):
                typer.echo(f"  {line}")
        except VlmBtError as error:
            typer.echo(f"  FAILED    {error}")
            failed.append(each)
    if failed:
        raise ModelError(f"{len(failed)} of {len(names)} models cannot be used: {', '.join(failed)}")


def backends() -> dict[str, str]:
    """What each backend runs, in words."""
    from vlm_bt.vision.backends.quirks import ROWS

    return BACKENDS | {"chat": "model_type " + ", ".join(sorted(ROWS))}


def _model(vision: VisionSettings, name: str) -> ModelChoice:
    if name not in vision.models:
        raise ConfigError(f"no model is called {name!r}; there are: {', '.join(vision.models)}")
    return vision.models[name]


def _files(model: ModelChoice, offline: bool) -> list[str]:
    """What its files are, and how much memory they will take. Raises: ModelError, ConfigError."""
    from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
    from vlm_bt.vision.checkpoints import locate
    from vlm_bt.vision.inventory import parts_of
    from vlm_bt.vision.memory import check_fits, free_bytes
    from vlm_bt.vision.precision import device_of, dtype_of
    from vlm_bt.vision_settings import Checkpoint

    if not isinstance(model, Checkpoint):
        return []
    ensure_torchvision()
    lines = []
    device = device_of(model)
    for index, part in enumerate(parts_of(model)):
        pins = model.sha256 if index == 0 else {}
        found = locate(part.name, model_revision=part.revision, sha256=pins, cache=part.cache, offline=offline)
        lines.append(f"files     {len(found.hashes)} in {found.folder}, {len(pins)} compared with their pinned sha256")
        if found.ignored:
            lines.append(f"ignored   {', '.join(found.ignored)}: never read")
        lines.append(f"revision  {found.revision}")
        free = free_bytes(device)
        lines.append(
            f"memory    about {check_fits(found.folder, model, device)} on {device} as "
            f"{str(dtype_of(model, device)).removeprefix('torch.')}, quantisation {model.quantisation}"
            + (f"; free are {free / 2**30:.2f} GiB" if free is not None else "")
        )
    return lines


def _loaded(vision: VisionSettings, name: str) -> list[str]:
    """What it answers, and how long that takes. Raises: ModelError."""
    from vlm_bt.cli.eyes import only, opened

    began = time.perf_counter()
    with opened(only(vision, (name,))) as eyes:
        ready = eyes.ready[name]
        lines = [f"loaded    in {time.perf_counter() - began:.1f} s, warmed up; model {ready.model}"]
        lines.append(f"answers   {', '.join(ready.answers) or 'nothing itself'}")
        if ready.composed:
            lines.append(f"composes  {', '.join(ready.composed)}")
        lines.append(f"calibrated {'yes' if ready.calibrated else 'no: ' + (ready.note or 'nothing is sure')}")
        return lines + [f"takes     {took}" for took in _times(eyes, ready.answers)]


def _times(eyes: Any, answers: tuple[str, ...]) -> list[str]:
    """The median time of each question on a picture of noise, and what went wrong where there is no answer."""
    import numpy as np

    from vlm_bt.cli.trying import simplest

    said = []
    for kind in answers:
        rows: list[Mapping[str, Any]] = []
        try:
            for seed in range(ASKED_TIMES):
                # Other pixels each time, or the cache would answer.
                picture = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
                rows.append(eyes.ask(simplest(kind, eyes.show(picture)))[1])
        except ModelError as error:
            said.append(f"{kind}: {error}")
            continue
        took, run = (statistics.median(row[key] for row in rows) for key in ("ms", "run_ms"))
        said.append(f"{kind}: {took:.1f} ms for a picture of 640 x 480, {run:.1f} of them in the model")
    return said
