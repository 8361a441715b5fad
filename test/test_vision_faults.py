"""The service with a scripted model in real processes: order, batches, limits, and everything that can go wrong."""

import os
import signal
import time
from collections import Counter

import pytest
from seeing import Eyes, eyes
from stand_in import PICTURE, ask, reasons, scripted, stand_in

from vlm_bt.bench.holdings import Holdings
from vlm_bt.errors import ModelError
from vlm_bt.ports import ASKER, Asker, Priority
from vlm_bt.questions import Caption, Choose, Describe, Ground, IsTrue, Look, ReadText

RULES = [
    {"when": {"about": "slow*"}, "takes_s": 0.4, "p_yes": 0.6},
    {"when": {"about": "hang*"}, "hang": True},
    {"when": {"about": "bug*"}, "raise": "a bug"},
    {"when": {"about": "big*"}, "out_of_memory": 0},
    {"when": {"about": "many*"}, "out_of_memory": 2, "p_yes": 0.7},
    {"when": {"about": "many*"}, "p_yes": 0.7},
    {"when": {"about": "exit*"}, "exit": 3},
    {"when": {"about": "kill*"}, "kill": True},
    {"when": {"about": "garbage*"}, "garbage": True},
    {"when": {"about": "small*"}, "unsupported": "too small to see"},
    {"p_yes": 0.9},
]


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory):
    """A service whose model is slow, hangs and dies when it is asked to."""
    folder = tmp_path_factory.mktemp("sturdy")
    with stand_in(folder, RULES, model={"patience_s": 1.0}, answers=["is_true"]) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_pins_stay(request):
    yield
    if "sturdy" in request.fixturenames:
        service = request.getfixturevalue("sturdy").service
        assert not service._pinned and not service._open and not service._replies and not service._frames._pins


def detail(opened, ticket):
    return opened.ended(ticket).outcome.detail


def batches(opened, since=0):
    return [record["batch"] for record in opened.recorder.on("answer")[since:] if "batch" in record]


def waits_until_sent(opened, seconds=0.15):
    """The model has taken up what was asked so far."""
    opened.service.settle(opened.clock.tick)
    time.sleep(seconds)


def test_what_is_asked_in_one_tick_is_one_batch(sturdy):
    before = len(sturdy.recorder.on("answer"))
    assert reasons(sturdy, ask(sturdy, "a", "b", "c")) == ["done"] * 3
    assert batches(sturdy, before) == [3, 3, 3]


def test_the_same_question_about_the_same_pixels_is_asked_once(sturdy):
    frame, before = sturdy.show(PICTURE), len(sturdy.recorder.on("answer"))
    tickets = ask(sturdy, "same", "same", "other", frame=frame) + ask(sturdy, "same")
    assert reasons(sturdy, tickets) == ["done"] * 4
    assert batches(sturdy, before) == [2, 2, 2, 2]


def test_an_answer_that_is_known_needs_no_model_and_never_means_never(sturdy):
    reasons(sturdy, ask(sturdy, "remember me"))
    for reuse, told in (("exact", "exact"), ("similar", "exact"), ("never", None)):
        assert reasons(sturdy, ask(sturdy, "remember me", reuse=reuse)) == ["done"]
        assert sturdy.recorder.on("answer")[-1].get("reused") == told


def test_a_view_that_hardly_differs_may_be_answered_by_the_one_before_where_the_skill_allows_it(sturdy):
    nearly, other = PICTURE.copy(), PICTURE.copy()
    nearly[0, 0] ^= 1
    other[:16, :16] = 0
    reasons(sturdy, ask(sturdy, "a static scene", reuse="similar"))
    for picture, reuse, told in ((nearly, "similar", "similar"), (nearly, "exact", None), (other, "similar", None)):
        tickets = ask(sturdy, "a static scene", frame=sturdy.show(picture), reuse=reuse)
        assert reasons(sturdy, tickets) == ["done"]
        assert sturdy.recorder.on("answer")[-1].get("reused") == told


def test_guards_are_answered_before_missions_and_missions_before_chatter(sturdy):
    first = ask(sturdy, "slow 1")
    waits_until_sent(sturdy)
    order = []
    tickets = []
    for priority in (Priority.CHATTER, Priority.MISSION, Priority.GUARD):
        asked = ask(sturdy, f"slow as {priority.name}", priority=priority)
        asked[0].when_done(lambda outcome, priority=priority: order.append(priority))
        tickets += asked
    assert reasons(sturdy, first + tickets) == ["done"] * 4
    assert order == [Priority.GUARD, Priority.MISSION, Priority.CHATTER]


def test_of_equal_questions_the_nearest_deadline_goes_first(tmp_path):
    with stand_in(tmp_path, RULES, model={"batch_at_most": 1}) as opened:
        first = ask(opened, "slow 0")
        waits_until_sent(opened)
        order = []
        tickets = []
        for deadline_s in (900.0, None, 700.0):
            asked = ask(opened, f"slow {deadline_s}", deadline_s=deadline_s)
            asked[0].when_done(lambda outcome, deadline_s=deadline_s: order.append(deadline_s))
            tickets += asked
        assert reasons(opened, first + tickets) == ["done"] * 4
        assert order == [700.0, 900.0, None]


def test_a_deadline_ends_a_question_in_its_tick_and_the_model_answers_the_next(sturdy):
    (late,) = ask(sturdy, "slow and late", deadline_s=sturdy.clock.now_s + 0.1)
    for _ in range(3):
        assert late.outcome is None
        sturdy.clock.advance()
        sturdy.service.settle(sturdy.clock.tick)
    assert late.outcome.reason == "timed_out" and "gave no answer to IsTrue in time" in late.outcome.detail
    assert reasons(sturdy, ask(sturdy, "next")) == ["done"]


@pytest.mark.parametrize("sent", [False, True])
def test_a_cancelled_question_ends_at_once_and_lets_go_of_its_frame(sturdy, sent):
    (ticket,) = ask(sturdy, f"slow {sent} cancelled")
    if sent:
        waits_until_sent(sturdy)
    assert sturdy.service._frames._pins
    ticket.cancel()
    assert ticket.outcome.reason == "cancelled" and not sturdy.service._frames._pins
    assert reasons(sturdy, ask(sturdy, "after")) == ["done"]


def test_a_question_that_is_cancelled_while_it_waits_is_never_run(sturdy):
    before = sturdy.service.restarts
    first = ask(sturdy, "slow 2")
    waits_until_sent(sturdy)
    (deadly,) = ask(sturdy, "kill me if you are asked")
    sturdy.service.settle(sturdy.clock.tick)
    deadly.cancel()
    assert reasons(sturdy, [*first, *ask(sturdy, "after")]) == ["done", "done"]
    assert sturdy.service.restarts == before


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("kill", "the process of tested died (signal 9); it was started again"),
        ("exit", "the process of tested died (exit code 3); it was started again"),
        ("hang", "the process of tested fell silent for 1 s; it was started again"),
    ],
)
def test_a_process_that_is_lost_is_told_and_started_again(sturdy, claim, text):
    restarts = sturdy.service.restarts
    lost, beside = ask(sturdy, claim, "beside it")
    assert reasons(sturdy, [lost, beside]) == ["model_lost", "model_lost"] and detail(sturdy, lost) == text
    assert sturdy.service.restarts == restarts + 1
    assert reasons(sturdy, ask(sturdy, f"after {claim}")) == ["done"]
    assert sturdy.recorder.on("event")[-1] == {"what": "model process restarted", "text": text}


def test_a_process_that_was_stopped_is_replaced(sturdy):
    os.kill(sturdy.service.lanes["tested"].pid, signal.SIGSTOP)
    assert reasons(sturdy, ask(sturdy, "stopped 1", "stopped 2")) == ["model_lost", "model_lost"]
    assert reasons(sturdy, ask(sturdy, "after the stop")) == ["done"]


@pytest.mark.parametrize(
    ("claim", "reason", "text"),
    [
        ("bug", "model_lost", "the model raised RuntimeError: a bug"),
        ("big", "model_lost", "the memory does not suffice for one question (the script has memory for 0 questions, "),
        ("garbage", "model_lost", "the model answered is_true by str; it must be Answer"),
        ("small", "unsupported", "too small to see"),
    ],
)
def test_an_error_of_one_question_is_told_twice_the_same_and_the_process_lives(sturdy, claim, reason, text):
    restarts = sturdy.service.restarts
    for _ in range(2):
        (ticket,) = ask(sturdy, claim)
        assert reasons(sturdy, [ticket]) == [reason] and detail(sturdy, ticket).startswith(text)
    assert sturdy.service.restarts == restarts


def test_garbage_and_what_is_not_supported_do_not_spoil_their_batch(sturdy):
    assert reasons(sturdy, ask(sturdy, "garbage", "fine", "small")) == ["model_lost", "done", "unsupported"]


def test_a_type_of_question_that_the_model_lacks_is_refused_with_what_to_do(sturdy):
    outcome = sturdy.refused(Ground((Look(sturdy.show(PICTURE)),), "hammer"))
    assert outcome.reason == "unsupported"
    assert outcome.detail == (
        "the model scripted does not answer ground, nor can it be made of what it answers (is_true, choose); route "
        "ground to another model under vision.route"
    )


def test_what_the_model_lacks_is_made_of_what_it_has(sturdy):
    said = sturdy.ask(Choose((Look(sturdy.show(PICTURE)),), "which?", ("fine", "slow to tell")))
    assert said.probabilities == pytest.approx((0.6, 0.4)) and said.outside == 0.0


def test_where_memory_is_short_batches_are_halved_until_they_fit(tmp_path):
    with stand_in(tmp_path, RULES) as opened:
        assert reasons(opened, ask(opened, *(f"many {n}" for n in range(8)))) == ["done"] * 8
        assert batches(opened) == [2] * 8
        assert reasons(opened, ask(opened, "many 1 x", "many 2 x", "many 3 x")) == ["done"] * 3
        assert sorted(batches(opened, 8)) == [1, 2, 2], "what did not fit is not tried again"


def test_a_frame_that_was_let_go_is_stale(sturdy):
    (ticket,) = ask(sturdy, "x", frame="overhead-0")
    assert ticket.outcome.reason == "stale"


def test_too_many_questions_are_refused_and_chatter_gives_way(tmp_path):
    with stand_in(tmp_path, RULES, vision={"waiting_at_most": 4}) as opened:
        frame = opened.show(PICTURE)
        token = ASKER.set(Asker(priority=Priority.CHATTER))
        pair = opened.service.submit_all([IsTrue((Look(frame),), text) for text in ("slow a", "slow b")])
        ASKER.reset(token)
        chatter = ask(opened, "slow 1", "slow 2", "slow 3", frame=frame, priority=Priority.CHATTER)
        assert [ticket.outcome and ticket.outcome.reason for ticket in chatter] == [None, None, "busy"]
        assert chatter[2].outcome.detail == "4 questions wait for tested already"
        (guard,) = ask(opened, "slow guard", frame=frame, priority=Priority.GUARD)
        assert chatter[1].outcome.detail == "gave way to a more urgent question to tested" and not pair.outcome
        missions = ask(opened, "slow 4", "slow 5", frame=frame)
        assert chatter[0].outcome.reason == "busy" and pair.outcome.reason == "busy"
        told = [record for record in opened.recorder.on("answer") if record["kind"] == "IsTrue"]
        assert Counter(record["id"] for record in told).most_common(1)[0][1] == 1, "each is told once"
        assert reasons(opened, [guard, *missions]) == ["done"] * 3
        assert not opened.service._frames._pins


def test_questions_asked_together_end_together(sturdy):
    looks = (Look(sturdy.show(PICTURE)),)
    ticket = sturdy.service.submit_all([IsTrue(looks, "fine"), IsTrue(looks, "small")])
    assert reasons(sturdy, [ticket]) == ["unsupported"]
    both = sturdy.ask_all([IsTrue(looks, "fine"), IsTrue(looks, "slow")])
    assert [answer.probabilities[0] for answer in both] == [0.9, 0.6]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A small model that is unsure at times, and a large one behind it that can also describe."""
    folder = tmp_path_factory.mktemp("two")
    small = [
        {"when": {"about": "sure*"}, "p_yes": 0.97},
        {"when": {"about": "kill*"}, "kill": True},
        {"when": {"about": "small*"}, "unsupported": "too small to see"},
        {"p_yes": 0.6},
    ]
    large = [{"when": {"about": "*slow*"}, "takes_s": 0.4, "p_yes": 0.2}, {"p_yes": 0.2, "text": "a bench"}]
    models = {
        "small": scripted(folder / "small.yaml", small, revision="small", answers=["is_true"]),
        "large": scripted(folder / "large.yaml", large, revision="large", answers=["is_true", "describe"]),
    }
    opened = Eyes({"models": models, "route": {"default": ["small", "large"], "describe": "large"}})
    opened.service.wait_ready()
    yield opened
    opened.close()


def who_answers(two, claim):
    (ticket,) = ask(two, claim)
    assert reasons(two, [ticket]) == ["done"]
    return ticket.value.model


def asked_of(two, model):
    return sum(row["asked"] for row in two.service.metrics.plain() if row["model"] == model)


def test_the_large_model_is_asked_only_where_the_small_one_is_unsure(two):
    before = asked_of(two, "large")
    assert who_answers(two, "sure thing") == "small" and asked_of(two, "large") == before
    assert who_answers(two, "something") == "large" and asked_of(two, "large") == before + 1


@pytest.mark.parametrize("claim", ["kill it", "small thing"])
def test_where_the_small_model_is_lost_or_cannot_the_large_one_is_asked(two, claim):
    assert who_answers(two, claim) == "large"


def test_a_type_of_question_goes_where_its_route_says(two):
    assert isinstance(said := two.ask(Describe((Look(two.show(PICTURE)),))), Caption) and said.model == "large"
    assert two.service.answers(Describe) and not two.service.answers(ReadText)


def test_a_question_can_be_cancelled_after_it_was_handed_on(two):
    (ticket,) = ask(two, "slow to tell")
    before = asked_of(two, "large")
    limit = time.monotonic() + 30
    while asked_of(two, "large") == before and time.monotonic() < limit:
        two.clock.advance()
        two.service.settle(two.clock.tick)
        time.sleep(0.001)
    ticket.cancel()
    assert not two.service._open and not two.service._frames._pins


def test_a_model_that_dies_at_every_start_is_an_error_with_its_name(tmp_path):
    with pytest.raises(ModelError) as error, stand_in(tmp_path, [], starting={"kill": True}):
        pass
    assert str(error.value) == (
        "model 'tested': the process of tested died (signal 9); it was not ready after 3 starts and is given up"
    )


def test_a_model_that_fails_twice_and_starts_the_third_time_is_ready(tmp_path):
    with stand_in(tmp_path, RULES, starting={"exit": 1, "times": 2}, tally="starts.json") as opened:
        assert opened.service.restarts == 2 and reasons(opened, ask(opened, "x")) == ["done"]


def test_a_script_that_does_not_fit_is_told_by_the_service(tmp_path):
    told = r"model 'tested': .*script.yaml: the script does not fit\n  rules.0.p_yes"
    with pytest.raises(ModelError, match=told), stand_in(tmp_path, [{"p_yes": 7}]):
        pass


def test_settling_never_waits_outside_simulated_time(sturdy):
    (ticket,) = ask(sturdy, "slow 7")
    calls, limit = 0, time.monotonic() + 60
    while ticket.outcome is None and time.monotonic() < limit:
        sturdy.clock.advance()
        sturdy.service.settle(sturdy.clock.tick)
        calls += 1
        time.sleep(0.002)
    assert ticket.outcome.ok and calls >= 10


def test_in_simulated_time_a_slow_model_changes_no_tick(tmp_path):
    traces = []
    for takes_s in (0.0, 0.15):
        rules = [{"when": {"about": "even"}, "takes_s": takes_s, "p_yes": 0.7}, {"takes_s": takes_s / 2, "p_yes": 0.2}]
        with stand_in(tmp_path, rules, lockstep=True) as opened:
            traces.append(trace(opened))
    assert traces[0] == traces[1] and len(traces[0]) == 5


def trace(opened):
    """(what, tick it ended at, how) of questions that are asked, repeated, cancelled and too late."""
    ended, tickets = [], []

    def note(name, ticket):
        tickets.append(ticket)
        ticket.when_done(lambda outcome: ended.append((name, opened.clock.tick, outcome.reason)))

    for tick in range(8):
        if tick == 0:
            for name, ticket in zip(("even", "odd"), ask(opened, "even", "odd"), strict=True):
                note(name, ticket)
        if tick == 2:
            note("even again", ask(opened, "even")[0])
            note("too late", ask(opened, "other", deadline_s=opened.clock.now_s)[0])
            cancelled = ask(opened, "even")[0]
            note("cancelled", cancelled)
            cancelled.cancel()
        opened.service.settle(tick + 1)
        opened.clock.advance()
    return ended


def test_what_is_asked_after_the_service_was_closed_is_cancelled(tmp_path):
    with stand_in(tmp_path, RULES) as opened:
        (open_ticket,) = ask(opened, "hang")
        frame = opened.show(PICTURE)
        opened.service.close()
        (ticket,) = ask(opened, "x", frame=frame)
        for one in (open_ticket, ticket):
            assert one.outcome.reason == "cancelled" and one.outcome.detail == "the vision service is closed"


def test_losing_processes_leaves_nothing_behind(sturdy):
    reasons(sturdy, ask(sturdy, "warm"))
    before = Holdings.now()
    for number in range(5):
        claims = (f"kill {number}", f"exit {number}", f"bug {number}", f"big {number}")
        assert reasons(sturdy, ask(sturdy, claims[number % 4])) == ["model_lost"]
    assert reasons(sturdy, ask(sturdy, "warm again")) == ["done"]
    after = Holdings.now()
    assert (after.children, after.handles) == (before.children, before.handles)
    assert after.threads <= before.threads and after.shared <= before.shared + 1


def test_closing_frees_processes_threads_and_shared_memory(tmp_path):
    before = Holdings.now()
    with eyes(scripted(tmp_path / "s.yaml", RULES)) as opened:
        reasons(opened, ask(opened, "x"))
        memory = [f"/dev/shm/{handle.memory}" for handle, _ in opened.frames._held.values()]
        assert memory and all(map(os.path.exists, memory))
    assert not any(map(os.path.exists, memory))
    time.sleep(0.05)
    after = Holdings.now()
    assert (after.children, after.handles, after.shared) == (before.children, before.handles, before.shared)
    assert after.threads <= before.threads
