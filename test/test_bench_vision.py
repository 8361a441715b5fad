"""The pieces of `vlm-bt bench vision`, small: what they count, and that they notice what they look for."""

from dataclasses import replace

import numpy as np
import pytest
from stand_in import PICTURE, written

from vlm_bt.bench import BENCHES, vision, vision_faults, vision_speed, vision_views
from vlm_bt.bench.asking import Desk, frame_of
from vlm_bt.bench.form import Plan
from vlm_bt.bench.holdings import Holdings
from vlm_bt.bench.vision_ticks import ticked, worst_ms
from vlm_bt.ports import ASKER, Asker
from vlm_bt.questions import IsTrue, Look
from vlm_bt.types import Box
from vlm_bt.vision.cache import alike, signature
from vlm_bt.vision.pictures import Picture


def plan(tmp_path, **how):
    return Plan(**{"seeds": (), "seed": 0, "quick": True, "out": tmp_path, **how})


def test_the_benchmark_has_a_name():
    assert BENCHES["vision"] is vision.measure_vision


def test_every_fault_ends_its_question_with_its_reason_and_leaves_nothing(tmp_path):
    found = vision_faults.faulted(4, tmp_path)
    assert found.faults == 4 and not found.wrong
    assert found.grown["handles, threads, children and shared memory"] == 0


def test_a_fault_that_is_not_noticed_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(vision_faults, "SCRIPT", "rules: [{p_yes: 1}]")
    monkeypatch.setattr(vision_faults, "WARM_ROUNDS", 0)
    found = vision_faults.faulted(1, tmp_path)
    assert len(found.wrong) == 1 and found.wrong[0].startswith("kill 0: ")


def test_what_has_grown_is_added_up():
    before = Holdings(100.0, 2, 20, 5, 3)
    found = vision_faults.Faulted(before=before, after=replace(before, rss_mb=103.0, handles=22, threads=4, children=4))
    assert found.grown == {"megabytes": 3.0, "handles, threads, children and shared memory": 3.0}


def test_a_tree_ticks_on_while_its_model_is_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("vlm_bt.bench.vision_ticks.SCRIPT", "rules: [{works_s: 0.3, p_yes: 1}]")
    found = ticked(150, tmp_path)
    assert len(found.tick_s) == 151 and found.asked > 150 and found.answered >= 1
    assert 0 < worst_ms(found.tick_s) < 300


def test_a_leaf_that_does_not_ask_needs_no_model(tmp_path):
    assert ticked(10, tmp_path, asks=False).asked == 0


def test_hits_are_counted_and_a_model_is_asked_once(tmp_path):
    script = written(tmp_path / "s.yaml", [{"takes_s": 0.2, "p_yes": 1}])
    for similar in (False, True):
        took, inside, asked_s = vision_speed.hits({"backend": "scripted", "script": str(script)}, 5, similar)
        assert len(took) == len(inside) == 5 and asked_s > 0.2 > max(inside)


def test_questions_are_compared_with_the_library_on_the_same_pictures(tmp_path):
    script = written(tmp_path / "s.yaml", [{"p_yes": 0.6, "outside": 0.1}])
    seen = []

    def plain(rgb, question):
        seen.append((rgb.shape, question.claim))
        return [0.6, 0.25, 0.15]

    model = {"backend": "scripted", "script": str(script)}
    found = vision_speed.compared(model, plain, vision_speed.claims, 1)
    assert seen[8:] == [((480, 640, 3), claim) for claim in vision_speed.CLAIMS]
    assert found.apart == pytest.approx(0.05) and found.eight_s > 0 < found.first_s


def test_the_overhead_is_what_the_service_takes_longer(tmp_path):
    script = written(tmp_path / "s.yaml", [{"takes_s": 0.1, "p_yes": 1}])
    model = {"backend": "scripted", "script": str(script)}
    over_ms, pass_ms = vision_speed.overhead_ms(model, vision_speed.claims, lambda rgb: None, 2)
    assert over_ms > 95 and pass_ms < 5


def test_an_answer_that_does_not_come_is_an_error(tmp_path):
    script = written(tmp_path / "s.yaml", [])
    with Desk({"backend": "scripted", "script": str(script)}) as desk:
        frame = desk.show(desk.noise(0))
        with pytest.raises(RuntimeError, match="no answer: unsupported"):
            desk.timed(desk.claim(frame, "x"))


def test_views_are_judged_against_the_simulation():
    tally = vision_views.judged([3])
    assert tally.changed > 5 and tally.lit > 5 and tally.wrong_hits == 0
    assert tally.same_hits > 0.8 * tally.same and tally.views == tally.same + tally.lit + tally.changed


def test_a_cache_that_takes_everything_for_alike_is_found_out(monkeypatch):
    monkeypatch.setattr(vision_views, "alike", lambda one, other: True)
    tally = vision_views.judged([3])
    assert tally.wrong_hits == tally.changed > 0 and tally.hits == tally.views


def test_a_small_thing_that_appears_anywhere_is_seen_and_noise_is_not():
    rng = np.random.default_rng(0)
    ground = np.full((240, 320, 3), 120, np.uint8)
    for _ in range(100):
        noisy = [np.clip(ground + rng.normal(0, 2.5, ground.shape), 0, 255).astype(np.uint8) for _ in range(2)]
        one, other = (signature((Picture(frame_of("f", rgb), Look("f")),)) for rgb in noisy)
        assert alike(one, other)
        y, x = rng.integers(0, 230), rng.integers(0, 304)
        noisy[1][y : y + 5, x : x + 16] = 150
        assert not alike(one, signature((Picture(frame_of("f", noisy[1]), Look("f")),)))


def test_depth_tells_what_colour_does_not_and_its_holes_say_nothing():
    rng = np.random.default_rng(0)
    frame = frame_of("f", np.full((96, 96, 3), 120, np.uint8))
    flat = np.full((96, 96), 1.0, np.float32)
    holes, edge, raised = flat.copy(), flat.copy(), flat.copy()
    holes[rng.random(flat.shape) < 0.05] = 0.0
    edge[:, 40:] = 1.04
    raised[32:64, 32:64] -= 0.02
    views = [signature((Picture(replace(frame, depth_m=d), Look("f")),)) for d in (flat, holes, raised)]
    assert alike(views[0], views[1]) and not alike(views[0], views[2])
    lost = edge.copy()
    lost[:, 39:41][rng.random((96, 2)) < 0.5] = 0.0
    steps = [signature((Picture(replace(frame, depth_m=d), Look("f")),)) for d in (edge, lost)]
    assert alike(*steps)


def test_a_part_that_is_smaller_than_a_block_has_a_signature():
    frame = frame_of("f", PICTURE)
    part = Picture(frame, Look("f", Box(3, 3, 7, 6)))
    assert alike(signature((part,)), signature((part,)))


def test_asking_keeps_its_terms(tmp_path):
    script = written(tmp_path / "s.yaml", [{"p_yes": 1}])
    with Desk({"backend": "scripted", "script": str(script)}) as desk:
        token = ASKER.set(Asker("me"))
        desk.timed(IsTrue((Look(desk.show(PICTURE)),), "x"))
        ASKER.reset(token)
        assert [row["skill"] for row in desk.service.metrics.plain()] == ["me"]
