"""A user's own labelled pictures as questions with right answers.

A picture has no depth, so nothing is cut out as missions with depth do it: what is calibrated is what is asked of a
picture, or of a box in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vlm_bt.errors import ConfigError
from vlm_bt.questions import MOST_COUNTED, WHAT_IS_IT, Choose, HowMany, IsTrue, Look
from vlm_bt.sentences import plural
from vlm_bt.training.calibrate import Plan, Scenes
from vlm_bt.training.calibration_questions import Case
from vlm_bt.training.labelled import Labelled, LabelledPicture, read_labelled
from vlm_bt.types import Frame, Intrinsics, Pose
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.calibration_file import CameraId
from vlm_bt.vision.pictures import Picture

SKILLS = ("choose.scene", "is_true.scene", "how_many.scene")
FOCAL = 0.73
"""Focal length in widths, for backends that want one; nothing is measured by it."""


def pictured(plan: Plan, folder: Path, labels: Path | None) -> tuple[Plan, Scenes, dict[str, object]]:
    """The plan for these pictures, their cases, and where they come from.

    Raises:
        ConfigError: What is wrong with the files; pictures of several sizes.
    """
    known = read_labelled(folder, labels)
    by_path: dict[Path, list[LabelledPicture]] = {}
    for item in known.items:
        by_path.setdefault(item.path, []).append(item)
    paths = list(by_path)
    skills = tuple(name for name in plan.skills if name in SKILLS) or SKILLS
    sizes = {frame.rgb.shape[:2] for frame in (_frame(path, plan.camera.name) for path in (paths[0], paths[-1]))}
    if len(sizes) > 1:
        raise ConfigError(f"{folder}: pictures of {len(sizes)} sizes; a calibration is for one camera, sort them first")
    height, width = next(iter(sizes))
    camera = CameraId(name=plan.camera.name, width=width, height=height)
    made = replace(plan, camera=camera, skills=skills, scenes=len(paths))
    return made, _scenes(paths, by_path, known, camera), {"folder": folder.resolve().name}


def _scenes(
    paths: list[Path], by_path: dict[Path, list[LabelledPicture]], known: Labelled, camera: CameraId
) -> Callable[[int], list[Case]]:
    def scene(number: int) -> list[Case]:
        path = paths[number]
        frame = _frame(path, camera.name)
        if frame.rgb.shape[:2] != (camera.height, camera.width):
            raise ConfigError(f"{path}: is not {camera.width}x{camera.height} as the others; a camera has one size")
        return _cases(frame, by_path[path], known.labels, np.random.default_rng([number, 23]))

    return scene


def _cases(frame: Frame, items: list[LabelledPicture], labels: tuple[str, ...], rng: np.random.Generator) -> list[Case]:
    """What each thing is, claims about it of which half hold, and how many there are where every thing has its box."""
    cases = []
    for item in items:
        looks = (Look(frame.id, item.box),)
        picture = (Picture(frame, looks[0]),)
        others = [label for label in labels if label != item.label]
        if others:
            cases.append(Case(Choose(looks, WHAT_IS_IT, labels), picture, item.label))
            wrong = others[int(rng.integers(len(others)))]
            cases.append(Case(IsTrue(looks, indefinite(wrong)), picture, "no"))
        cases.append(Case(IsTrue(looks, indefinite(item.label)), picture, "yes"))
    if all(item.box is not None for item in items):
        whole = (Look(frame.id),)
        for label in sorted({item.label for item in items}):
            number = min(sum(item.label == label for item in items), MOST_COUNTED)
            cases.append(Case(HowMany(whole, plural(label, 2)), (Picture(frame, whole[0]),), str(number)))
    return cases


def _frame(path: Path, camera: str) -> Frame:
    """A frame without depth."""
    rgb = LabelledPicture(path, "").pixels()
    height, width = rgb.shape[:2]
    lens = Intrinsics(width, height, width * FOCAL, width * FOCAL, width / 2, height / 2)
    return Frame(path.name, camera, rgb, np.zeros((height, width), np.float32), lens, Pose((0.0, 0.0, 1.0)), 0.0)
