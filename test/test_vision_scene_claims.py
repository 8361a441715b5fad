"""Claims about a whole bench are judged by what things are and by where depth has them."""

from __future__ import annotations

import pytest

from vlm_bt.questions import YES_NO, IsTrue, Look
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.simulation.tools import make_tool
from vlm_bt.training.data import Posing
from vlm_bt.types import Answer, Frame
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.embedded import Embedded
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import EmbeddedModel

# Kind, seed and where it lies: x is up and y left in the picture. The last screw lies in the bin.
LIES = (
    ("hammer", 1, (0.30, 0.28, 0.0, 1.5)),
    ("tape measure", 0, (0.30, 0.0, 0.0, 0.3)),
    ("pliers", 5, (0.32, -0.25, 0.0, 1.5)),
    ("flat screwdriver", 0, (0.15, 0.46, 0.0, 0.2)),
    ("screw", 3, (0.46, -0.46, 0.002, 0.5)),
)


@pytest.fixture(scope="module")
def model() -> Embedded:
    containers = tuple(zone for zone in ZONES if zone.container)
    return Embedded(EmbeddedModel(), Surroundings(containers, zones=ZONES))


@pytest.fixture(scope="module")
def frame() -> Frame:
    tools = [make_tool(kind, seed, 0.5) for kind, seed, _ in LIES]
    posing = Posing([(f"thing_{n}", tool, tool.kind) for n, tool in enumerate(tools)], 7003)
    try:
        posing.set_out([place for *_, place in LIES])
        return posing.look()[0]
    finally:
        posing.close()


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("the hammer is left of the tape measure", "the hammer is right of the tape measure"),
        ("the hammer is above the screwdriver", "the screwdriver is above the hammer"),
        ("the tape measure is between the hammer and the pliers", "the hammer is between the pliers and the screw"),
        ("the screw is in the bin", "the pliers are in the bin"),
        ("the screwdriver is in the left zone", "the screwdriver is in the right zone"),
        ("the right zone is empty", "the left zone is empty"),
        ("the hammer touches nothing", "the hammer touches the tape measure"),
        ("the hammer is not in the bin", "the screw is not in the bin"),
        ("there is a hammer and a pair of pliers", "there is a hammer and an adjustable wrench"),
        ("it is not true that the hammer is in the bin", "it is not true that the screw is in the bin"),
        ("all screws are in the bin", "all tools are in the bin"),
        ("there are as many hammers as screws", "there are more hammers than screws"),
        ("the hammer is longer than the screw", "the screw is longer than the hammer"),
    ],
)
def test_of_two_claims_the_true_one_is_believed(model: Embedded, frame: Frame, true: str, false: str) -> None:
    picture = Picture(frame, Look(frame.id))
    chances = []
    for said in (true, false):
        (answer,) = model.answer([Asked(IsTrue((), said), (picture,))])
        assert isinstance(answer, Answer) and answer.options == YES_NO, (said, answer)
        chances.append(answer.probabilities[0])
    assert chances[0] > 0.8 and chances[1] < 0.2, chances


def test_a_claim_that_is_not_understood_is_refused(model: Embedded, frame: Frame) -> None:
    (answer,) = model.answer([Asked(IsTrue((), "the hammer is behind the drawer"), (Picture(frame, Look(frame.id)),))])
    assert isinstance(answer, Unsupported) and "how things lie to each other" in str(answer)
