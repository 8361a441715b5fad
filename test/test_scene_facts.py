import json

import pytest

from vlm_bt.scene.facts import Facts


def test_a_fact_holds_in_its_scope_and_nowhere_else():
    facts = Facts()
    facts.remember("object", "object-7", "identity", "Allen wrench", by="person", stamp_s=12.0)
    assert facts.recall("object", "object-7", "identity") == "Allen wrench"
    assert facts.recall("object", "object-8", "identity") is None
    assert facts.recall("kind", "object-7", "identity") is None
    assert facts.recall("object", "object-7", "group") is None


def test_what_is_said_last_stands_and_a_late_answer_keeps_its_time():
    facts = Facts()
    facts.remember("kind", "Allen wrench", "group", "wrenches", stamp_s=20.0)
    facts.remember("kind", "Allen wrench", "group", "pliers", stamp_s=5.0)
    assert facts.recall("kind", "Allen wrench", "group") == "wrenches"
    facts.remember("kind", "Allen wrench", "group", "screwdrivers", stamp_s=20.0)
    assert facts.recall("kind", "Allen wrench", "group") == "screwdrivers"


def test_a_persons_word_stands_over_what_a_model_says_later():
    facts = Facts()
    facts.remember("object", "object-1", "identity", "multi-tool", by="person", stamp_s=1.0)
    facts.remember("object", "object-1", "identity", "pliers", by="embedded", stamp_s=9.0)
    assert facts.recall("object", "object-1", "identity") == "multi-tool"


def test_a_revoked_fact_is_used_no_more_and_stays_in_the_list():
    facts = Facts()
    facts.remember("mission", "", "leave", ["hammer"], stamp_s=1.0)
    assert facts.revoke("mission", "", "leave") == 1
    assert facts.revoke("mission", "", "leave") == 0
    assert facts.recall("mission", "", "leave") is None
    assert [fact.revoked for fact in facts.all()] == [True]
    assert str(facts.all()[0]) == "leave = ['hammer'] (by person, revoked)"


def test_one_fact_can_be_taken_back_so_that_an_older_one_stands_again():
    facts = Facts()
    facts.remember("object", "object-1", "set aside", "refuted", stamp_s=1.0)
    newer = facts.remember("object", "object-1", "set aside", "no space", stamp_s=2.0)
    assert facts.revoke_fact(newer.id)
    assert not facts.revoke_fact(newer.id)
    assert facts.recall("object", "object-1", "set aside") == "refuted"
    assert [f.value for f in facts.about("object", "object-1")] == ["refuted"]


def test_facts_survive_the_way_through_json():
    facts = Facts()
    facts.remember("kind", "multi-tool", "group", "screwdrivers", by="person", stamp_s=3.5)
    facts.remember("object", "object-2", "set aside", True, by="verifier", stamp_s=4.0)
    facts.revoke("object", "object-2", "set aside")
    back = Facts.from_json(json.loads(json.dumps(facts.to_json())))
    assert back.all() == facts.all()
    assert back.remember("mission", "", "k", 1).id == "fact-3"


def test_bad_facts_are_refused():
    with pytest.raises(ValueError, match="unknown scope 'world' of a fact; known: object, kind, mission"):
        Facts().remember("world", "", "k", 1)
    with pytest.raises(TypeError):
        Facts().remember("mission", "", "k", object())
