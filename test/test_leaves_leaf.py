from types import SimpleNamespace

import pytest
from fakes import CrankClock
from py_trees.common import Status

from vlm_bt.leaves.leaf import Binding, Leaf
from vlm_bt.ports import ASKER, Asker, Priority, Ticket
from vlm_bt.types import Outcome


class Wait(Leaf):
    def act(self):
        ended = yield self.ports.ticket
        if ended.ok:
            self.output("into", self.ports.ticket.value)
        return ended


@pytest.fixture
def ports():
    return SimpleNamespace(clock=CrankClock(), ticket=Ticket("work"))


def leaf(ports, timeout_s=None):
    written = {}
    made = Wait("wait", ports, Binding(read=lambda name: None, write=written.__setitem__), timeout_s)
    return made, written


def test_a_leaf_runs_until_its_ticket_ends(ports):
    made, written = leaf(ports)
    made.tick_once()
    assert made.status is Status.RUNNING
    ports.ticket.resolve("box")
    made.tick_once()
    assert made.status is Status.SUCCESS and written == {"into": "box"}


def test_a_failed_ticket_fails_the_leaf_with_its_outcome(ports):
    made, written = leaf(ports)
    made.tick_once()
    ports.ticket.fail(Outcome("model_lost", "it died"))
    made.tick_once()
    assert made.status is Status.FAILURE and str(made.outcome) == "model_lost: it died" and written == {}


def test_an_interrupted_leaf_cancels_its_ticket_once(ports):
    told = []
    ports.ticket = Ticket("work", lambda: told.append("cancel"))
    made, _ = leaf(ports)
    made.tick_once()
    made.stop(Status.INVALID)
    made.stop(Status.INVALID)
    assert told == ["cancel"] and made.outcome.reason == "cancelled"


def test_a_late_answer_is_ignored_after_cancel(ports):
    made, written = leaf(ports)
    made.tick_once()
    made.stop(Status.INVALID)
    ports.ticket.resolve("late")
    assert ports.ticket.outcome.reason == "cancelled" and written == {}


def test_a_leaf_that_waits_too_long_on_the_clock_times_out_and_cancels(ports):
    made, _ = leaf(ports, timeout_s=2.0)
    made.tick_once()
    ports.clock.pass_s(1.9)
    made.tick_once()
    assert made.status is Status.RUNNING
    ports.clock.pass_s(0.2)
    made.tick_once()
    assert made.status is Status.FAILURE and made.outcome.reason == "timed_out"
    assert ports.ticket.outcome.reason == "cancelled"


class Ask(Leaf):
    """Asks in two steps, noting in whose name."""

    def act(self):
        self.ports.asked.append(ASKER.get())
        yield self.ports.ticket
        self.ports.asked.append(ASKER.get())


TERMS = Asker("is_true", Priority.CHATTER, reuse="similar")


def asking(ports, timeout_s):
    ports.asked = []
    binding = Binding(read=lambda name: None, write=lambda name, value: None, asker=TERMS)
    return Ask("ask", ports, binding, timeout_s)


def test_every_step_asks_in_the_name_and_on_the_terms_of_the_skill_until_its_own_deadline(ports):
    made = asking(ports, timeout_s=2.0)
    ports.clock.pass_s(10.0)
    made.tick_once()
    ports.clock.pass_s(1.0)
    ports.ticket.resolve(None)
    made.tick_once()
    assert made.status is Status.SUCCESS
    assert ports.asked == [Asker("is_true", Priority.CHATTER, 12.0, "similar")] * 2
    assert ASKER.get() == Asker(), "between the steps nobody asks"


def test_a_deadline_moves_with_the_time_that_a_guard_took(ports):
    made = asking(ports, timeout_s=2.0)
    made.tick_once()
    made.postpone(5.0)
    ports.ticket.resolve(None)
    made.tick_once()
    assert [asker.deadline_s for asker in ports.asked] == [2.0, 7.0]


def test_without_a_limit_there_is_no_deadline_and_an_error_leaves_no_asker_behind(ports):
    made = asking(ports, timeout_s=None)
    ports.ticket = None
    with pytest.raises(AttributeError):
        made.tick_once()
    assert ports.asked == [TERMS] and ASKER.get() == Asker()
