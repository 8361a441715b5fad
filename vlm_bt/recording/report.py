"""The report on a mission, from its record alone: one page of HTML that stands for itself, and Markdown.

What a model or a person said is data: it is escaped in both.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from vlm_bt.errors import ConfigError
from vlm_bt.recording import pictures
from vlm_bt.recording.entries import AskedQuestion
from vlm_bt.recording.pictures import Colour, Mark
from vlm_bt.recording.record import Record
from vlm_bt.recording.story import Story, View, tell
from vlm_bt.sentences import CLASSES, closing_sentence, plural

__all__ = ["closing_sentence", "write_report"]

HTML = "report.html"
MARKDOWN = "report.md"
PICTURES = "pictures"
OUTCOMES = {"done": "good", "interrupted": "warn", "not ended": "warn"}


@dataclass(frozen=True)
class Drawn:
    """A picture of the report: `uri` for the page, `path` (below the report's folder) for the Markdown."""

    uri: str
    path: str
    alt: str


def write_report(record_path: Path | str, out_dir: Path | str) -> Path:
    """Write `report.html`, `report.md` and the pictures they show.

    Works on a record that is still being written: it then tells the story so far.

    Returns:
        The page's path.

    Raises:
        ConfigError: The record cannot be read, or the folder cannot be written.
    """
    story = tell(Record.read(record_path))
    out = Path(out_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
        shown = _shown(story, out)
        (out / MARKDOWN).write_text(_markdown(shown), encoding="utf-8")
        (out / HTML).write_text(_html(shown), encoding="utf-8")
    except OSError as cause:
        raise ConfigError(f"the report cannot be written to {out}: {cause.strerror}") from cause
    return out / HTML


def _shown(story: Story, out: Path) -> dict[str, Any]:
    """Everything the templates read."""
    colours = _colours(story)
    before = _drawn(_annotated(story.before, story, colours), out, "before", "The bench before the mission")
    after = _drawn(_annotated(story.after, story, colours), out, "after", "The bench after the mission")
    return {
        "story": story,
        "before": before,
        "after": after,
        "legend": [(name.replace("_", " "), "#{:02x}{:02x}{:02x}".format(*colour)) for name, colour in colours.items()],
        "outcome_class": OUTCOMES.get(story.outcome, "bad"),
        "exchanges": [
            (one, _question_drawn(story, one.question, number, out))
            for number, one in enumerate(story.exchanges, start=1)
        ],
        "numbers": _numbers(story),
        "score": story.result.get("score", {}),
        "false_motions": story.result.get("false_motions"),
        "sections": _section_rows(story),
        "configuration": yaml.safe_dump(dict(story.configuration), sort_keys=False, allow_unicode=True),
        "trace": story.result.get("trace_sha256", ""),
    }


def _section_rows(story: Story) -> list[tuple[str, int, str]]:
    """(zone, how many, what) of every section."""
    rows = []
    for zone, counts in story.sections.items():
        held = sorted(((label, n) for label, n in counts.items() if n > 0), key=lambda one: (-one[1], one[0]))
        what = ", ".join(f"{n} {plural(label, n)}" for label, n in held)
        rows.append((zone.replace("_", " "), sum(n for _, n in held), what or "nothing"))
    return rows


def _numbers(story: Story) -> list[tuple[str, str]]:
    """Figures of the run as (name, text)."""
    result = story.result
    if not result:
        counted = [(name.capitalize(), str(n)) for name, n in story.counted.items()]
        return [("Simulated time", clock(story.ended_s)), *counted]
    rows = [
        ("Mission time", clock(float(result.get("sim_s", 0.0)))),
        ("Wall time", f"{float(result.get('wall_s', 0.0)):.1f} s"),
        ("Waited for the model", f"{float(result.get('model_wait_s', 0.0)):.1f} s"),
        ("Model queries", str(result.get("model_queries", 0))),
        ("Questions to a person", str(result.get("questions", 0))),
        ("Motions", str(result.get("motions", 0))),
        ("Unverified motions", str(result.get("unverified_motions", 0))),
        ("Ticks", str(result.get("ticks", 0))),
    ]
    tick = result.get("tick_ms") or {}
    shares = (("p50", "half under"), ("p99", "99% under"), ("p999", "99.9% under"))
    times = ", ".join(f"{text} {tick[name]:.2g} ms" for name, text in shares if name in tick)
    return [*rows, ("Time of a tick", times)] if times else rows


def clock(seconds: float) -> str:
    """Minutes and seconds of the mission's clock, "4:07"."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _colours(story: Story) -> dict[str, Colour]:
    """A colour for each zone of the configuration, then for each kind that belongs to none."""
    zones = ((story.configuration.get("settings") or {}).get("bench") or {}).get("zones") or {}
    labels = [
        str(item.get("label", "")) for view in (story.before, story.after) if view for item in view.items
    ]
    groups = [_group(label.rstrip("?"), story.zone_of) for label in labels]
    known = [*zones, *story.sections]
    used = [zone for zone in dict.fromkeys(known) if zone in groups]
    return dict(pictures.group_colours([*used, *sorted(set(groups) - set(used))]))


def _group(label: str, zone_of: Mapping[str, str]) -> str:
    """The zone that things of this kind, or else of its class, were brought to; without one, the class itself."""
    if label in zone_of:
        return zone_of[label]
    family = _class(label)
    return next((zone for kind, zone in zone_of.items() if _class(kind) == family), family)


def _class(label: str) -> str:
    return next((name for name in CLASSES if label.endswith(name)), label)


def _annotated(view: View | None, story: Story, colours: Mapping[str, Colour]) -> Image.Image | None:
    if view is None:
        return None
    marks = []
    for item in view.items:
        label, box = str(item.get("label", "")), item.get("box")
        if not box:
            continue
        guess = label.endswith("?") or len(item.get("plausible") or ()) > 1
        colour = colours[_group(label.rstrip("?"), story.zone_of)]
        text = label if label.endswith("?") or not guess else f"{label}?"
        marks.append(Mark((box[0], box[1], box[2], box[3]), text, pictures.UNSURE if guess else colour, guess))
    return pictures.annotate(pictures.from_jpeg(view.picture.jpeg), marks)


def _question_drawn(story: Story, question: AskedQuestion, number: int, out: Path) -> Drawn | None:
    kept = story.pictures.get(question.frame)
    if kept is None:
        return None
    mark = question.mark
    picture = pictures.question_picture(
        pictures.from_jpeg(kept.jpeg), (mark[0], mark[1], mark[2], mark[3]) if len(mark) == 4 else None
    )
    return _drawn(picture, out, f"question-{number}", f"What question {number} is about")


def _drawn(picture: Image.Image | None, out: Path, name: str, alt: str) -> Drawn | None:
    if picture is None:
        return None
    pictures.save_png(picture, out / PICTURES / f"{name}.png")
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=86)
    uri = "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")
    return Drawn(uri, f"{PICTURES}/{name}.png", alt)


def _html(shown: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=PackageLoader("vlm_bt.recording"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["clock"] = clock
    return page.get_template("report.html.j2").render(shown)


def _markdown(shown: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # No autoescape: that is HTML's. Everything printed passes `finalize` and comes out as plain Markdown text.
    page = Environment(
        loader=PackageLoader("vlm_bt.recording"),
        autoescape=False,
        finalize=_plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["clock"] = clock
    page.filters["fenced"] = _fenced
    return page.get_template("report.md.j2").render(shown)


class _Ready(str):
    """Text that is Markdown already."""


def _plain(value: object) -> str:
    """Text that Markdown shows as it is: one line, nothing in it a mark, a tag or a table's edge."""
    if isinstance(value, _Ready):
        return value
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$]|:(?=//))", r"\\\1", " ".join(str(value).split()))


def _fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return _Ready(f"{fence}{language}\n{text.rstrip()}\n{fence}")
