"""What a person may say is taken for one of the closed intents, or comes back as options."""

import re
from pathlib import Path

import pytest
import yaml

from vlm_bt.conversation.examples import EXAMPLES, MAY_BE_SAID
from vlm_bt.conversation.intents import understand
from vlm_bt.conversation.names import Names
from vlm_bt.conversation.stop_words import is_stop

NAMES = Names(
    ["Allen wrench", "multi-tool"],
    ["wrenches", "screwdrivers", "pliers", "measuring tools", "loose screws"],
    ["left", "centre", "right", "rear", "parts_bin"],
)
HELD_OUT = yaml.safe_load((Path(__file__).parent / "heldout_sentences.yaml").read_text(encoding="utf-8"))
INTENTS = [intent for intent in HELD_OUT if intent not in ("nothing", "no stop")]


def rows(intent):
    """(sentence, what its parts should be)."""
    return [(one, {}) if isinstance(one, str) else (one["say"], one) for one in HELD_OUT[intent]]


def test_there_are_ten_unseen_sentences_or_more_for_every_intent():
    assert set(INTENTS) == set(MAY_BE_SAID)
    assert all(len(HELD_OUT[intent]) >= 10 for intent in HELD_OUT)
    seen = {sentence for sentences in EXAMPLES.values() for sentence in sentences}
    assert len([s for intent in INTENTS for s, _ in rows(intent) if s.casefold().strip("?!.") in seen]) < 20


@pytest.mark.parametrize("intent", INTENTS)
def test_unseen_sentences_are_understood(intent):
    missed = [said for said, _ in rows(intent) if understand(said, NAMES).intent != intent]
    assert len(missed) <= 1, missed


def test_every_command_to_stop_stops():
    assert [said for said, _ in rows("stop") if not is_stop(said)] == []


@pytest.mark.parametrize("intent", [intent for intent in HELD_OUT if intent != "stop"])
def test_nothing_else_stops(intent):
    assert [said for said, _ in rows(intent) if is_stop(said)] == []


def test_no_intent_is_forced_on_what_fits_none_and_options_come_back():
    forced = [said for said, _ in rows("nothing") if understand(said, NAMES).intent is not None]
    assert len(forced) <= 1, forced
    heard = understand("order two pizzas", NAMES)
    assert heard.intent is None and 0 < len(heard.options) <= 3 and set(heard.options) <= set(MAY_BE_SAID.values())


@pytest.mark.parametrize(
    ("said", "parts"), [row for intent in INTENTS for row in rows(intent) if row[1]], ids=lambda x: str(x)[:40]
)
def test_the_things_in_a_sentence_are_named(said, parts):
    heard = understand(said, NAMES)
    if "kind" in parts:
        assert heard.things[0].kind == parts["kind"]
    if "size" in parts:
        assert heard.things[0].size == parts["size"]
    if "with" in parts:
        target = heard.things[1] if len(heard.things) > 1 else heard.things[0].beside
        assert target.kind == parts["with"]
    if "label" in parts:
        assert heard.label == parts["label"]


@pytest.mark.parametrize("hidden", ["s\u200btop", "ＳＴＯＰ", "sTo\u00adp!", "  stop\t\n", "stop" + "!" * 5000])
def test_a_stop_that_is_written_strangely_is_still_a_stop(hidden):
    assert understand(hidden).intent == "stop"


def test_what_is_too_long_is_nothing_that_was_meant():
    assert understand("leave the hammer alone " * 40).intent is None
    assert understand("stop " + "leave the hammer alone " * 400).intent == "stop"


@pytest.mark.parametrize("shown", list(MAY_BE_SAID.items()))
def test_every_intent_is_shown_by_words_that_select_it(shown):
    intent, words = shown
    assert understand(words).intent == intent and understand(words).sure


@pytest.mark.parametrize(
    "nasty", ["that is a {{config}}", "that is a <b>x</b>", "that is a $(reboot)", "it is a ../../x"]
)
def test_a_name_that_a_person_gives_is_plain_words(nasty):
    assert not set(understand(nasty).label) & set("{}<>$()/.\\'\"`;")


LATER = yaml.safe_load((Path(__file__).parent / "heldout_sentences_later.yaml").read_text(encoding="utf-8"))


def test_nine_of_ten_sentences_that_were_written_after_the_grammar_are_understood():
    asked = [(intent, said) for intent in INTENTS for said in LATER[intent]]
    missed = [(intent, said) for intent, said in asked if understand(said, NAMES).intent != intent]
    assert len(missed) <= len(asked) // 10, missed
    assert [said for said in LATER["nothing"] if understand(said, NAMES).intent is not None] == []
    stops = {said for sentences in LATER.values() for said in sentences if is_stop(said)}
    assert stops == set(LATER["stop"])


PAGE = Path(__file__).parent.parent / "docs" / "04-talking-to-the-robot.md"
ROWS = [line.split("|")[1:3] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith('| "')]


@pytest.mark.parametrize(
    ("sentence", "intent"),
    [(sentence, intent.strip()) for said, intent in ROWS for sentence in re.findall(r'"([^"]+)"', said)],
)
def test_every_sentence_of_the_documentation_is_understood_as_it_says(sentence, intent):
    heard = understand(sentence, NAMES)
    assert (heard.intent, heard.sure) == (intent, True)
