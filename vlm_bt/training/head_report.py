"""What the question head is worth: on mission benches that nothing was trained on, and for held-out pairs apart."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_bt.training import evaluate
from vlm_bt.training.data import Label, read
from vlm_bt.training.held_out import HELD_OUT_PAIRS
from vlm_bt.training.questions import Drawn, Questions, is_held_out
from vlm_bt.vision.asking_words import NONE_OF_THESE, choice_prompt
from vlm_bt.vision.backends.bench_things import Things
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip
from vlm_bt.vision.backends.head_answers import HeadAnswers
from vlm_bt.vision.backends.thing_words import caption
from vlm_bt.vision.phrases import denied, phrase_of
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import NEAR_COLOURS

QUESTIONS_EACH = 2
Pixels = NDArray[np.uint8]


def measure(plan: Any, clip: EmbeddedClip, directory: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask of evaluation benches, and time it. `plan`: a `HeadPlan`."""
    head = HeadAnswers(directory, clip)
    paths = evaluate.make_candidates(
        work / "evaluation", evaluate.EVALUATION_SEED, plan.evaluation_scenes, True, say, plan.processes
    )
    questions = Questions(clip.parts, np.random.default_rng(24), held_out=True)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    chances: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for path in paths:
        crops, labels, _ = read(path)
        pictures, things = head.pictures(crops), Things(clip, crops, looks=1)
        asked = [(row, questions.draw(label)) for row, label in enumerate(labels) for _ in range(QUESTIONS_EACH)]
        claims = [(row, drawn) for row, drawn in asked if drawn.answer in ("yes", "no")]
        said = head.yes_no(pictures[[row for row, _ in claims]], [drawn.question for _, drawn in claims])
        for (row, drawn), (yes, no) in zip(claims, said, strict=True):
            group, true = _group(labels[row]), drawn.answer == "yes"
            for topic in ("yes or no", f"yes or no: {drawn.topic}"):
                right[group, topic].append(bool(yes > no) == true)
            by_heads = clip_says(things, row, drawn)
            given = float(yes) if by_heads is None else by_heads
            for topic in ("yes or no, as given", f"yes or no, as given: {drawn.topic}"):
                right[group, topic].append((given > 0.5) == true)
            chances[group].append((float(yes), true))
            chances[f"{group}, as given"].append((given, true))
        for row, drawn in asked:
            if drawn.answer not in ("yes", "no"):
                done = _answered(head, pictures[row : row + 1], drawn)
                right[_group(labels[row]), drawn.topic].append(done)
                if drawn.topic.startswith("choose"):
                    question, options = _choice_of(drawn)
                    known = things.choice(question, options)
                    done = done if known is None else _named(options, known[row]) == drawn.answer
                    right[_group(labels[row]), f"{drawn.topic}, as given"].append(done)
        for row in range(0, len(labels), 4):
            if labels[row].colour:
                true = is_true_caption(caption(clip, head, crops[row]), labels[row])
                right[_group(labels[row]), "caption as given: all of it true"].append(true)
    figures: dict[str, Any] = {"trunk": clip.revision, "revision": head.revision, "benches": len(paths)}
    for group in ("seen", "held out"):
        rows = {topic: _share(found) for (some, topic), found in sorted(right.items()) if some == group}
        figures[group] = {
            "topics": rows,
            "ece": round(calibration_error(chances[group]), 4),
            "ece as given": round(calibration_error(chances[f"{group}, as given"]), 4),
        }
    figures["ms"] = timed(head, read(paths[0])[0])
    for group in ("seen", "held out"):
        say(f"{group}: yes or no {figures[group]['topics'].get('yes or no')}, ECE {figures[group]['ece']}")
    return figures


def clip_says(things: Things, row: int, drawn: Drawn) -> float | None:
    """What the CLIP's heads for kind, colour and part make of the same claim, which then stands; None where they do
    not know every word."""
    claim = drawn.question
    for opening in ("yes or no: ", "is this right: "):
        claim = claim.removeprefix(opening)
    if phrase_of(denied(claim)[1], things.clip.parts).free:
        return None
    return float(things.holds(claim)[row])


def is_true_caption(text: str, label: Label) -> bool:
    """Whether every kind, colour and part that a caption names is true of the crop."""
    kind = next((name for name in sorted(KINDS, key=len, reverse=True) if text.endswith(name)), "")
    if kind and kind != label.source:
        return False
    thing, _, having = text.removesuffix(kind).partition(" thing")
    shade = thing.strip().removeprefix("an ").removeprefix("a ").removesuffix("-handled").strip()
    named = [part for part in having.removeprefix(" with ").replace(" and ", ", ").split(", ") if part]
    parts = {part.removeprefix("an ").removeprefix("a ") for part in named}
    alike = NEAR_COLOURS.get(shade, (shade,))
    return (shade in ("a", "an", "") or label.colour in alike) and parts <= set(label.parts)


def calibration_error(said: list[tuple[float, bool]]) -> float:
    """Expected calibration error in ten bins of (probability of yes, whether it is true)."""
    if not said:
        return float("nan")
    chance, true = np.array([p for p, _ in said]), np.array([t for _, t in said], float)
    bins = np.minimum((chance * 10).astype(int), 9)
    gaps = [
        abs(chance[bins == n].mean() - true[bins == n].mean()) * (bins == n).mean()
        for n in range(10)
        if (bins == n).any()
    ]
    return float(sum(gaps))


def timed(head: HeadAnswers, crops: Pixels) -> dict[str, float]:
    """Median CPU time in ms of single calls, with the threads that are set; other work does not count."""
    one = crops[:1]
    seen = head.pictures(one)
    eight = seen.expand(8, -1, -1)
    asked = "is it a red screwdriver?"
    calls: dict[str, Callable[[], Any]] = {
        "trunk, one crop": lambda: head.pictures(one),
        "head, one yes or no": lambda: head.yes_no(seen, [asked]),
        "head, each of eight yes or no": lambda: head.yes_no(eight, [asked] * 8),
        "head, one of four options": lambda: head.choose(seen, "what is it", ["hammer", "pliers", "screw", "pen"]),
        "head, a caption": lambda: head.say(seen, "describe it"),
    }
    out = {}
    for name, call in calls.items():
        took = []
        for _ in range(25):
            began = time.process_time()
            call()
            took.append(time.process_time() - began)
        out[name] = round(float(np.median(took)) * 1e3 / (8 if "eight" in name else 1), 2)
    return {**out, "threads": float(torch.get_num_threads())}


def _group(label: Label) -> str:
    return "held out" if is_held_out(label) else "seen"


def _answered(head: HeadAnswers, picture: Any, drawn: Drawn) -> bool:
    if not drawn.topic.startswith("choose"):
        return head.say(picture, drawn.question) == drawn.answer
    question, options = _choice_of(drawn)
    shares, outside = head.choose(picture, question, options)
    return _named(options, [*shares, outside]) == drawn.answer


def _choice_of(drawn: Drawn) -> tuple[str, list[str]]:
    question, _, listed = drawn.question.rstrip("?").partition(": ")
    assert choice_prompt(question, listed.split("; ")) == drawn.question
    return question, listed.split("; ")


def _named(options: Sequence[str], shares: Any) -> str:
    return [*options, NONE_OF_THESE][int(np.argmax(shares))]


def _share(found: list[bool]) -> dict[str, float]:
    return {"n": len(found), "right": round(float(np.mean(found)), 4)}


def write_head_card(path: Path, figures: Mapping[str, Any]) -> None:
    """The head's own card; the model's card is not changed by it."""
    path.write_text(head_card(figures), encoding="utf-8")


def head_card(figures: Mapping[str, Any]) -> str:
    """Markdown: what it is, how it was made, what it is worth."""
    plan, ms = figures["plan"], figures["ms"]
    lines = [
        "# Question head of the embedded CLIP",
        "",
        "Answers questions about one cut-out and captions it. Its answers are not calibrated: none of them lets the",
        "arm move. What a thing is, the CLIP says.",
        "",
        f"- Revision `{figures['revision']}`, on the frozen trunk `{figures['trunk']}`",
        "- Architecture: nine places and the pooled vector of the trunk as ten words, then a Llama of 3 layers, width",
        "  160; fp16 safetensors with its tokenizer inside",
        f"- Made by `vlm-bt train head --steps {plan['steps']} --scenes {plan['scenes']} --seed {plan['seed']}`;",
        f"  {plan['steps']} steps of {plan['batch']} crops with about six questions each",
        f"- Data: {plan['crops']} crops of {plan['scenes']} scenes (those of the trunk), each as it is and varied;",
        "  questions drawn anew for every batch; loss on the answers' words only",
        "- Held out of the head's training, neither shown nor named: "
        + ", ".join(f"{colour} {kind}" for colour, kind in HELD_OUT_PAIRS),
        "  (the trunk below has seen them)",
        "",
        f"## Results on {figures['benches']} mission benches from seed 6000",
        "",
        "Seen: every crop but those of held-out pairs, the kinds held out of the trunk among them. Answers count as",
        "right only word for word; parts that have two names count as wrong under the other.",
        "Shades of bare steel stand for each other in captions as given.",
        "",
        "As given: as the shipped model answers. Claims and options of which the CLIP's heads for kind, colour and",
        "part know every word are answered by them, the others by the head. (For these heads nothing is held out.)",
        "",
        "| Expected calibration error of yes and no | seen | held out |",
        "|---|---|---|",
        *(
            f"| {name} | {figures['seen'][key]:.3f} | {figures['held out'][key]:.3f} |"
            for name, key in (("head", "ece"), ("as given", "ece as given"))
        ),
        "",
        "| Question | seen: n | right | held out: n | right |",
        "|---|---|---|---|---|",
    ]
    seen, apart = figures["seen"]["topics"], figures["held out"]["topics"]
    for topic in sorted({*seen, *apart}):
        cells = [
            f"{some[topic]['n']} | {some[topic]['right']:.3f}" if topic in some else "0 | -" for some in (seen, apart)
        ]
        lines.append(f"| {topic} | {' | '.join(cells)} |")
    lines += ["", f"## Time on one CPU, {ms['threads']:.0f} thread(s), median CPU time of single calls", ""]
    lines += ["| What | ms |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in ms.items() if name != "threads"]
    return "\n".join([*lines, ""])
