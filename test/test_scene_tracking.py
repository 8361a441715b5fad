from dataclasses import dataclass, replace

import pytest

from vlm_bt.scene.tracking import Tracker
from vlm_bt.types import Box, Footprint


@dataclass(frozen=True)
class Spotted:
    index: int
    box: Box
    footprint: Footprint


def things(*places, length=0.15, width=0.02, yaw=0.3):
    shape = Footprint((0, 0), length, width, yaw, 0.01, length * width)
    return [Spotted(n, Box(n, 0, n + 9, 9), replace(shape, centre=place)) for n, place in enumerate(places)]


def names(located):
    return [thing.id for thing in located]


def test_things_keep_their_names_when_their_order_in_the_picture_changes():
    tracker = Tracker()
    first = tracker.update(things((0.3, 0.1), (0.4, -0.2), (0.5, 0.3)), "overhead-1", 1.0)
    second = tracker.update(things((0.501, 0.3), (0.3, 0.099), (0.4, -0.2)), "overhead-2", 2.0)
    assert names(first) == ["object-1", "object-2", "object-3"]
    assert names(second) == ["object-3", "object-1", "object-2"]


def test_a_located_object_carries_the_newest_frame_and_region():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1), (0.4, -0.2)), "overhead-1", 1.0)
    [thing] = tracker.update(things((0.4, -0.2)), "overhead-2", 2.0)
    assert (thing.id, thing.frame_id, thing.region, thing.stamp_s) == ("object-2", "overhead-2", 0, 2.0)
    assert tracker.objects == (thing,)


def test_what_turns_up_elsewhere_or_in_another_size_is_a_new_thing():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1), (0.5, 0.1)), "f1", 1.0)
    moved = things((0.34, 0.1), (0.5, 0.1))
    moved[1] = replace(
        moved[1], footprint=replace(moved[1].footprint, length_m=0.4, area_m2=0.012, centre=(0.51, 0.16))
    )
    assert names(tracker.update(moved, "f2", 2.0)) == ["object-3", "object-4"]


def test_close_neighbours_are_matched_as_a_whole_not_one_after_the_other():
    tracker = Tracker()
    tracker.update(things((0.300, 0.1), (0.320, 0.1)), "f1", 1.0)
    assert names(tracker.update(things((0.318, 0.1), (0.338, 0.1)), "f2", 2.0)) == ["object-1", "object-2"]


def test_a_hidden_thing_keeps_its_name_for_a_while_and_not_for_ever():
    tracker = Tracker(keep_unseen=2)
    tracker.update(things((0.3, 0.1)), "f1", 1.0)
    for n in range(2):
        assert tracker.update([], f"f{n + 2}", 2.0 + n) == []
    assert names(tracker.update(things((0.3, 0.1)), "f4", 4.0)) == ["object-1"]
    for n in range(3):
        tracker.update([], f"f{n + 5}", 5.0 + n)
    assert names(tracker.update(things((0.3, 0.1)), "f8", 8.0)) == ["object-2"]


def test_a_forgotten_name_is_never_given_again():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1)), "f1", 1.0)
    tracker.forget("object-1")
    tracker.forget("object-99")
    assert tracker.objects == ()
    assert names(tracker.update(things((0.3, 0.1)), "f2", 2.0)) == ["object-2"]


def test_a_thing_that_the_arm_put_somewhere_keeps_its_name_there():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1), (0.5, -0.3)), "f1", 1.0)
    tracker.moved("object-1", to=(0.2, 0.45))
    assert names(tracker.objects) == ["object-2"]
    assert names(tracker.update(things((0.5, -0.3), (0.22, 0.47), yaw=1.2), "f2", 2.0)) == ["object-2", "object-1"]


def test_a_thing_that_the_arm_took_away_is_gone():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1)), "f1", 1.0)
    tracker.moved("object-1")
    tracker.moved("object-1", to=(0.3, 0.1))
    assert names(tracker.update(things((0.3, 0.1)), "f2", 2.0)) == ["object-2"]


@pytest.mark.parametrize(
    ("place", "yaw", "name"),
    [((0.302, 0.1), 0.3, "object-1"), ((0.312, 0.1), 0.3, "object-3"), ((0.302, 0.1), 0.6, "object-3")],
)
def test_where_something_touched_the_bench_a_thing_keeps_its_name_only_if_it_did_not_move(place, yaw, name):
    tracker = Tracker()
    tracker.update(things((0.3, 0.1), (0.6, -0.3)), "f1", 1.0)
    assert tracker.touched((0.3, 0.16), 0.06) == ("object-1",)
    seen = [*things(place, yaw=yaw), replace(things((0.6, -0.3))[0], index=1)]
    assert names(tracker.update(seen, "f2", 2.0)) == [name, "object-2"]


def test_a_touched_thing_that_did_not_move_is_trusted_as_before_after_that():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1)), "f1", 1.0)
    tracker.touched((0.3, 0.1), 0.01)
    tracker.update(things((0.3, 0.1)), "f2", 2.0)
    assert names(tracker.update(things((0.315, 0.1)), "f3", 3.0)) == ["object-1"]


def test_a_piece_of_a_known_thing_is_that_thing_and_keeps_its_whole_shape():
    tracker = Tracker()
    [whole] = tracker.update(things((0.3, 0.1), yaw=0.0), "overhead-1", 1.0)
    pieces = things((0.34, 0.1), length=0.05, yaw=0.0) + things((0.25, 0.1), length=0.04, yaw=0.0)
    [seen] = tracker.update(pieces, "overhead-2", 2.0)
    assert (seen.id, seen.footprint.length_m) == (whole.id, 0.15)
    [again] = tracker.update(things((0.3, 0.1), yaw=0.0), "overhead-3", 3.0)
    assert again.id == whole.id


def test_a_thing_that_was_first_seen_in_pieces_becomes_whole_under_a_name_it_has():
    tracker = Tracker()
    tracker.update(things((0.34, 0.1), length=0.05, yaw=0.0), "overhead-1", 1.0)
    [whole] = tracker.update(things((0.3, 0.1), yaw=0.0), "overhead-2", 2.0)
    assert (whole.id, whole.footprint.length_m) == ("object-1", 0.15)


def test_what_is_put_into_the_corner_of_a_large_thing_that_is_there_whole_is_a_new_thing():
    tracker = Tracker()
    tracker.update(things((0.3, 0.1), yaw=0.0), "overhead-1", 1.0)
    both = things((0.3, 0.1), yaw=0.0) + things((0.33, 0.105), length=0.05, yaw=0.0)
    assert names(tracker.update(both, "overhead-2", 2.0)) == ["object-1", "object-2"]
