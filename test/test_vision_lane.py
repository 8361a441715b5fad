"""A lane with processes that misbehave in every way: its threads come through, and nothing is left behind."""

import threading
import time

import pytest
from puppet import Puppet

from vlm_bt.bench.holdings import Holdings, children
from vlm_bt.questions import Describe
from vlm_bt.vision.lane import Lane, Lost
from vlm_bt.vision.messages import Cancel, Done, Failed, Job

PATIENCE_S = 30.0


@pytest.fixture
def lane_of():
    opened = []

    def make(start="", **settings):
        lane = Lane("puppet", Puppet(start), threading.Condition(), **settings)
        opened.append(lane)
        return lane

    yield make
    for lane in opened:
        lane.close()


def job(number, hint="", **more):
    return Job(number, Describe((), hint), (), **more)


def news(lane, wanted, patience_s=PATIENCE_S):
    """Take until `wanted` accepts a message; returns it and everything before it."""
    taken, limit = [], time.monotonic() + patience_s
    while time.monotonic() < limit:
        arrived = lane.take()
        for number, message in enumerate(arrived, 1):
            taken.append(message)
            if wanted(message):
                lane._inbox.extendleft(reversed(arrived[number:]))
                return message, taken
        time.sleep(0.005)
    raise AssertionError(f"not within {patience_s:g} s: {taken}")


def replied(lane, number):
    return news(lane, lambda m: isinstance(m, Done | Failed) and m.number == number)[0]


def lost(lane):
    return news(lane, lambda m: isinstance(m, Lost))[0]


def assert_nothing_is_left(before):
    """A thread that was joined may be in the kernel's list for a moment more."""
    limit = time.monotonic() + 5.0
    while True:
        now = Holdings.now()
        # Fewer threads than before: one of a test before this one has ended meanwhile.
        less = now.threads <= before.threads and now.children <= before.children and now.handles <= before.handles
        if less or time.monotonic() > limit:
            break
        time.sleep(0.01)
    assert less, f"{before} before, {now} after"


def test_jobs_are_answered(lane_of):
    lane = lane_of()
    lane.post([job(1, "one"), job(2, "known")])
    assert replied(lane, 1).value == "one"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("kill", "the process of puppet died (signal 9); it was started again"),
        ("exit", "the process of puppet died (exit code 3); it was started again"),
        ("hang", "the process of puppet fell silent for 0.5 s; it was started again"),
        ("half", "the process of puppet fell silent for 0.5 s; it was started again"),
    ],
)
def test_a_process_that_is_lost_is_told_with_every_job_it_had_and_started_again(lane_of, fault, told):
    lane = lane_of(patience_s=0.5)
    lane.post([job(1, fault), job(2), job(3)])
    assert lost(lane) == Lost((1, 2, 3), told)
    lane.post([job(4, "four")])
    assert replied(lane, 4).value == "four" and lane.restarts == 1


def test_a_stopped_process_is_noticed_by_whoever_takes_even_where_it_stopped_within_a_message(lane_of):
    lane = lane_of(patience_s=0.5)
    lane.post([job(1, "half")])
    began = time.monotonic()
    assert lost(lane).numbers == (1,) and time.monotonic() - began < PATIENCE_S / 2


def test_an_answer_that_cannot_be_unpacked_costs_the_process_not_the_lane(lane_of):
    lane = lane_of()
    lane.post([job(1, "unreadable")])
    assert "ValueError: cannot be unpacked" in lost(lane).text
    lane.post([job(2, "two")])
    assert replied(lane, 2).value == "two"


def test_a_job_that_cannot_be_packed_fails_alone(lane_of):
    lane = lane_of()
    lane.post([Job(1, lambda: None, ())])
    lane.post([job(2, "two")])
    failed = replied(lane, 1)
    assert failed.reason == "model_lost" and failed.text.startswith("the question cannot be sent to puppet: ")
    assert replied(lane, 2).value == "two" and lane.restarts == 0


def test_remembered_answers_do_not_hide_that_the_model_hangs(lane_of):
    lane = lane_of(patience_s=0.6)
    lane.post([job(1, "hang")])
    limit, number = time.monotonic() + PATIENCE_S, 1
    while time.monotonic() < limit:
        number += 1
        lane.post([job(number, "known")])
        time.sleep(0.05)
        if any(isinstance(message, Lost) for message in lane.take()):
            return
    raise AssertionError("the hung process was never killed")


def test_a_slow_model_is_left_alone_as_long_as_batch_after_batch_begins(lane_of):
    lane = lane_of(patience_s=1.5)
    lane.post([job(number, "sleep 0.4") for number in range(1, 8)])
    assert replied(lane, 7).value == "sleep 0.4" and lane.restarts == 0


def test_a_model_that_dies_at_every_start_is_given_up_with_what_waits(lane_of):
    lane = lane_of("exit")
    lane.post([job(1)])
    gone = news(lane, lambda m: isinstance(m, Lost) and m.for_good)[0]
    assert gone.text == ("the process of puppet died (exit code 3); it was not ready after 3 starts and is given up")
    assert gone.numbers == (1,) and lane.gone == gone.text
    lane.post([job(2)])
    assert lost(lane) == Lost((2,), gone.text, True)


@pytest.mark.parametrize(
    ("start", "text"), [("refuse", "no such weights"), ("bug", "the model does not load: ZeroDivisionError: a bug")]
)
def test_a_model_that_refuses_to_load_is_not_tried_again(lane_of, start, text):
    lane = lane_of(start)
    assert lost(lane) == Lost((), text, True) and lane.restarts == 0


def test_a_start_has_a_limit(lane_of):
    lane = lane_of("hang", start_within_s=0.2)
    assert "did not start within 0.2 s" in news(lane, lambda m: isinstance(m, Lost) and m.for_good)[0].text


def test_what_is_cancelled_while_the_process_starts_is_never_sent(lane_of):
    lane = lane_of("sleep 0.3")
    lane.post([job(1, "kill"), job(2, "two")])
    lane.post(Cancel(1))
    failed = replied(lane, 1)
    assert failed.reason == "cancelled" and replied(lane, 2).value == "two" and lane.restarts == 0


def test_closing_at_any_moment_leaves_no_process_thread_or_handle(lane_of):
    lane_of().close()  # The first start of all starts multiprocessing's own helper.
    before = Holdings.now()
    for wait_s in (0.0, 0.001, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4):
        lane = Lane("puppet", Puppet(), threading.Condition())
        lane.post([job(1, "hang")])
        time.sleep(wait_s)
        began = time.monotonic()
        lane.close()
        lane.close()
        assert time.monotonic() - began < 5.0
    assert_nothing_is_left(before)


def test_twenty_lost_processes_leave_nothing_behind(lane_of):
    lane = lane_of()
    lane.post([job(1, "kill")])
    lost(lane)
    replied_first(lane, 2)
    before, mine = Holdings.now(), children()
    for number in range(3, 23):
        lane.post([job(number, "kill")])
        assert lost(lane).numbers == (number,)
    replied_first(lane, 23)
    assert lane.restarts == 21 and len(children() - mine) == 1
    assert_nothing_is_left(before)


def replied_first(lane, number):
    lane.post([job(number, "fine")])
    assert replied(lane, number).value == "fine"


def test_two_lanes_that_lose_their_processes_at_once_both_come_back(lane_of):
    lanes = [lane_of() for _ in range(3)]
    for number in range(1, 3):
        for lane in lanes:
            lane.post([job(number, "kill")])
        for lane in lanes:
            assert lost(lane).numbers == (number,)
    for lane in lanes:
        replied_first(lane, 9)
