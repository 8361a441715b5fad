"""The compiled bench: things stay where the scenario lays them, and the world is what the mission is told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlm_bt.simulation.person import move_person, presence
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.scene import apply_look, build_scene, item_pose

import mujoco  # isort: skip  (after `scene`, which chooses the drawing library)


@pytest.fixture(scope="module")
def mission() -> tuple[Scenario, mujoco.MjModel]:
    scenario = Scenario.from_seed(77)
    return scenario, build_scene(scenario, arm=False).compile()


def test_things_stay_where_they_were_laid(mission: tuple[Scenario, mujoco.MjModel]) -> None:
    scenario, model = mission
    data = mujoco.MjData(model)
    for _ in range(500):
        mujoco.mj_step(model, data)
    for item in scenario.items:
        if item.name in scenario.late:
            continue
        place, turn = data.body(item.name).xpos, data.body(item.name).xmat
        assert np.linalg.norm(place[:2] - np.array(item_pose(item)[0][:2])) < 0.001
        assert math.degrees(math.acos(min(1.0, turn[8]))) < 4.0


def test_late_items_are_parked_off_the_bench(mission: tuple[Scenario, mujoco.MjModel]) -> None:
    scenario, model = mission
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert all(data.body(name).xpos[0] > 2.0 for name in scenario.late)


def test_a_settled_bench_sleeps(mission: tuple[Scenario, mujoco.MjModel]) -> None:
    _, model = mission
    assert model.opt.enableflags & mujoco.mjtEnableBit.mjENBL_SLEEP
    data = mujoco.MjData(model)
    for _ in range(600):
        mujoco.mj_step(model, data)
    assert data.ncon == 0 and data.time == pytest.approx(1.2)


def test_a_screw_let_go_over_the_bin_stays_in_it() -> None:
    scenario = Scenario.from_seed(5, kinds=["screw"]).with_item_at("screw_1", 0.46, -0.46)
    model = build_scene(scenario, arm=False, person=False).compile()
    data = mujoco.MjData(model)
    data.joint("screw_1_free").qpos[2] = 0.06
    for _ in range(400):
        mujoco.mj_step(model, data)
    x, y, z = data.body("screw_1").xpos
    assert 0.395 < x < 0.525 and -0.525 < y < -0.395 and 0.0 < z < 0.02


def test_the_same_seed_compiles_and_moves_the_same() -> None:
    def run() -> np.ndarray:
        model = build_scene(Scenario.from_seed(9, items=6), arm=False).compile()
        data = mujoco.MjData(model)
        for _ in range(50):
            mujoco.mj_step(model, data)
        return data.qpos.copy()

    assert np.array_equal(run(), run())


def test_a_new_look_changes_light_and_bench_and_comes_from_its_generator() -> None:
    models = [build_scene(Scenario.from_seed(9, items=2), arm=False, all_benches=True).compile() for _ in range(2)]
    before = models[0].geom_rgba.copy()
    for model in models:
        apply_look(model, np.random.default_rng(4))
    assert not np.array_equal(before, models[0].geom_rgba)
    assert np.array_equal(models[0].geom_rgba, models[1].geom_rgba)
    assert np.array_equal(models[0].light_pos, models[1].light_pos)


def test_looks_do_not_drift_away_from_the_paint() -> None:
    model = build_scene(Scenario.from_seed(9, items=2), arm=False, all_benches=True).compile()
    painted = model.geom_group == 1
    before = model.geom_rgba[painted, :3].copy()
    for seed in range(30):
        apply_look(model, np.random.default_rng(seed))
    assert np.abs(model.geom_rgba[painted, :3] - before).max() < 0.17


def test_a_person_comes_and_goes_with_simulated_time() -> None:
    visits = ((10.0, 18.0),)
    assert presence(0.0, visits) == (0.0, 0.0)
    assert presence(14.0, visits) == (1.0, 1.0)
    assert 0.0 < presence(9.5, visits)[0] < 1.0
    model = build_scene(Scenario.from_seed(9, items=0), arm=False).compile()
    data = mujoco.MjData(model)
    assert not move_person(model, data, 5.0, visits)
    assert move_person(model, data, 14.0, visits)
    assert data.mocap_pos[0][0] == pytest.approx(1.02)
