"""BehaviorTree.CPP 4 trees (the XML that Groot2 writes) in our language.

Every node that has an equal becomes it. What has none is named with its place, and stands in the file as a skill that
there can't be, such as `no_equal_script`: so the tree does not load before somebody has put that right, and nothing is
left out quietly. What the imported tree lacks otherwise (guards, verification) is the checker's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from vlm_bt.tree.btcpp_nodes import Nodes, calls_with_variables, plain, typed, word
from vlm_bt.tree.btcpp_words import QUIET, TYPES
from vlm_bt.tree.cards import Card
from vlm_bt.tree.export import mapping, value_of
from vlm_bt.tree.findings import Document, Finding, Mark, Problem, in_order
from vlm_bt.tree.source import Value
from vlm_bt.tree.xml_source import Element, parse_xml
from vlm_bt.tree.yaml_text import OPEN, yaml_text

FORMAT = "4"


@dataclass(frozen=True)
class Imported:
    """What came of an XML file.

    Attributes:
        name: The tree to run; empty where the file could not be read.
        tree: Its tree file.
        skills: The cards of the other trees in the file, by name.
        findings: What has no equal, and what was wrong.
    """

    name: str = ""
    tree: str = ""
    skills: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def import_xml(data: bytes, path: str, cards: Iterable[Card] = ()) -> Imported:
    """Translate one file.

    Args:
        data: The file's bytes.
        path: What findings call it, and where the name of a tree without one comes from.
        cards: Skills that there are; from these follows what goes into a subtree, what comes out, and of which types.
    """
    read = parse_xml(data, path)
    if read.root is None:
        return Imported(findings=read.findings)
    return _Importer(read.document, read.root, {card.name: card for card in cards}).run()


class _Importer:
    def __init__(self, document: Document, root: Element, cards: Mapping[str, Card]) -> None:
        self._document = document
        self._root = root
        self._cards = cards
        self._problems: list[Problem] = []
        self._models = self._read_models()

    def run(self) -> Imported:
        trees = self._trees()
        main = self._main(trees)
        if main is None:
            return Imported(findings=self._findings())
        nodes = Nodes(self._problems, self._models, {key: word(key) for key in trees})
        done = {key: nodes.root(element) for key, element in trees.items()}
        written = self._written(done)
        shown = PurePath(self._document.path).name
        head = f"# Imported from {shown}, a tree of BehaviorTree.CPP.\n"
        tree = head + self._mission(word(main), done[main])
        cards = {word(key): head + self._card(key, value, written[key]) for key, value in done.items() if key != main}
        return Imported(word(main), tree, cards, self._findings())

    def _findings(self) -> tuple[Finding, ...]:
        return tuple(in_order(self._document.finding(problem) for problem in self._problems))

    def _wrong(self, mark: Mark, message: str, help: str = "") -> None:
        self._problems.append(Problem("xml", mark, message, help))

    # The file

    def _trees(self) -> dict[str, Element]:
        root = self._root
        if root.tag != "root":
            self._wrong(root.mark, f"the outermost element is <{root.tag[:40]}>, and that of a tree is <root>")
            return {}
        version = root.attributes.get("BTCPP_format", "3 or older")
        if version != FORMAT:
            help = "BehaviorTree.CPP's own script converts version 3 to 4."
            self._wrong(root.mark, f"this is not version 4 of the format, but {version[:20]}", help)
            return {}
        trees: dict[str, Element] = {}
        for element in root.children:
            if element.tag == "BehaviorTree":
                name = element.attributes.get("ID") or PurePath(self._document.path).stem
                if any(word(name) == word(other) for other in trees):
                    self._wrong(element.mark, f"there is another tree called {word(name)!r}")
                elif len(element.children) != 1:
                    self._wrong(element.mark, f"tree {name[:40]!r} has {len(element.children)} roots, and needs one")
                else:
                    trees[name] = element
            elif element.tag == "include":
                self._wrong(element.mark, "<include> is not followed", "Import that file by itself.")
            elif element.tag != "TreeNodesModel":
                self._wrong(element.mark, f"<{element.tag[:40]}> has no meaning here")
        if not trees and not self._problems:
            self._wrong(root.mark, "there is no <BehaviorTree> in this file")
        return trees

    def _main(self, trees: Mapping[str, Element]) -> str | None:
        named = self._root.attributes.get("main_tree_to_execute")
        if named is None and len(trees) > 1:
            self._wrong(self._root.mark, "which tree is the main one?", "Say it with main_tree_to_execute.")
            return None
        if named is not None and trees and named not in trees:
            self._wrong(self._root.mark, f"main_tree_to_execute names {named[:40]!r}, and there is no such tree")
            return None
        return next(iter(trees), None) if named is None else named if trees else None

    def _read_models(self) -> dict[str, Element]:
        """What <TreeNodesModel> says of nodes, by ID."""
        sections = [section for section in self._root.children if section.tag == "TreeNodesModel"]
        return {model.attributes.get("ID", ""): model for section in sections for model in section.children}

    # What is written

    def _mission(self, name: str, root: Value) -> str:
        return yaml_text(mapping({"tree": value_of(name), "root": root}), open_keys=OPEN)

    def _card(self, key: str, body: Value, written: set[str]) -> str:
        """A card needs to say what goes in and out; the calls and <TreeNodesModel> say that."""
        inputs: dict[str, Value] = {}
        outputs: dict[str, Value] = {}
        model = self._models.get(key)
        for port in model.children if model is not None else ():
            name = word(port.attributes.get("name", ""))
            kind = TYPES.get(port.attributes.get("type", "").strip(), "")
            if port.tag == "output_port":
                outputs[name] = mapping({"from": plain(f"${name}")})
            elif port.tag in ("input_port", "inout_port"):
                default = port.attributes.get("default")
                entries = {"type": value_of(kind or self._type_of(name, body))}
                if default is not None and not default.startswith("{"):
                    entries["default"] = typed(default, kind)
                inputs[name] = mapping(entries)
        for name, mark in self._passed(key).items():
            if name in inputs or name in outputs:
                continue
            if name in written:
                outputs[name] = mapping({"from": plain(f"${name}")})
            else:
                inputs[name] = mapping({"type": value_of(self._type_of(name, body, mark))})
        entries = {"skill": value_of(word(key)), "summary": value_of(f"{key}, imported.")}
        ports = {"inputs": inputs, "outputs": outputs}
        entries |= {title: mapping(given) for title, given in ports.items() if given}
        return yaml_text(mapping({**entries, "tree": body}), open_keys=OPEN)

    def _passed(self, key: str) -> dict[str, Mark]:
        """The ports that any <SubTree> passes to this tree, and where."""
        calls = [e for e in self._root.walk() if e.tag == "SubTree" and e.attributes.get("ID") == key]
        ports: dict[str, Mark] = {}
        for call in calls:
            for name in call.attributes:
                if name not in QUIET and not name.startswith("_"):
                    ports.setdefault(word(name), call.mark)
        return ports

    def _written(self, done: Mapping[str, Value]) -> dict[str, set[str]]:
        """The variables that each tree writes, also through the trees that it calls."""
        gives = {(card.name, port) for card in self._cards.values() for port in card.outputs} | {("set", "variable")}
        for key, model in self._models.items():
            gives |= {
                (word(key), word(port.attributes.get("name", "")))
                for port in model.children
                if port.tag == "output_port"
            }
        while True:
            written = {
                key: {name for skill, port, name in calls_with_variables(body) if (skill, port) in gives}
                for key, body in done.items()
            }
            more = {(word(key), port) for key in done for port in self._passed(key) if port in written[key]} - gives
            if not more:
                return written
            gives |= more

    def _type_of(self, name: str, body: Value, mark: Mark | None = None) -> str:
        """The type of the first known skill's input that takes this variable; text where none does."""
        for skill, port, variable in calls_with_variables(body):
            card = self._cards.get(skill)
            if variable == name and card is not None and port in card.inputs:
                return card.inputs[port].kind.name
        if mark is not None:
            self._wrong(
                mark, f"the type of port {name!r} is not known, and is taken to be text", "Write it in the card."
            )
        return "text"
