"""The story of the workbench, lived through once: every step is read from the records and held against the truth."""

from dataclasses import replace

import pytest

from vlm_bt.bench.story import figures, line
from vlm_bt.bench.story_steps import STEPS, event, motions
from vlm_bt.bench.story_told import ASKED, on, tell_story
from vlm_bt.recording.record import Record

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return tell_story(31, tmp_path_factory.mktemp("story"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_story_passes(told, step):
    assert STEPS[step](told) == ""


def test_both_missions_end_well_and_nothing_is_moved_under_a_wrong_name(told):
    assert told.sorting.result["outcome"] == told.fetching.result["outcome"] == "done"
    assert (told.sorting.result["unverified_motions"], told.false_motions) == (0, 0)
    assert told.sorting.result["score"]["sorted"] == len(told.began)


def test_the_plan_is_made_of_free_space_and_things_are_put_into_its_sections(told):
    sections = {one["zone"]: one for one in event(told, "plan")["sections"]}
    assert all(one["room"] >= one["usual_room"] for one in sections.values())
    assert sections["left"]["things"].keys() == {"adjustable wrench", "combination wrench", "Allen wrench"}
    for placed in motions(told, "place"):
        place = sections[placed["zone"]]
        inside = all(
            lo - 0.06 <= at <= hi + 0.06 for at, (lo, hi) in zip(placed["to"], (place["x"], place["y"]), strict=True)
        )
        assert placed["outcome"] != "done" or inside


def test_no_question_is_put_twice_and_none_that_the_story_has_not(told):
    asked = [(one["topic"], one["about"], one["subject"]) for one in told.of("question")]
    assert len(set(asked)) == len(asked)
    assert sorted(topic for topic, _, _ in asked) == ["collect", "group", "group", "identity", "identity"]


def test_the_second_mission_knows_what_the_first_has_verified(told):
    picks = [one for one in on(told.fetching, "motion") if one["verb"] == "pick"]
    verdicts = {one["id"]: one for one in on(told.fetching, "verdict")}
    assert picks and all(verdicts[one["verdict"]]["by"] == "tracking" for one in picks)
    assert not [one for one in on(told.fetching, "said") if one["text"] == ASKED], "said once is said once"


def without(told, channel):
    """The story as if nothing of a channel had been written."""
    kept = tuple(one for one in told.sorting.entries if one.channel != channel)
    return replace(told, sorting=Record(told.sorting.path, kept, True))


@pytest.mark.parametrize(
    ("step", "channel"),
    [
        ("the scene is described", "event"),
        ("each tool is grounded", "verdict"),
        ("clear space is planned", "event"),
        ("the unknown tool is clarified", "question"),
        ("the ambiguous tool is settled", "reply"),
        ("a question is answered at work", "said"),
        ("late screws are noticed", "question"),
        ("sections are documented", "event"),
    ],
)
def test_a_step_that_is_not_in_the_record_does_not_pass(told, step, channel):
    assert STEPS[step](without(told, channel))


def test_what_is_not_true_of_the_bench_does_not_pass(told):
    swapped = [replace(one, x=-one.x) if "wrench" in one.kind else one for one in told.sorted]
    assert STEPS["wrenches lie by size"](replace(told, sorted=swapped))
    moved = [replace(one, zone="left") for one in told.sorted]
    assert STEPS["sections are documented"](replace(told, sorted=moved))
    another = [replace(one, taken=one.kind == "pliers") for one in told.ended]
    assert STEPS["the largest is fetched"](replace(told, ended=another))


def test_figures_count_each_step_and_whole_stories():
    good = {"seed": 1, "why": dict.fromkeys(STEPS, ""), "wall_s": 60.0, "questions": 5, "false": 0}
    bad = {**good, "seed": 2, "why": {**good["why"], "wrenches lie by size": "a behind b"}}
    by_name = {figure.name: figure for figure in figures([good, bad])}
    assert by_name["step: wrenches lie by size"].value == by_name["stories that pass whole"].value == 0.5
    assert by_name["step: the scene is described"].holds and not by_name["stories that pass whole"].holds
    assert line(bad).endswith("9 of 10 steps, 60 s; wrenches lie by size: a behind b")
