"""Answers made from other answers, where that is sound."""

import pytest
from seeing import noise, picture_frame

from vlm_bt.errors import ModelError
from vlm_bt.questions import (
    QUESTIONS,
    YES_NO,
    Choose,
    Counted,
    Describe,
    Embedding,
    Found,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Look,
    ReadText,
)
from vlm_bt.types import Answer, Box
from vlm_bt.vision.composing import Composed
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import Picture

PICTURE = Picture(picture_frame("f", noise()), Look("f"))
LOOKS = (Look("f"),)


class Knows:
    """A model that answers from a table by type of question, and counts its batches."""

    revision = "table-1"

    def __init__(self, **table):
        self._table = {kind: table[kind.__name__] for kind in QUESTIONS if kind.__name__ in table}
        self.batches = []

    @property
    def answers(self):
        return frozenset(self._table)

    def answer(self, batch):
        self.batches.append(len(batch))
        return [self._table[type(asked.question)](asked.question) for asked in batch]


def ask(model, *questions):
    return Composed(model).answer([Asked(question, (PICTURE,)) for question in questions])


def test_what_is_found_is_counted():
    places = Grounded("screw", tuple(Found(Box(n, n, n + 5, n + 5), 0.9) for n in range(3)))
    assert ask(Knows(Ground=lambda q: places), HowMany(LOOKS, "screw")) == [Counted("screw", 3)]


def test_the_nearest_text_is_chosen():
    vectors = {"": (1.0, 0.0), "hammer": (0.9, 0.1), "pliers": (0.0, 1.0)}
    model = Knows(Embed=lambda q: Embedding(vectors[q.text]))
    (chosen,) = ask(model, Choose(LOOKS, "what is it?", ("pliers", "hammer")))
    assert chosen.best == "hammer" and sum(chosen.probabilities) == pytest.approx(1.0)


def test_what_no_claim_explains_is_none_of_them():
    chance = {"hammer": 0.2, "pliers": 0.1}
    model = Knows(IsTrue=lambda q: Answer(q.claim, YES_NO, (chance[q.claim], 1 - chance[q.claim])))
    (chosen,) = ask(model, Choose(LOOKS, "what is it?", ("hammer", "pliers")))
    assert chosen.probabilities == pytest.approx((0.2, 0.1)) and chosen.outside == pytest.approx(0.7)


def test_claims_that_all_fit_share_what_there_is():
    model = Knows(IsTrue=lambda q: Answer(q.claim, YES_NO, (0.9, 0.1)))
    (chosen,) = ask(model, Choose(LOOKS, "what is it?", ("hammer", "tool")))
    assert chosen.probabilities == pytest.approx((0.5, 0.5)) and chosen.outside == 0.0


def test_yes_or_no_is_a_choice():
    model = Knows(Choose=lambda q: Answer(q.question, q.options, (0.7, 0.2), outside=0.1))
    (said,) = ask(model, IsTrue(LOOKS, "it is red"))
    assert said.options == YES_NO and said.probabilities == (0.7, 0.2) and said.outside == 0.1


def test_own_and_composed_questions_run_in_one_batch_and_keep_their_order():
    model = Knows(Ground=lambda q: Grounded(q.phrase, (Found(Box(0, 0, 2, 2), 0.5),)))
    own, made = ask(model, Ground(LOOKS, "a"), HowMany(LOOKS, "b"))
    assert (own.phrase, made) == ("a", Counted("b", 1)) and model.batches == [2]


def test_what_cannot_be_made_is_refused_with_the_reason():
    (refused,) = ask(Knows(Ground=lambda q: Grounded("", ())), ReadText(LOOKS))
    assert isinstance(refused, Unsupported)
    assert "does not answer read_text" in str(refused) and "vision.route" in str(refused)


def test_an_error_in_one_part_concerns_that_question_alone():
    replies = {"good": Grounded("good", ()), "bad": ModelError("broken")}
    bad, good = ask(Knows(Ground=lambda q: replies[q.phrase]), HowMany(LOOKS, "bad"), HowMany(LOOKS, "good"))
    assert isinstance(bad, ModelError) and good == Counted("good", 0)


def test_a_model_that_gives_too_few_answers_is_a_bug():
    model = Knows(Describe=lambda q: None)
    model.answer = lambda batch: []
    with pytest.raises(RuntimeError, match="0 answers to 1 questions"):
        ask(model, Describe(LOOKS))
