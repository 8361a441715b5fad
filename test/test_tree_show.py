"""A tree as text, Mermaid and DOT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tree_words import Bench

from vlm_bt.tree import show_tree

TREE = """
tree: t
summary: Fetch it.
root:
  guard:
    while: clear
    otherwise: hold
    do:
      sequence:
        - find: {into: $c}
        - match:
            do: {verify: {candidate: $c, into: $tool}}
            unsure: {ask: {candidate: $c, into: $tool}}
        - fetch: {tool: $tool}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.card(
        "fetch", "inputs: {tool: verified_object}\ntree: {retry: {at_most: 2, do: {pick: {tool: $tool, into: $h}}}}\n"
    )
    yield bench
    bench.close()


def test_a_tree_reads_as_text(bench: Bench) -> None:
    assert show_tree(bench.load(TREE)) == "\n".join(
        [
            "t: Fetch it.",
            "⛨ only while clear",
            "├─ while: clear",
            "├─ do: → in order",
            "│  ├─ find ⇒ $c",
            "│  ├─ ◇ depending on verify (candidate $c)",
            "│  │  ├─ do: verify (candidate $c) ⇒ $tool",
            "│  │  └─ unsure: ask (candidate $c) ⇒ $tool",
            "│  └─ ▸ fetch ($tool)",
            "└─ otherwise: hold",
        ]
    )


def test_subtrees_can_be_opened(bench: Bench) -> None:
    shown = show_tree(bench.load(TREE), expand=True).splitlines()
    assert shown[-4:] == [
        "│  └─ ▸ fetch ($tool)",
        "│     └─ ↻ try up to 2 times",
        "│        └─ pick ($tool) ⇒ $h",
        "└─ otherwise: hold",
    ]


def test_mermaid_and_dot_hold_every_node_and_edge(bench: Bench) -> None:
    tree = bench.load(TREE)
    mermaid = show_tree(tree, "mermaid").splitlines()
    assert mermaid[:4] == [
        "flowchart TD",
        '    n0{{"⛨ only while clear"}}',
        '    n0_0(["clear"])',
        '    n0 -- "while" --> n0_0',
    ]
    assert sum("-->" in row for row in mermaid) == 8
    dot = show_tree(tree, "dot")
    assert dot.startswith("digraph t {") and dot.endswith("}") and dot.count("->") == 8
    assert '    n0_1_1 -> n0_1_1_1 [label="unsure"];' in dot


def test_text_of_an_author_can_not_break_out_of_a_drawing(bench: Bench) -> None:
    tree = bench.load("tree: t\nroot: {say: {text: 'a\"]; evil [x=\"\\ <script>'}}\n")
    assert "([\"say (text a']; evil [x='\\ (script))\"])" in show_tree(tree, "mermaid")
    assert 'label="say (text a\\"]; evil [x=\\"\\\\ (script))"' in show_tree(tree, "dot")


def test_an_unknown_form_is_refused_with_those_there_are(bench: Bench) -> None:
    with pytest.raises(ValueError, match="a tree can be shown as text, mermaid, dot, not as 'svg'"):
        show_tree(bench.load(TREE), "svg")
