"""The question head's training: what is asked and answered, that nothing leaks, a head of a few seconds that loads."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.training.data import Label
from vlm_bt.training.head import HeadPlan, train
from vlm_bt.training.head_batches import Batches, Claims
from vlm_bt.training.head_report import calibration_error, is_true_caption
from vlm_bt.training.held_out import HELD_OUT_PAIRS
from vlm_bt.training.questions import Questions, handles_of, is_held_out
from vlm_bt.vision.asking_words import NONE_OF_THESE, caption_of, choice_prompt, indefinite
from vlm_bt.vision.backends.question_head import HeadShape, QuestionHead, Words, load_head, own_question_only

RED_PLIERS = Label("pliers", "red", ("two handles", "wide blunt jaws", "round pivot"))
ODD = Label("odd", "blue", ("ring handle", "round shaft", "open jaw"))
FRAGMENT = Label("fragment")
PARTS = ("two handles", "wide blunt jaws", "round pivot", "ring handle", "round shaft", "open jaw", "claw")


def asked(label: Label, count: int = 1500) -> list[tuple[str, str, str]]:
    questions = Questions(PARTS, np.random.default_rng(1))
    return [(d.question, d.answer, d.topic) for d in (questions.draw(label) for _ in range(count))]


def test_yes_is_right_as_often_as_no() -> None:
    answers = Counter(answer for _, answer, _ in asked(RED_PLIERS) if answer in ("yes", "no"))
    assert 0.4 < answers["yes"] / sum(answers.values()) < 0.6


def test_what_is_said_of_a_thing_is_true_of_it() -> None:
    for question, answer, topic in asked(RED_PLIERS):
        if topic == "colour" and answer == "yes":
            assert "red" in question
        if topic == "colour" and answer == "no":
            assert "red" not in question
        if topic == "absent":
            assert answer == "no"
        if topic.startswith("choose"):
            options = question.rstrip("?").partition(": ")[2].split("; ")
            assert answer in options or answer == NONE_OF_THESE
            assert len(set(options)) == len(options)
            assert (answer == NONE_OF_THESE) == (answer not in options)
        if topic == "how many":
            assert answer == "two"
        if topic == "caption":
            assert answer == "red-handled pliers" and is_true_caption(answer, RED_PLIERS)


def test_a_thing_of_no_kind_is_never_named_and_a_fragment_has_no_colour() -> None:
    for question, answer, topic in asked(ODD):
        assert topic != "kind" or answer == "no", question
        assert topic != "caption" or answer == "a blue thing with a ring handle and an open jaw"
    topics = {topic for _, _, topic in asked(FRAGMENT, 400)}
    assert topics <= {"kind", "not", "absent", "what", "choose kind"}


def test_held_out_pairs_are_never_named_and_held_out_kinds_have_no_words() -> None:
    assert is_held_out(Label("pliers", "blue")) and not is_held_out(RED_PLIERS)
    labels = [Label(kind, "grey", ()) for _, kind in HELD_OUT_PAIRS]
    for label in labels:
        for question, answer, topic in asked(label, 600):
            low = question.lower()
            assert not any(name.lower() in low for name in HELD_OUT)
            if topic == "colour and kind":
                for colour, kind in HELD_OUT_PAIRS:
                    assert not re.search(rf"\b{colour}(-handled)? {kind}\b", low, re.IGNORECASE)
            assert (answer not in ("yes", "no")) or topic in (
                "kind", "colour", "part", "colour and kind", "absent", "not",
            )  # fmt: skip


def test_handles_are_counted_only_where_the_label_says_so() -> None:
    labels = (RED_PLIERS, ODD, Label("screw", "brass"), Label("odd", "red", ("disc",)))
    assert [handles_of(label) for label in labels] == ["two", "one", "none", ""]


def test_words_have_their_articles_and_options_cannot_break_out() -> None:
    assert [indefinite(some) for some in ("open jaw", "claw", "two handles", "pliers", "pair of pliers")] == [
        "an open jaw", "a claw", "two handles", "pliers", "a pair of pliers",
    ]  # fmt: skip
    assert choice_prompt("what is it?", ("a; none of these", "b")) == "what is it: a, none of these; b?"
    assert caption_of("flat screwdriver", "orange", ()) == "an orange-handled flat screwdriver"


def test_special_tokens_in_a_text_are_text() -> None:
    words = Words.of_corpus(["is it red", "yes", "no"], 300)
    assert words.question("is it red</s> yes").count(2) == 1
    assert words.read(words.answer("is it red")) == "is it red"


def test_questions_beside_each_other_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    head = QuestionHead(HeadShape(300, width=32, inner=32, layers=2, heads=2)).eval()
    picture = head.picture(torch.randn(1, 128), torch.randn(1, 9, 768), torch.zeros(1, 0))
    first, second = [5, 6, 7], [8, 9]
    part = torch.tensor([[0] * 10 + [1] * 3 + [2] * 2])
    at = torch.tensor([[*range(10), 10, 11, 12, 10, 11]])
    with torch.inference_mode():
        both = head.hidden(picture, torch.tensor([first + second]), own_question_only(part), at)
        alone = head.hidden(picture, torch.tensor([second]))
    assert torch.allclose(both[:, 3:], alone, atol=1e-5)


def test_a_head_learns_goes_on_to_the_same_weights_and_loads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = [RED_PLIERS, ODD, Label("pliers", "blue", ("two handles",))] * 20
    features = rng.normal(size=(len(labels), 11, 768)).astype(np.float16)
    words = Words.of_corpus([text for label in labels[:2] for q, a, _ in asked(label, 300) for text in (q, a)], 400)
    shape = HeadShape(len(words), width=32, inner=32, layers=1, evidence=(10, 3, 7, 4))
    said: list[str] = []
    claims = Claims.about(features, labels, PARTS, words, count=40)
    heads = []
    for path in (None, tmp_path / "head.pt"):
        plan = HeadPlan(steps=6, batch=8, minutes=None if path is None else 0.0)
        if path is not None:
            train(plan, shape, [features], labels, PARTS, words, said.append, checkpoint=path)
        plan = replace(plan, minutes=None)
        heads.append(
            train(plan, shape, [features], labels, PARTS, words, said.append, checkpoint=path, held_out=claims)[0]
        )
    assert "going on from head.pt: step 0 of 6" in said
    assert any(re.match(r"step 6 of 6, held out: claims 0\.\d+  false claims", line) for line in said)
    whole, again = (head.state_dict() for head in heads)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    revision = heads[0].save(tmp_path, words, "trunk-1")
    loaded, its_words, known = load_head(tmp_path, "trunk-1")
    assert known == revision and its_words.text == words.text and loaded.shape == shape
    seen = torch.ones(1, 128), torch.ones(1, 9, 768), torch.ones(1, 24)
    with torch.inference_mode():
        assert torch.allclose(loaded.picture(*seen), heads[0].picture(*seen), atol=1e-2)


def test_recombined_pictures_have_another_colour_and_never_a_held_out_pair() -> None:
    labels = [Label("pliers", "red", ("two handles",)), Label("hammer", "blue", ("claw",)), ODD]
    features = np.zeros((3, 11, 768), np.float16)
    features[:, :-1] = 1.0
    for row, colour in enumerate((1, 2, 2)):
        features[row, -1, [row, 3 + colour, 3 + 3 + 7]] = (1.0, 1.0, colour)
    words = Words.of_corpus(["is it red", "yes", "no"], 300)
    shape = HeadShape(len(words), evidence=(3, 3, 7, 1))
    draw = Batches([features], labels, PARTS, words, 64, shape, recombined=1.0)
    seen, said = draw._pictures(np.arange(64) % 3, features, np.random.default_rng(0))
    names = {1: "red", 2: "blue"}
    for one, label in zip(seen, said, strict=True):
        assert (label.colour, label.source) not in HELD_OUT_PAIRS
        assert names[int(one[-1, 3:6].argmax())] == label.colour == names[int(one[-1, 13])]
        assert labels[int(one[-1, :3].argmax())].source == label.source
    assert any((label.source, label.colour) == ("hammer", "red") for label in said)
    assert not any((label.source, label.colour) == ("pliers", "blue") for label in said)


def test_calibration_error_is_none_where_probabilities_are_true() -> None:
    assert calibration_error([(1.0, True)] * 5 + [(0.0, False)] * 5) == 0.0
    assert calibration_error([(1.0, False)] * 5) == pytest.approx(1.0)
    assert not is_true_caption("a red-handled hammer", RED_PLIERS)
    assert not is_true_caption("a blue thing with a claw", ODD)
    assert is_true_caption("a blue thing", ODD)
