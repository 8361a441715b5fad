"""Whole missions in which a supervisor says things of their own accord, read from the record."""

import pytest
import yaml
from missions import messages, mission

KINDS = ["hammer", "tape measure", "Phillips screwdriver", "flat screwdriver", "pliers"]


def talked(out, *says, seed=31, kinds=KINDS, **script):
    """The result and the record of a mission with these (at_s, text)."""
    out.mkdir(exist_ok=True)
    said = [{"at_s": at_s, "text": text} for at_s, text in says]
    path = out / "supervisor.yaml"
    path.write_text(
        yaml.safe_dump(
            {"says": said, "group": {"anything else": "pliers"}, "other": {"anything else": "yes"}, **script}
        )
    )
    with mission(out / "run", kinds=kinds, seed=seed, human=f"scripted:{path}") as built:
        result = built.run()
    return result, out / "run" / "mission.mcap"


def replies(record):
    return {one["text"]: one["reply"] for one in messages(record, "said")}


@pytest.mark.timeout(180)
def test_questions_are_answered_while_the_mission_goes_on(tmp_path):
    result, record = talked(
        tmp_path,
        (3.0, "How many screwdrivers are there?"),
        (4.0, "where is the hammer?"),
        (5.0, "what are you doing?"),
        (6.0, "fetch the largest wrench"),
        (7.0, "order two pizzas"),
    )
    said = replies(record)
    assert said["How many screwdrivers are there?"] == "2 screwdrivers: 1 Phillips, 1 flat."
    assert said["where is the hammer?"].startswith("The hammer is ")
    assert said["what are you doing?"].startswith("Busy with 'organise workbench', at the step '")
    assert "one mission runs at a time" in said["fetch the largest wrench"]
    assert "Did you mean" in said["order two pizzas"]
    assert result.safe and result.outcome == "done"


@pytest.mark.timeout(180)
def test_what_is_to_be_left_is_not_touched_again_and_what_was_reached_for_is_let_be(tmp_path):
    _, before = talked(tmp_path / "a")
    pick = next(one for one in messages(before, "motion") if one["verb"] == "pick")
    at_s = pick["began_s"] + 0.3
    result, record = talked(tmp_path / "b", (at_s, "leave that one"))
    picks = [one for one in messages(record, "motion") if one["verb"] == "pick" and one["object"] == pick["object"]]
    assert [one["outcome"] for one in picks] == ["no"]
    assert pick["label"] in replies(record)["leave that one"]
    fact = next(one for one in messages(record, "fact") if one["key"] == "leave")
    assert (fact["scope"], fact["subject"], fact["key"], fact["value"]) == ("object", pick["object"], "leave", True)
    assert result.motions >= 4 and result.safe and pick["label"] in result.closing.split("Left where")[1]


@pytest.mark.timeout(180)
def test_a_kind_goes_where_a_person_says_and_may_be_moved_again_when_that_is_taken_back(tmp_path):
    _, record = talked(
        tmp_path,
        (2.0, "the hammer goes with the pliers"),
        (2.5, "leave the screwdrivers"),
        (20.0, "forget what I said about the screwdrivers"),
    )
    placed = {one["label"]: one["zone"] for one in messages(record, "motion") if one["verb"] == "place"}
    assert placed["hammer"] == "right"
    assert placed["flat screwdriver"] == placed["Phillips screwdriver"] == "centre"
    began = [
        one["began_s"] for one in messages(record, "motion") if one["verb"] == "pick" and "screwdriver" in one["label"]
    ]
    assert min(began) >= 20.0
    assert len([one for one in messages(record, "question") if one["topic"] == "group"]) <= 1, (
        "asked, and told meanwhile"
    )


@pytest.mark.timeout(180)
def test_one_of_several_is_asked_for_with_exactly_those_and_a_picture(tmp_path):
    script = {"reference": {"anything else": "none of them"}}
    _, record = talked(tmp_path, (2.0, "leave the screwdriver"), **script)
    (asked,) = [one for one in messages(record, "question") if one["topic"] == "reference"]
    assert asked["text"] == "Which screwdriver do you mean?"
    assert len(asked["options"]) == 3 and asked["options"][-1] == "none of them" and len(asked["marks"]) == 2
    assert sum("flat screwdriver" in option for option in asked["options"]) == 1
    assert asked["frame"] and not [one for one in messages(record, "fact") if one["key"] == "leave"]


@pytest.mark.timeout(180)
def test_a_stop_in_mid_motion_stops_in_the_next_tick(tmp_path):
    result, record = talked(tmp_path, (12.0, "Stop! My hand"))
    (said,) = messages(record, "said")
    assert said["intent"] == "stop"
    assert (result.outcome, result.detail) == ("interrupted", "the supervisor said stop")
    assert result.safe and max(one["tick"] for one in messages(record, "status")) <= 12.0 / 0.05 + 1


@pytest.mark.timeout(180)
def test_what_a_person_calls_a_thing_stands_over_the_model_and_is_not_asked_any_more(tmp_path):
    _, record = talked(
        tmp_path,
        (1.0, "the thing next to the hammer is a multi-tool"),
        (1.5, "put multi-tools with the screwdrivers"),
        kinds=["multi-tool", "hammer"],
    )
    facts = [(one["scope"], one["key"], one["value"]) for one in messages(record, "fact")]
    assert facts[:2] == [("object", "identity", "multi-tool"), ("kind", "group", "screwdrivers")]
    asked = [one["t"] for one in messages(record, "question") if one["topic"] == "identity"]
    assert all(t < 1.0 for t in asked), "asked although it was told"
    placed = [(one["label"], one["zone"]) for one in messages(record, "motion") if one["verb"] == "place"]
    assert ("multi-tool", "centre") in placed
