import pytest
from small_record import SmallMission

from vlm_bt.recording.incidents import Incident, Stop, incidents, stops
from vlm_bt.recording.record import Record


@pytest.fixture
def mission(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    yield mission
    mission.close()


def read(mission):
    mission.recorder.flush()
    return Record.read(mission.recorder.path)


def status(mission, path, name, status, outcome="", detail=""):
    mission.write("status", path=path, name=name, status=status, outcome=outcome, detail=detail)


def test_a_failed_pick_is_told_once_with_what_followed(mission):
    lost = {"outcome": "dropped", "detail": "it was lost while it was lifted"}
    mission.move("pick", "object-1", "pliers", (0.3, 0.1), **lost)
    mission.now_s += 0.05
    status(mission, [1, 2], "pick ($tool)", "FAILURE", **lost)
    mission.move("pick", "object-1", "pliers", (0.3, 0.1))
    mission.move("place", "object-1", "pliers", (0.2, -0.4), zone="right")
    what = "pick pliers: dropped, it was lost while it was lifted"
    assert incidents(read(mission)) == (Incident(5.0, what, "tried once more, then brought to right"),)


@pytest.mark.parametrize(
    ("later", "then"),
    [
        ([], "no motion followed"),
        ([("pick", "object-9", "screw", (0.6, -0.4), "done")], "no further try"),
        ([("pick", "object-1", "pliers", (0.3, 0.1), "grasp_failed")], "tried once more, in vain"),
        ([("pick", "object-7", "pliers", (0.35, 0.12), "done")], "tried once more, then taken up"),
    ],
)
def test_what_was_done_about_a_mishap_is_read_from_later_motions(mission, later, then):
    mission.move("pick", "object-1", "pliers", (0.3, 0.1), "grasp_failed")
    for motion in later:
        mission.move(*motion)
    assert incidents(read(mission))[0].then == then


def test_a_thing_found_in_the_wrong_place_is_told_with_the_leaf_that_saw_it(mission):
    mission.move("place", "object-1", "pliers", (0.2, -0.4), zone="right")
    mission.now_s += 0.5
    status(mission, [1, 3], "check placed ($held)", "FAILURE", "wrong_zone", "the pliers lies outside right")
    mission.move("pick", "object-4", "pliers", (0.2, -0.3))
    mission.move("place", "object-4", "pliers", (0.2, -0.4), zone="right")
    (one,) = incidents(read(mission))
    assert one.what == "check placed: the pliers lies outside right"
    assert one.then == "tried once more, then brought to right"


def test_answers_and_composites_are_no_incidents(mission):
    status(mission, [1], "in order", "FAILURE", "dropped", "below")
    status(mission, [1, 0], "verify grounding", "FAILURE", "unsure", "pliers or wrench")
    assert incidents(read(mission)) == ()


def test_a_lost_model_and_a_refused_motion_are_incidents(mission):
    mission.write("event", what="model process restarted")
    mission.write("event", what="motion refused", motion="pick the pliers", why="unverified: no verdict")
    restarted, refused = incidents(read(mission))
    assert restarted.then == "it was started again"
    assert refused.what == "a motion was refused: unverified: no verdict"


def guarded(mission):
    for path, name in (([], "guard"), ([0], "workspace is clear"), ([1], "in order")):
        status(mission, path, name, "SUCCESS" if path == [0] else "RUNNING")
    mission.now_s = 4.0
    status(mission, [0], "workspace is clear", "FAILURE", "no", "somebody is in reach")


def test_a_stop_of_the_guard_lasts_until_its_condition_holds_again(mission):
    guarded(mission)
    mission.now_s = 7.5
    status(mission, [0], "workspace is clear", "SUCCESS", "done")
    assert stops(read(mission)) == (Stop(4.0, 3.5, "somebody is in reach"),)


def test_a_stop_without_an_end_is_told_as_one(mission):
    guarded(mission)
    assert stops(read(mission)) == (Stop(4.0, None, "somebody is in reach"),)


def test_an_alternative_that_starts_when_the_first_fails_is_no_stop(mission):
    status(mission, [], "match", "RUNNING")
    status(mission, [0], "verify", "RUNNING")
    mission.now_s = 1.0
    status(mission, [0], "verify", "FAILURE", "unsure", "pliers or wrench")
    status(mission, [1], "ask", "RUNNING")
    assert stops(read(mission)) == ()
