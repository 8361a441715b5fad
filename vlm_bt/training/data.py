"""Crops to learn from: the simulation's pictures through exactly the run-time pipeline, labelled by the renderer.

Render with sensor noise, segment by depth, crop. Only the label comes from the renderer's own segmentation, which a
mission never sees. Scenes are compiled once and posed many times.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scenario import ZONES, Scenario
from vlm_bt.types import Frame
from vlm_bt.vision.vocabulary import KINDS

if TYPE_CHECKING:
    from vlm_bt.scene.tabletop import Region

FIRST_TRAINING_SEED = 100_000
ODD = "odd"
SEVERAL = "several"
FRAGMENT = "fragment"
VARIANTS = (0, 1)
"""The crops of a first and a second look."""
TURNED = 2
"""The thing as it lies: in half of the training looks, so that any crop will do."""

_CONTAINERS = tuple(zone for zone in ZONES if zone.container)
_AREA_X, _AREA_Y = (0.05, 0.73), (-0.63, 0.63)


@dataclass(frozen=True)
class Label:
    """What a crop shows: `source` is a kind, "odd", "several" or "fragment"; the rest is empty for the last two."""

    source: str
    colour: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    pixels: NDArray[np.uint8]
    label: Label
    variant: int


class Posing:
    """One compiled bench full of things that can be laid out anew, lit anew and looked at.

    Args:
        things: (name, tool model, source) of every thing on it.
        seed: Of bench picture and noise.
        scenario: Whose bench, light and camera it has; one that can be lit anew if not given.
        furnish: Puts more into the scene (a MuJoCo spec) before it is compiled.
        shadows: Whether the lamp casts shadows; a mission's pictures are drawn without.
    """

    def __init__(
        self,
        things: Sequence[tuple[str, ToolModel, str]],
        seed: int,
        scenario: Scenario | None = None,
        furnish: Callable[[Any], None] | None = None,
        shadows: bool = False,
    ) -> None:
        import mujoco

        from vlm_bt.simulation.cameras import Renderer
        from vlm_bt.simulation.scene import add_thing, build_scene, parked_pose

        self._mujoco, self._seed, self._parked = mujoco, seed, parked_pose
        self.things = tuple(things)
        bare = replace(scenario or Scenario.from_seed(seed, 0), items=())
        spec = build_scene(bare, arm=False, person=False, all_benches=scenario is None)
        for index, (name, tool, _) in enumerate(self.things):
            add_thing(spec, name, tool, *parked_pose(index))
        if furnish is not None:
            furnish(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        camera = self.model.camera("overhead").id
        self._home = self.model.cam_pos[camera].copy(), self.model.cam_quat[camera].copy()
        self._source = {self.model.body(name).id: (source, tool) for name, tool, source in self.things}
        self.renderer = Renderer(self.model, shadows=shadows)
        self._step = 0

    def lay_out(self, rng: np.random.Generator, shown: int) -> None:
        """Lay a random choice of things on the bench, apart, under a new light; hang the camera a bit off."""
        from vlm_bt.simulation.scene import apply_look

        apply_look(self.model, rng)
        hang_off(self.model, "overhead", *self._home, rng)
        taken = containers_outlines()
        chosen = {int(i) for i in rng.permutation(len(self.things))[:shown]}
        in_bin = 0
        for index, (name, tool, source) in enumerate(self.things):
            place = None
            if index in chosen and source == "screw" and in_bin < 3 and rng.random() < 0.2:
                place, in_bin = _in_container(rng), in_bin + 1
            elif index in chosen:
                place = free_place(tool, taken, rng)
            self._put(name, tool, index, place)
        self.update()

    def put(self, name: str, position: Sequence[float], quaternion: Sequence[float]) -> None:
        """Put one thing where it is to lie; shown once the scene is brought up to date."""
        address = self.model.joint(f"{name}_free").qposadr[0]
        self.data.qpos[address : address + 7] = (*position, *quaternion)

    def set_out(self, places: Sequence[tuple[float, float, float, float] | None]) -> None:
        """Lay every thing at its given (x, y, floor, yaw), metres and radians in the base frame, or away."""
        for index, ((name, tool, _), place) in enumerate(zip(self.things, places, strict=True)):
            self._put(name, tool, index, place)
        self.update()

    def update(self) -> None:
        """Bring the scene up to date with where things were put."""
        self._mujoco.mj_forward(self.model, self.data)

    def look(self) -> tuple[Frame, NDArray[np.int32]]:
        """A noisy frame as a mission gets it, and the body that each pixel shows."""
        from vlm_bt.simulation.cameras import believed_pose, intrinsics_of
        from vlm_bt.simulation.noise import noisy_colour, noisy_depth

        self._step += 1
        key = (self._seed, "overhead", self._step)
        rgb, depth = self.renderer.render(self.data, "overhead")
        bodies = self.renderer.segmentation(self.data, "overhead")
        lens, pose = intrinsics_of(self.model, "overhead"), believed_pose(self.model, self.data, "overhead")
        frame = Frame(
            f"overhead-{self._step}", "overhead", noisy_colour(rgb, key), noisy_depth(depth, key), lens, pose, 0.0
        )
        return frame, bodies

    def crops(self, variants: Sequence[int] = VARIANTS) -> list[LabelledCrop]:
        """Every candidate of one look, as a mission would crop it."""
        frame, bodies = self.look()
        return labelled_crops(frame, bodies, self._source, variants)

    def regions(self) -> tuple[Frame, list[tuple[Region, Label]]]:
        """One look, with every candidate as a mission would cut it out."""
        frame, bodies = self.look()
        return frame, labelled_regions(frame, bodies, self._source)

    def close(self) -> None:
        self.renderer.close()

    def _put(self, name: str, tool: ToolModel, index: int, place: tuple[float, float, float, float] | None) -> None:
        position, quaternion = self._parked(index)
        if place is not None:
            x, y, floor, yaw = place
            position = (x, y, floor + tool.half_height_m + 0.0003)
            quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        self.put(name, position, quaternion)


def hang_off(
    model: Any, camera: str, position: Sequence[float], quaternion: Sequence[float], rng: np.random.Generator
) -> None:
    """Hang a camera up to 5 mm and 0.3 degrees off where it is said to hang, as a real one does."""
    import mujoco

    turn, turned = np.zeros(4), np.zeros(4)
    axis = rng.normal(size=3)
    mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), math.radians(0.3) * rng.uniform())
    mujoco.mju_mulQuat(turned, turn, np.asarray(quaternion, float))
    shift, index = rng.normal(size=3), model.camera(camera).id
    model.cam_quat[index] = turned
    model.cam_pos[index] = np.asarray(position, float) + 0.005 * rng.uniform() * shift / np.linalg.norm(shift)


def labelled_crops(
    frame: Frame, bodies: NDArray[np.int32], things: dict[int, tuple[str, ToolModel]], variants: Sequence[int]
) -> list[LabelledCrop]:
    """Segment and crop as a mission does; name each region by what the renderer says most of it is.

    Args:
        bodies: (H, W) body of each pixel. things: per body, its source and tool model.
    """
    from vlm_bt.scene.crops import crop

    named = labelled_regions(frame, bodies, things)
    return [LabelledCrop(crop(frame, region, variant=v), label, v) for region, label in named for v in variants]


class Coloured(Protocol):
    """What is known of a thing: the name of its colour and phrases for its parts."""

    @property
    def colour(self) -> str: ...

    @property
    def parts(self) -> tuple[str, ...]: ...


def labelled_regions(
    frame: Frame, bodies: NDArray[np.int32], things: Mapping[int, tuple[str, Coloured]]
) -> list[tuple[Region, Label]]:
    """As `labelled_crops`: the regions themselves, without those that are neither clearly one thing nor clearly not."""
    from vlm_bt.scene.tabletop import segment

    found = segment(frame, _CONTAINERS)
    whole = np.bincount(bodies[bodies > 0].ravel(), minlength=max(things, default=0) + 1)
    out = []
    for region in (*found.regions, *found.contents):
        box = region.box
        inside = bodies[box.y0 : box.y1, box.x0 : box.x1][region.mask]
        label = _label(np.bincount(inside[inside > 0], minlength=len(whole)), whole, int(region.mask.sum()), things)
        if label is not None:
            out.append((region, label))
    return out


def _label(
    inside: NDArray[np.intp], whole: NDArray[np.intp], pixels: int, things: Mapping[int, tuple[str, Coloured]]
) -> Label | None:
    """None where it is neither clearly one thing nor clearly not."""
    counts = {body: int(inside[body]) for body in sorted(things) if inside[body] > 0}
    covered = sum(counts.values())
    if covered < 0.3 * pixels:
        return Label(FRAGMENT)
    body = max(counts, key=lambda b: counts[b])
    if counts[body] < 0.88 * covered:
        return Label(SEVERAL)
    share = counts[body] / max(1, int(whole[body]))
    if share < 0.7:
        return Label(FRAGMENT) if share < 0.45 else None
    source, tool = things[body]
    return Label(source, tool.colour, tool.parts)


def free_place(
    tool: ToolModel, taken: list[BaseGeometry], rng: np.random.Generator
) -> tuple[float, float, float, float] | None:
    """Somewhere on the bench, 6 to 12 mm clear of everything; its outline joins `taken`."""
    outline, gap = Polygon(tool.outline), float(rng.uniform(0.006, 0.012))
    for _ in range(60):
        x, y, yaw = float(rng.uniform(*_AREA_X)), float(rng.uniform(*_AREA_Y)), float(rng.uniform(-math.pi, math.pi))
        if math.hypot(x, y) < 0.2:
            continue
        shape = affinity.translate(affinity.rotate(outline, yaw, origin=(0, 0), use_radians=True), x, y)
        if any(shape.distance(other) < gap for other in taken):
            continue
        taken.append(shape)
        return x, y, 0.0, yaw
    return None


def containers_outlines() -> list[BaseGeometry]:
    """Where nothing is laid: containers and their walls."""
    return [Polygon(_corners(zone.x, zone.y)).buffer(0.012) for zone in _CONTAINERS]


def _in_container(rng: np.random.Generator) -> tuple[float, float, float, float]:
    zone = _CONTAINERS[0]
    x, y = (float(rng.uniform(low + 0.025, high - 0.025)) for low, high in (zone.x, zone.y))
    return x, y, 0.002, float(rng.uniform(-math.pi, math.pi))


def _corners(x: tuple[float, float], y: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x[i], y[j]) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]


def save(path: Path, crops: Sequence[LabelledCrop]) -> None:
    """One npz of crops with their labels."""
    labels = [{"source": c.label.source, "colour": c.label.colour, "parts": list(c.label.parts)} for c in crops]
    partial = path.with_name("." + path.name)
    np.savez(
        partial,
        pixels=np.stack([c.pixels for c in crops]),
        variant=np.array([c.variant for c in crops], np.int8),
        labels=np.array(json.dumps(labels)),
    )
    partial.replace(path)


def read(path: Path) -> tuple[NDArray[np.uint8], list[Label], NDArray[np.int8]]:
    """Pixels (N, S, S, 3), labels and variants of one shard."""
    with np.load(path, allow_pickle=False) as stored:
        labels = [Label(e["source"], e["colour"], tuple(e["parts"])) for e in json.loads(str(stored["labels"]))]
        return stored["pixels"], labels, stored["variant"]


def run_jobs(work: Callable[[Any], int], jobs: Sequence[Any], say: Callable[[str], None], processes: int = 2) -> None:
    """Do jobs that draw, and say how far it is."""
    for done, count in enumerate(results(work, jobs, processes), start=1):
        if done % 10 == 0 or done == len(jobs):
            say(f"scene {done} of {len(jobs)}: {count} crops")


def results(work: Callable[[Any], int], jobs: Sequence[Any], processes: int) -> Iterator[int]:
    """Do jobs that draw, in processes of their own (spawned: a renderer must not be forked); each job's count once it
    is done. Whoever leaves early ends the processes."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(processes, len(jobs)), initializer=_one_thread) as pool:
        yield from pool.imap_unordered(work, jobs)


def _one_thread() -> None:
    # Ctrl-C is for the parent, which ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    # Mesa's software renderer would otherwise start a thread a core in each of the processes.
    os.environ["LP_NUM_THREADS"] = "1"


def known(source: str) -> bool:
    """Whether this source is a kind that the model may name."""
    return source in KINDS


def gather(paths: Sequence[Path]) -> Any:
    """All shards as one `vlm_bt.training.crops.Crops`."""
    from vlm_bt.training.crops import NO_KIND, Crops

    shards = [read(path) for path in paths]
    labels = [label for _, some, _ in shards for label in some]
    colours = tuple(sorted({label.colour for label in labels if label.colour}))
    parts = tuple(sorted({part for label in labels for part in label.parts}))
    has = np.zeros((len(labels), len(parts)), bool)
    column = {part: i for i, part in enumerate(parts)}
    for row, label in enumerate(labels):
        for part in label.parts:
            has[row, column[part]] = True
    return Crops(
        np.concatenate([pixels for pixels, _, _ in shards]),
        np.array([KINDS.index(label.source) if known(label.source) else NO_KIND for label in labels]),
        np.array([colours.index(label.colour) if label.colour else -1 for label in labels]),
        has,
        np.array([label.source for label in labels]),
        colours,
        parts,
    )
