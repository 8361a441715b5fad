"""`vlm-bt models try`: one typed question about a picture, through the real service."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from vlm_bt.questions import Look, Question, Result

BAR = 30
WIDEST = 40


def try_(
    image: Annotated[Path, typer.Argument(help="A picture: PNG, JPEG ...")],
    question: Annotated[str, typer.Argument(help="Asked with --options; alone it is answered by yes or no.")] = "",
    model: Annotated[str | None, typer.Option(help="Which model; the configuration's route if not given.")] = None,
    config: Annotated[Path | None, typer.Option(help="Which configuration. Default: config/embedded.yaml.")] = None,
    depth: Annotated[Path | None, typer.Option(help="Its depth: a .npy file of (H, W) metres.")] = None,
    options: Annotated[str | None, typer.Option(help="What may be answered, with commas between.")] = None,
    ground: Annotated[str | None, typer.Option(help="Where is this?")] = None,
    count: Annotated[str | None, typer.Option(help="How many of these are there?")] = None,
    is_true: Annotated[str | None, typer.Option("--is-true", help="Does this claim fit?")] = None,
    describe: Annotated[bool, typer.Option("--describe", help="What is there, in words?")] = False,
    read: Annotated[bool, typer.Option("--read", help="What is written there?")] = False,
    out: Annotated[Path | None, typer.Option(help="Writes the picture with what was found marked.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """Ask one question about a picture.

    \b
    vlm-bt models try tool.png "what is it?" --options "hammer,wrench,tape measure"
    vlm-bt models try tool.png --is-true "a tool with two handles"
    vlm-bt models try bench.png --ground "red screwdriver" --model detector --out found.png
    vlm-bt models try bench.png --count screws --depth bench.npy
    vlm-bt models try label.png --read
    """
    from vlm_bt import settings
    from vlm_bt.cli.eyes import only, opened, read_depth, read_picture
    from vlm_bt.questions import Look, name_of
    from vlm_bt.vision.geometry import Segment
    from vlm_bt.vision.plain import plain

    asked = meant(
        Look(""), question, options, ground=ground, count=count, is_true=is_true, describe=describe, read=read
    )
    rgb = read_picture(image)
    depth_m = read_depth(depth, (rgb.shape[0], rgb.shape[1])) if depth is not None else None
    chosen = settings.load(config)
    route = (model,) if model is not None else chosen.vision.route_of(name_of(asked))
    zones = tuple(chosen.zones().values())
    with opened(only(chosen.vision, route), zones) as eyes:
        frame_id = eyes.show(rgb, depth_m)
        if depth_m is not None:
            eyes.ask(Segment(frame_id))
        result, row = eyes.ask(_about(asked, frame_id))
    if json:
        typer.echo(json_module.dumps({"result": plain(result), **{k: row[k] for k in ("ms", "run_ms") if k in row}}))
    else:
        typer.echo("\n".join(told(result)))
        typer.echo(f"{row.get('ms', 0.0):.0f} ms, by {getattr(result, 'model', '')}", err=True)
    if out is not None:
        _write(out, rgb, result)


def meant(
    look: Look,
    question: str,
    options: str | None,
    *,
    ground: str | None = None,
    count: str | None = None,
    is_true: str | None = None,
    describe: bool = False,
    read: bool = False,
) -> Question:
    """The one typed question that a command line asks for. Raises: ConfigError: none, or several."""
    from vlm_bt.questions import YES_NO, Choose, Describe, Ground, HowMany, IsTrue, ReadText

    looks = (look,)
    named: list[Question] = []
    if ground is not None:
        named.append(Ground(looks, ground))
    if count is not None:
        named.append(HowMany(looks, count))
    if is_true is not None:
        named.append(IsTrue(looks, is_true))
    if describe:
        named.append(Describe(looks, question))
    if read:
        named.append(ReadText(looks))
    if options is not None:
        listed = tuple(option.strip() for option in options.split(",") if option.strip())
        if len(set(listed)) < 2 or len(set(listed)) < len(listed):
            raise ConfigError(f"--options {options!r}: name at least two, each once, with commas between")
        named.append(Choose(looks, question or "what is it?", listed))
    if len(named) > 1:
        raise ConfigError("ask one thing: one of --options, --ground, --count, --is-true, --describe, --read")
    if not named and not question:
        raise ConfigError('ask something: a question such as "is there a hammer?", or one of the options of --help')
    if named and question and not (describe or options):
        raise ConfigError(f"the question {question!r} goes alone, with --options or with --describe")
    return named[0] if named else Choose(looks, question, YES_NO)


def simplest(kind: str, frame_id: str) -> Question:
    """A question of this name about a whole frame, to see how long it takes."""
    from vlm_bt.questions import (
        WHAT_IS_IT,
        Choose,
        Describe,
        Embed,
        Ground,
        HowMany,
        IsTrue,
        Look,
        ReadText,
    )

    looks = (Look(frame_id),)
    questions: dict[str, Question] = {
        "ground": Ground(looks, "hammer"),
        "is_true": IsTrue(looks, "a tool with two handles"),
        "choose": Choose(looks, WHAT_IS_IT, ("hammer", "pliers")),
        "how_many": HowMany(looks, "hammer"),
        "describe": Describe(looks),
        "read_text": ReadText(looks),
        "embed": Embed(looks),
    }
    return questions[kind]


def told(result: Result) -> list[str]:
    """An answer as lines for a person; a distribution as a table with bars."""
    from vlm_bt.questions import Caption, Counted, Embedding, Grounded, ReadOut
    from vlm_bt.types import Answer

    if isinstance(result, Answer):
        rows = sorted(zip(result.options, result.probabilities, strict=True), key=lambda row: -row[1])
        table = _table([*rows, ("(none of these)", result.outside)])
        sure = f"sure of: {', '.join(result.plausible) or 'none of these'}" if result.calibrated else "not calibrated"
        return [*table, sure]
    if isinstance(result, Grounded):
        boxes = [
            f"{found.score:.2f}  x {found.box.x0} to {found.box.x1}, y {found.box.y0} to {found.box.y1}"
            for found in result.found
        ]
        return boxes or [f"no {result.phrase} was found"]
    if isinstance(result, Counted):
        shares = [(str(number), share) for number, share in enumerate(result.probabilities) if share >= 0.005]
        return [f"{result.number} of: {result.phrase}", *_table(shares)]
    if isinstance(result, ReadOut):
        return [line.text for line in result.lines] or ["nothing is written there"]
    if isinstance(result, Embedding):
        return [f"a vector of {len(result.vector)} numbers"]
    assert isinstance(result, Caption)
    return [result.text]


def _table(rows: Sequence[tuple[str, float]]) -> list[str]:
    wide = min(WIDEST, max((len(name) for name, _ in rows), default=0))
    return [f"{name[:wide]:{wide}}  {share:6.1%}  {'#' * round(BAR * share)}".rstrip() for name, share in rows]


def _about(question: Question, frame_id: str) -> Any:
    from dataclasses import replace

    from vlm_bt.questions import Look

    return replace(question, looks=(Look(frame_id),))


def _write(out: Path, rgb: Any, result: Any) -> None:
    from vlm_bt.questions import Grounded
    from vlm_bt.recording.pictures import Mark, annotate, from_array

    marks = []
    for found in result.found if isinstance(result, Grounded) else ():
        box = (found.box.x0, found.box.y0, found.box.x1, found.box.y1)
        marks.append(Mark(box, f"{result.phrase} {found.score:.2f}"))
    try:
        annotate(from_array(rgb), marks).save(out)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--out {out}: cannot be written ({error}); name a .png in a folder that exists") from error
