"""Which things "it", "the other screwdrivers" or "the one next to the hammer" are."""

import pytest
from fakes import thing

from vlm_bt.conversation.intents import plain
from vlm_bt.conversation.names import Names
from vlm_bt.conversation.phrases import spot
from vlm_bt.conversation.references import Spoken, resolve
from vlm_bt.conversation.things import Known

BENCH = {
    "hammer": ("hammer", 0.5, 0.0, 0.20),
    "flat": ("flat screwdriver", 0.55, 0.30, 0.15),
    "cross": ("Phillips screwdriver", 0.45, -0.30, 0.18),
    "short": ("flat screwdriver", 0.55, 0.05, 0.12),
    "big": ("adjustable wrench", 0.3, -0.20, 0.21),
    "small": ("adjustable wrench", 0.3, 0.22, 0.14),
    "small too": ("combination wrench", 0.4, 0.22, 0.143),
}
THINGS = [Known(name, label, True, "", thing(name, (x, y)), long) for name, (label, x, y, long) in BENCH.items()]
NAMES = Names(zones=["left", "parts_bin"])


def meant(phrase, *spoken, group=(), kind=""):
    (spotted,) = spot(plain(phrase), NAMES)
    return {one.id for one in resolve(spotted.phrase, THINGS, Spoken(spoken, group, kind))}


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("the hammer", {"hammer"}),
        ("the screwdriver on the left", {"flat"}),
        ("the screwdriver on the right", {"cross"}),
        ("the one next to the hammer", {"short"}),
        ("the screwdriver beside the hammer", {"short"}),
        ("the largest wrench", {"big"}),
        ("the smallest wrench", {"small", "small too"}),
        ("the largest screwdriver", {"cross"}),
        ("the screwdriver", {"flat", "cross", "short"}),
        ("the wrench to the left of the hammer", {"small", "small too"}),
        ("the pliers", set()),
    ],
)
def test_a_phrase_means_the_things_that_fit_it_and_all_of_them_where_it_cannot_be_told(said, ids):
    assert meant(said) == ids


def test_it_is_what_was_spoken_of_last():
    assert meant("it", "big", "hammer") == {"big"}
    assert meant("that one", "gone", "hammer") == {"hammer"}
    assert meant("that screwdriver", "hammer", "short") == {"short"}
    assert meant("it") == set()


def test_a_name_that_a_person_gave_is_understood_with_its_place():
    names = Names(["book"], zones=["left", "parts_bin"])
    books = [Known(f"book {y}", "book", True, "", thing(f"book {y}", (0.5, y)), 0.2) for y in (0.3, -0.3)]
    (spotted,) = spot(plain("the book on the left"), names)
    assert [one.id for one in resolve(spotted.phrase, books, Spoken())] == ["book 0.3"]


def test_the_others_are_those_that_were_not_spoken_of():
    assert meant("the other screwdrivers", "flat") == {"cross", "short"}
    assert meant("the others", "flat", kind="screwdriver") == {"cross", "short"}
    assert meant("them", group=("flat", "cross")) == {"flat", "cross"}
