"""Scenes on order: what they hold, what is known of them, and that they come again as they were."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vlm_bt.scene.tabletop import segment
from vlm_bt.training.casting import LABEL_WORDS
from vlm_bt.training.held_out import is_pair_held_out
from vlm_bt.training.scenery import PLAIN_NOTES
from vlm_bt.training.staging import EVENTS, HAZARDS, Event, Hazard, Order, Staged, Studio
from vlm_bt.training.viewpoint import sensed
from vlm_bt.vision.vocabulary import KINDS

SEED = 6_900
SIZE = (640, 360)


def same(first: Staged, second: Staged) -> bool:
    frames = zip(first.frames, second.frames, strict=True)
    return first.truths == second.truths and all(
        np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth_m, b.depth_m) for a, b in frames
    )


@pytest.fixture(scope="module")
def usual() -> Iterator[Studio]:
    with Studio(SEED, size=SIZE) as studio:
        yield studio


def test_a_scene_comes_again_as_it_was_whatever_was_staged_before(usual: Studio) -> None:
    first = usual.stage(1)
    usual.stage(0)
    assert same(usual.stage(1), first)
    assert not same(usual.stage(2), first)


def test_the_boxes_are_where_the_positions_are(usual: Studio) -> None:
    staged = usual.stage(0)
    frame, truths = staged.frames[0], staged.truths[0]
    assert len(truths) >= 4
    lens, height = frame.intrinsics, frame.pose_camera_in_base.position[2]
    for truth in truths:
        x, y, z = truth.position
        scale = lens.fx / (height - z)
        column = lens.cx - scale * (y - frame.pose_camera_in_base.position[1])
        row = lens.cy - scale * (x - frame.pose_camera_in_base.position[0])
        assert truth.box is not None
        assert truth.visible > 0.97
        # The camera hangs up to 5 mm and 0.3 degrees off where it is believed to hang.
        assert truth.box.x0 - 7 <= column <= truth.box.x1 + 7
        assert truth.box.y0 - 7 <= row <= truth.box.y1 + 7


def test_as_many_things_lie_there_as_were_ordered() -> None:
    for count in (0, 20):
        with Studio(SEED, Order(things=count), SIZE) as studio:
            assert len(studio.stage(0).truths[0]) == count
    with pytest.raises(ValueError, match="26 things are asked for; a bench holds 0 to 25"):
        Order(things=26)


@pytest.mark.parametrize("event", EVENTS)
def test_what_happened_shows_in_what_is_known_of_both_frames(event: Event) -> None:
    with Studio(SEED, Order(things=8, event=event), SIZE) as studio:
        staged = studio.stage(0)
    before, after = ({truth.name: truth for truth in truths} for truths in staged.truths)
    others = set(before) - {staged.about}
    assert all(before[name].position == after[name].position for name in others if name in after)
    about = staged.about or ""
    if event == "nothing":
        assert before.keys() == after.keys() and staged.about is None
    elif event == "taken":
        assert about in before and about not in after
    elif event == "added":
        assert about not in before and about in after
    else:
        moved = np.hypot(*np.subtract(before[about].position, after[about].position)[:2])
        assert before.keys() == after.keys()
        assert (after[about].zone == staged.goal) == (event == "placed") or event == "knocked_over"
        assert (before[about].stands, after[about].stands) == (event == "knocked_over", False)
        assert (moved > 0.013) == (event != "missed_grasp")
        assert (after[about].zone is None) or event != "dropped"
        assert (after[about].zone is not None) or event not in ("wrong_zone", "placed")
    changed = np.abs(staged.frames[0].rgb.astype(int) - staged.frames[1].rgb).max(axis=2) > 40
    assert changed.mean() < 0.03
    if event not in ("nothing", "missed_grasp"):
        assert changed.sum() > 8


def test_touching_things_touch_and_the_others_do_not() -> None:
    for clutter, most in (("touching", 12), ("apart", 0)):
        with Studio(SEED + 1, Order(things=12, clutter=clutter), SIZE) as studio:
            truths = studio.stage(0).truths[0]
        by_name = {truth.name: truth for truth in truths}
        touching = [truth for truth in truths if truth.touching]
        assert min(most, 4) <= len(touching) <= most
        assert all(truth.name in by_name[other].touching for truth in touching for other in truth.touching)


@pytest.mark.parametrize("hazard", HAZARDS)
def test_a_hazard_is_seen_and_hides_what_is_under_it(hazard: Hazard) -> None:
    order = Order(things=10, hazards=(hazard,))
    with Studio(SEED + 2, order, SIZE) as studio, Studio(SEED + 2, Order(things=10), SIZE) as bare:
        staged, without = studio.stage(0), bare.stage(0)
    assert staged.hazards == (hazard,) and without.hazards == ()
    higher = staged.frames[0].depth_m < np.median(without.frames[0].depth_m) - 0.1
    if hazard in ("person", "hand", "spill"):
        assert (higher.mean() > 0.01) == (hazard != "spill")
    else:
        red, green, blue = np.moveaxis(staged.frames[0].rgb.astype(int), 2, 0)
        signal = (red > 120) & (blue < 60) & ((green > 0.6 * red) | (green < 60))
        assert signal.mean() > 0.01
    for truth in staged.truths[0]:
        assert truth.box is not None or truth.visible < 0.2


def test_labels_are_honest_or_lie_as_ordered() -> None:
    for labels in ("honest", "lying"):
        with Studio(SEED + 3, Order(things=15, labels=labels), SIZE) as studio:
            staged = studio.stage(0)
        written = [truth for truth in staged.truths[0] if truth.written]
        assert len(written) >= 4
        for truth in written:
            own = {word.lower() for word in LABEL_WORDS.get(truth.kind, ())}
            if labels == "honest":
                assert truth.written.lower() in own or truth.written.lower().startswith("part ")
            else:
                assert truth.written.lower() not in own
        assert staged.notes
        assert all(note in PLAIN_NOTES for note in staged.notes) == (labels == "honest")


def test_a_note_that_denies_a_kind_is_never_true() -> None:
    with Studio(SEED + 4, Order(things=4, labels="lying"), SIZE) as studio:
        for number in range(8):
            staged = studio.stage(number)
            kinds = {truth.kind for truth in staged.truths[0]}
            denied = [note[3:-5] for note in staged.notes if note.startswith("no ") and note.endswith(" here")]
            assert set(denied) <= kinds


def test_held_out_pairs_are_all_or_none_of_what_is_shown() -> None:
    for pairs in ("held_out", "seen"):
        with Studio(SEED + 5, Order(things=15, pairs=pairs), SIZE) as studio:
            truths = [truth for truth in studio.stage(0).truths[0] if truth.kind in KINDS]
        assert len(truths) > 4
        assert {is_pair_held_out(truth.colour, truth.kind) for truth in truths} == {pairs == "held_out"}


def test_light_blur_and_noise_do_what_they_say(usual: Studio) -> None:
    frame = usual.stage(0).frames[0]

    def fineness(rgb: np.ndarray) -> float:
        return float(np.abs(np.diff(rgb.astype(float), axis=1)).mean())

    def spoilt(order: Order) -> np.ndarray:
        return sensed(frame.rgb, frame.depth_m, (1, "overhead", 1), order)[0]

    dark, glaring = spoilt(Order(light=-1)), spoilt(Order(light=1))
    assert dark.mean() < 0.2 * frame.rgb.mean() < 0.12 * glaring.mean()
    blurred, noisy = fineness(spoilt(Order(blur=1))), fineness(spoilt(Order(noise=1)))
    assert blurred < 0.9 * fineness(frame.rgb) < 0.3 * noisy


def test_the_cell_is_seen_through_another_lens_and_its_plane_lies_where_it_says() -> None:
    with Studio(SEED + 7, Order(camera="cell", things=5)) as studio:
        frame = studio.stage(0).frames[0]
    assert frame.camera == "cell"
    assert frame.rgb.shape == (720, 1152, 3)
    found = segment(frame)
    # The camera hangs up to 5 mm and 0.3 degrees off where it is believed to hang.
    assert found.error == ""
    assert abs(found.bench_offset_m) < 0.012
    assert 3 <= len(found.regions) + len(found.contents) <= 8
