"""BehaviorTree.CPP's XML in our language: what has an equal becomes it, what has none is named and loads nowhere."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import Finding, check_tree, load_tree, vocabulary
from vlm_bt.tree.btcpp import Imported, import_xml
from vlm_bt.tree.btcpp_nodes import word
from vlm_bt.tree.btcpp_words import NO_EQUAL

# Every node that the factory of BehaviorTree.CPP 4 registers, and what it has besides `name`.
REGISTERED = {
    *("Fallback", "AsyncFallback", "Sequence", "AsyncSequence", "SequenceWithMemory", "SequenceStar", "Parallel"),
    *("ParallelAll", "ReactiveSequence", "ReactiveFallback", "IfThenElse", "WhileDoElse", "TryCatch", "Inverter"),
    *("RetryUntilSuccessful", "KeepRunningUntilFailure", "Repeat", "Timeout", "Delay", "RunOnce", "ForceSuccess"),
    *("ForceFailure", "AlwaysSuccess", "AlwaysFailure", "Script", "ScriptCondition", "SetBlackboard", "Sleep"),
    *("UnsetBlackboard", "SubTree", "Precondition", "Switch2", "Switch3", "Switch4", "Switch5", "Switch6"),
    *("LoopInt", "LoopBool", "LoopDouble", "LoopString", "WasEntryUpdated", "SkipUnlessUpdated", "WaitValueUpdate"),
}


def xml(root: str, more: str = "") -> bytes:
    head = '<root BTCPP_format="4" main_tree_to_execute="Main">'
    return f'{head}\n<BehaviorTree ID="Main">\n{root}\n</BehaviorTree>\n{more}</root>\n'.encode()


def translated(root: str, more: str = "") -> Imported:
    return import_xml(xml(root, more), "door.xml", vocabulary(LEAVES))


def body(root: str) -> str:
    """The YAML of one node that has an equal."""
    imported = translated(root)
    assert [str(finding) for finding in imported.findings] == []
    return imported.tree.partition("root:")[2].strip()


def said(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{found.line}:{found.column}: {found.message}" for found in findings]


EQUALS = [
    ("<GoHome/>", "go_home"),
    ('<Action ID="GoHome" name="GoHome"/>', "go_home"),
    ('<Condition ID="WorkspaceIsClear" name="is it clear"/>', "workspace_is_clear: {name: is it clear}"),
    ('<Place held="{Held}" zone="left"/>', "place: {held: $held, zone: left}"),
    ('<Place held="{=}" zone="7" near="true" label="$x" text="a: b"/>',
     'place: {held: $held, zone: 7, near: true, label: "$x", text: "a: b"}'),
    ("<Sequence><A/><B/></Sequence>", "sequence: [a, b]"),
    ('<Sequence name="both"><A/></Sequence>', "sequence: {name: both, do: [a]}"),
    ("<ReactiveSequence><A/></ReactiveSequence>", "sequence: {memory: false, do: [a]}"),
    ("<Fallback><A/><B/></Fallback>", "selector: [a, b]"),
    ("<ReactiveFallback><A/></ReactiveFallback>", "selector: {memory: false, do: [a]}"),
    ("<Parallel><A/><B/></Parallel>", "parallel: [a, b]"),
    ('<Parallel success_count="1" failure_count="-1"><A/><B/></Parallel>', "parallel: {success: any, do: [a, b]}"),
    ('<Parallel success_count="2" failure_count="2"><A/><B/><C/></Parallel>', "parallel: {success: 2, do: [a, b, c]}"),
    ("<Inverter><A/></Inverter>", "invert: a"),
    ("<ForceSuccess><A/></ForceSuccess>", "always_succeed: a"),
    ("<ForceFailure><A/></ForceFailure>", "always_fail: a"),
    ("<AlwaysSuccess/>", "always_succeed"),
    ("<AlwaysFailure/>", "always_fail"),
    ('<RetryUntilSuccessful num_attempts="3"><A/></RetryUntilSuccessful>', "retry: {at_most: 3, do: a}"),
    ('<Repeat num_cycles="2"><A/></Repeat>', 'for_each: {item: $round, in: ["1", "2"], do: a}'),
    ('<Timeout msec="1500"><A/></Timeout>', "timeout: {after_s: 1.5, do: a}"),
    ('<Delay delay_msec="500"><A/></Delay>', "sequence:\n    - wait: {for_s: 0.5}\n    - a"),
    ('<Sleep msec="2000"/>', "wait: {for_s: 2}"),
    ('<SetBlackboard value="left" output_key="zone"/>', "set: {variable: $zone, to: left}"),
    ('<SetBlackboard value="{from}" output_key="{to}"/>', "set: {variable: $to, to: $from}"),
]  # fmt: skip


@pytest.mark.parametrize(("root", "ours"), EQUALS)
def test_a_node_with_an_equal_becomes_it(root: str, ours: str) -> None:
    assert body(root) == ours


NONE = [
    *((f'<{tag} code="x:=1"><A/><B/></{tag}>', f"<{tag}> has no equal") for tag in sorted(NO_EQUAL)),
    ('<RetryUntilSuccessful num_attempts="-1"><A/></RetryUntilSuccessful>', "<RetryUntilSuccessful> without an end"),
    ('<RetryUntilSuccessful num_attempts="{n}"><A/></RetryUntilSuccessful>', "<RetryUntilSuccessful> without an end"),
    ('<Repeat num_cycles="-1"><A/></Repeat>', "<Repeat> other than 1 to 100 times"),
    ('<Parallel success_count="1"><A/><B/></Parallel>', "<Parallel> that ends after 1 failures"),
    ('<Parallel success_count="{n}"><A/><B/></Parallel>', "<Parallel> with a count from a variable"),
    ('<Timeout msec="{ms}"><A/></Timeout>', "<Timeout> without a number of milliseconds"),
    ("<Sequence/>", "<Sequence> without children"),
    ("<Inverter><A/><B/></Inverter>", "<Inverter> with 2 children"),
    ("<Mine><A/></Mine>", "<Mine> has no equal"),
    ('<Decorator ID="Mine"><A/></Decorator>', "<Decorator> has no equal"),
    ("<Action/>", "<Action> without an ID"),
    ('<Action ID="A"><B/></Action>', "<Action> with children"),
    ('<GoHome _skipIf="x == 1"/>', "_skipIf of <GoHome> has no equal"),
    ('<Sequence _onSuccess="x := 1"><A/></Sequence>', "_onSuccess of <Sequence> has no equal"),
    ('<SubTree ID="Main" _autoremap="true"/>', "<SubTree> with _autoremap has no equal"),
    ('<SubTree ID="Nowhere"/>', "there is no tree 'Nowhere' in this file"),
    ('<Say text="hello {who}"/>', "port 'text' mixes text and a variable"),
    ('<Say text="{@who}"/>', "{@who} reads the root's blackboard"),
]  # fmt: skip


@pytest.mark.parametrize(("root", "message"), NONE)
def test_a_node_without_an_equal_is_named_with_its_place_and_the_tree_does_not_load(
    root: str, message: str, tmp_path: Path
) -> None:
    imported = translated("<Sequence>\n  " + root + "\n</Sequence>")
    (found,) = imported.findings
    assert said((found,))[0].startswith(f"4:3: {message}"), str(found)
    path = tmp_path / "main.yaml"
    path.write_text(imported.tree)
    assert check_tree(path, LEAVES), "what has no equal can't slip through"


def test_every_node_that_behaviortree_cpp_registers_is_known() -> None:
    for tag in REGISTERED - set(NO_EQUAL) - {"SubTree"}:
        imported = translated(f"<{tag}/>")
        assert f"\nroot: {word(tag)}\n" not in imported.tree, f"<{tag}> is taken for a skill"


MORE = """
<BehaviorTree ID="PickUp">
  <Sequence><Pick tool="{what}" into="{held}"/><VerifyInHand held="{held}"/></Sequence>
</BehaviorTree>
<BehaviorTree ID="FetchIt">
  <SubTree ID="PickUp" what="{tool}" held="{got}" mood="{mood}"/>
</BehaviorTree>
<TreeNodesModel>
  <Action ID="Say"><input_port name="text" type="std::string">what</input_port></Action>
  <SubTree ID="FetchIt"><input_port name="times" type="int" default="3"/></SubTree>
</TreeNodesModel>
"""


def test_subtrees_become_cards_that_know_what_goes_in_and_out() -> None:
    imported = translated('<SubTree ID="FetchIt" tool="{tool}" got="{held}"/>', MORE)
    assert sorted(imported.skills) == ["fetch_it", "pick_up"]
    assert imported.skills["pick_up"].splitlines()[1:] == [
        "skill: pick_up",
        "summary: PickUp, imported.",
        "inputs:",
        "  what: {type: verified_object}",
        "  mood: {type: text}",
        "outputs:",
        "  held: {from: $held}",
        "tree:",
        "  sequence:",
        "    - pick: {tool: $what, into: $held}",
        "    - verify_in_hand: {held: $held}",
    ]
    assert "times: {type: number, default: 3}" in imported.skills["fetch_it"]
    assert "outputs:\n  got: {from: $got}" in imported.skills["fetch_it"]
    assert [found.message for found in imported.findings] == [
        "the type of port 'tool' is not known, and is taken to be text",
        "the type of port 'mood' is not known, and is taken to be text",
    ]


def test_types_of_the_model_decide_what_a_constant_is() -> None:
    assert 'say: {text: "5"}' in translated('<Say text="5"/>', MORE).tree


def test_a_whole_tree_imports_checks_and_loads_once_it_is_guarded(tmp_path: Path) -> None:
    tree = """
      <Sequence name="bring one thing to its place">
        <FindNextTool groups="{groups}" into="{candidate}"/>
        <Fallback>
          <VerifyGrounding candidate="{candidate}" into="{tool}"/>
          <AskAbout candidate="{candidate}" into="{tool}"/>
        </Fallback>
        <Pick tool="{tool}" into="{held}"/>
        <Place held="{held}" zone="left"/>
      </Sequence>"""
    imported = translated(tree)
    assert not imported.findings
    path = tmp_path / "main.yaml"
    path.write_text(imported.tree)
    rules = {finding.rule for finding in check_tree(path, LEAVES)}
    assert rules == {"unguarded-motion", "unknown-variable"}
    head, _, root = imported.tree.partition("root:\n")
    guarded = "root:\n  guard:\n    while: workspace_is_clear\n    otherwise: hold_still\n    do:\n"
    indented = "".join(f"    {line}\n" for line in root.splitlines())
    path.write_text(f"{head}inputs: {{groups: groups}}\n{guarded}{indented}")
    assert load_tree(path, LEAVES).summary.safety == "moves"


BROKEN = [
    (b"", "1:1: not valid XML: no element found"),
    (b"<root", "1:1: not valid XML: unclosed token"),
    (b"<root>\n  <a></b></root>", "2:8: not valid XML: mismatched tag"),
    (b"<root/>", "1:1: this is not version 4 of the format, but 3 or older"),
    (b'<root BTCPP_format="3"/>', "1:1: this is not version 4 of the format, but 3"),
    (b"<scxml/>", "1:1: the outermost element is <scxml>, and that of a tree is <root>"),
    (b'<root BTCPP_format="4"/>', "1:1: there is no <BehaviorTree> in this file"),
    (b"\xff\xfe<", "1:1: is not UTF-8 text"),
    (b'<root BTCPP_format="4">\n<BehaviorTree ID="A"/></root>', "2:1: tree 'A' has 0 roots, and needs one"),
    (b'<root BTCPP_format="4" main_tree_to_execute="B"><BehaviorTree ID="A"><X/></BehaviorTree></root>',
     "1:1: main_tree_to_execute names 'B', and there is no such tree"),
    (b'<root BTCPP_format="4"><BehaviorTree ID="A"><X/></BehaviorTree><BehaviorTree ID="B"><X/></BehaviorTree></root>',
     "1:1: which tree is the main one?"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_a_file_that_is_no_such_tree_is_one_finding(data: bytes, message: str) -> None:
    imported = import_xml(data, "door.xml")
    assert said(imported.findings) == [message] and not imported.tree


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
BOMBS = [
    f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>\n<root BTCPP_format="4">&a12;</root>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///dev/zero">]><root BTCPP_format="4">&a;</root>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><root BTCPP_format="4"/>',
    f'<!DOCTYPE x [<!ENTITY a "{"A" * 100_000}">]><root BTCPP_format="4">{"&a;" * 100_000}</root>',
    '<!DOCTYPE x [<!ENTITY % p SYSTEM "x.dtd"> %p;]><root BTCPP_format="4"/>',
    "<a>" * 200_000,
    '<root BTCPP_format="4">' + "<a/>" * 300_000,
    " " * 3_000_000,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_one_line_and_takes_no_time(bomb: str) -> None:
    began = time.perf_counter()
    imported = import_xml(bomb.encode(), "bomb.xml")
    assert time.perf_counter() - began < 1.0
    (found,) = imported.findings
    assert "\n" not in found.message and not imported.tree
    refused = ("a document type and entities are refused", "nested deeper than", "more than", "is larger than")
    assert found.message.startswith(refused)


TAGS = st.sampled_from(sorted(REGISTERED | {"Action", "Control", "A", "Échange", "x.y"}))
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["name", "ID", "msec", "num_attempts", "num_cycles", "value", "output_key", "_while", "do", "é"]),
    st.text("a1{}=@$:#-, \"'é\u2028", max_size=6),
    max_size=3,
)


def element(tag: str, attributes: dict[str, str], children: list[str]) -> str:
    escaped = {ord("&"): "&amp;", ord("<"): "&lt;", ord('"'): "&quot;"}
    given = "".join(f' {key}="{text.translate(escaped)}"' for key, text in attributes.items())
    return f"<{tag}{given}>{''.join(children)}</{tag}>"


NODES = st.recursive(
    st.builds(element, TAGS, ATTRIBUTES, st.just([])),
    lambda inner: st.builds(element, TAGS, ATTRIBUTES, st.lists(inner, max_size=3)),
    max_leaves=8,
)


@given(NODES)
@settings(max_examples=150, deadline=None)
def test_any_tree_of_nodes_becomes_yaml_that_the_checker_can_read(root: str) -> None:
    from vlm_bt.tree import source

    imported = import_xml(xml(root), "door.xml")
    read = source.parse(imported.tree, "door.yaml")
    assert read.value is not None and not read.findings, imported.tree


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_findings_and_never_an_exception(data: bytes) -> None:
    assert import_xml(data, "door.xml").findings


# The command


def test_the_command_writes_the_tree_and_its_cards_and_says_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "door.xml"
    path.write_bytes(xml('<Sequence><SubTree ID="FetchIt"/><Script code="x:=1"/></Sequence>', MORE))
    ran = CliRunner().invoke(app, ["import-xml", str(path), "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert "<Script> has no equal" in ran.output and "things have to be put right by hand" in ran.output
    assert (tmp_path / "trees" / "main.yaml").read_text().startswith("# Imported from door.xml")
    assert (tmp_path / "skills" / "pick_up.yaml").is_file()
    again = CliRunner().invoke(app, ["import-xml", str(path), "--out", str(tmp_path)])
    assert "exists already" in str(again.exception)


def test_the_command_prints_where_no_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "home.xml"
    path.write_bytes(xml("<GoHome/>"))
    ran = CliRunner().invoke(app, ["import-xml", str(path)])
    assert (ran.exit_code, "root: go_home" in ran.output) == (0, True)
    path.write_bytes(b"<!DOCTYPE x><x/>")
    ran = CliRunner().invoke(app, ["import-xml", str(path)])
    assert ran.exit_code == 2 and "document type" in ran.output
