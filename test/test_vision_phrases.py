"""What a phrase asks for: kinds by any of their names, colours, parts, numbers; the rest stays free text."""

from __future__ import annotations

import pytest

from vlm_bt.vision.phrases import claim_of, phrase_of
from vlm_bt.vision.words import kinds_called

PARTS = ("two handles", "T-shaped handle", "open jaw")
SCREWDRIVERS = ("Phillips screwdriver", "flat screwdriver")


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("Spanners", ("adjustable wrench", "combination wrench")),
        ("the philips screw driver", ("Phillips screwdriver",)),
        ("a pair of pliers", ("pliers",)),
        ("plyers", ("pliers",)),
        ("screws", ("screw",)),
        ("screwdrivers", SCREWDRIVERS),
        ("banana", ()),
        ("", ()),
    ],
)
def test_kinds_are_known_by_any_of_their_names(said: str, kinds: tuple[str, ...]) -> None:
    assert kinds_called(said) == kinds


@pytest.mark.parametrize(
    ("said", "kinds", "colour", "parts", "free"),
    [
        ("a red screwdriver", SCREWDRIVERS, "red", (), False),
        ("red-handled pliers on the bench", ("pliers",), "red", (), False),
        ("flat screwdriver with a red handle", ("flat screwdriver",), "red", (), False),
        ("dark gray spanners", ("adjustable wrench", "combination wrench"), "dark grey", (), False),
        ("something blue", (), "blue", (), False),
        ("a thing that is violet", (), "purple", (), False),
        ("a tool with two handles and an open jaw", (), "", ("two handles", "open jaw"), False),
        ("T-shaped handle", (), "", ("T-shaped handle",), False),
        ("a tool with a rusty lid", (), "", (), True),
        ("banana", (), "", (), True),
        ("things", (), "", (), False),
    ],
)
def test_a_phrase_is_taken_apart(
    said: str, kinds: tuple[str, ...], colour: str, parts: tuple[str, ...], free: bool
) -> None:
    phrase = phrase_of(said, PARTS)
    assert (phrase.kinds, phrase.colour, phrase.parts, phrase.free) == (kinds, colour, parts, free)


def test_a_colour_that_nothing_has_is_never_there() -> None:
    assert phrase_of("a pink hammer").never and not phrase_of("a red hammer").never


@pytest.mark.parametrize(
    ("said", "quantity", "number", "text"),
    [
        ("there is a hammer on the bench", "at least", 1, "hammer"),
        ("are there any screws?", "at least", 1, "screws"),
        ("there are two hammers", "exactly", 2, "hammers"),
        ("more than 2 red things", "at least", 3, "red things"),
        ("at most one tape measure", "at most", 1, "tape measure"),
        ("no screws left on the bench", "exactly", 0, "screws"),
        ("the bench is empty", "exactly", 0, "thing"),
        ("is the workbench clear?", "exactly", 0, "thing"),
    ],
)
def test_a_claim_about_a_bench_says_how_many(said: str, quantity: str, number: int, text: str) -> None:
    claim = claim_of(said)
    assert claim is not None
    assert (claim.quantity, claim.number, claim.phrase.text) == (quantity, number, text)


@pytest.mark.parametrize("said", ["the drawer is open", "a hammer and a screw", "has someone moved it", ""])
def test_what_is_not_about_numbers_of_things_is_not_guessed_at(said: str) -> None:
    assert claim_of(said) is None


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("hammre", ("hammer",)),
        ("the combnation wrench", ("combination wrench",)),
        ("needle-nose plierss", ("needle-nose pliers",)),
        ("tape mwasure", ("tape measure",)),
        ("hamper", ()),
        ("shrew", ()),
        ("saw", ()),
        ("drill", ()),
    ],
)
def test_one_slip_of_the_finger_is_understood_and_another_word_is_not(said: str, kinds: tuple[str, ...]) -> None:
    assert kinds_called(said) == kinds
