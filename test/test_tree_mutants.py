"""Trees with accidents in them: no crash, and what still loads runs without a claim ever reaching a motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tree_words import Bench, Script, Scripted, word

from vlm_bt.errors import TreeError
from vlm_bt.leaves.leaf import Steps
from vlm_bt.types import HeldObject, VerifiedObject

TREE = """tree: t
inputs:
  times: {type: texts, default: [once, twice]}
outputs:
  word: text
root:
  guard:
    while: clear
    otherwise: hold
    do:
      sequence:
        - repeat:
            until: clear
            at_most: 3
            on: [stale]
            do:
              sequence:
                - find: {into: $c}
                - match:
                    do: {verify: {candidate: $c, into: $tool}}
                    unsure: {ask: {candidate: $c, into: $tool}}
                    refuted: {always_fail: {note: {text: no}}}
                - retry:
                    at_most: 2
                    do: {pick: {tool: $tool, into: $held}}
                - place: {held: $held, zone: left}
        - for_each: {item: $x, in: $times, do: {say: {text: $x}}}
        - say: {text: done, into: $word}
"""
WORDS = [
    "$c",
    "$tool",
    "$held",
    "$c.label",
    "$x",
    "{}",
    "[]",
    "~",
    "- ",
    "always_succeed",
    "selector",
    "invert",
    "stale",
]
WORDS += [
    "else",
    "fault",
    "unsure",
    "5",
    "true",
    "'",
    '"',
    "\n",
    "  ",
    "{",
    "}",
    ":",
    "&a",
    "*a",
    "!!x",
    "\x00",
    "ü",
    "|",
]


def mutants(count: int, seed: int) -> Iterator[str]:
    dice = np.random.default_rng(seed)
    for _ in range(count):
        lines = TREE.split("\n")
        for _ in range(int(dice.integers(1, 3))):
            here, there = (int(dice.integers(5, len(lines) - 1)) for _ in range(2))
            kind = int(dice.integers(6))
            if kind == 0:
                del lines[here]
            elif kind == 1:
                lines.insert(here, lines[there])
            elif kind == 2:
                lines[here], lines[there] = lines[there], lines[here]
            elif kind == 3:
                column = int(dice.integers(len(lines[here]) + 1))
                lines[here] = lines[here][:column] + WORDS[int(dice.integers(len(WORDS)))] + lines[here][column:]
            elif kind == 4:
                column = int(dice.integers(len(lines[here]) + 1))
                lines[here] = lines[here][:column] + lines[here][column + int(dice.integers(1, 5)) :]
            else:
                old, new = (WORDS[int(dice.integers(13))] for _ in range(2))
                lines[here] = lines[here].replace(old, new)
        yield "\n".join(lines)


class Careful(Scripted):
    """Moves only with what is verified; fails as the dice say."""

    def act(self) -> Steps:
        for name in self.takes:
            value = self.input(name)
            if self.safety == "moves" and name in ("tool", "held"):
                assert isinstance(value, (VerifiedObject, HeldObject))
        return (yield from super().act())


class DicePlan(dict[str, list[str]]):
    """Mostly done, sometimes one of the leaf's reasons or a fault."""

    def __init__(self, bench: Bench, seed: int) -> None:
        super().__init__()
        self._leaves = bench.leaves
        self._dice = np.random.default_rng(seed)

    def get(self, name: str, default: object = None) -> list[str]:  # type: ignore[override]
        reasons = ["done"] * 8 + [*self._leaves[name].reasons, "stale"]
        return [reasons[int(self._dice.integers(len(reasons)))]]


@pytest.mark.parametrize("seed", range(4))
def test_what_loads_after_an_accident_runs_safely_and_the_rest_says_where_it_is_wrong(
    tmp_path: Path, seed: int
) -> None:
    bench = Bench(tmp_path)
    names = ("gift", "takes", "gives", "safety", "reasons", "instant")
    for name, leaf in list(bench.leaves.items()):
        declared = {key: getattr(leaf, key) for key in names[1:]}
        bench.leaves[name] = type(name, (Careful,), {**word(name, leaf.gift, **declared).__dict__})  # type: ignore[attr-defined]
    loaded = 0
    for number, text in enumerate(mutants(100, seed)):
        try:
            built = bench.build(text, {"times": ("a",)} if "  times: {type: texts" in text else {})
        except TreeError as error:
            assert error.findings and "\n" in str(error) + "\n"
            continue
        loaded += 1
        bench.ports.script = bench.script = Script(DicePlan(bench, seed * 1000 + number))
        outcome = bench.run(built, at_most=60)
        if outcome.ok and built.root.status.value == "SUCCESS":
            assert set(built.outputs()) == set(built.source.body.outputs)
        built.close()
    assert loaded > 5
