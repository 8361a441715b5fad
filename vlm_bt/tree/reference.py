"""The reference of the language in Markdown: every node, skill, type and outcome, from the tables and the cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vlm_bt import types
from vlm_bt.leaves.leaf import Safety
from vlm_bt.questions import name_of
from vlm_bt.tree.cards import Card, Port
from vlm_bt.tree.findings import Document, Mark
from vlm_bt.tree.kinds import KINDS, Kind
from vlm_bt.tree.syntax import BLOCKS, BlockForm
from vlm_bt.tree.terms import PRIORITIES, REUSES

FILE_HELP: Mapping[str, str] = {
    "version": "the version of the language",
    "tree": "the name of the mission, as its file is called",
    "summary": "what it does, in a sentence",
    "says": "what a person may say to start it",
    "include": "folders of skills, beside this file or below it",
    "inputs": "what it takes, with defaults",
    "outputs": "what it gives when it is done",
    "root": "what it does",
}
"""The outermost keys of a tree file."""
SAFETY_HELP: Mapping[Safety, str] = {
    "looks": "**looks**: it moves nothing",
    "asks": "**asks** a person",
    "moves": "**moves** the arm, so it stands under a guard",
}
FAMILY_HELP: Mapping[str, str] = {
    "answer": "the world or the model said something; handled by name with `match`",
    "mishap": "a motion did not do what it should; `retry` tries again, `match` may name it",
    "fault": "something broke; it passes everything that does not name it",
}
OPTION_HELP: Mapping[str, str] = {
    "flag": "true or false",
    "count": "a whole number from 1",
    "seconds": "seconds, more than 0",
    "reasons": "outcomes or families of them, one or a list",
    "reason": "an outcome",
    "variable": "a variable, `$name`",
    "list": "a list, or a variable that holds one",
    "policy": "`all`, `any` or a whole number from 1",
    "value": "a constant or a variable",
    "type": "a type",
    "template": "text with `$name` and `$name.field` in it; a dollar sign is `$$`",
    "on_clear": "`resume` or `restart`",
}
EXAMPLES: Mapping[str, str] = {
    "sequence": """\
sequence:
  - go_home
  - describe_scene: {into: $before}""",
    "selector": """\
selector:
  - locate_again: {tool: $tool, into: $tool}
  - ask_about: {candidate: $candidate, into: $tool}""",
    "parallel": """\
parallel:
  success: all
  do:
    - describe_scene: {into: $scene}
    - verify_count: {into: $count}""",
    "retry": """\
retry:
  at_most: 3
  on: [stale]
  do: {locate_again: {tool: $tool, into: $tool}}""",
    "repeat": """\
repeat:
  until: {everything_is_sorted: {groups: $groups}}
  at_most: 60
  do: go_home""",
    "timeout": """\
timeout:
  after_s: 30
  do: {describe_scene: {into: $scene}}""",
    "invert": "invert: {everything_is_sorted: {groups: $groups}}",
    "always_succeed": "always_succeed: {verify_count: {into: $count}}",
    "always_fail": """\
always_fail:
  reason: refuted
  do: {set_aside: {candidate: $candidate}}""",
    "guard": """\
guard:
  while: workspace_is_clear
  otherwise: hold_still
  on_clear: resume
  do: go_home""",
    "for_each": """\
for_each:
  item: $kind
  in: [pliers, screw]
  do: {verify_count: {of: $kind, into: $count}}""",
    "once": "once: {describe_scene: {into: $before}}",
    "wait": "wait: {for_s: 5}",
    "set": "set: {variable: $kind, to: screwdriver}",
    "log": 'log: "next comes the $tool.label"',
    "match": """\
match:
  do: {verify_grounding: {candidate: $candidate, into: $tool}}
  unsure: {ask_about: {candidate: $candidate, into: $tool}}""",
}
"""One for each node of the language; a test loads them."""

_HEAD = """# Reference of the tree language

<!-- Written by `vlm-bt reference` from the code and the skill cards. Do not edit: change those and run it again. -->

A node is a mapping with one key: a node of the language or a skill. A skill without arguments is its bare name.
`$x` is a variable, `$x.field` a field of it. Every node may have a `name`, every skill a `timeout_s`.
"""


def reference(cards: Sequence[Card]) -> str:
    """The whole page.

    Args:
        cards: Every skill, as `vlm_bt.tree.load.vocabulary` gives them.
    """
    parts = [_HEAD, "## A tree file\n", *(f"- `{key}`: {help}" for key, help in FILE_HELP.items()), ""]
    parts += ["## Nodes of the language\n"]
    parts += [f"### {kind}\n\n{block_text(kind)}\n" for kind in BLOCKS]
    parts += ["## Skills\n", _skills(cards)]
    parts += [f"### {card.name}\n\n{skill_text(card)}\n" for card in cards]
    parts += [_kinds(), _outcomes(), _terms()]
    return "\n".join(parts)


def block_text(kind: str) -> str:
    """What a node of the language does, which keys it takes, and an example."""
    form = BLOCKS[kind]
    lines = [_sentence(form.help), ""]
    lines += [f"- `{key}`{'' if _needed(form, key) else ', optional'}: {_key_help(form, key)}" for key in _keys(form)]
    if form.branches:
        lines.append(
            "- any outcome or family, optional: a node; `else` takes every answer and mishap that is not named"
        )
    short = {"list": "a list of nodes", "node": "one node", "bare": "nothing at all", "text": "a text"}
    if form.short:
        lines += ["", f"In place of the keys: {' or '.join(short[way] for way in form.short)}."]
    return "\n".join([*lines, *_fenced(EXAMPLES.get(kind, ""))])


def skill_text(card: Card) -> str:
    """What a skill does, takes, gives and may end with, and the example of its card."""
    source = f"leaf `{card.leaf.__name__}`" if card.leaf else "a subtree"
    lines = [card.summary, "", f"{SAFETY_HELP[card.safety]} ({source}).", ""]
    for name, port in card.inputs.items():
        lines.append(f"- takes `{name}`: {port_text(port)}")
    for name, port in card.outputs.items():
        lines.append(f"- gives `{name}`: {port_text(port, needed=port.required and card.leaf is not None)}")
    if card.instant:
        lines.append("- answers within one tick")
    elif card.timeout_s is not None:
        lines.append(f"- gives up after {card.timeout_s:g} s, unless `timeout_s` says otherwise")
    if card.leaf and card.leaf.asks:
        lines.append(f"- asks a model: {_asked(card)}")
    lines += [f"- may end with `{reason}`{_told(card.reasons_help.get(reason))}" for reason in card.reasons_help]
    silent = [f"`{reason}`" for reason in card.reasons if reason not in card.reasons_help]
    if silent:
        lines.append(f"- may {'also ' if card.reasons_help else ''}end with {', '.join(silent)}")
    if card.unsure:
        lines += ["", f"When unsure: {card.unsure}"]
    example = excerpt(card.document, card.example.mark) if card.example else ""
    return "\n".join([*lines, *_fenced(example)])


def _asked(card: Card) -> str:
    assert card.leaf is not None
    names = ", ".join(f"`{name_of(question)}`" for question in card.leaf.asks)
    return f"{names} (priority {card.asker.priority.name.lower()}, reuse {card.asker.reuse})"


def port_text(port: Port, *, needed: bool | None = None) -> str:
    """Type, whether it can be left out, what holds then, and what it means."""
    optional = not (port.required if needed is None else needed)
    default = f", {_shown(port.default)} if left out" if port.has_default and optional else ""
    claim = ", a claim" if port.kind.claim else ""
    left_out = ", optional" if optional and not default else ""
    return f"{port.kind}{claim}{left_out}{default}{_told(port.help)}"


def plain(value: Any) -> Any:
    """A default as it is written in YAML: no tuples and no objects."""
    if isinstance(value, types.Group):
        order = {"by_size": True} if value.by_size else {}
        return {"zone": value.zone, "kinds": list(value.kinds), **order}
    if isinstance(value, tuple) and value and isinstance(value[0], types.Group):
        return {group.name: plain(group) for group in value}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(plain(value), ensure_ascii=False)


def excerpt(document: Document, mark: Mark) -> str:
    """The text of the node that begins at a mark, down to where the indentation ends."""
    first, *others = document.lines[mark.line :]
    found = [first[mark.column :]]
    for line in others:
        if (line.strip() and len(line) - len(line.lstrip()) < max(1, mark.column)) or line.startswith("#"):
            break
        found.append(line[mark.column :])
    return "\n".join(found).rstrip()


def _keys(form: BlockForm) -> Iterator[str]:
    yield from (key for key in form.keys if key != "name")


def _needed(form: BlockForm, key: str) -> bool:
    return key in form.required and not (key == "do" and "bare" in form.short)


def _key_help(form: BlockForm, key: str) -> str:
    if key == "do" and form.many:
        return "a list of nodes"
    return "a node" if key == "do" or key in form.nodes else OPTION_HELP[form.options[key]]


def _fenced(example: str) -> list[str]:
    return ["", "```yaml", example, "```"] if example else []


def _told(help: str | None) -> str:
    return f" - {help}" if help else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _skills(cards: Sequence[Card]) -> str:
    rows = [f"| [{card.name}](#{card.name}) | {card.safety} | {card.summary} |" for card in cards]
    return "\n".join(["| Skill | Safety | |", "|---|---|---|", *rows, ""])


def _kinds() -> str:
    rows = [f"| {kind.name} | {_kind_text(kind)} |" for kind in KINDS.values()]
    return "\n".join(["## Types\n", "| Type | |", "|---|---|", *rows, ""])


def _kind_text(kind: Kind) -> str:
    parts = [kind.help]
    if kind.claim:
        parts.append("a claim, and so is every field of it")
    if kind.fields:
        parts.append("fields: " + ", ".join(f"`{name}` ({type_})" for name, type_ in kind.fields.items()))
    if kind.items:
        parts.append(f"`for_each` walks it, each item a {kind.items}")
    if kind.also:
        parts.append(f"fits wherever {kind.also} is taken")
    if kind.parse is None:
        parts.append("can't be written in YAML: it comes from a skill")
    return "; ".join(parts)


def _outcomes() -> str:
    rows = [f"| {reason} | {family} |" for reason, family in types.REASONS.items() if family != "done"]
    families = [f"- **{family}**: {help}" for family, help in FAMILY_HELP.items()]
    return "\n".join(["## Outcomes\n", *families, "", "| Outcome | Family |", "|---|---|", *rows, ""])


def _terms() -> str:
    """What a card may say of how its leaf asks models."""
    return f"""## How a skill asks models

The card of a skill with a leaf may say `vision: {{priority: PRIORITY, reuse: REUSE}}`. Its questions then wait for the
model under that priority, and `timeout_s` is their deadline. Without it `mission` and `exact` hold.

{_table("Priority", PRIORITIES)}

{_table("Reuse", REUSES)}
"""


def _table(head: str, rows: Mapping[str, str]) -> str:
    return "\n".join([f"| {head} | |", "|---|---|", *(f"| {name} | {help} |" for name, help in rows.items())])
