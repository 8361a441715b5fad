"""The report on a mission, from its record alone: one page of HTML that stands for itself, and Markdown.

What a model or a person said is data: it is escaped in both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from vlm_bt.errors import ConfigError
from vlm_bt.recording import pictures
from vlm_bt.recording.entries import AskedQuestion, Json
from vlm_bt.recording.pictures import Colour, Mark
from vlm_bt.recording.record import Record
from vlm_bt.recording.story import Moved, Story, tell
from vlm_bt.recording.time_spent import PARTS, TimeSpent
from vlm_bt.recording.views import View
from vlm_bt.sentences import CLASSES, closing_sentence, contents, plural

__all__ = ["closing_sentence", "write_report"]

HTML = "report.html"
MARKDOWN = "report.md"
FORMS = ("html", "md")
PICTURES = "pictures"
BEFORE_AFTER = "before_after.png"
QUESTION_PX = 340
THUMB_PX = 112
FEW_COLOURS = 200
UNKNOWN = "unknown tool"
LONGEST_LABEL = 32
OUTCOMES = {"done": "good", "interrupted": "warn", "not ended": "warn"}


@dataclass(frozen=True)
class Drawn:
    """A picture of the report: `uri` for the page, `path` (below the report's folder) for the Markdown."""

    uri: str
    path: str
    alt: str


def write_report(record_path: Path | str, out_dir: Path | str, forms: Sequence[str] = FORMS) -> Path:
    """Write `report.html`, `report.md`, the pictures they show, and `before_after.png` with both views in one.

    Works on a record that is still being written: it then tells the story so far.

    Args:
        forms: Of "html" and "md", those to write.

    Returns:
        The path of the first form.

    Raises:
        ConfigError: The record cannot be read, or the folder cannot be written.
    """
    story = tell(Record.read(record_path))
    out = Path(out_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
        shown = _shown(story, out)
        if "md" in forms:
            (out / MARKDOWN).write_text(_markdown(shown), encoding="utf-8")
        if "html" in forms:
            (out / HTML).write_text(_html(shown), encoding="utf-8")
    except OSError as cause:
        raise ConfigError(f"the report cannot be written to {out}: {cause.strerror}") from cause
    return out / (HTML if forms[0] == "html" else MARKDOWN)


def _shown(story: Story, out: Path) -> dict[str, Any]:
    """Everything the templates read."""
    colours = _colours(story)
    last = "After" if story.told_by_itself else "The last look"
    first = _annotated(story.before, story, colours, ())
    now = _annotated(story.after, story, colours, _contained(story, colours))
    if first and now:
        pictures.save_png(pictures.side_by_side([("Before", first), (last, now)]), out / BEFORE_AFTER, FEW_COLOURS)
    before = _drawn(first, out, "before", "The bench before the mission")
    after = _drawn(now, out, "after", "The bench after the mission")
    return {
        "story": story,
        "headline": _headline(story),
        "last": last,
        "before": before,
        "after": after,
        "legend": [
            (name.replace("_", " "), "#{:02x}{:02x}{:02x}".format(*colours[name])) for name in _used(story, colours)
        ],
        "outcome_class": OUTCOMES.get(story.outcome, "bad"),
        "exchanges": [
            (one, _question_drawn(story, one.question, number, out))
            for number, one in enumerate(story.exchanges, start=1)
        ],
        "moved": [(row, _thumb(story, row)) for row in story.moved],
        "numbers": _numbers(story),
        "spent": _spent(story.spent),
        "refusals": [one for one in story.checks if not one.confirmed],
        "score": story.result.get("score", {}),
        "false_motions": story.result.get("false_motions"),
        "sections": _section_rows(story),
        "configuration": yaml.safe_dump(dict(story.configuration), sort_keys=False, allow_unicode=True),
        "trace": story.result.get("trace_sha256", ""),
        "made": _made(story),
        "misnamed": story.result.get("false") or [],
    }


def _headline(story: Story) -> str:
    """How the mission ended and what came of it, in one line."""
    ended = {"done": "Done", "interrupted": "Interrupted by a person", "not ended": "Cut off before its end"}
    brought = sum(row.ok for row in story.moved)
    asked, left = len(story.exchanges), len(story.left_over)
    said = [
        f"{brought} {plural('thing', brought)} brought to {'its' if brought == 1 else 'their'} place",
        f"{asked} {plural('question', asked)} to a person",
        f"{left or 'nothing'} left over",
    ]
    after = f" after {clock(story.ended_s)}"
    return f"{ended.get(story.outcome, 'Not done: ' + story.outcome.replace('_', ' '))}{after}: {', '.join(said)}."


def _made(story: Story) -> list[tuple[str, str]]:
    """What somebody needs to have the same mission again."""
    rows = [("Seed", story.configuration.get("seed"))]
    for model in story.models:
        of = f" of {model['name']}" if len(story.models) > 1 and model.get("name") else ""
        rows += [
            ("Model" if not of else f"Model {model['name']}", model.get("model")),
            (f"Calibration{of}", "valid" if model.get("calibrated") else "none, so nothing was sure"),
            (f"Note{of}", model.get("note")),
        ]
    rows.append(("Trace", story.result.get("trace_sha256")))
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


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
        return [("Mission time", clock(story.ended_s)), *counted, ("Refused motions", str(story.refused))]
    rows = [
        ("Mission time", clock(float(result.get("sim_s", 0.0)))),
        ("Wall time", f"{float(result.get('wall_s', 0.0)):.1f} s"),
        ("Waited for the model", f"{float(result.get('model_wait_s', 0.0)):.1f} s"),
        ("Model queries", str(result.get("model_queries", 0))),
        ("Questions to a person", str(result.get("questions", 0))),
        ("Motions", str(result.get("motions", 0))),
        ("Unverified motions", str(result.get("unverified_motions", 0))),
        ("Refused motions", str(story.refused)),
        ("Ticks", str(result.get("ticks", 0))),
    ]
    tick = result.get("tick_ms") or {}
    shares = (("p50", "half under"), ("p99", "99% under"), ("p999", "99.9% under"))
    times = ", ".join(f"{text} {tick[name]:.2g} ms" for name, text in shares if name in tick)
    return [*rows, ("Time of a tick", times)] if times else rows


def _spent(spent: TimeSpent) -> list[tuple[str, float, float]]:
    """(part, seconds, share of the mission) for each part that took any time."""
    shares = spent.shares()
    return [(text, getattr(spent, name), shares[name]) for name, text in PARTS.items() if getattr(spent, name) > 0]


def clock(seconds: float) -> str:
    """Minutes and seconds of the mission's clock, "4:07"."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _colours(story: Story) -> dict[str, Colour]:
    """A colour for each zone of the configuration, then for each kind that belongs to none."""
    zones = ((story.configuration.get("settings") or {}).get("bench") or {}).get("zones") or {}
    items = [item for view in (story.before, story.after) if view for item in view.items]
    groups = [_group(str(item.get("label", "")), story.zone_of) for item in items if not _guess(item)]
    known = list(dict.fromkeys([*zones, *story.sections]))
    return dict(pictures.group_colours([*known, *sorted(set(groups) - set(known))]))


def _used(story: Story, colours: Mapping[str, Colour]) -> list[str]:
    """The groups that a picture shows, in the order of the colours."""
    items = [item for view in (story.before, story.after) if view for item in view.items if not _guess(item)]
    shown = {_group(str(item.get("label", "")), story.zone_of) for item in items} | set(story.in_container)
    return [name for name in colours if name in shown]


def _group(label: str, zone_of: Mapping[str, str]) -> str:
    """The zone that things of this kind, or else of its class, were brought to; without one, the class itself."""
    if label in zone_of:
        return zone_of[label]
    family = _class(label)
    return next((zone for kind, zone in zone_of.items() if _class(kind) == family), family)


def _guess(item: Json) -> bool:
    """Whether a label is no more than the likeliest of several, or no kind at all."""
    label = str(item.get("label", ""))
    if item.get("verified"):
        return False
    return label.endswith("?") or label == UNKNOWN or len(item.get("plausible") or ()) > 1


def _class(label: str) -> str:
    return next((name for name in CLASSES if label.endswith(name)), label)


def _contained(story: Story, colours: Mapping[str, Colour]) -> tuple[Mark, ...]:
    """A mark around what lies in each container: "8 screws"."""
    return tuple(
        Mark(box, _short(contents(story.sections[zone])), colours.get(zone, pictures.UNSURE))
        for zone, box in story.in_container.items()
        if any(story.sections.get(zone, {}).values())
    )


def _annotated(
    view: View | None, story: Story, colours: Mapping[str, Colour], more: Sequence[Mark]
) -> Image.Image | None:
    if view is None:
        return None
    marks = list(more)
    for item in view.items:
        label, box = str(item.get("label", "")), item.get("box")
        if not box:
            continue
        guess = _guess(item)
        colour = pictures.UNSURE if guess else colours[_group(label, story.zone_of)]
        marks.append(Mark((box[0], box[1], box[2], box[3]), _short(label), colour, guess))
    return pictures.annotate(pictures.from_jpeg(view.picture.jpeg), marks)


def _question_drawn(story: Story, question: AskedQuestion, number: int, out: Path) -> Drawn | None:
    kept = story.pictures.get(question.frame)
    if kept is None:
        return None
    mark = question.mark
    whole = pictures.from_jpeg(kept.jpeg)
    if question.marks:
        picture = pictures.choice_picture(whole, [(one[0], one[1], one[2], one[3]) for one in question.marks])
    else:
        picture = pictures.question_picture(whole, (mark[0], mark[1], mark[2], mark[3]) if len(mark) == 4 else None)
    width = round(picture.width * QUESTION_PX / picture.height)
    picture = picture.resize((width, QUESTION_PX), Image.Resampling.LANCZOS)
    return _drawn(picture, out, f"question-{number}", f"What question {number} is about")


def _thumb(story: Story, row: Moved) -> str:
    """A small picture of a thing as a data URI; empty where no picture of it was kept."""
    kept = story.pictures.get(row.frame)
    if kept is None or len(row.mark) != 4:
        return ""
    mark = (row.mark[0], row.mark[1], row.mark[2], row.mark[3])
    return _uri(pictures.to_jpeg(pictures.close_up(pictures.from_jpeg(kept.jpeg), mark, THUMB_PX), quality=80))


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _drawn(picture: Image.Image | None, out: Path, name: str, alt: str) -> Drawn | None:
    if picture is None:
        return None
    jpeg = pictures.to_jpeg(picture)
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    (out / PICTURES / f"{name}.jpg").write_bytes(jpeg)
    return Drawn(_uri(jpeg), f"{PICTURES}/{name}.jpg", alt)


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
    page.filters["ready"] = _Ready
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
