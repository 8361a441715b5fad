"""What people said is listed, taken back, and of whole kinds kept between missions."""

import json

import pytest
from fakes import ListRecorder
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.scene.facts import Facts
from vlm_bt.scene.kept_facts import keep, load_kept


def spoken():
    facts = Facts()
    facts.remember("kind", "multi-tool", "group", "screwdrivers", stamp_s=3.0)
    facts.remember("object", "object-2", "leave", True, stamp_s=4.0)
    facts.remember("kind", "hammer", "leave", True, stamp_s=5.0)
    facts.revoke("kind", "hammer", "leave")
    return facts


def test_of_a_family_that_was_spoken_of_every_kind_is_meant():
    facts = Facts()
    facts.remember("kind", "screwdriver", "leave", True)
    assert facts.of_kind("flat screwdriver", "leave") and facts.of_kind("Phillips screwdriver", "leave")
    assert facts.of_kind("screw", "leave") is None


def test_a_thing_that_goes_by_another_id_keeps_what_was_said_of_it():
    facts = spoken()
    facts.carry_over("object-2", "object-9")
    assert facts.recall("object", "object-9", "leave") is True and facts.recall("object", "object-2", "leave") is None


def test_only_what_stands_of_kinds_is_kept_and_counts_as_said_before_the_mission(tmp_path):
    path = tmp_path / "kept.json"
    assert load_kept(path).all() == ()
    keep(spoken(), path)
    kept = load_kept(path)
    assert [(fact.subject, fact.value, fact.stamp_s) for fact in kept.all()] == [("multi-tool", "screwdrivers", -1.0)]
    kept.remember("kind", "multi-tool", "group", "pliers", stamp_s=0.0)
    assert kept.recall("kind", "multi-tool", "group") == "pliers"


@pytest.mark.parametrize("text", ["no json", "[1]", "{}x", '[{"id": "fact-1", "scope": "world"}]'])
def test_a_file_that_holds_something_else_is_a_clear_error(tmp_path, text):
    (tmp_path / "kept.json").write_text(text)
    with pytest.raises(ConfigError, match=r"is no file of facts"):
        load_kept(tmp_path / "kept.json")


def test_facts_of_a_record_are_listed_as_they_stood_last(tmp_path):
    recorder = McapRecorder(tmp_path / "mission.mcap", FrameStore(), lambda: 0.0)
    facts = Facts()
    facts.onlooker = lambda fact: recorder.write("fact", vars(fact))
    facts.remember("kind", "hammer", "leave", True, stamp_s=5.0)
    facts.remember("object", "object-2", "identity", "Allen wrench", stamp_s=6.0)
    facts.revoke("kind", "hammer", "leave")
    recorder.flush()
    shown = CliRunner().invoke(app, ["facts", str(tmp_path)]).output
    assert "fact-1  kind hammer" in shown and "taken back" in shown and "identity: Allen wrench" in shown
    rows = json.loads(CliRunner().invoke(app, ["facts", str(tmp_path), "--json"]).output)
    assert [(row["id"], row["revoked"]) for row in rows] == [("fact-1", True), ("fact-2", False)]
    recorder.close()


def test_a_kept_fact_is_taken_back_by_its_id(tmp_path):
    path = tmp_path / "kept.json"
    keep(spoken(), path)
    (fact,) = load_kept(path).all()
    assert CliRunner().invoke(app, ["facts", str(path), "--revoke", fact.id]).exit_code == 0
    assert load_kept(path).all() == ()


def test_facts_tell_their_onlooker_what_is_said_and_what_is_taken_back():
    recorder, facts = ListRecorder(), Facts()
    facts.onlooker = lambda fact: recorder.write("fact", vars(fact))
    facts.remember("mission", "", "hurry", True)
    facts.revoke("mission", "", "hurry")
    assert [row["revoked"] for row in recorder.on("fact")] == [False, True]
