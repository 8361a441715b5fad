"""The monitor sees people by depth alone, and not the arm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vlm_bt.simulation.monitor import WorkspaceMonitor
from vlm_bt.simulation.person import move_person
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.scene import build_scene

import mujoco  # isort: skip  (after `scene`, which chooses the drawing library)

VISITS = ((10.0, 18.0),)
POLE = ((0.3, 0.0, 0.0), (0.3, 0.0, 0.5), 0.05)


class Bench:
    """A bench with a pole on it that stands for an arm."""

    def __init__(self) -> None:
        spec = build_scene(Scenario.from_seed(6, items=3), arm=False)
        spec.worldbody.add_geom(
            name="pole", type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=(*POLE[0], *POLE[1]), size=(POLE[2], 0, 0)
        )
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.at(0.0)

    def at(self, now_s: float) -> None:
        move_person(self.model, self.data, now_s, VISITS)
        mujoco.mj_forward(self.model, self.data)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture
def monitor(bench: Bench) -> Iterator[WorkspaceMonitor]:
    bench.at(0.0)
    monitor = WorkspaceMonitor(bench.model, bench.data, lambda: [POLE])
    yield monitor
    monitor.close()


def test_before_its_first_look_nothing_is_safe(monitor: WorkspaceMonitor) -> None:
    assert not monitor.read().ok


def test_an_empty_bench_is_clear_and_the_arm_is_not_a_person(monitor: WorkspaceMonitor) -> None:
    assert monitor.observe(0.0)
    assert monitor.read().ok, monitor.read().detail


def test_without_the_arms_own_shape_it_counts_as_somebody(bench: Bench) -> None:
    bench.at(0.0)
    blind = WorkspaceMonitor(bench.model, bench.data)
    blind.observe(0.0)
    assert not blind.read().ok
    blind.close()


def test_a_person_at_the_bench_is_seen_for_the_whole_visit(bench: Bench, monitor: WorkspaceMonitor) -> None:
    for tenth in range(70, 220):
        now_s = tenth / 10
        bench.at(now_s)
        monitor.observe(now_s)
        if 10.0 <= now_s <= 18.0:
            assert not monitor.read().ok, now_s
            assert "somebody is in reach" in monitor.read().detail
        elif now_s < 8.4 or now_s > 19.6:
            assert monitor.read().ok, now_s


def test_it_looks_ten_times_a_second_and_stamps_what_it_saw(monitor: WorkspaceMonitor) -> None:
    looks = [monitor.observe(tick * 0.05) for tick in range(20)]
    assert sum(looks) == 10
    assert monitor.read().stamp_s == pytest.approx(0.9)


def test_a_lost_monitor_keeps_its_old_stamp(monitor: WorkspaceMonitor) -> None:
    monitor.observe(0.0)
    monitor.lost = True
    assert not monitor.observe(5.0)
    assert monitor.read().stamp_s == 0.0
