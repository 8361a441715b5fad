"""Which questions run next, together."""

import threading

from vlm_bt.questions import Describe
from vlm_bt.vision.messages import Job
from vlm_bt.vision.waiting import Waiting


def job(number, *order, group=0):
    return (Job(number, Describe(()), (), tuple(float(part) for part in order), group), None, 0.0)


def taken(waiting, at_most=8):
    return [entry[0].number for entry in waiting.take(at_most)]


def test_the_most_urgent_run_first_then_the_nearest_deadline_then_the_first_come():
    waiting = Waiting()
    waiting.put([job(1, 2, 5), job(2, 1, 9), job(3, 1, 3), job(4, 0, 99), job(5, 1, 3)])
    assert taken(waiting) == [4, 3, 5, 2, 1]


def test_a_batch_holds_at_most_so_many_and_the_rest_waits():
    waiting = Waiting()
    waiting.put([job(number, 1) for number in range(5)])
    assert taken(waiting, 3) == [0, 1, 2] and taken(waiting, 3) == [3, 4]


def test_what_was_asked_in_different_ticks_of_a_simulation_never_runs_together():
    waiting = Waiting()
    waiting.put([job(1, 7, group=7), job(2, 7, group=7)])
    waiting.put([job(3, 8, group=8)])
    assert taken(waiting) == [1, 2] and taken(waiting) == [3]


def test_a_cancelled_question_is_not_asked_and_one_that_runs_is_not_cancelled():
    waiting = Waiting()
    waiting.put([job(1, 1), job(2, 1)])
    assert waiting.cancel(1) and not waiting.cancel(1)
    assert taken(waiting) == [2]
    assert not waiting.cancel(2)


def test_a_closed_queue_lets_the_one_who_waits_go():
    waiting, seen = Waiting(), []
    waiter = threading.Thread(target=lambda: seen.append(waiting.take(4)))
    waiter.start()
    waiting.close()
    waiter.join(5)
    assert seen == [[]]
