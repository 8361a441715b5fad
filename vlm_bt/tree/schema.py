"""JSON Schemas (draft 7) of tree files and skill cards, for editors: made from the language's tables and the cards.

A schema knows the words and where they may stand. What it can't know is left to the checker: variables, their types,
trust and guards. So whatever the checker lets pass the schema lets pass too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlm_bt.leaves.leaf import Input, Leaf, Output
from vlm_bt.tree.cards import SAFETY, Card, Port
from vlm_bt.tree.kinds import KINDS, Kind
from vlm_bt.tree.mission import VERSION
from vlm_bt.tree.parse import FAMILIES, OUTCOMES, RESERVED
from vlm_bt.tree.reference import FAMILY_HELP, FILE_HELP, SAFETY_HELP, block_text, plain, port_text, skill_text
from vlm_bt.tree.syntax import BLOCKS, BlockForm
from vlm_bt.tree.terms import PRIORITIES, REUSES, TRUSTED
from vlm_bt.types import REASONS

Json = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME = "^[a-z][a-z0-9_]*$"
_NODE = {"$ref": "#/definitions/node"}
_NODES = {"type": "array", "items": _NODE, "minItems": 1}
_TEXT: Json = {"type": "string", "minLength": 1}
_VARIABLE: Json = {"type": "string", "pattern": r"^\$[a-z][a-z0-9_]*$", "patternErrorMessage": "A variable is $name."}
_SECONDS: Json = {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}
_REASONS: Json = {"enum": [*(reason for reason in REASONS if reason != "done"), *FAMILIES]}


def _reference(expected: str) -> Json:
    """Text that is `$name` or `$name.field`."""
    pattern = r"^\$[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"
    return {"pattern": pattern, "patternErrorMessage": f"Expected {expected}."}


_COUNT: Json = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
_KIND: Json = {"enum": list(KINDS), "enumDescriptions": [kind.help for kind in KINDS.values()]}

OPTIONS: Mapping[str, Json] = {
    "flag": {"type": "boolean"},
    "count": _COUNT,
    "seconds": _SECONDS,
    "reasons": {"anyOf": [{"type": "array", "items": _REASONS}, _REASONS]},
    "reason": {"enum": [reason for reason in REASONS if reason != "done"]},
    "variable": _VARIABLE,
    "list": {"type": ["array", "string"], **_reference("a list or a $variable")},
    "policy": {"anyOf": [{"enum": ["all", "any"]}, _COUNT]},
    "value": {"type": ["string", "number", "boolean", "array", "object"]},
    "type": _KIND,
    "template": _TEXT,
    "on_clear": {"enum": ["resume", "restart"]},
}
"""What may stand as an option of each kind; a test holds them against the parser."""

WRITTEN: Mapping[str, Json] = {
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "number": {"type": "number"},
    "fraction": {"type": "number", "minimum": 0, "maximum": 1},
    "boolean": {"type": "boolean"},
    "zone": {"type": "string"},
    "groups": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "properties": {
                "zone": {"type": "string", "description": "where they belong"},
                "kinds": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "what belongs"},
                "by_size": {"type": "boolean", "description": "whether they are laid out by their length"},
            },
            "required": ["zone", "kinds"],
            "additionalProperties": False,
        },
    },
}
"""How a value of each type is written; types that are not here come from skills."""


def tree_schema(cards: Sequence[Card]) -> Json:
    """The schema of a tree file.

    Args:
        cards: Every skill that it may use, as `vlm_bt.tree.load.vocabulary` gives them.
    """
    sentences = {"type": "array", "items": _TEXT}
    forms: Mapping[str, Json] = {
        "version": {"const": VERSION},
        "tree": {"type": "string", "pattern": _NAME},
        "summary": _TEXT,
        "says": sentences,
        "include": sentences,
        "inputs": _inputs([kind for kind in KINDS.values() if kind.parse]),
        "outputs": _outputs(),
        "root": {"allOf": [_NODE]},
    }
    keys = {key: _told(form, FILE_HELP[key]) for key, form in forms.items()}
    return {
        "$schema": _DRAFT,
        "title": "a tree of vlm_bt",
        **_object(keys, ["tree", "root"]),
        "definitions": {"node": _node(cards)},
    }


def card_schema(cards: Sequence[Card], leaves: Mapping[str, type[Leaf]], *, allow: Iterable[str] = ()) -> Json:
    """The schema of a skill card.

    Args:
        cards: Every skill that a subtree may use.
        leaves: The table through which cards name leaves.
        allow: Leaves from outside `vlm_bt` that the configuration allows by name.
    """
    by_name: Json = {"type": "object"}
    keys = {
        "skill": _told({"type": "string", "pattern": _NAME}, "the name of the skill, as its file is called"),
        "summary": _told(_TEXT, "what it does, in a sentence"),
        "leaf": {
            "enum": [*leaves, *allow],
            "description": "the Python class that does it",
            "enumDescriptions": [(leaf.__doc__ or "").split("\n")[0] for leaf in leaves.values()],
        },
        "tree": _told({"allOf": [_NODE]}, "the subtree that does it"),
        "timeout_s": _told(_SECONDS, "seconds after which it gives up"),
        "inputs": by_name,
        "outputs": by_name,
        "reasons": by_name,
        "safety": {"enum": list(SAFETY), "enumDescriptions": [SAFETY_HELP[safety] for safety in SAFETY]},
        "prompts": WRITTEN["texts"],
        "error_rate": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "vision": _told(_terms(REUSES), "the terms on which it asks models"),
        "unsure": _told(_TEXT, "what to do when it is not sure"),
        "example": _told({"allOf": [_NODE]}, "a call of it"),
    }
    of_tree = {
        **dict.fromkeys(("leaf", "safety", "reasons", "prompts", "error_rate", "vision"), False),
        "inputs": _inputs(list(KINDS.values())),
        "outputs": _outputs(),
    }
    with_tree = {"if": {"required": ["tree"]}, "then": {"properties": of_tree}, "else": {"required": ["leaf"]}}
    return {
        "$schema": _DRAFT,
        "title": "a skill card of vlm_bt",
        **_object(keys, ["skill", "summary"]),
        "allOf": [with_tree, *(_of_leaf(name, leaf) for name, leaf in leaves.items())],
        "definitions": {"node": _node(cards)},
    }


def as_text(schema: Json) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _node(cards: Sequence[Card]) -> Json:
    heads = {
        kind: {**_block(form), "title": kind, "markdownDescription": block_text(kind)} for kind, form in BLOCKS.items()
    }
    heads |= {card.name: {**_call(card), "title": card.name, "markdownDescription": skill_text(card)} for card in cards}
    bare = [name for name, head in heads.items() if "null" in head["type"]]
    words = [{"const": name, "markdownDescription": heads[name]["markdownDescription"]} for name in bare]
    alone = f"This is no skill and no node of the language, or it lacks arguments. These need none: {', '.join(bare)}."
    mapping: Json = {**_object(heads, []), "minProperties": 1, "maxProperties": 1, "errorMessage": alone}
    return {"anyOf": [mapping, *words]}


def _block(form: BlockForm) -> Json:
    nodes = [key for key in form.keys if key == "do" or key in form.nodes]
    keys: Json = {key: _NODES if key == "do" and form.many else _NODE for key in nodes}
    keys |= {key: OPTIONS[kind] for key, kind in form.options.items()}
    keys["name"] = _told(_TEXT, "what a person would call this node")
    if form.branches:
        keys |= {outcome: _told({"allOf": [_NODE]}, _outcome_help(outcome)) for outcome in (*OUTCOMES, "else")}
    needed = [key for key in form.required if not (key == "do" and "bare" in form.short)]
    block = _object(keys, needed)
    short = {"list": "array", "bare": "null", "text": "string"}
    block["type"] = [*(short[way] for way in form.short if way in short), "object"]
    if "list" in form.short:
        block |= {"items": _NODE, "minItems": 1}
    if "node" in form.short:
        block = {"type": [*block["type"], "string"], "anyOf": [block, _NODE]}
    return block


def _call(card: Card) -> Json:
    keys = {port.name: _argument(card, port) for port in card.inputs.values()}
    outputs = [port for port in card.outputs.values() if port.required and card.leaf]
    for port in card.outputs.values():
        keys[port.name] = {**_VARIABLE, "markdownDescription": port_text(port, needed=port in outputs)}
    default = f" ({card.timeout_s:g} on its card)" if card.timeout_s is not None else ""
    keys["timeout_s"] = _told(_SECONDS, f"seconds after which it gives up{default}")
    keys["name"] = _told(_TEXT, "what a person would call this node")
    needed = [port.name for port in (*card.inputs.values(), *outputs) if port.required]
    call = _object(keys, needed)
    return call if needed else {**call, "type": ["object", "null"]}


def _argument(card: Card, port: Port) -> Json:
    told: Json = {"markdownDescription": port_text(port)}
    if port.has_default and port.default is not None:
        told["default"] = plain(port.default)
    if port.kind.parse is None:
        return {"type": "string", **_reference(f"a variable: {port.help or port.kind}"), **told}
    form = _written(port.kind)
    if card.leaf and port.name in ("prompts", "error_rate"):
        return {**form, **(_rate(port.default) if port.name == "error_rate" else {}), **told}
    if form["type"] == "string":
        return {**form, **told}
    return {**form, "type": [form["type"], "string"], **_reference(f"{port.kind.help}, or a $variable"), **told}


def _written(kind: Kind) -> Json:
    return WRITTEN[kind.name]


def _rate(most: float | None) -> Json:
    return {"exclusiveMinimum": 0, "maximum": 1 if most is None else most}


def _inputs(kinds: Sequence[Kind]) -> Json:
    """`name: type`, or `name: {type, default, help}` with a default of that type."""
    types = _types(kinds)
    keys = {"type": types, "default": {}, "help": _TEXT}
    defaults = [
        {
            "if": {"properties": {"type": {"const": kind.name}}, "required": ["type"]},
            "then": {"properties": {"default": _written(kind) if kind.parse else False}},
        }
        for kind in kinds
    ]
    return _named({"anyOf": [{**_object(keys, ["type"]), "allOf": defaults}, types]})


def _outputs() -> Json:
    """`name: type`, or `name: {from: $variable, type, help}`."""
    types = _types(KINDS.values())
    return _named({"anyOf": [_object({"from": _VARIABLE, "type": types, "help": _TEXT}, []), types]})


def _types(kinds: Iterable[Kind]) -> Json:
    listed = list(kinds)
    return {"enum": [kind.name for kind in listed], "enumDescriptions": [kind.help for kind in listed]}


def _named(value: Json) -> Json:
    names = {"pattern": _NAME, "not": {"enum": sorted(RESERVED)}}
    return {"type": "object", "propertyNames": names, "additionalProperties": value}


def _of_leaf(name: str, leaf: type[Leaf]) -> Json:
    """What a card of one leaf may say: the same as the leaf, or less."""
    tighter = list(SAFETY[SAFETY.index(leaf.safety) :])
    keys: Json = {
        "inputs": _object({port: _tightened(given) for port, given in leaf.takes.items()}, []),
        "outputs": _object({port: _tightened(given) for port, given in leaf.gives.items()}, []),
        "reasons": _object({reason: _told(_TEXT, _outcome_help(reason)) for reason in leaf.reasons}, []),
        "safety": {"enum": tighter},
    }
    keys |= {key: False for key in ("prompts", "error_rate") if key not in leaf.takes}
    if "error_rate" in leaf.takes:
        keys["error_rate"] = _rate(leaf.takes["error_rate"].default)
    if leaf.instant:
        keys["vision"] = False
    elif leaf.safety != "looks" or any(given.type in TRUSTED for given in leaf.gives.values()):
        keys["vision"] = _terms({reuse: help for reuse, help in REUSES.items() if reuse != "similar"})
    then: Json = {"properties": keys} if leaf.instant else {"properties": keys, "required": ["timeout_s"]}
    return {"if": {"properties": {"leaf": {"const": name}}, "required": ["leaf"]}, "then": then}


def _terms(reuses: Mapping[str, str]) -> Json:
    keys = {
        "priority": _told(_words(PRIORITIES), "how urgent its questions are; mission where nothing is said"),
        "reuse": _told(_words(reuses), "which earlier answers will do; exact where nothing is said"),
    }
    return _object(keys, [])


def _words(known: Mapping[str, str]) -> Json:
    return {"enum": list(known), "enumDescriptions": list(known.values())}


def _tightened(given: Input | Output) -> Json:
    kind = KINDS[given.type]
    keys: Json = {"help": _TEXT, "type": _types(other for other in KINDS.values() if other.fits(kind))}
    if isinstance(given, Input):
        keys["required"] = {"const": True} if given.required and given.default is None else {"type": "boolean"}
        keys["default"] = _written(kind) if kind.parse else False
    return _told({"anyOf": [_object(keys, []), _TEXT]}, f"{kind}: {given.help}")


def _outcome_help(outcome: str) -> str:
    if outcome == "else":
        return "every answer and mishap that is not named"
    family = REASONS.get(outcome)
    return f"{family}: {FAMILY_HELP[family]}" if family else f"every {outcome}: {FAMILY_HELP[outcome]}"


def _object(keys: Mapping[str, Any], required: Sequence[str]) -> Json:
    found: Json = {"type": "object", "properties": dict(keys), "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _told(schema: Json, help: str) -> Json:
    return {**schema, "description": help}
