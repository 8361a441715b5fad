from dataclasses import replace

import pytest
from fakes import CrankClock, ListRecorder, TicketArm, done, failed, held, thing

from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.types import Grasp, PlaceSpot, VerifiedObject

GRASPS = (Grasp((0.5, 0.1, 0.02), 0.0, 0.05, 1.0),)
SPOT = PlaceSpot((0.2, 0.4), 0.0, "left")


@pytest.fixture
def house():
    clock, recorder, driver = CrankClock(), ListRecorder(), TicketArm()
    ledger = Ledger(clock, recorder, max_age_s=60.0)
    return clock, recorder, driver, ledger, VerifiedArm(driver, ledger, clock, recorder)


def test_a_verified_object_is_picked_and_the_motion_is_recorded(house):
    _, recorder, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    ticket = arm.pick(tool, GRASPS)
    assert driver.told == ["pick pliers"]
    done(ticket, held(tool))
    (motion,) = recorder.on("motion")
    assert (motion["verb"], motion["label"], motion["outcome"]) == ("pick", "pliers", "done")
    assert (arm.motions, arm.unverified_motions, arm.refused) == (1, 0, 0)


def test_an_object_with_a_forged_label_never_reaches_the_arm(house):
    _, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    ticket = arm.pick(replace(tool, label="hammer"), GRASPS)
    assert ticket.outcome is not None and ticket.outcome.reason == "unverified"
    assert driver.told == [] and arm.refused == 1 and arm.unverified_motions == 0


def test_an_object_with_a_forged_place_never_reaches_the_arm(house):
    _, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    ticket = arm.pick(replace(tool, object=thing(at=(0.2, 0.2))), GRASPS)
    assert ticket.outcome is not None and ticket.outcome.reason == "unverified"
    assert driver.told == []


def test_a_made_up_verdict_never_reaches_the_arm(house):
    _, _, driver, _, arm = house
    ticket = arm.pick(VerifiedObject(thing(), "pliers", "verdict-1"), GRASPS)
    assert ticket.outcome is not None and ticket.outcome.reason == "unverified"
    assert driver.told == []


def test_an_old_verdict_is_stale(house):
    clock, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    clock.pass_s(61)
    ticket = arm.pick(tool, GRASPS)
    assert ticket.outcome is not None and ticket.outcome.reason == "stale"
    assert driver.told == []


def test_a_touched_object_must_be_located_again(house):
    clock, _, _, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    failed(arm.pick(tool, GRASPS), "grasp_failed")
    again = arm.pick(tool, GRASPS)
    assert again.outcome is not None and again.outcome.reason == "stale"
    renewed = ledger.renew(tool, thing(at=(0.51, 0.1), frame="overhead-2", stamp_s=clock.now_s))
    assert renewed is not None
    assert arm.pick(renewed, GRASPS).outcome is None


def test_an_identity_does_not_carry_over_to_another_object(house):
    ledger = house[3]
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    assert ledger.renew(tool, thing("object-2")) is None


def test_only_what_a_verified_pick_took_can_be_placed(house):
    _, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    refused = arm.place(held(tool), SPOT)
    assert refused.outcome is not None and refused.outcome.reason == "unverified"
    done(arm.pick(tool, GRASPS), held(tool))
    assert arm.place(held(tool), SPOT).outcome is None
    assert driver.told == ["pick pliers", "place pliers"]


def test_after_an_abort_no_motion_command_goes_through(house):
    _, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    arm.disable()
    ticket = arm.pick(tool, GRASPS)
    arm.resume()
    assert ticket.outcome is not None and ticket.outcome.reason == "cancelled"
    assert driver.told == ["stop"]


def test_verdicts_can_be_made_to_age_faster_in_mid_course_but_not_slower(house):
    clock, _, driver, ledger, arm = house
    tool = ledger.enter(thing(), "pliers", "model", 0.02)
    ledger.tighten(600.0)
    ledger.tighten(5.0)
    ledger.tighten(600.0)
    clock.pass_s(6.0)
    assert arm.pick(tool, GRASPS).outcome.reason == "stale"
    assert driver.told == []


def test_what_is_sharp_is_moved_on_a_persons_word_only_and_that_word_outlives_tracking_and_the_mission(house):
    clock, recorder, _, ledger, _ = house
    ledger.care = lambda label: "a knife is sharp" if label == "knife" else ""
    assert ledger.judge(ledger.enter(thing(), "knife", "model", 0.01)).reason == "unverified"
    told = ledger.enter(thing(), "knife", "person", 0.0)
    again = ledger.renew(told, thing())
    assert ledger.judge(told).ok and again is not None and ledger.judge(again).ok
    following = Ledger(clock, recorder, max_age_s=60.0)
    following.care = ledger.care
    taken = following.take_over(ledger, again)
    assert taken is not None and following.judge(taken).ok
    guessed = following.take_over(ledger, ledger.enter(thing(), "knife", "model", 0.01))
    assert guessed is not None and following.judge(guessed).reason == "unverified"


def test_a_verdict_ends_where_the_gripper_reached_in_beside_it_and_may_be_renewed(house):
    _, _, _, ledger, _ = house
    tool = ledger.enter(thing(), "pliers", "model", 0.01)
    x, y = thing().footprint.centre
    ledger.disturbed((x, y + 1.0), 0.05, "the gripper has reached in beside it")
    assert ledger.judge(tool).ok
    ledger.disturbed((x, y + 0.01), 0.05, "the gripper has reached in beside it")
    assert ledger.judge(tool).reason == "stale"
    again = ledger.renew(tool, thing())
    assert again is not None and ledger.judge(again).ok


def test_when_the_camera_has_moved_no_verdict_holds_and_none_is_renewed_or_taken_over(house):
    clock, recorder, _, ledger, _ = house
    tool = ledger.enter(thing(), "pliers", "model", 0.01)
    ledger.revoke_all("the camera has moved")
    assert ledger.judge(tool).reason == "stale"
    assert ledger.renew(tool, thing()) is None
    assert Ledger(clock, recorder, max_age_s=60.0).take_over(ledger, tool) is None
    assert ledger.judge(ledger.enter(thing(), "pliers", "model", 0.01)).ok
