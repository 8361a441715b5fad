"""Leaves from other packages: nothing of them runs before they are allowed by name, and then they count as moving."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from py_trees.blackboard import Blackboard
from tree_words import Bench, plain, under_guard

from vlm_bt.tree import check_tree, compile_tree, foreign, load_tree

PORTED = """
import py_trees
from py_trees.common import Status
from py_trees.ports import PortInformation, PortsMixin


class Double(PortsMixin, py_trees.behaviour.Behaviour, register=False):
    INPUT_PORTS = {
        "number": PortInformation(int, description="what to double"),
        "words": PortInformation(list[str], required=False),
    }
    OUTPUT_PORTS = {"into": PortInformation(str)}
    ticks = 2

    def initialise(self):
        self.left = self.ticks

    def update(self):
        self.left -= 1
        if self.left:
            return Status.RUNNING
        number = self.get_input("number")
        if number < 0:
            self.feedback_message = "below nothing"
            return Status.FAILURE
        self._set_output("into", str(2 * number))
        return Status.SUCCESS


class Odd(PortsMixin, py_trees.behaviour.Behaviour, register=False):
    INPUT_PORTS = {"what": PortInformation(dict)}
    OUTPUT_PORTS = {}


class Never(Double, register=False):
    ticks = -1


class NoLeaf:
    pass
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    (tmp_path / "somebody_elses.py").write_text(PORTED)
    (tmp_path / "somebody_broken.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    bench = Bench(tmp_path)
    for name, leaf in (("double", "Double"), ("odd", "Odd"), ("never", "Never"), ("noleaf", "NoLeaf")):
        bench.card(name, f"leaf: somebody_elses:{leaf}\ntimeout_s: 1\n")
    bench.card("broken", "leaf: somebody_broken:Leaf\ntimeout_s: 1\n")
    yield bench
    bench.close()
    sys.modules.pop("somebody_elses", None)


def found(bench: Bench, node: str, *allow: str) -> list[tuple[str, str]]:
    bench.path.write_text(node)
    findings = check_tree(bench.path, bench.leaves, skills_dirs=[bench.skills], allow=allow)
    return [(finding.rule, finding.message) for finding in findings]


DOUBLE = "double: {number: 4, words: [a], into: $x}"


def test_a_class_that_is_not_allowed_is_not_even_imported(bench: Bench) -> None:
    (finding,) = found(bench, under_guard(DOUBLE))
    assert finding[0] == "foreign-leaf" and "comes from somebody_elses, outside vlm_bt" in finding[1]
    assert "somebody_elses" not in sys.modules
    assert found(bench, under_guard(DOUBLE), "somebody_elses:Odd")[0][0] == "foreign-leaf"


def test_what_is_allowed_counts_as_moving_the_arm(bench: Bench) -> None:
    assert found(bench, under_guard(DOUBLE), "somebody_elses:Double") == []
    assert [rule for rule, _ in found(bench, plain(DOUBLE), "somebody_elses:Double")] == ["unguarded-motion"]
    claim = under_guard("sequence: [find: {into: $c}, double: {number: $c.score, into: $x}]")
    assert [rule for rule, _ in found(bench, claim, "somebody_elses:Double")] == ["trust"]
    bench.card("double", "leaf: somebody_elses:Double\ntimeout_s: 1\nsafety: looks\n")
    assert ("loosened",) in [row[:1] for row in found(bench, under_guard(DOUBLE), "somebody_elses:Double")]


@pytest.mark.parametrize(
    ("skill", "leaf", "said"),
    [
        ("odd: {what: a}", "somebody_elses:Odd", "has a port 'what' of type <class 'dict'>"),
        ("noleaf", "somebody_elses:NoLeaf", "is neither a subclass of vlm_bt's Leaf nor"),
        ("broken", "somebody_broken:Leaf", "can't be loaded: RuntimeError: no licence"),
    ],
)
def test_what_can_not_be_used_says_why(bench: Bench, skill: str, leaf: str, said: str) -> None:
    (finding,) = found(bench, under_guard(skill), leaf)
    assert finding[0] == "unknown-leaf" and said in finding[1]


def test_a_class_with_ports_runs_as_a_leaf_and_leaves_nothing_on_the_blackboard(bench: Bench) -> None:
    before = set(Blackboard.storage) | set(Blackboard.metadata) | set(map(str, Blackboard.clients))
    bench.path.write_text(under_guard(DOUBLE) + "outputs: {x: text}\n")
    tree = load_tree(bench.path, bench.leaves, skills_dirs=[bench.skills], allow=["somebody_elses:Double"])
    built = compile_tree(tree, bench.ports)
    assert bench.ticks_to_the_end(built) == 2
    assert built.outputs() == {"x": "8"}
    built.close()
    assert set(Blackboard.storage) | set(Blackboard.metadata) | set(map(str, Blackboard.clients)) == before


NEVER = "never: {number: 1, into: $x}"


@pytest.mark.parametrize(("node", "reason"), [(DOUBLE.replace("4", "-4"), "no"), (NEVER, "timed_out")])
def test_a_class_with_ports_fails_and_times_out_like_any_leaf(bench: Bench, node: str, reason: str) -> None:
    bench.path.write_text(under_guard(node))
    allow = ["somebody_elses:Double", "somebody_elses:Never"]
    tree = load_tree(bench.path, bench.leaves, skills_dirs=[bench.skills], allow=allow)
    built = compile_tree(tree, bench.ports)
    assert bench.run(built).reason == reason
    built.close()


def test_a_package_offers_leaves_by_an_entry_point(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "offered_leaf.py").write_text(
        "from vlm_bt.leaves.leaf import Leaf\n\n\nclass Wave(Leaf):\n"
        "    __module__ = 'vlm_bt.leaves.waving'\n    instant = True\n\n"
        "    def act(self):\n        return\n        yield\n"
    )
    monkeypatch.setattr(foreign, "_points", lambda: [EntryPoint("Wave", "offered_leaf:Wave", foreign.GROUP)])
    bench.card("wave", "leaf: Wave\ntimeout_s: 1\n")
    (finding,) = found(bench, under_guard("wave"))
    assert finding[0] == "foreign-leaf" and "comes from offered_leaf" in finding[1]
    assert "offered_leaf" not in sys.modules
    assert found(bench, under_guard("wave"), "Wave") == []
    rules = [rule for rule, _ in found(bench, plain("wave"), "Wave")]
    assert rules == ["unguarded-motion"], "also where it says that it is one of the house"
    bench.card("wave", "leaf: Wav\ntimeout_s: 1\n")
    bench.path.write_text(plain("wave"))
    assert "Did you mean 'Wave'?" in str(check_tree(bench.path, {}, skills_dirs=[bench.skills])[0])
