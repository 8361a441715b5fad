"""The trees and cards that come with the package, and the mission run with scripted leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import thing
from tree_words import CLAIM, HELD, SCENE, TOOL, Bench, Scripted

from vlm_bt.leaves.leaf import Leaf
from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import Compiled, check_tree, compile_tree, load_tree, vocabulary
from vlm_bt.types import Answer, Count, Group, View

CHECKOUT = Path(__file__).parent.parent
TREES = sorted((CHECKOUT / "trees").glob("*.yaml"))
TINY = sorted((CHECKOUT / "test" / "trees").glob("*.yaml"))
SKILLS = CHECKOUT / "skills"


@pytest.mark.parametrize("path", [*TREES, *TINY], ids=lambda path: path.stem)
def test_a_shipped_tree_has_no_findings(path: Path) -> None:
    assert [str(finding) for finding in check_tree(path, LEAVES)] == []
    assert load_tree(path, LEAVES).name == path.stem


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_a_shipped_mission_says_what_it_does_and_what_starts_it(path: Path) -> None:
    tree = load_tree(path, LEAVES)
    assert path.read_text().startswith("# ")
    assert tree.mission.summary and tree.says


def test_there_is_a_card_and_a_tiny_tree_for_every_leaf() -> None:
    cards = vocabulary(LEAVES)
    assert sorted(card.leaf.__name__ for card in cards if card.leaf) == sorted(LEAVES)
    assert {card.name for card in cards if card.leaf} <= {path.stem for path in TINY}


@pytest.mark.parametrize("card", vocabulary(LEAVES), ids=lambda card: card.name)
def test_a_card_explains_itself(card: object) -> None:
    from vlm_bt.tree import Card

    assert isinstance(card, Card)
    assert card.summary.endswith((".", "?")) and card.example is not None
    assert all(port.help for port in (*card.inputs.values(), *card.outputs.values()) if port.name != "error_rate")
    assert card.instant or card.body or card.timeout_s
    answers = {"unsure", "refuted", "not_found", "no"} & set(card.reasons)
    assert card.body or answers <= set(card.reasons_help), "what an author will match is explained"


# The mission, with leaves that do what the test says

GIFTS = {
    "scene": SCENE,
    "detection": CLAIM,
    "detections": (CLAIM,),
    "verified_object": TOOL,
    "held_object": HELD,
    "group": Group("pliers", "right", ("pliers",)),
    "count": Count((), 0, "overhead-1"),
    "text": "yes",
    "report": "All is well.",
    "answer": Answer("is it?", ("yes", "no"), (0.9, 0.1)),
    "claimed_text": "a red thing",
    "claimed_texts": ("ACME", "10 mm"),
    "located_object": thing(),
    "view": View("overhead-1", "overhead"),
}


def scripted(leaf: type[Leaf]) -> type[Leaf]:
    """A leaf with the declarations of a real one that does what the script says."""
    gift = next((GIFTS[given.type] for given in leaf.gives.values()), None)
    declared = {name: getattr(leaf, name) for name in ("takes", "gives", "safety", "reasons", "instant")}
    return type(leaf.__name__, (Scripted,), {**declared, "gift": gift, "__module__": "vlm_bt.leaves.scripted"})


class Organise(Bench):
    """The shipped mission on scripted leaves."""

    def start(self, **plan: list[str]) -> Compiled:
        leaves = {name: scripted(leaf) for name, leaf in LEAVES.items()}
        self.script.plan = {"FindTools": ["not_found"], "NoticeWhatTurnedUp": ["not_found"], **plan}
        tree = load_tree(CHECKOUT / "trees" / "organise_workbench.yaml", leaves)
        self.open.append(compile_tree(tree, self.ports, namespace="organise"))
        return self.open[-1]

    def said(self) -> list[str]:
        quiet = ("WorkspaceIsClear", "DescribeScene", "WriteReport", "VerifyScene", "GoHome")
        quiet += ("FindTools", "PlanBench", "NoticeWhatTurnedUp", "NoticeChanges")
        entries = [entry.split("(")[0] for entry in self.script.log]
        return [entry for entry in entries if entry not in quiet]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Organise]:
    bench = Organise(tmp_path)
    yield bench
    bench.close()


ROUND = ["FindNextTool", "VerifyGrounding", "ClassifyTool", "LocateAgain", "Pick", "VerifyInHand"]
ROUND += ["Place", "VerifyPlaced"]


def test_the_mission_brings_one_thing_after_another_to_its_place_and_reports(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "no", "done"])
    assert bench.run(built).ok
    assert bench.said() == [*["EverythingIsSorted", *ROUND] * 2, "EverythingIsSorted"]
    ends = [entry.split("(")[0] for entry in bench.script.log[-3:]]
    assert ends == ["GoHome", "WriteReport", "VerifyScene"]
    assert f"WriteReport(before={SCENE})" in bench.script.log
    assert built.outputs() == {"report": "All is well."}
    place = next(entry for entry in bench.script.log if entry.startswith("Place("))
    assert place == f"Place(held={HELD}, zone=right)"


def test_a_person_is_asked_where_the_model_is_unsure(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "done"], VerifyGrounding=["unsure"], ClassifyTool=["unsure"])
    assert bench.run(built).ok
    asked = ["FindNextTool", "VerifyGrounding", "AskAbout", "ClassifyTool", "AskGroup", *ROUND[3:]]
    assert bench.said() == ["EverythingIsSorted", *asked, "EverythingIsSorted"]


def test_each_thing_is_identified_before_the_plan_is_made_and_nothing_has_moved_by_then(bench: Organise) -> None:
    assert bench.run(bench.start(FindTools=["done"], VerifyGrounding=["unsure", "done"])).ok
    order = [entry.split("(")[0] for entry in bench.script.log]
    plan = order.index("PlanBench")
    assert "AskAbout" in order[:plan] and "ClassifyTool" in order[:plan] and "Pick" not in order[:plan]


def test_a_model_that_is_lost_while_things_are_identified_costs_no_mission(bench: Organise) -> None:
    assert bench.run(bench.start(FindTools=["done"], VerifyGrounding=["model_lost", "done"])).ok


@pytest.mark.parametrize(("answer", "rounds"), [("done", 1), ("no", 0), ("human_silent", 0)])
def test_what_turned_up_is_collected_only_where_a_person_says_so(bench: Organise, answer: str, rounds: int) -> None:
    plan = ["done", "no", "done"] if answer == "done" else ["done"]
    built = bench.start(NoticeWhatTurnedUp=["done"], AskToCollect=[answer], EverythingIsSorted=plan)
    bench.run(built)
    assert "AskToCollect" in bench.said() and bench.said().count("Pick") == rounds
    assert "WriteReport" in [entry.split("(")[0] for entry in bench.script.log]


def test_what_lies_badly_in_the_hand_is_put_back_before_it_is_picked_again(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "done"], VerifyInHand=["unsure", "slipped", "done"])
    assert bench.run(built).ok
    again = ["LocateAgain", "Pick", "VerifyInHand", "PutBack"]
    assert bench.said() == ["EverythingIsSorted", *ROUND[:3], *again * 2, *ROUND[3:], "EverythingIsSorted"]


def test_what_is_refuted_is_set_aside_and_never_picked(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "no", "done"], VerifyGrounding=["refuted", "done"])
    assert bench.run(built).ok
    refuted = ["EverythingIsSorted", "FindNextTool", "VerifyGrounding", "SetAside"]
    assert bench.said() == [*refuted, "EverythingIsSorted", *ROUND, "EverythingIsSorted"]


def test_what_nobody_knows_is_left_and_the_mission_goes_on(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "done"], VerifyGrounding=["unsure"], AskAbout=["unsure"])
    assert bench.run(built).ok
    assert "Pick" not in bench.said()


def test_a_failed_grasp_is_tried_again_after_locating_anew(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "done"], Pick=["grasp_failed", "stale", "done"])
    assert bench.run(built).ok
    assert bench.said().count("LocateAgain") == 3 and bench.said().count("Place") == 1


def test_three_failed_grasps_end_the_round_and_not_the_mission(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no", "no", "done"], Pick=["grasp_failed"] * 3 + ["done"])
    assert bench.run(built).ok
    assert bench.said().count("Pick") == 4 and bench.said().count("Place") == 1


@pytest.mark.parametrize("reason", ["dropped", "wrong_zone", "not_found", "stale"])
def test_a_thing_that_was_misplaced_is_a_candidate_again(bench: Organise, reason: str) -> None:
    built = bench.start(EverythingIsSorted=["no", "no", "done"], VerifyPlaced=[reason, "done"])
    assert bench.run(built).ok
    assert bench.said().count("FindNextTool") == 2


def test_a_dead_camera_ends_the_mission_and_never_becomes_a_question(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no"], VerifyGrounding=["camera_lost"])
    assert bench.run(built).reason == "camera_lost"
    assert not {"AskAbout", "AskHuman", "Pick"} & set(bench.said())


def test_a_model_that_is_lost_and_started_again_costs_a_round_and_no_question(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no"], VerifyGrounding=["model_lost"])
    assert bench.run(built).reason == "done"
    assert not {"AskAbout", "AskHuman", "Pick"} & set(bench.said())


def test_a_mission_that_can_not_finish_still_reports_and_says_so(bench: Organise) -> None:
    built = bench.start(EverythingIsSorted=["no"], FindNextTool=["not_found"], VerifyScene=["no"])
    assert bench.run(built, at_most=200).reason == "no"
    assert bench.said().count("FindNextTool") == 60
    assert built.outputs() == {"report": "All is well."}


def test_a_person_decides_where_the_last_look_is_unsure(bench: Organise) -> None:
    built = bench.start(VerifyScene=["unsure"], AskHuman=["no"])
    assert bench.run(built).reason == "no"


@pytest.mark.parametrize("motion", ["Pick", "Place"])
def test_a_person_in_reach_suspends_the_motion_and_it_goes_on_afterwards(bench: Organise, motion: str) -> None:
    clear = ["done"] * 2 + ["no"] * 5 + ["done"]
    built = bench.start(EverythingIsSorted=["no", "done"], WorkspaceIsClear=clear, **{motion: ["wait"]})
    bench.tick(built, 7)
    assert bench.arm.told == ["hold"] * 5
    assert f"{motion} cancelled" not in bench.script.log
    bench.end(motion)
    assert bench.run(built).ok
    assert bench.arm.told == ["hold"] * 5 + ["resume"]
    assert bench.said().count(motion) == 1
