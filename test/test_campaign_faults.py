"""Faults are drawn from a seed, spoil only what they say, and each stands in the table with what is expected."""

import math
from dataclasses import replace

import numpy as np
import pytest

from vlm_bt import settings
from vlm_bt.bench.fault_table import TABLE, Faults, Injection, drawn, lasting
from vlm_bt.bench.injected_answers import Shown, Spoilt, sure_of
from vlm_bt.bench.injected_arm import WatchedArm
from vlm_bt.bench.injected_camera import InjectedCamera
from vlm_bt.bench.unverified import SKILLS, TREE, UNVERIFIED_LEAVES
from vlm_bt.clocks import LockstepClock
from vlm_bt.errors import TreeError
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.table import LEAVES
from vlm_bt.ports import Ticket
from vlm_bt.questions import WHAT_IS_IT, Choose, Found, Ground, Grounded, IsTrue, Look
from vlm_bt.tree.load import load_tree, skill_folders
from vlm_bt.types import Answer, Box, Frame, Intrinsics, Pose

KINDS = ("hammer", "pliers", "screw")


def answer(best="hammer", **changes):
    shares = tuple(0.9 if kind == best else 0.05 for kind in KINDS)
    return Answer(WHAT_IS_IT, KINDS, shares, (best,), calibrated=True, **changes)


def asked(part=0, variant=0, wording=0):
    return Choose((Look("f", part, variant),), WHAT_IS_IT, KINDS, wording)


def spoilt(*names, seed=3, share=1.0, whose=lambda look: Shown(f"item-{look.part}", "hammer", (0.2, 0.1))):
    faults = Faults(seed, [lasting(name, share) for name in names])
    return Spoilt(faults, whose, lambda frame_id: 640), faults


def test_the_same_seed_draws_the_same_faults_and_another_seed_others():
    assert drawn(5, 20, 60.0) == drawn(5, 20, 60.0) != drawn(6, 20, 60.0)


def test_faults_are_drawn_from_the_whole_table_within_the_mission():
    found = [one for seed in range(60) for one in drawn(seed, 10, 60.0)]
    assert {one.name for one in found} == set(TABLE)
    assert all(0 <= one.begins_s < 60 for one in found)


def test_a_fault_hits_only_while_it_lasts_and_counts_what_it_hits():
    faults = Faults(1, [Injection("camera_lost", 2.0, 4.0, 1.0)])
    times = iter((1.0, 3.0, 5.0))
    found = []
    for now_s in times:
        faults.now = lambda now_s=now_s: now_s
        found.append(faults.strikes("camera_lost"))
    assert found == [False, True, False]
    assert faults.hits == [1]


def test_a_fault_that_happens_once_happens_once():
    faults = Faults(1, [Injection("drop", 2.0, 2.0, 1.0)])
    assert not faults.due("drop")
    faults.now = lambda: 3.0
    assert [faults.due("drop"), faults.due("drop")] == [True, False]


def test_a_share_of_the_answers_is_hit():
    spoil, _ = spoilt("wrong_label", share=0.2)
    wrong = sum(spoil.alone(asked(), answer()).best != "hammer" for _ in range(500))
    assert 70 < wrong < 130


def test_a_wrong_label_is_sure_and_another_one():
    spoil, _ = spoilt("wrong_label")
    told = spoil.alone(asked(), answer())
    assert told.best != "hammer"
    assert told.plausible == (told.best,)
    assert told.calibrated


def test_an_error_that_sticks_is_the_same_for_every_crop_and_wording_and_not_for_every_thing():
    spoil, _ = spoilt("sticking_label", share=0.5)
    names = {
        part: {spoil.alone(asked(part, v, w), answer()).best for v in (0, 1) for w in (0, 1)} for part in range(40)
    }
    assert all(len(said) == 1 for said in names.values())
    assert 8 < sum(said != {"hammer"} for said in names.values()) < 32


def test_an_error_that_sticks_also_answers_claims_about_the_thing():
    spoil, _ = spoilt("sticking_label")
    wrong = spoil.alone(asked(), answer()).best
    yes = Answer("", ("yes", "no"), (0.5, 0.5))
    assert spoil.alone(IsTrue((Look("f", 0),), "it is a hammer"), yes).best == "no"
    assert spoil.alone(IsTrue((Look("f", 0),), f"it is a {wrong}"), yes).plausible in (("yes",), ())


def test_what_fits_no_kind_is_named_all_the_same_by_a_hallucination():
    spoil, _ = spoilt("hallucination")
    told = spoil.alone(asked(), replace(answer(), plausible=()))
    assert len(told.plausible) == 1
    assert spoil.alone(asked(), answer()) == answer()


def test_over_confidence_leaves_sure_answers_alone_and_makes_unsure_ones_sure():
    spoil, _ = spoilt("over_confident")
    unsure = replace(answer(), plausible=("hammer", "pliers"))
    assert spoil.alone(asked(), unsure).plausible == ("hammer",)
    assert spoil.alone(asked(), answer()) == answer()


@pytest.mark.parametrize("fault", ["wrong_box", "left_right"])
def test_the_answers_for_two_things_are_mixed_up(fault):
    places = {0: (0.2, 0.3), 1: (0.2, -0.3), 2: (0.5, 0.0)}
    spoil, faults = spoilt(fault, whose=lambda look: Shown(str(look.part), "", places[look.part]))
    given = [answer("hammer"), answer("pliers"), answer("screw")]
    told = spoil.together([asked(n) for n in range(3)], given)
    assert [one.best for one in told] != ["hammer", "pliers", "screw"]
    assert sorted(one.best for one in told) == sorted(KINDS)
    assert sum(faults.hits)


def test_boxes_are_moved_mirrored_and_made_up():
    grounded = Grounded("hammer", (Found(Box(100, 50, 140, 90), 0.8, None, 1),))
    question = Ground((Look("f"),), "hammer")
    moved, mirrored, more = (
        spoilt(name)[0].alone(question, grounded).found for name in ("wrong_box", "left_right", "hallucination")
    )
    assert moved[0].box == Box(140, 50, 180, 90)
    assert mirrored[0].box == Box(500, 50, 540, 90)
    assert len(more) == 2
    assert moved[0].part is None


def test_sides_in_words_are_exchanged():
    spoil, _ = spoilt("left_right")
    side = Answer("where?", ("left", "right"), (0.9, 0.1), ("left",))
    assert spoil.alone(Choose((Look("f"),), "where?", ("left", "right")), side).best == "right"


def test_a_spoilt_answer_is_a_distribution():
    told = sure_of(answer(), "screw")
    assert math.isclose(sum(told.probabilities), 1.0)
    assert told.best == "screw"


# The camera


class OneCamera:
    """Resolves every request at once with a fresh frame of noise."""

    def __init__(self, frames):
        self.frames = frames
        self.taken = 0

    def request(self, camera):
        self.taken += 1
        chance = np.random.default_rng(self.taken)
        rgb = chance.integers(0, 256, (240, 320, 3), np.uint8)
        lens, pose = Intrinsics(320, 240, 100.0, 100.0, 160.0, 120.0), Pose((0.0, 0.0, 1.0))
        frame = Frame(self.frames.new_id(camera), camera, rgb, np.ones((240, 320), np.float32), lens, pose, self.taken)
        ticket = Ticket("frame")
        ticket.resolve(self.frames.put(frame))
        return ticket


@pytest.fixture
def look():
    frames = FrameStore()

    def looks(name, now_s=(0.0, 10.0)):
        faults = Faults(1, [Injection(name, 5.0, math.inf, 1.0)])
        camera, found = InjectedCamera(OneCamera(frames), frames, faults), []
        for moment in now_s:
            faults.now = lambda moment=moment: moment
            ticket = camera.request("overhead")
            if ticket.outcome.ok:
                frame = frames.get(ticket.value)
                found.append(replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy()))
            else:
                found.append(ticket.outcome)
        return found

    yield looks
    frames.close()


def test_a_frozen_camera_repeats_its_picture_with_its_old_stamp(look):
    before, after = look("camera_frozen")
    assert (after.rgb == before.rgb).all()
    assert after.stamp_s == before.stamp_s
    assert after.id != before.id


def test_a_camera_that_is_frozen_and_does_not_say_so_gives_a_new_stamp(look):
    before, after = look("camera_frozen_fresh")
    assert (after.rgb == before.rgb).all()
    assert after.stamp_s > before.stamp_s


def test_a_lost_camera_says_so(look):
    assert look("camera_lost")[1].reason == "camera_lost"


@pytest.mark.parametrize(
    ("fault", "holds"),
    [
        ("camera_black", lambda frame: not frame.rgb.any() and not frame.depth_m.any()),
        ("depth_holes", lambda frame: 0.0 < (frame.depth_m == 0).mean() < 0.6),
        ("lying_label", lambda frame: (frame.rgb == (245, 245, 240)).all(axis=-1).sum() > 500),
    ],
)
def test_a_picture_is_spoilt_as_the_table_says(look, fault, holds):
    before, after = look(fault)
    assert holds(after)
    assert not holds(before)


def test_a_knocked_camera_sees_everything_beside_its_place(look):
    _, seen = look("camera_shifted")
    there = np.random.default_rng(2).integers(0, 256, (240, 320, 3), np.uint8)
    assert (seen.rgb != there).any()
    rolled = [np.roll(there, (y, x), axis=(0, 1)) for y in range(-5, 6) for x in range(-5, 6)]
    assert any((seen.rgb == one).all() for one in rolled)


# The arm, and the baseline


class NoArm:
    state = None

    def resume(self): ...
    def hold(self): ...
    def stop(self): ...
    def move_to(self, named): ...


def test_only_what_was_held_can_be_released_and_who_was_in_reach_is_noted():
    arm = WatchedArm(NoArm(), LockstepClock(0.05), lambda place: "", lambda: True)
    arm.resume()
    arm.hold()
    arm.resume()
    assert [(one.verb, one.in_reach) for one in arm.commands] == [("hold", True), ("resume", True)]


def test_the_baseline_cannot_be_loaded_where_missions_are_run():
    folders = skill_folders([SKILLS])
    assert load_tree(TREE, UNVERIFIED_LEAVES, skills_dirs=folders).name == "organise_unverified"
    with pytest.raises(TreeError, match="BelieveUnverified"):
        load_tree(TREE, LEAVES, skills_dirs=folders)
    assert SKILLS not in settings.load().skills
