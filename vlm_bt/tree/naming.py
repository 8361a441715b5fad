"""What a node is called where its author gave no name: its skill and arguments, in words and without markup."""

from __future__ import annotations

from vlm_bt.tree.source import Many, Mapping, Scalar, Value
from vlm_bt.tree.syntax import Block, Call, Node, Variable

LONGEST = 80
_MARKUP = str.maketrans({"<": "(", ">": ")", "&": "+", "\n": " ", "\t": " "})


def of(node: Node) -> str:
    """A name for people. It may stand in a viewer that takes names for HTML, so it holds none."""
    name = node.name or (_call(node) if isinstance(node, Call) else _block(node))
    plain = name.translate(_MARKUP)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _call(call: Call) -> str:
    words = call.skill.replace("_", " ")
    shown = [_argument(name, argument.value) for name, argument in call.arguments.items() if name not in _QUIET]
    return f"{words} ({', '.join(shown)})" if shown else words


_QUIET = ("into", "timeout_s", "groups", "error_rate", "prompts")


def _argument(name: str, value: Variable | Value) -> str:
    if isinstance(value, Variable):
        return str(value) if value.name == name else f"{name} {value}"
    return f"{name} {plain(value)}"


def plain(value: Value) -> str:
    """A value in one line."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Many):
        return "[" + ", ".join(plain(item) for item in value.items) + "]"
    assert isinstance(value, Mapping)
    return "{" + ", ".join(f"{key}: {plain(entry.value)}" for key, entry in value.entries.items()) + "}"


def _block(block: Block) -> str:
    options = block.options
    do = block.at("do")
    match block.kind:
        case "sequence" | "selector" | "parallel":
            return {"sequence": "in order", "selector": "first that works", "parallel": "at once"}[block.kind]
        case "retry":
            return f"try up to {options['at_most']} times"
        case "repeat":
            until = block.at("until")
            return f"repeat until {of(until)}" if until else "repeat"
        case "timeout":
            return f"within {options['after_s']:g} s"
        case "invert":
            return f"not {of(do)}" if do else "not"
        case "guard":
            condition = block.at("while")
            return f"only while {of(condition)}" if condition else "guard"
        case "for_each":
            return f"for each {options['item']}"
        case "match":
            return f"depending on {of(do)}" if do else "match"
        case "once":
            return f"once: {of(do)}" if do else "once"
        case "wait":
            return f"wait {options['for_s']:g} s"
        case "set":
            to = options["to"]
            return f"set {options['variable']} to {to if isinstance(to, Variable) else plain(to)}"
        case "log":
            return "log: " + "".join(map(str, options["text"]))
        case "always_fail" if do:
            return "fail after this"
        case "always_succeed" if do:
            return "whether or not this works"
    return block.kind.replace("_", " ")
