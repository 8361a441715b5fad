"""A tree as text, Mermaid, DOT, SVG and JSON."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tree_words import Bench

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import load_tree, show_tree
from vlm_bt.tree.svg_layout import layout, width_of
from vlm_bt.tree.view import view

TREES = sorted((Path(__file__).parent.parent / "trees").glob("*.yaml"))
TREE = """
tree: t
summary: Fetch it.
inputs: {zone: {type: zone, default: left}}
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


def test_a_tree_reads_as_text_with_types_guards_and_what_asks_or_moves(bench: Bench) -> None:
    assert show_tree(bench.load(TREE)) == "\n".join(
        [
            "t: Fetch it.",
            "takes $zone: zone",
            "⛨ only while clear",
            "├─ while: clear",
            "├─ do: → in order",
            "│  ├─ find ⇒ $c: detection",
            "│  ├─ ◇ depending on verify (candidate $c)",
            "│  │  ├─ do: verify (candidate $c) ⇒ $tool: verified_object",
            "│  │  └─ unsure: ask (candidate $c) ⇒ $tool: verified_object  [asks]",
            "│  └─ ▸ fetch ($tool)  [moves]",
            "└─ otherwise: hold",
        ]
    )


def test_subtrees_can_be_opened(bench: Bench) -> None:
    shown = show_tree(bench.load(TREE), expand=True).splitlines()
    assert shown[-4:] == [
        "│  └─ ▸ fetch ($tool)  [moves]",
        "│     └─ ↻ try up to 2 times",
        "│        └─ pick ($tool) ⇒ $h: held_object  [moves]",
        "└─ otherwise: hold",
    ]


def test_mermaid_and_dot_hold_every_node_and_edge(bench: Bench) -> None:
    tree = bench.load(TREE)
    mermaid = show_tree(tree, "mermaid").splitlines()
    assert mermaid[:4] == [
        "flowchart TD",
        '    n{{"⛨ only while clear"}}:::guard',
        '    n_0(["clear"]):::looks',
        '    n -- "while" --> n_0',
    ]
    assert sum("-->" in row for row in mermaid) == 8
    dot = show_tree(tree, "dot")
    assert dot.startswith("digraph t {") and dot.endswith("}") and dot.count("->") == 8
    assert '    n_1_1 -> n_1_1_1 [label="unsure"];' in dot
    assert '    n_1_0 [shape=ellipse, label="find\\n⇒ $c: detection", color="#1d4ed8", fillcolor="#dbeafe"];' in dot


EVIL = 'a"]; evil [x="\\ </text><script>alert(1)</script> ]]> &amp; `b` #quot; \\u0007'


def test_text_of_an_author_can_not_break_out_of_a_drawing(bench: Bench) -> None:
    tree = bench.load(f"tree: t\nroot: {{say: {{text: {json.dumps(EVIL)}, name: {json.dumps(EVIL)}}}}}\n")
    (label,) = re.findall(r"\[\"(.*)\"\]", show_tree(tree, "mermaid"))
    assert not set('"<>`\\&') & set(re.sub(r"#(?:quot|amp|lt|gt|\d+);", "", label))
    (label,) = re.findall(r'label="((?:[^"\\]|\\.)*)"', show_tree(tree, "dot"))
    assert label.count('\\"') == 2 and "\n" not in label
    drawn = ElementTree.fromstring(show_tree(tree, "svg"))
    assert {element.tag.split("}")[1] for element in drawn.iter()} == {
        *("svg", "title", "style", "rect", "text", "g", "path", "circle")
    }
    assert json.loads(show_tree(tree, "json"))["root"]["takes"]["text"]["value"] == EVIL


def test_the_svg_shows_every_node_its_class_and_what_the_guard_watches_over(bench: Bench) -> None:
    drawn = ElementTree.fromstring(show_tree(bench.load(TREE), "svg", expand=True))
    classes = [element.get("class") for element in drawn.iter() if element.tag.endswith("}g")]
    shown = [name for name in classes if name in ("looks", "asks", "moves", "guard", "block")]
    legend = ["looks", "asks", "moves", "guard"]
    assert sorted(shown) == sorted([*legend, "guard", *["looks"] * 4, "asks", *["moves"] * 2, *["block"] * 3])
    assert classes.count("area guarded") == 1 and classes.count("area opened") == 1
    said = " ".join(element.text or "" for element in drawn.iter())
    assert "guarded: only while clear" in said and "$c: detection, a claim" in said
    assert "prefers-color-scheme: dark" in said and "http" not in said


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_no_two_nodes_of_a_drawing_overlap_and_texts_fit_into_their_boxes(path: Path) -> None:
    placed = layout(view(load_tree(path, LEAVES), expand=True))
    for one, other in itertools.combinations(placed.cards, 2):
        apart = one.x + one.w <= other.x or other.x + other.w <= one.x
        assert apart or one.y + one.h <= other.y or other.y + other.h <= one.y, (one.title, other.title)
    for card in placed.cards:
        assert card.x >= 0 and card.x + card.w <= placed.w + 0.1 and card.y + card.h <= placed.h + 0.1
        assert all(width_of(line, 13, bold=True) <= card.w for line in card.title)
        assert card.parent is None or card.parent.x + card.parent.w < card.x
        assert card.parent is None or card.parent.y <= card.y + card.h
    for area in placed.areas:
        assert area.x + area.w <= placed.w + 0.1 and area.y + area.h <= placed.h + 0.1
        assert width_of(area.text, 11, bold=True) <= area.w


def test_the_json_form_says_where_each_node_stands_and_what_it_handles(bench: Bench) -> None:
    form = json.loads(show_tree(bench.load(TREE), "json", expand=True))
    assert (form["form"], form["tree"], form["safety"]) == (1, "t", "moves")
    assert form["inputs"] == {"zone": {"type": "zone", "required": False, "default": "left", "help": ""}}
    root = form["root"]
    assert (root["kind"], root["path"], root["guarded"], root["options"]) == ("guard", "", False, {})
    ask = root["children"][1]["children"][1]["children"][1]
    assert ask == {
        "path": "1/1/1",
        "role": "unsure",
        "kind": "leaf",
        "name": "ask (candidate $c)",
        "at": [str(bench.path), 14, 22],
        "guarded": True,
        "skill": "ask",
        "safety": "asks",
        "takes": {"candidate": {"variable": "$c", "type": "detection", "claim": True}},
        "gives": {"into": {"variable": "$tool", "type": "verified_object", "claim": False}},
        "children": [],
    }
    inside = root["children"][1]["children"][2]["children"][0]
    assert inside["path"] == "1/2/0" and inside["at"][0].endswith("fetch.yaml") and inside["options"] == {"at_most": 2}


def test_an_unknown_form_is_refused_with_those_there_are(bench: Bench) -> None:
    with pytest.raises(ValueError, match="a tree can be shown as text, mermaid, dot, svg, json, not as 'gif'"):
        show_tree(bench.load(TREE), "gif")
