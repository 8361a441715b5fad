"""What a supervisor says chooses a mission and fills its inputs; what nobody understands is told apart."""

import json

import pytest

from vlm_bt.cli.finding import find_mission, shipped
from vlm_bt.cli.saying import SLOTS, hear, slots
from vlm_bt.errors import ConfigError
from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree.load import load_tree


@pytest.mark.parametrize(
    ("sentence", "tree", "inputs"),
    [
        ("get me the largest adjustable wrench", "fetch_tool", {"size": "largest", "kind": "adjustable wrench"}),
        ("Get me the biggest wrench, please!", "fetch_tool", {"size": "largest", "kind": "wrench"}),
        ("fetch a Phillips screwdriver", "fetch_tool", {"kind": "Phillips screwdriver"}),
        ("bring me the shortest adjustable spanner", "fetch_tool", {"size": "smallest", "kind": "adjustable wrench"}),
        ("hand me the needle-nose pliers", "hand_over", {"kind": "needle-nose pliers"}),
        ("How many screwdrivers are there?", "count_parts", {"kind": "screwdriver"}),
        ("count everything", "count_parts", {"kind": ""}),
        ("how many tape measures do you see", "count_parts", {"kind": "tape measure"}),
        ("  Organise this   WORKBENCH. ", "organise_workbench", {}),
        ("put the screws away", "clear_small_parts", {}),
        ("what do you see?", "inspect_and_report", {}),
        ("tell me when something turns up", "watch_and_wait", {}),
    ],
)
def test_a_sentence_chooses_a_mission_and_fills_its_inputs(sentence, tree, inputs):
    meant = find_mission(sentence)
    assert meant.path.stem == tree
    loaded = load_tree(meant.path, LEAVES)
    assert loaded.parse_inputs(meant.inputs) == inputs


def test_an_unknown_word_in_a_slot_is_named_with_those_that_are_known():
    with pytest.raises(ConfigError) as told:
        find_mission("get me the largest adjustabel wrench")
    assert "'adjustabel wrench' is no kind that is known. Did you mean 'adjustable wrench'?" in str(told.value)
    assert "tape measure" in str(told.value)


def test_a_sentence_that_nothing_fits_is_answered_with_every_sentence_there_is():
    with pytest.raises(ConfigError) as told:
        find_mission("organise this workbanch")
    assert "Did you mean 'organise this workbench'?" in str(told.value)
    assert "\n  get me the {size} {kind}" in str(told.value)


def test_nothing_that_is_said_is_evaluated_or_becomes_anything_but_a_known_word():
    for evil in ("${size}", "{kind}", "!!python/object:os.system ls", "../../etc/passwd", "$tool", "largest: {a: b}"):
        with pytest.raises(ConfigError):
            find_mission(f"get me the largest {evil}")
    for slot, known in SLOTS.items():
        for word in known:
            heard = hear(f"get {{{slot}}}", f"get {word}")
            assert heard is not None and heard.inputs[slot] in {*known.values()}


def test_the_longer_name_wins_in_a_slot():
    heard = hear("get {size} {kind}", "get largest adjustable wrench")
    assert heard is not None and heard.inputs == {"size": "largest", "kind": "adjustable wrench"}


def test_every_slot_of_a_shipped_sentence_is_known_and_is_a_text_input_of_its_tree():
    found = 0
    for path in shipped().values():
        tree = load_tree(path, LEAVES)
        for sentence in tree.says:
            for slot in slots(sentence):
                found += 1
                assert slot in SLOTS and tree.inputs[slot].kind.name == "text", f"{path.name}: {sentence}"
    assert found > 10


def test_no_sentence_starts_two_missions():
    said = [(sentence, path.stem) for path in shipped().values() for sentence in load_tree(path, LEAVES).says]
    filled = [(sentence.replace("{size}", "largest").replace("{kind}", "pliers"), stem) for sentence, stem in said]
    for sentence, stem in filled:
        fits = {other for pattern, other in said if (heard := hear(pattern, sentence)) and not heard.unknown}
        assert fits == {stem}, sentence


def test_what_is_set_by_hand_stands_over_what_a_sentence_says(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from vlm_bt import app as wiring
    from vlm_bt.cli import app

    given = {}

    def build(*_, inputs, **__):
        given.update(inputs)
        raise ConfigError("seen enough")

    monkeypatch.setattr(wiring, "build", build)
    CliRunner().invoke(
        app, ["run", "get me the largest wrench", "--set", "size=smallest", "--out", str(tmp_path), "--human", "silent"]
    )
    assert given == {"size": "smallest", "kind": json.dumps("wrench")}
