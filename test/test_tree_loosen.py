"""Every shipped card: its example runs with its leaf, and no card can loosen what the leaf's code says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_tree_shipped import GIFTS, scripted
from tree_words import Bench

from vlm_bt.leaves.leaf import Leaf, Steps
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.tree import Card, check_tree, compile_tree, vocabulary
from vlm_bt.tree.card_reader import CardReader
from vlm_bt.tree.cards import SAFETY
from vlm_bt.tree.kinds import KINDS
from vlm_bt.tree.load import load_tree
from vlm_bt.tree.syntax import Call, Variable
from vlm_bt.types import Outcome

CARDS: Mapping[str, Card] = {card.name: card for card in vocabulary(LEAVES)}
OF_LEAVES = [card for card in CARDS.values() if card.leaf]
SKILLS = share_dir("skills")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def example(card: Card) -> tuple[str, dict[str, str]]:
    """The example as a tree file says it, and the type of each variable that it reads."""
    lines = (SKILLS / f"{card.name}.yaml").read_text().split("\n")
    start = lines.index("example:") if "example:" in lines else -1
    if start < 0:
        (line,) = (line for line in lines if line.startswith("example:"))
        return f"    {line.removeprefix('example:').strip()}\n", {}
    rows = []
    for line in lines[start + 1 :]:
        if line and not line.startswith(" "):
            break
        rows.append("  " + line)
    assert isinstance(card.example, Call)
    reads: dict[str, str] = {}
    for name, argument in card.example.arguments.items():
        if isinstance(argument.value, Variable) and name in card.inputs:
            reads[argument.value.name] = card.inputs[name].kind.name
    return "\n".join(rows).rstrip() + "\n", reads


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_the_example_of_a_card_loads_and_runs_with_its_leaf(bench: Bench, card: Card) -> None:
    text, reads = example(card)
    leaves: dict[str, type[Leaf]] = {name: giving(scripted(leaf)) for name, leaf in LEAVES.items()}
    inputs = "".join(f"  {name}: {kind}\n" for name, kind in reads.items())
    declared = f"inputs:\n{inputs}" if inputs else ""
    # As a subtree: only there can an input be an object, which no file can write.
    body = (
        f"tree:\n  guard:\n    while: workspace_is_clear\n    do:\n  {text.replace(chr(10), chr(10) + '  ').rstrip()}\n"
    )
    (bench.skills / "the_example.yaml").write_text(f"skill: the_example\nsummary: x\n{declared}{body}")
    skills = [SKILLS, bench.folder / "own"]
    (bench.folder / "own").mkdir()
    (bench.skills / "the_example.yaml").rename(bench.folder / "own" / "the_example.yaml")
    given = ", ".join(f"{name}: ${name}" for name in reads)
    writers = [giver(kind, name) for name, kind in reads.items()]
    steps = "".join(f"    - {step}\n" for step in [*writers, f"the_example: {{{given}}}"])
    for kind in set(reads.values()):
        gift = type(f"Give_{kind}", (scripted(LEAVES["GoHome"]),), gives_one(kind))
        leaves[f"Give_{kind}"] = gift
        (bench.folder / "own" / f"give_{kind}.yaml").write_text(
            f"skill: give_{kind}\nsummary: x\nleaf: Give_{kind}\ntimeout_s: 1\n"
        )
    bench.path.write_text(f"tree: t\nroot:\n  sequence:\n{steps}")
    built = compile_tree(load_tree(bench.path, leaves, skills_dirs=skills), bench.ports)
    try:
        bench.run(built)
        names = {entry.split("(")[0] for entry in bench.script.log}
        assert card.body or (card.leaf and card.leaf.__name__ in names)
        assert built.root.outcome.ok  # type: ignore[attr-defined]
    finally:
        built.close()


def giving(leaf: type[Leaf]) -> type[Leaf]:
    """It gives each of its outputs a value of that output's type."""

    def act(self: Any) -> Steps:
        self.ports.script.log.append(f"{type(self).__name__}()")
        for name, given in self.gives.items():
            self.output(name, GIFTS[given.type])
        return Outcome()
        yield

    return type(leaf.__name__, (leaf,), {"act": act, "__module__": "vlm_bt.leaves.scripted"})


def giver(kind: str, name: str) -> str:
    return f"give_{kind}: {{into: ${name}}}"


def gives_one(kind: str) -> dict[str, Any]:
    from vlm_bt.leaves.leaf import Output

    written = {
        "text": "a",
        "zone": "left",
        "texts": ("a",),
        "number": 1.0,
        "boolean": True,
        "groups": (GIFTS["group"],),
    }
    gift = {**written, **GIFTS}.get(kind)
    assert gift is not None, f"no value of type {kind} to try an example with"
    declared = {"takes": {}, "gives": {"into": Output(kind)}, "gift": gift, "safety": "looks", "reasons": ()}
    return {**declared, "__module__": "vlm_bt.leaves.scripted"}


def loosened(card: Card) -> Iterator[tuple[str, str]]:
    """Every way to loosen a card, as (what, lines to add)."""
    leaf = card.leaf
    assert leaf is not None
    for safety in SAFETY[: SAFETY.index(leaf.safety)]:
        yield f"safety {safety}", f"safety: {safety}\n"
    for name, given in leaf.takes.items():
        for kind in KINDS.values():
            if not kind.fits(KINDS[given.type]):
                yield f"{name} takes {kind}", f"inputs: {{{name}: {{type: {kind}}}}}\n"
        if given.required and given.default is None:
            yield f"{name} optional", f"inputs: {{{name}: {{required: false}}}}\n"
        if KINDS[given.type].parse is None:
            yield f"{name} written", f"inputs: {{{name}: {{default: pliers}}}}\n"
    for name, output in leaf.gives.items():
        for kind in KINDS.values():
            if not kind.fits(KINDS[output.type]):
                yield f"{name} gives {kind}", f"outputs: {{{name}: {{type: {kind}}}}}\n"
    yield "claims", "claim: false\n"
    yield "instant", "instant: true\n"
    yield "no such reason", "reasons: {wished: x}\n"
    for rate in ("0.2", "0.9", "1", "0", "-1"):
        yield f"error rate {rate}", f"error_rate: {rate}\n"
    if not leaf.instant:
        for limit in ("0", "-1", "never", ".inf", "1e9"):
            yield f"limit {limit}", f"timeout_s: {limit}\n"


@pytest.mark.parametrize("card", OF_LEAVES, ids=lambda card: card.name)
def test_a_card_can_not_loosen_its_leaf_in_any_way(tmp_path: Path, card: Card) -> None:
    assert card.leaf is not None
    tried = 0
    for what, lines in loosened(card):
        limit = "" if card.leaf.instant or "timeout_s" in lines else "timeout_s: 5\n"
        path = tmp_path / f"{card.name}.yaml"
        path.write_text(f"skill: {card.name}\nsummary: x\nleaf: {card.leaf.__name__}\n{limit}{lines}")
        _, findings = CardReader(path, LEAVES, frozenset()).card()
        assert findings, f"{card.name}: {what} went through"
        assert {finding.rule for finding in findings} <= {"loosened", "type", "unknown-key", "unknown-outcome"}
        tried += 1
    assert tried > 5


@pytest.mark.parametrize("card", OF_LEAVES, ids=lambda card: card.name)
def test_a_card_without_a_limit_is_refused_where_its_leaf_waits(tmp_path: Path, card: Card) -> None:
    assert card.leaf is not None
    path = tmp_path / f"{card.name}.yaml"
    path.write_text(f"skill: {card.name}\nsummary: x\nleaf: {card.leaf.__name__}\n")
    rules = [finding.rule for finding in check_tree(path, LEAVES, skills_dirs=[])]
    assert rules.count("wait-without-limit") == (0 if card.leaf.instant else 1)
