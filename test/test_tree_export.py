"""Both ways: what is built in Python or read from a file prints to YAML that loads to the same tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_trees.behaviour import Behaviour
from tree_words import Bench

from vlm_bt.errors import TreeError
from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import TreeSource, build, compile_tree, load_tree, source
from vlm_bt.tree.build import guard, log, match, retry, selector, sequence, skill, text, tree
from vlm_bt.tree.export import mapping, node_value, tidied, to_yaml, value_of
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.source import Many, Mapping, Scalar
from vlm_bt.tree.syntax import BLOCKS, Block, Call, Node, Variable
from vlm_bt.tree.yaml_text import OPEN, Comments, yaml_text

CHECKOUT = Path(__file__).parent.parent
TREES = [*sorted((CHECKOUT / "trees").glob("*.yaml")), *sorted((CHECKOUT / "test" / "trees").glob("*.yaml"))]
CARDS = sorted((CHECKOUT / "skills").glob("*.yaml"))
PORTS = SimpleNamespace(clock=SimpleNamespace(now_s=0.0), arm=None)


def shape(thing: Any) -> Any:
    """A syntax tree without its positions."""
    if isinstance(thing, Call):
        return ("call", thing.skill, thing.name, {key: shape(one.value) for key, one in thing.arguments.items()})
    if isinstance(thing, Block):
        children = [(branch.role, shape(branch.node)) for branch in thing.branches]
        return ("block", thing.kind, thing.name, {key: shape(one) for key, one in thing.options.items()}, children)
    if isinstance(thing, Variable):
        return ("variable", str(thing))
    if isinstance(thing, Scalar):
        return ("scalar", thing.value)
    if isinstance(thing, Many):
        return [shape(item) for item in thing.items]
    if isinstance(thing, Mapping):
        return {key: shape(entry.value) for key, entry in thing.entries.items()}
    return tuple(map(shape, thing)) if isinstance(thing, tuple) else thing


def read(node_text: str) -> Node:
    problems: list[Any] = []
    parsed = source.parse(node_text, "printed.yaml")
    assert isinstance(parsed.value, Mapping), node_text
    node = Parser(problems).node(parsed.value.entries["root"].value)
    assert not problems and node is not None, (problems, node_text)
    return node


def printed(node: Node) -> str:
    return yaml_text(mapping({"root": node_value(node)}), open_keys=OPEN)


def compiled(tree: TreeSource, namespace: str) -> list[tuple[Any, ...]]:
    """Every behaviour, top down: its class, name and how many children it has."""
    built = compile_tree(tree, PORTS, {name: () for name, port in tree.inputs.items() if port.required}, namespace)
    try:
        return list(_nodes(built.root))
    finally:
        built.close()


def _nodes(node: Behaviour) -> Iterator[tuple[Any, ...]]:
    settings = {key: getattr(node, key, None) for key in ("timeout_s", "at_most", "on", "memory", "restart", "after_s")}
    yield type(node), node.name, len(node.children), settings
    for child in node.children:
        yield from _nodes(child)


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_a_tree_printed_and_loaded_again_is_the_same_tree(path: Path, tmp_path: Path) -> None:
    first = load_tree(path, LEAVES)
    again = tmp_path / path.name
    again.write_text(to_yaml(first))
    second = load_tree(again, LEAVES)
    assert shape(second.body.root) == shape(first.body.root)
    assert shape(source.parse(second.text, "b").value) == shape(source.parse(first.text, "a").value)
    assert compiled(first, "first") == compiled(second, "second")
    assert to_yaml(second) == second.text, "printing what was printed changes nothing"


@pytest.mark.parametrize("path", [*TREES, *CARDS], ids=lambda path: path.stem)
def test_a_file_laid_out_anew_keeps_every_comment_in_its_order(path: Path) -> None:
    before = path.read_text()
    after = tidied(before, path.name)
    assert [line.strip() for line in after.splitlines() if line.strip().startswith("#")] == [
        line.strip() for line in before.splitlines() if line.strip().startswith("#")
    ]
    assert shape(source.parse(after, "a").value) == shape(source.parse(before, "b").value)


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_the_syntax_alone_prints_to_the_same_tree(path: Path) -> None:
    root = load_tree(path, LEAVES).body.root
    assert shape(read(printed(root))) == shape(root)


COMMENTED = """\
# What it is for
tree: t   # its name

# the work
root:
  sequence:
    # first
    - say: {text: "a # b"}  # said aloud

    - match:
        do: look  # a look
        # and if not
        unsure:
          - x
    # the end
# goodbye
"""


def test_comments_stay_where_they_were() -> None:
    laid_out = tidied(COMMENTED.replace("      # and", "#odd"), "t.yaml")
    assert tidied(laid_out, "t.yaml") == laid_out
    assert tidied(COMMENTED, "t.yaml") == COMMENTED.replace("t   #", "t  #").replace(
        "unsure:\n          - x", "unsure: [x]"
    ).replace("    # the end", "# the end")


def test_a_commented_line_stays_one_line_so_that_the_comment_means_the_same() -> None:
    line = "    - match: {do: {find: {into: $c}}, not_found: {say: {text: a}}}  # checker: off\n"
    assert line in tidied("root:\n  sequence:\n" + line, "t.yaml")


def test_a_hash_inside_a_text_is_no_comment() -> None:
    comments = Comments.of('a: "x # y"\nb: c#d\ne: |\n  # text\n  more\n# real\n')
    assert comments.behind == {} and comments.at_end == ["# real"]


def test_what_is_no_yaml_of_ours_is_not_laid_out() -> None:
    with pytest.raises(ValueError, match="anchors are not part of the language"):
        tidied("a: &x 1", "t.yaml")


# Python


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_tree_built_in_python_prints_to_yaml_and_loads_to_the_same_tree(bench: Bench) -> None:
    mission = tree(
        "fetch",
        guard(
            while_=skill("clear"),
            otherwise=skill("hold"),
            on_clear="resume",
            do=sequence(
                skill("find", into="$c"),
                match(
                    skill("verify", candidate="$c", error_rate=0.01, into="$tool"),
                    unsure=skill("ask", candidate="$c", into="$tool"),
                ),
                retry(skill("pick", name="take it", tool="$tool", into="$held"), at_most=3, on=["timed_out"]),
                selector(skill("place", held="$held", zone="$zone"), skill("say", text=text("$5"))),
            ),
        ),
        summary="Fetch it, and say so.",
        says=["fetch it"],
        inputs={"zone": {"type": "zone", "default": "left"}},
        outputs={"took": {"from": "$held", "help": "what was taken"}},
    )
    assert mission.to_yaml() == (
        "tree: fetch\n"
        "summary: Fetch it, and say so.\n"
        "says: [fetch it]\n"
        "inputs:\n"
        "  zone: {type: zone, default: left}\n"
        "outputs:\n"
        "  took: {from: $held, help: what was taken}\n"
        "root:\n"
        "  guard:\n"
        "    while: clear\n"
        "    otherwise: hold\n"
        "    on_clear: resume\n"
        "    do:\n"
        "      sequence:\n"
        "        - find: {into: $c}\n"
        "        - match:\n"
        "            do: {verify: {candidate: $c, error_rate: 0.01, into: $tool}}\n"
        "            unsure: {ask: {candidate: $c, into: $tool}}\n"
        "        - retry:\n"
        "            at_most: 3\n"
        "            on: [timed_out]\n"
        "            do: {pick: {name: take it, tool: $tool, into: $held}}\n"
        "        - selector:\n"
        "            - place: {held: $held, zone: $zone}\n"
        '            - say: {text: "$5"}\n'
    )
    loaded = mission.load(bench.leaves, skills_dirs=[bench.skills])
    assert shape(loaded.body.root) == shape(bench.load(mission.to_yaml()).body.root)
    assert loaded.summary.safety == "moves" and loaded.body.outputs["took"].source == "held"


def test_python_is_no_back_door(bench: Bench) -> None:
    mission = tree("bad", sequence(skill("find", into="$c"), skill("pick", tool="$c", into="$h")))
    with pytest.raises(TreeError) as raised:
        mission.load(bench.leaves, skills_dirs=[bench.skills])
    assert "<bad>:5:20: input 'tool' of skill 'pick' takes a verified_object, and $c is a detection, a claim" in str(
        raised.value
    )
    assert "<bad>:5:7: 'pick' moves the arm and stands under no guard" in str(raised.value)


def test_there_is_a_builder_for_every_block() -> None:
    named = {name.rstrip("_") for name in build.__all__}
    assert set(BLOCKS) <= named


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), {1: "a"}, b"x"])
def test_what_can_not_be_written_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be written in a tree"):
        value_of(value)


WORDS = st.sampled_from(["clear", "look", "find", "pick_and_check", "a1"])
TEXTS = st.text(min_size=1, max_size=30).filter(lambda s: not any("\ud800" <= c <= "\udfff" for c in s))
TRICKY = st.sampled_from(
    ["yes", "no", "~", "5", "a: b", "a #b", "-", "- a", "$x", "'", '"', "<<", "a:", " a", "[", "é"]
)
NAMES = st.one_of(st.just(""), TEXTS, TRICKY)
VALUES = st.recursive(
    st.one_of(TEXTS, TRICKY, st.integers(-999, 999), st.floats(-1e6, 1e6), st.booleans(), st.just("$tool.label")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=5,
)
CALLS = st.builds(
    lambda word, name, arguments: skill(word, name=name, **arguments),
    WORDS, NAMES, st.dictionaries(st.sampled_from(["tool", "into", "text", "timeout_s"]), VALUES, max_size=3),
)  # fmt: skip
ON = st.lists(st.sampled_from(["stale", "timed_out", "fault"]), max_size=2, unique=True).map(tuple)
COUNTS = st.sampled_from([None, "any", 2])
ITEMS = st.one_of(st.just("$xs"), st.lists(TEXTS, max_size=2))
NODES = st.recursive(
    CALLS,
    lambda inner: st.one_of(
        st.builds(lambda nodes, name: sequence(*nodes, name=name), st.lists(inner, min_size=1, max_size=3), NAMES),
        st.builds(lambda nodes, on: selector(*nodes, on=on), st.lists(inner, min_size=1, max_size=3), ON),
        st.builds(lambda nodes, n: build.parallel(*nodes, success=n), st.lists(inner, min_size=1), COUNTS),
        st.builds(lambda do, n, on: retry(do, at_most=n, on=on), inner, st.integers(1, 1000), ON),
        st.builds(lambda do, until: build.repeat(do, until=until, at_most=3), inner, inner),
        st.builds(lambda do, s: build.timeout(do, after_s=s), inner, st.floats(0.001, 1e6)),
        st.builds(build.invert, inner),
        st.builds(build.once, inner),
        st.builds(build.always_succeed, st.one_of(st.none(), inner)),
        st.builds(lambda do: build.always_fail(do, reason="unsure"), st.one_of(st.none(), inner)),
        st.builds(lambda do, other: guard(while_=skill("clear"), do=do, otherwise=other), inner, st.none() | inner),
        st.builds(lambda do, items: build.for_each("$x", items, do), inner, ITEMS),
        st.builds(lambda do, a, b: match(do, unsure=a, else_=b), inner, inner, inner),
        st.builds(lambda s: build.wait(for_s=s), st.floats(0.001, 1e6)),
        st.builds(lambda to: build.set_("$x", to), VALUES),
        st.builds(lambda said: log(said.replace("$", "$$") + " $tool.label"), TEXTS),
    ),
    max_leaves=8,
)  # fmt: skip


@given(NODES)
@settings(max_examples=150, deadline=None)
def test_any_tree_that_python_can_build_prints_and_reads_back_to_itself(node: Node) -> None:
    text = printed(node)
    once = read(text)
    assert printed(once) == text
    assert shape(once) == shape(read(printed(once)))
    assert shape(node_value(node)) == shape(node_value(once))


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_value_stays_empty_behind_a_key_that_fills_the_line(empty: object) -> None:
    node = build.sequence(skill("clear", tool={"k" * 130: empty}))
    assert shape(node_value(node)) == shape(node_value(read(printed(node))))
