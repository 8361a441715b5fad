"""What the shipped model says about single things on benches that are drawn in full: for the fast fidelity."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import numpy as np

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.questions import WHAT_IS_IT, Caption, Choose, Describe, Look
from vlm_bt.scene.tabletop import Region, segment
from vlm_bt.simulation.cameras import Renderer, believed_pose, intrinsics_of
from vlm_bt.simulation.measured import NOTHING, SEVERAL, MeasuredAnswers, Seen, Source
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.scenario import ZONES, Scenario
from vlm_bt.simulation.world import World
from vlm_bt.types import Answer, Frame
from vlm_bt.vision.backends import Surroundings, open_model
from vlm_bt.vision.calibration import KIND_SKILL, calibration_folder
from vlm_bt.vision.calibration_file import CalibrationFile, file_name
from vlm_bt.vision.model import Asked, VisionModel
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.weights import SHIPPED
from vlm_bt.vision_settings import EmbeddedModel

FIRST_SEED, BENCHES, ITEMS = 7000, 40, 25
CAMERA = "overhead"
LOOKS = ((0, 0), (1, 1))
"""(variant, wording) as the leaves ask them: the claim and the second look."""
PARTS_SHOWN = "its colour, shape and parts, not its name"
_OTHERS_SHARE = 0.15
"""So much of a region must show a second thing for it to be several."""


def measure_answers(plan: Plan, say: Say) -> list[Figure]:
    """Ask about everything on each bench; writes `answers.json` into `plan.out`.

    As `config/answers/shipped-overhead.json` it is what the fast fidelity answers with.
    """
    first = FIRST_SEED + BENCHES * plan.seed
    seeds = plan.seeds or tuple(range(first, first + (4 if plan.quick else BENCHES)))
    containers = tuple(zone for zone in ZONES if zone.container)
    model = open_model(EmbeddedModel(), Surroundings(containers, zones=ZONES))  # type: ignore[call-arg]
    seen: list[Seen] = []
    for seed in seeds:
        seen += _on_bench(seed, model)
        say(f"bench {seed}: {len(seen)} things so far")
    path = calibration_folder() / file_name(SHIPPED, CAMERA)
    stored = CalibrationFile.read(path) if path.is_file() else None
    if stored is not None and stored.model.revision != model.revision:
        say(f"{path} was made for another model: nothing will be sure")
        stored = None
    if stored is not None:
        stored = stored.model_copy(update={"skills": {KIND_SKILL: stored.skills[KIND_SKILL]}})
    source = Source(
        command=f"vlm-bt bench answers --seeds {seeds[0]}-{seeds[-1]}",
        seeds=(seeds[0], seeds[-1]),
        items=ITEMS,
        day=datetime.date.today().isoformat(),
    )
    answers = MeasuredAnswers(
        source=source,
        model=SHIPPED,
        revision=model.revision,
        kinds=KINDS,
        looks=LOOKS,
        calibration=stored,
        seen=tuple(seen),
    )
    plan.out.mkdir(parents=True, exist_ok=True)
    text = answers.model_dump_json().replace('{"kind"', '\n{"kind"')
    (plan.out / "answers.json").write_text(text + "\n", encoding="utf-8")
    say(f"written: {plan.out / 'answers.json'}")
    return _figures(seen)


def _on_bench(seed: int, model: VisionModel) -> list[Seen]:
    world = World(Scenario.from_seed(seed, ITEMS), None, staged=False)
    with Renderer(world.model) as renderer:
        rgb, depth = renderer.render(world.data, CAMERA)
        bodies = renderer.segmentation(world.data, CAMERA)
    key = (seed, CAMERA, 0)
    frame = Frame(
        f"{CAMERA}-{seed}",
        CAMERA,
        noisy_colour(rgb, key),
        noisy_depth(depth, key),
        intrinsics_of(world.model, CAMERA),
        believed_pose(world.model, world.data, CAMERA),
        0.0,
    )
    kinds = {int(world.model.body(item.name).id): item.kind for item in world.scenario.items}
    found = segment(frame, tuple(zone for zone in ZONES if zone.container))
    things = found.regions + found.contents
    asked = [list(_asked(frame, region)) for region in things]
    replies = list(model.answer([one for some in asked for one in some]))
    seen = []
    for region in things:
        mine, replies = replies[: len(LOOKS) + 1], replies[len(LOOKS) + 1 :]
        rows = [answer for answer in mine if isinstance(answer, Answer)]
        words = next((answer.text for answer in mine if isinstance(answer, Caption)), "")
        looks = tuple(tuple(round(p, 6) for p in (*row.probabilities, row.outside)) for row in rows)
        seen.append(Seen(kind=_really(region, bodies, kinds), looks=looks, caption=words))
    return seen


def _asked(frame: Frame, region: Region) -> Iterator[Asked]:
    for variant, wording in LOOKS:
        look = Look(frame.id, region.index, variant)
        yield Asked(Choose((look,), WHAT_IS_IT, KINDS, wording), (Picture(frame, look, region),))
    look = Look(frame.id, region.index)
    yield Asked(Describe((look,), PARTS_SHOWN), (Picture(frame, look, region),))


def _really(region: Region, bodies: np.ndarray[tuple[int, ...], np.dtype[np.int32]], kinds: dict[int, str]) -> str:
    box = region.box
    shown = bodies[box.y0 : box.y1, box.x0 : box.x1][region.mask]
    counts = {body: int((shown == body).sum()) for body in np.unique(shown).tolist() if body in kinds}
    if not counts:
        return NOTHING
    best = max(counts, key=lambda body: counts[body])
    others = sum(number for body, number in counts.items() if body != best)
    return SEVERAL if others > _OTHERS_SHARE * shown.size else kinds[best]


def _figures(seen: Sequence[Seen]) -> list[Figure]:
    figures = [Figure("things asked about", len(seen), "")]
    for kind in KINDS:
        rows = [one.looks[0] for one in seen if one.kind == kind]
        if rows:
            right = sum(int(np.argmax(row)) == KINDS.index(kind) for row in rows)
            figures.append(Figure(f"{kind}: named rightly at first look", right / len(rows), "share"))
    strange = [one.looks[0] for one in seen if one.kind not in KINDS]
    if strange:
        rejected = sum(int(np.argmax(row)) == len(KINDS) for row in strange)
        figures.append(Figure("of other kinds: called none of them", rejected / len(strange), "share"))
    return figures
