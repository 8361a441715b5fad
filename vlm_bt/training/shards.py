"""`vlm-bt train data`: scenes with labels and sentences, as WebDataset shards that any trainer reads.

A block of scenes gives two shards: `scenes-*.tar`, a sample a scene (picture, depth, what is known, questions), and
`crops-*.tar`, a sample a candidate as a mission crops it (picture, label, captions, questions). The seed decides every
byte, the number of processes none.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.errors import ConfigError
from vlm_bt.scene.crops import crop
from vlm_bt.training.captions import Captions, matches
from vlm_bt.training.data import FIRST_TRAINING_SEED, Label, labelled_regions, results
from vlm_bt.training.questions import Questions
from vlm_bt.training.scene_words import SceneQuestions
from vlm_bt.training.staged import EVENTS, HAZARDS, Order, Staged, Truth
from vlm_bt.training.staging import BLOCK, Studio
from vlm_bt.types import Frame
from vlm_bt.vision.asking_words import caption_of
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import CATEGORIES

FORMAT = 1
PLAN = "dataset.json"
CAPTIONS_EACH, QUESTIONS_EACH, SCENE_QUESTIONS = 6, 4, 12
SHORT_M, LONG_M = 0.09, 0.15
HALF_HIDDEN = 0.7

_JPEG_QUALITY = 93
_SEEDS = 50_000
"""Scenes for shards have other seeds than those for crops, from the same hundred thousand."""


@dataclass(frozen=True)
class DataPlan:
    """What to make. `size`: (width, height) of the pictures, pixels; the mission camera's if None."""

    scenes: int = 240
    seed: int = 0
    size: tuple[int, int] | None = None

    @property
    def blocks(self) -> int:
        return -(-self.scenes // BLOCK)

    @property
    def first_seed(self) -> int:
        return FIRST_TRAINING_SEED * (self.seed + 1) + _SEEDS


def make_data(plan: DataPlan, out: Path, processes: int, done: Callable[[int], None]) -> dict[str, Any]:
    """Make the shards that are not there yet.

    Args:
        done: Told how many scenes have been finished, as they are.

    Returns:
        What the folder holds: plan, shards, samples, bytes.

    Raises:
        ConfigError: The folder holds shards of another plan, or `webdataset` is not installed.
    """
    _check(plan, out)
    jobs = [(out, plan, block) for block in range(plan.blocks)]
    missing = [job for job in jobs if not _is_made(*job)]
    done(
        sum(len(_numbers(plan, block)) for block in range(plan.blocks))
        - sum(len(_numbers(p, b)) for _, p, b in missing)
    )
    for scenes in results(_make_block, missing, processes):
        done(scenes)
    shards = sorted(out.glob("*.tar"))
    return {
        "folder": str(out),
        **asdict(plan),
        "shards": len(shards),
        "bytes": sum(path.stat().st_size for path in shards),
    }


def _check(plan: DataPlan, out: Path) -> None:
    try:
        import webdataset  # noqa: F401
    except ImportError as error:
        raise ConfigError("webdataset is not installed; pip install 'vlm_bt[training]' brings it") from error
    out.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"format": FORMAT, "seed": plan.seed, "size": plan.size, "scenes": plan.scenes}) + "\n"
    path = out / PLAN
    if path.is_file() and path.read_text(encoding="utf-8") != said:
        raise ConfigError(f"{out} holds shards of another plan ({path}); choose another folder, or the same options")
    path.write_text(said, encoding="utf-8")


def _paths(out: Path, block: int) -> tuple[Path, Path]:
    return out / f"scenes-{block:06d}.tar", out / f"crops-{block:06d}.tar"


def _is_made(out: Path, plan: DataPlan, block: int) -> bool:
    return all(path.is_file() for path in _paths(out, block))


def _numbers(plan: DataPlan, block: int) -> range:
    return range(min(BLOCK, plan.scenes - block * BLOCK))


def order_of(seed: int) -> Order:
    """What the scenes of a block are like: a third as missions have them, the rest of everything else.

    Nothing that is held out: no pair, no kind, and never the other cell's camera.
    """
    rng = np.random.default_rng([seed, 20])
    draw, spoilt = rng.random(), rng.random() < 0.3
    light = float(rng.uniform(-0.6, 0.5)) if spoilt else 0.0
    blur, noise = (float(value) for value in (rng.uniform(0.0, 0.35, 2) if spoilt else (0.0, 0.0)))
    common: dict[str, Any] = {
        "pairs": "seen", "held_out_kinds": False, "light": light, "blur": blur, "noise": noise,
    }  # fmt: skip
    if draw < 0.30:
        return Order(**common)
    if draw < 0.45:
        return Order(clutter="touching", **common)
    few = int(rng.integers(4, 15))
    if draw < 0.72:
        return Order(things=few, event=EVENTS[int(rng.integers(len(EVENTS)))], **common)
    if draw < 0.86:
        return Order(things=few, hazards=(HAZARDS[int(rng.integers(len(HAZARDS)))],), **common)
    return Order(things=few, labels="honest" if rng.random() < 0.5 else "lying", **common)


def _make_block(job: tuple[Path, DataPlan, int]) -> int:
    """Write one block's shards; returns how many scenes."""
    out, plan, block = job
    seed = plan.first_seed + block
    with Studio(seed, order_of(seed), plan.size) as studio:
        staged = [studio.stage(number) for number in _numbers(plan, block)]
    rng = np.random.default_rng([seed, 21])
    questions = SceneQuestions(rng)
    keys = [f"{seed:07d}-{number:02d}" for number in _numbers(plan, block)]
    scenes = (_scene_sample(key, one, questions) for key, one in zip(keys, staged, strict=True))
    _write(_paths(out, block)[0], scenes)
    _write(_paths(out, block)[1], _crop_samples(keys, staged, rng))
    return len(staged)


def _write(path: Path, samples: Iterator[dict[str, Any]]) -> None:
    """A whole shard or none."""
    from webdataset.writer import TarWriter

    partial = path.with_name("." + path.name)
    with TarWriter(str(partial), user="", group="", mode=0o644, encoder=False, mtime=0.0) as shard:
        for sample in samples:
            shard.write(sample)
    os.replace(partial, path)


def _scene_sample(key: str, staged: Staged, questions: SceneQuestions) -> dict[str, Any]:
    """Keys: `jpg` and `depth.png` (16 bits, millimetres) of the last frame, `before.*` of an earlier one, `json`."""
    sample: dict[str, Any] = {"__key__": key}
    for name, frame in zip(("", "before.")[: len(staged.frames)], reversed(staged.frames), strict=True):
        sample[f"{name}jpg"] = _jpeg(frame.rgb)
        sample[f"{name}depth.png"] = _png(np.rint(frame.depth_m * 1000).astype(np.uint16))
    frame = staged.frames[-1]
    known = {
        "event": staged.event,
        "about": staged.about,
        "goal": staged.goal,
        "hazards": list(staged.hazards),
        "notes": list(staged.notes),
        "camera": frame.camera,
        "intrinsics": asdict(frame.intrinsics),
        "pose_camera_in_base": asdict(frame.pose_camera_in_base),
        "things": [asdict(truth) for truth in staged.truths[-1]],
        "things_before": [asdict(truth) for truth in staged.truths[0]] if len(staged.truths) > 1 else [],
        "questions": [asdict(drawn) for drawn in questions.draw(staged, SCENE_QUESTIONS)],
    }
    return {**sample, "json": _json(known)}


def _crop_samples(keys: Sequence[str], staged: Sequence[Staged], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Keys: `png`, and `json` with what it is, captions that are true of it and captions that are not, questions."""
    found = [
        (f"{key}-{index:02d}", pixels, label, truth)
        for key, one in zip(keys, staged, strict=True)
        for index, (pixels, label, truth) in enumerate(_labelled(one.frames[-1], one.shows[-1], one.truths[-1]))
    ]
    colours = tuple(sorted({label.colour for _, _, label, _ in found if label.colour}))
    parts = tuple(sorted({part for _, _, label, _ in found for part in label.parts}))
    captions, questions = Captions(colours, parts, rng), Questions(parts, rng)
    for key, pixels, label, truth in found:
        true, false = _captions(captions, label, colours, parts)
        asked = [questions.draw(label) for _ in range(QUESTIONS_EACH)]
        known = {
            **described(label, truth),
            "captions": [*sentences(label, truth), *true],
            "not": false,
            "questions": [asdict(drawn) for drawn in asked],
        }
        yield {"__key__": key, "png": _png(pixels), "json": _json(known)}


def _labelled(
    frame: Frame, shows: NDArray[np.int16], truths: Sequence[Truth]
) -> Iterator[tuple[NDArray[np.uint8], Label, Truth | None]]:
    """Candidates as a mission crops them, by first and second look in turn; a truth where one thing is shown."""
    things = {number: (truth.kind, truth) for number, truth in enumerate(truths, start=1)}
    for index, (region, label) in enumerate(labelled_regions(frame, shows.astype(np.int32), things)):
        box = region.box
        inside = shows[box.y0 : box.y1, box.x0 : box.x1][region.mask]
        number = int(np.bincount(inside).argmax()) if label.colour else 0
        if label.colour and number == 0:
            number = int(np.bincount(inside[inside > 0]).argmax())
        yield crop(frame, region, variant=index % 2), label, truths[number - 1] if number else None


def described(label: Label, truth: Truth | None) -> dict[str, Any]:
    """Kind, subkind, colour, size, parts, pose and occlusion of what a crop shows."""
    family = next((words[0] for kinds, words in CATEGORIES.items() if label.source in kinds), label.source)
    known: dict[str, Any] = {
        "kind": family,
        "subkind": label.source,
        "colour": label.colour,
        "parts": list(label.parts),
    }
    if truth is not None:
        known |= {
            "size": _size(truth.length_m),
            "length_m": truth.length_m,
            "pose": "standing" if truth.stands else "lying",
            "yaw_rad": truth.yaw_rad,
            "visible": truth.visible,
            "touching": len(truth.touching),
            "written": truth.written,
            "zone": truth.zone,
        }
    return known


def sentences(label: Label, truth: Truth | None) -> list[str]:
    """What can be said of the whole of it: one caption, and one that adds size, pose, occlusion and what it touches."""
    if not label.colour:
        return []
    caption = caption_of(label.source, label.colour, label.parts)
    if truth is None:
        return [caption]
    added = [f"{_size(truth.length_m)}", "standing on its end" if truth.stands else "lying flat"]
    if truth.visible < HALF_HIDDEN:
        added.append("partly hidden")
    if truth.touching:
        added.append("touching another thing" if len(truth.touching) == 1 else "touching other things")
    if truth.written:
        added.append(f'with "{truth.written}" printed on it')
    return [caption, f"{caption}, {', '.join(added)}"]


def _size(length_m: float) -> str:
    return "small" if length_m < SHORT_M else "large" if length_m > LONG_M else "of middle size"


def _captions(
    captions: Captions, label: Label, colours: Sequence[str], parts: Sequence[str]
) -> tuple[list[str], list[str]]:
    """A few drawn sentences that are true of a crop and a few that are not."""
    kind = np.array([KINDS.index(label.source) if label.source in KINDS else len(KINDS)])
    colour = np.array([colours.index(label.colour) if label.colour else -1])
    has = np.array([[part in label.parts for part in parts]], bool).reshape(1, len(parts))
    true: list[str] = []
    false: list[str] = []
    for _ in range(8):
        drawn = captions.draw_many(16)
        for caption, holds in zip(drawn, matches(drawn, kind, colour, has)[0], strict=True):
            (true if holds else false).append(caption.text)
        if len(true) >= CAPTIONS_EACH:
            break
    return list(dict.fromkeys(true))[:CAPTIONS_EACH], list(dict.fromkeys(false))[:CAPTIONS_EACH]


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _png(picture: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _json(known: Mapping[str, Any]) -> bytes:
    return json.dumps(known, sort_keys=True).encode()
