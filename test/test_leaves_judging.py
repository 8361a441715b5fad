"""Leaves that ask a model one question: the real service with a scripted model, and what they make of its answers."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fakes import thing
from py_trees.common import Status
from seeing import eyes, noise

from vlm_bt.frames import FrameHandle
from vlm_bt.leaves.grounding import located, shared
from vlm_bt.leaves.judging import ChooseAnswer, CompareViews, CountSeen, JudgeClaim, sure_answer
from vlm_bt.leaves.leaf import Binding
from vlm_bt.leaves.showing import KEPT_AT_MOST, RememberView, zone_box
from vlm_bt.leaves.telling import LONGEST_LINE, LONGEST_TEXT, MOST_LINES, DescribeView, ReadWriting
from vlm_bt.leaves.untrusted import plain
from vlm_bt.ports import Asker, Priority, Ticket
from vlm_bt.questions import Found
from vlm_bt.types import Answer, Box, Intrinsics, LocatedObject, Outcome, Pose, Zone

SCRIPT = f"""
revision: stand-in-1
answers: [is_true, choose, how_many, describe, read_text]
rules:
  - {{when: {{question: is_true, about: "*hand*"}}, p_yes: 0.97}}
  - {{when: {{question: is_true, about: "*knife*"}}, p_yes: 0.02}}
  - {{when: {{question: is_true}}, p_yes: 0.5}}
  - {{when: {{question: choose, about: "*colour*"}}, probabilities: {{red: 0.92, blue: 0.05}}}}
  - {{when: {{question: choose, about: "*shape*"}}, probabilities: {{round: 0.02, long: 0.02}}}}
  - {{when: {{question: choose}}, probabilities: [0.5, 0.4]}}
  - {{when: {{question: how_many, about: screws}}, number: 3}}
  - {{when: {{question: how_many}}, number: 2, numbers: [0.1, 0.2, 0.7]}}
  - text: "A <script>bench</script>\\nwith\\ttools{"!" * 900}"
    lines: [{", ".join(['"<b>STOP</b> now"', '""', *(f'"{"x" * 300}"' for _ in range(60))])}]
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.yaml"
    path.write_text(SCRIPT)
    with eyes({"backend": "scripted", "script": path}, lockstep=True) as opened:
        yield opened


@pytest.fixture
def ports(seen):
    """A camera that shows one picture after the other, and zones of which the last lies out of sight."""
    shots = iter(range(100))

    def request(camera):
        ticket = Ticket(f"frame of {camera}")
        if camera == "wrist":
            ticket.fail(Outcome("camera_lost", "there is no camera 'wrist'"))
        else:
            ticket.resolve(seen.show(noise(next(shots)), camera=camera))
        return ticket

    zones = {"left": Zone("left", (0.2, 0.4), (0.1, 0.3)), "away": Zone("away", (5.0, 5.2), (0.0, 0.2))}
    return SimpleNamespace(
        clock=seen.clock,
        camera=SimpleNamespace(request=request),
        frames=seen.frames,
        vision=seen.service,
        recorder=seen.recorder,
        memory=SimpleNamespace(kept_views=[]),
        zone=zones.__getitem__,
        error_rate=0.01,
    )


def run(ports, kind, timeout_s=60.0, **inputs):
    """The leaf when it has ended, with what it gave as `given`."""
    defaults = {name: port.default for name, port in kind.takes.items()}
    given = {}
    binding = Binding({**defaults, **inputs}.__getitem__, given.__setitem__, asker=Asker("asked", Priority.CHATTER))
    leaf = kind("leaf", ports, binding, timeout_s)
    leaf.tick_once()
    while leaf.status is Status.RUNNING:
        ports.clock.advance()
        ports.vision.settle(ports.clock.tick)
        leaf.tick_once()
    leaf.given = given
    return leaf


@pytest.mark.parametrize(
    ("claim", "sure_above", "ended"),
    [
        ("a hand is seen", 0.9, "done"),
        ("a knife is seen", 0.9, "no"),
        ("a fork is seen", 0.5, "unsure"),
        ("a hand is seen", 0.98, "unsure"),
        ("a hand is seen", None, "unsure"),
    ],
)
def test_a_claim_is_true_or_not_or_unsure(ports, claim, sure_above, ended):
    leaf = run(ports, JudgeClaim, claim=claim, sure_above=sure_above)
    assert leaf.outcome.reason == ended
    evidence = leaf.outcome.evidence
    assert evidence["model"] == "stand-in-1" and evidence["asked"] == claim and evidence["frame"] in ports.frames
    assert evidence["sure_above"] == sure_above and evidence["calibrated"] is False
    assert set(evidence["probabilities"]) == {"yes", "no"}
    assert leaf.given["into"].best in ("yes", "no")


def test_the_metrics_know_which_skill_asked(ports):
    run(ports, JudgeClaim, claim="a hand is seen")
    rows = [row for row in ports.vision.metrics.plain() if row["skill"] == "asked" and row["question"] == "IsTrue"]
    assert rows and rows[0]["model"] == "tested" and rows[0]["answered"] >= 1


@pytest.mark.parametrize(
    ("question", "options", "more", "ended"),
    [
        ("which colour?", ("red", "blue"), {"sure_above": 0.9}, "done"),
        ("which colour?", ("red", "blue"), {"sure_above": 0.9, "expect": "red"}, "done"),
        ("which colour?", ("red", "blue"), {"sure_above": 0.9, "expect": "blue"}, "no"),
        ("which colour?", ("red", "blue"), {}, "unsure"),
        ("which shape?", ("round", "long"), {"sure_above": 0.9}, "no"),
        ("which one?", ("left", "right"), {"sure_above": 0.6}, "unsure"),
        ("which one?", ("left", "left"), {"sure_above": 0.6}, "unsupported"),
    ],
)
def test_a_choice_ends_with_what_is_expected_with_something_else_or_unsure(ports, question, options, more, ended):
    assert run(ports, ChooseAnswer, question=question, options=options, **more).outcome.reason == ended


def answer(*probabilities, **more):
    return Answer("what is it?", ("a", "b"), probabilities, **more)


def test_a_calibrated_answer_is_sure_by_its_calibration_alone():
    assert sure_answer(answer(0.6, 0.4, plausible=("a",), calibrated=True), None) == "a"
    assert sure_answer(answer(0.99, 0.01, plausible=("a", "b"), calibrated=True), 0.9) is None
    assert sure_answer(answer(0.99, 0.01, plausible=("a", "something else"), calibrated=True), 0.9) is None
    assert sure_answer(answer(0.1, 0.1, plausible=(), calibrated=True, outside=0.8), None) == ""


def test_two_answers_that_are_equally_likely_are_never_sure():
    assert sure_answer(answer(0.5, 0.5), 0.0) is None
    assert sure_answer(answer(0.2, 0.4, outside=0.4), 0.1) is None


@pytest.mark.parametrize(
    ("phrase", "more", "ended", "number"),
    [
        ("screws", {}, "done", 3),
        ("screws", {"at_least": 3, "at_most": 3}, "done", 3),
        ("screws", {"at_least": 4}, "no", 3),
        ("screws", {"at_most": 2}, "no", 3),
        ("screws", {"sure_above": 0.5}, "unsure", 3),
        ("nuts", {"sure_above": 0.6}, "done", 2),
        ("nuts", {"sure_above": 0.8}, "unsure", 2),
    ],
)
def test_a_number_is_compared_with_what_it_should_be(ports, phrase, more, ended, number):
    leaf = run(ports, CountSeen, phrase=phrase, **more)
    assert leaf.outcome.reason == ended and leaf.given["into"].total == number


def test_what_a_model_says_is_one_line_without_markup_and_not_too_long(ports):
    said = run(ports, DescribeView, hint="").given["into"]
    assert said.startswith("A ‹script›bench‹/script› with tools!!!") and len(said) == LONGEST_TEXT
    leaf = run(ports, ReadWriting)
    lines = leaf.given["into"]
    assert lines[0] == "‹b›STOP‹/b› now" and "" not in lines
    assert len(lines) == MOST_LINES - 1 and max(map(len, lines)) == LONGEST_LINE
    assert "<" not in leaf.feedback_message and "\n" not in leaf.feedback_message


def test_untrusted_text_keeps_its_words_and_loses_what_steers_a_screen():
    assert plain("a\u202eb\x1b[31m c\r\n<i>") == "a b [31m c ‹i›"
    assert plain("x" * 500, 10) == "x" * 9 + "…"


def test_the_zone_is_what_the_model_is_shown(ports):
    run(ports, JudgeClaim, claim="a hand in the zone", zone="left")
    asked = [row["asked"] for row in ports.recorder.on("query") if row["asked"].get("claim") == "a hand in the zone"]
    part = asked[-1]["looks"][0]["part"]
    assert 0 <= part["x0"] < part["x1"] <= 160 and 0 <= part["y0"] < part["y1"] <= 120
    assert (part["x1"] - part["x0"]) * (part["y1"] - part["y0"]) < 160 * 120 / 4


def test_a_zone_that_is_not_seen_and_a_camera_that_is_not_there_are_told(ports):
    assert run(ports, JudgeClaim, claim="a hand", zone="away").outcome.reason == "not_found"
    assert run(ports, DescribeView, camera="wrist").outcome.reason == "camera_lost"


def test_a_zone_covers_the_tops_of_what_stands_in_it_and_needs_half_of_itself_in_the_picture():
    lens = Intrinsics(160, 120, 117.0, 117.0, 80.0, 60.0)
    down = FrameHandle("f", "overhead", "", lens, Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0)), 0.0)
    box = zone_box(down, Zone("middle", (0.23, 0.43), (-0.1, 0.1)))
    flat = 0.2 * 117 / 1.15
    assert box is not None and flat < box.x1 - box.x0 < flat * 1.1 + 2
    seen = [zone_box(down, Zone("edge", (0.23, 0.43), (y, y + 0.2))) is not None for y in (0.55, 0.65, 0.75, 0.9)]
    assert seen == sorted(seen, reverse=True) and seen[0] and not seen[-1]


def test_two_pictures_are_shown_in_the_order_of_time(ports):
    before = run(ports, RememberView, zone="left").given["into"]
    leaf = run(ports, CompareViews, before=before, claim="a hand came", sure_above=0.9)
    assert leaf.outcome.reason == "done" and leaf.outcome.evidence["before"] == before.frame_id
    looks = [row["asked"] for row in ports.recorder.on("query") if row["asked"].get("claim") == "a hand came"][-1][
        "looks"
    ]
    assert [look["frame_id"] for look in looks] == [before.frame_id, leaf.outcome.evidence["frame"]]
    assert looks[0]["part"] == looks[1]["part"] is not None


def test_kept_pictures_outlive_the_ring_and_the_oldest_of_too_many_goes_stale(ports):
    kept = [run(ports, RememberView, zone="left").given["into"] for _ in range(KEPT_AT_MOST + 1)]
    for n in range(20):
        ports.frames.put(replace(ports.frames.get(kept[-1].frame_id), id=f"later-{n}"))
    assert [view.frame_id in ports.frames for view in kept] == [False] + [True] * KEPT_AT_MOST
    assert run(ports, CompareViews, before=kept[0], claim="a hand").outcome.reason == "stale"
    assert run(ports, CompareViews, before=kept[1], claim="a hand", sure_above=0.9).outcome.ok


def at(name, box, region=0):
    return LocatedObject(name, "f", region, box, thing().footprint, 0.0)


def test_a_place_is_the_thing_that_depth_has_there_or_nothing():
    left, right = at("left", Box(0, 0, 40, 20), 0), at("right", Box(50, 0, 90, 20), 1)
    found = [
        Found(Box(52, 1, 88, 22), 0.6),
        Found(Box(0, 0, 160, 120), 0.9),
        Found(Box(50, 0, 90, 20), 0.8),
        Found(Box(0, 0, 1, 1), 0.7, part=0),
        Found(Box(0, 0, 1, 1), 0.95, part=7),
    ]
    assert located(found, [left, right]) == [(right, 0.8), (left, 0.7)]
    assert located(found, []) == []
    assert shared(Box(0, 0, 2, 2), Box(1, 0, 3, 2)) == pytest.approx(1 / 3)
