import py_trees
import pytest
from fakes import CrankClock, ListRecorder, TicketArm
from py_trees.common import Status

from vlm_bt.executive import Executive
from vlm_bt.ledger import Ledger, VerifiedArm


class Scripted(py_trees.behaviour.Behaviour):
    """Plays statuses; an exception in the list is raised."""

    def __init__(self, *plan):
        super().__init__("scripted")
        self.plan = list(plan)
        self.interrupted = 0

    def update(self):
        now = self.plan.pop(0) if self.plan else Status.RUNNING
        if isinstance(now, Exception):
            raise now
        return now

    def terminate(self, new_status):
        self.interrupted += new_status is Status.INVALID and self.status is Status.RUNNING


def house(root, **options):
    clock, recorder, driver = CrankClock(), ListRecorder(), TicketArm()
    arm = VerifiedArm(driver, Ledger(clock, recorder), clock, recorder)
    return Executive(root, clock, arm, **options), clock, driver, arm


def test_a_tree_is_ticked_until_it_ends_and_the_arm_stands_still():
    executive, clock, driver, _ = house(Scripted(Status.RUNNING, Status.RUNNING, Status.SUCCESS))
    assert executive.run().ok
    assert clock.tick == 2 and driver.told[-1] == "stop"


def test_an_abort_interrupts_the_tree_and_lets_no_motion_through():
    root = Scripted()
    executive, _, driver, arm = house(root)
    outcome = executive.run(lambda snapshot: executive.abort("a person said stop") if snapshot.tick == 3 else None)
    assert (outcome.reason, outcome.detail) == ("cancelled", "a person said stop")
    assert root.status is Status.INVALID and root.interrupted == 1
    assert arm.move_to("home").outcome.reason == "cancelled" and "home" not in driver.told


def test_after_an_abort_nothing_is_ticked_and_nothing_is_touched_from_the_handler():
    root = Scripted(*[Status.RUNNING] * 9)
    executive, _, driver, _ = house(root)
    executive.abort("from a signal handler")
    assert driver.told == []
    assert executive.run().reason == "cancelled"
    assert len(root.plan) == 9 and driver.told == ["stop"]


def test_a_bug_in_a_leaf_stops_the_arm_before_it_propagates():
    executive, _, driver, _ = house(Scripted(Status.RUNNING, ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        executive.run()
    assert "stop" in driver.told


def test_a_mission_that_takes_too_long_is_stopped():
    executive, clock, _, _ = house(Scripted(), time_limit_s=1.0)
    assert executive.run().reason == "timed_out"
    assert clock.now_s == pytest.approx(1.0)


def test_a_paused_mission_holds_the_arm_and_ticks_nothing():
    root = Scripted(*[Status.RUNNING] * 50)
    executive, _, driver, _ = house(root, time_limit_s=1.0)
    executive.pause()
    executive.run()
    assert len(root.plan) == 50 and driver.told[0] == "hold"


def test_a_pause_counts_against_no_limit_and_a_guard_that_holds_keeps_holding():
    class Postponed(Scripted):
        late_s = 0.0

        def postpone(self, seconds):
            self.late_s += seconds

    root = Postponed()
    executive, clock, driver, arm = house(root, time_limit_s=3.0)
    arm.hold()
    plan = {5: executive.pause, 25: executive.resume, 40: lambda: executive.abort("enough")}
    executive.run(lambda snapshot: plan.get(snapshot.tick, lambda: None)())
    assert root.late_s == pytest.approx(20 * clock.period_s)
    assert driver.told.count("hold") == 2 and "resume" not in driver.told


def test_after_a_pause_the_arm_goes_on():
    executive, _, driver, _ = house(Scripted(), time_limit_s=1.0)
    executive.run(lambda snapshot: {2: executive.pause, 4: executive.resume}.get(snapshot.tick, lambda: None)())
    assert driver.told[:2] == ["hold", "resume"]


def test_a_snapshot_names_each_node_whose_status_changed_by_its_place_in_the_tree():
    root = py_trees.composites.Sequence(
        "root", memory=True, children=[Scripted(Status.SUCCESS), Scripted(Status.RUNNING, Status.SUCCESS)]
    )
    executive, *_ = house(root)
    seen = []
    executive.run(lambda snapshot: seen.append([(path, node.status.name) for path, node in snapshot.changed]))
    assert seen == [
        [((), "RUNNING"), ((0,), "SUCCESS"), ((1,), "RUNNING")],
        [((), "SUCCESS"), ((1,), "SUCCESS")],
    ]
