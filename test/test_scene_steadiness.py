"""Whether a camera was pushed: told from what the simulated camera really sees before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from vlm_bt import settings
from vlm_bt.frames import FrameStore
from vlm_bt.scene.steadiness import Sighting, moved
from vlm_bt.scene.tabletop import segment
from vlm_bt.scene.tracking import Tracker
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.world import World
from vlm_bt.types import Pose

See = Callable[..., Sighting]


@pytest.fixture(scope="module")
def bench() -> Iterator[See]:
    frames = FrameStore()
    world = World(Scenario.from_seed(11, 20), frames, robot="built-in", staged=False)
    walls = tuple(zone for zone in settings.load().zones().values() if zone.container)
    camera, tracker = world.model.camera("overhead").id, Tracker()

    def see(push_m: tuple[float, float] = (0.0, 0.0)) -> Sighting:
        world.data.cam_xpos[camera][:2] += push_m
        ticket = world.cameras.request("overhead")
        world.cameras.serve(0.0, see.calls)  # type: ignore[attr-defined]
        see.calls += 1  # type: ignore[attr-defined]
        found = segment(frames.get(ticket.value), walls)
        things = tracker.update(found.regions, found.frame_id, 0.0)
        places = {thing.id: thing.footprint.anchor for thing in things}
        return Sighting(found.bench.pose_camera_in_base, bool(found.bench.aligned), places)

    see.calls = 0  # type: ignore[attr-defined]
    world.advance(0.5)
    yield see
    world.close()
    frames.close()


def test_a_camera_that_hangs_still_has_not_moved(bench: See) -> None:
    looks = [bench() for _ in range(6)]
    assert [moved(a, b) for a, b in pairwise(looks)] == [""] * 5


@pytest.mark.parametrize("push_m", [(0.008, 0.0), (0.02, 0.01), (0.0, 0.06)])
def test_a_camera_that_was_pushed_is_noticed(bench: See, push_m: tuple[float, float]) -> None:
    before = bench()
    assert moved(before, bench(push_m))
    bench((-push_m[0], -push_m[1]))


def test_one_thing_that_was_moved_is_no_moved_camera() -> None:
    places = {f"object-{n}": (0.1 * n, 0.0) for n in range(6)}
    before = Sighting(Pose((0.4, 0.0, 1.2)), False, places)
    assert moved(before, replace(before, places={**places, "object-2": (0.22, 0.02)})) == ""
    assert moved(before, replace(before, places={name: (x + 0.01, y) for name, (x, y) in places.items()}))


def test_a_bench_that_is_seen_higher_is_a_moved_camera() -> None:
    before = Sighting(Pose((0.4, 0.0, 1.2)))
    assert "higher" in moved(before, Sighting(Pose((0.4, 0.0, 1.19))))
