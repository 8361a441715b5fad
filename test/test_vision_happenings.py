"""What happened between two pictures of a bench: read by a closed grammar, judged by what lies where."""

from __future__ import annotations

import pytest

from vlm_bt.questions import YES_NO, Caption, Choose, Describe, IsTrue, Look, Question, Result
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.simulation.tools import make_tool
from vlm_bt.training.data import Posing
from vlm_bt.types import Answer, Frame
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.embedded import Embedded
from vlm_bt.vision.happenings import happening_of
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import EmbeddedModel

Place = tuple[float, float, float, float] | None
TOOLS = (("hammer", 1), ("tape measure", 0), ("pliers", 5), ("flat screwdriver", 0), ("screw", 3))
LIES: tuple[Place, ...] = (
    (0.30, 0.28, 0.0, 1.5),
    (0.30, 0.0, 0.0, 0.3),
    (0.55, -0.25, 0.0, 1.5),
    (0.15, 0.46, 0.0, 0.2),
    (0.50, 0.10, 0.0, 0.5),
)
HAMMER, TAPE, PLIERS, SCREWDRIVER, SCREW = range(5)
LATER: dict[str, dict[int, Place]] = {
    "nothing": {},
    "nudged": {PLIERS: (0.558, -0.253, 0.0, 1.55)},
    "put right": {PLIERS: (0.22, -0.46, 0.0, 0.4)},
    "put wrong": {PLIERS: (0.66, 0.02, 0.0, 1.5)},
    "dropped": {PLIERS: (0.55, 0.40, 0.0, 0.3)},
    "taken": {PLIERS: None},
}


@pytest.fixture(scope="module")
def model() -> Embedded:
    return Embedded(EmbeddedModel(), Surroundings(tuple(zone for zone in ZONES if zone.container), zones=ZONES))


@pytest.fixture(scope="module")
def frames() -> dict[str, Frame]:
    tools = [make_tool(kind, seed, 0.5) for kind, seed in TOOLS]
    posing = Posing([(f"thing_{n}", tool, tool.kind) for n, tool in enumerate(tools)], 7003)
    out = {}
    try:
        for name, changed in {"before": {}, **LATER}.items():
            posing.set_out([changed.get(n, place) for n, place in enumerate(LIES)])
            out[name] = posing.look()[0]
        return out
    finally:
        posing.close()


def asked(model: Embedded, frames: dict[str, Frame], names: tuple[str, str], question: Question) -> Result | Exception:
    pictures = tuple(Picture(frames[name], Look(frames[name].id)) for name in names)
    (answer,) = model.answer([Asked(question, pictures)])
    return answer


CLAIMS = {
    "nothing has changed": {"nothing", "nudged"},
    "the pliers were put into the right zone": {"put right"},
    "the pliers were put into the wrong zone instead of the right zone": {"put wrong"},
    "something was dropped": {"dropped"},
    "the pliers were taken away": {"taken"},
    "the pliers were not moved": {"nothing", "nudged", "taken"},
    "a hammer was taken away": set(),
    "the hammer is still where it was": set(LATER),
    "the pliers are in the right zone": {"put right"},
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_happened_is_told_from_what_did_not(model: Embedded, frames: dict[str, Frame], claim: str) -> None:
    for happened in LATER:
        answer = asked(model, frames, ("before", happened), IsTrue((), claim))
        assert isinstance(answer, Answer) and answer.options == YES_NO
        assert (answer.probabilities[0] > 0.5) is (happened in CLAIMS[claim]), (happened, answer)


def test_order_matters(model: Embedded, frames: dict[str, Frame]) -> None:
    added = asked(model, frames, ("taken", "before"), IsTrue((), "a pair of pliers was added"))
    assert isinstance(added, Answer) and added.probabilities[0] > 0.5


@pytest.mark.parametrize(
    ("happened", "right"),
    [
        ("nothing", "nothing"),
        ("put right", "placed"),
        ("put wrong", "wrong zone"),
        ("dropped", "dropped"),
        ("taken", "taken"),
    ],
)
def test_one_of_what_may_have_happened_is_chosen(
    model: Embedded, frames: dict[str, Frame], happened: str, right: str
) -> None:
    options = ("nothing", "placed", "wrong zone", "dropped", "knocked over", "taken", "added")
    question = Choose((), "what happened to the pliers, which were meant for the right zone?", options)
    answer = asked(model, frames, ("before", happened), question)
    assert isinstance(answer, Answer) and answer.best == right, answer
    assert sum(answer.probabilities) + answer.outside == pytest.approx(1.0)


def test_which_thing_it_was_is_chosen(model: Embedded, frames: dict[str, Frame]) -> None:
    question = Choose((), "which tool was taken away?", ("hammer", "pliers", "screw"))
    answer = asked(model, frames, ("before", "taken"), question)
    assert isinstance(answer, Answer) and answer.best == "pliers" and answer.score > 0.7


def test_changes_are_told_in_words(model: Embedded, frames: dict[str, Frame]) -> None:
    assert asked(model, frames, ("before", "nothing"), Describe(())) == Caption("Nothing has changed.")
    assert asked(model, frames, ("before", "put right"), Describe(())) == Caption(
        "The pliers were put into the right zone."
    )


@pytest.mark.parametrize(
    "said", ["the drawer was opened", "somebody shouted", "the hammer was put into the drawer", ""]
)
def test_what_is_not_understood_is_refused(model: Embedded, frames: dict[str, Frame], said: str) -> None:
    answer = asked(model, frames, ("before", "nothing"), IsTrue((), said))
    assert isinstance(answer, Unsupported)


def test_a_wrong_zone_takes_one_that_was_meant() -> None:
    assert happening_of("the hammer was put into the wrong zone", zones=ZONES) is None
    meant = happening_of("the hammer was put into a zone other than the left zone", zones=ZONES)
    assert meant is not None and (meant.event, meant.place) == ("wrong zone", "left")
