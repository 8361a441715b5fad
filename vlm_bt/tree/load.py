"""A tree file, read and checked. Every mistake of it and of the skills that it uses comes out together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_bt.leaves.leaf import Leaf
from vlm_bt.places import share_dir
from vlm_bt.tree import source
from vlm_bt.tree.cards import Card, Port, input_ports
from vlm_bt.tree.check import BodyCheck, Checker
from vlm_bt.tree.findings import START, Document, Finding, Problem, did_you_mean, in_order, one_of, raise_all
from vlm_bt.tree.kinds import a
from vlm_bt.tree.meaning import Summary, Typed
from vlm_bt.tree.parse import NAME, Parser
from vlm_bt.tree.source import Many
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.syntax import Body, Mission
from vlm_bt.tree.words import Vocabulary

_KEYS = ("version", "tree", "summary", "says", "inputs", "outputs", "root")


@dataclass(frozen=True)
class TreeSource:
    """A mission that passed every check.

    Attributes:
        text: The file as it was read, for the record.
        inputs: What the mission takes, with types and defaults.
        safety: The strongest class of anything in it.
    """

    mission: Mission
    text: str
    inputs: Mapping[str, Port]
    vocabulary: Vocabulary
    summary: Summary

    @property
    def name(self) -> str:
        return self.mission.body.name

    @property
    def path(self) -> Path:
        return self.mission.path

    @property
    def body(self) -> Body:
        return self.mission.body

    @property
    def says(self) -> tuple[str, ...]:
        return self.mission.says

    def parse_inputs(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The values of `--set name=text`, each read as YAML of the type that the tree declares.

        Raises:
            TreeError: With every text that is no input, or not a value of its type.
        """
        findings: list[Finding] = []
        values = {name: self._parse_input(name, text, findings) for name, text in texts.items()}
        raise_all(findings)
        return values

    def _parse_input(self, name: str, text: str, findings: list[Finding]) -> Any:
        shown = f"--set {name}"
        port = self.inputs.get(name)
        if port is None or port.kind.parse is None:
            hint = did_you_mean(name, list(self.inputs))
            message = f"tree {self.name!r} has no input {name!r}"
            unknown = Problem("unknown-input", START, message, f"It takes: {one_of(self.inputs)}.{hint}")
            findings.append(Document(shown, ()).finding(unknown))
            return None
        read = source.parse(text, shown)
        problems: list[Problem] = []
        value = port.kind.parse(read.value, problems) if read.value is not None else None
        findings += [*read.findings, *(read.document.finding(problem) for problem in problems)]
        return value


def load_tree(
    path: Path | str,
    leaves: Mapping[str, type[Leaf]],
    *,
    skills_dirs: Sequence[Path | str] | None = None,
    allow: Iterable[str] = (),
) -> TreeSource:
    """Read a tree file and everything it uses.

    Args:
        leaves: The table through which cards name leaves.
        skills_dirs: Folders of skill cards, by default the one that comes with the package. No name may be in two.
        allow: Leaves from outside `vlm_bt` that the configuration allows by name.

    Raises:
        TreeError: With every finding in it.
    """
    tree, findings = _load(Path(path), Vocabulary(_folders(skills_dirs), leaves, allow))
    raise_all(findings)
    assert tree is not None
    return tree


def check_tree(
    path: Path | str,
    leaves: Mapping[str, type[Leaf]],
    *,
    skills_dirs: Sequence[Path | str] | None = None,
    allow: Iterable[str] = (),
) -> list[Finding]:
    """Everything that is wrong with a tree file and the skills it uses; empty where it may run."""
    return _load(Path(path), Vocabulary(_folders(skills_dirs), leaves, allow))[1]


def vocabulary(
    leaves: Mapping[str, type[Leaf]], *, skills_dirs: Sequence[Path | str] | None = None, allow: Iterable[str] = ()
) -> list[Card]:
    """Every skill of these folders, by name; of a subtree, what follows from its body is filled in.

    Raises:
        TreeError: A card is wrong.
    """
    words = Vocabulary(_folders(skills_dirs), leaves, allow)
    cards = [card for card in map(words.card, sorted(words.names)) if card is not None]
    checker = Checker(words)
    whole = [checker.completed(card) for card in cards]
    raise_all(in_order([*words.findings, *checker.findings()]))
    return whole


def _folders(skills_dirs: Sequence[Path | str] | None) -> Sequence[Path | str]:
    return [share_dir("skills")] if skills_dirs is None else skills_dirs


def _load(path: Path, words: Vocabulary) -> tuple[TreeSource | None, list[Finding]]:
    read = source.read(path)
    if read.value is None:
        return None, list(read.findings)
    problems: list[Problem] = []
    mission = _mission(path, read, problems)
    ports = _inputs(mission, problems) if mission else {}
    incomplete = bool(problems or read.findings)
    checker = Checker(words)
    summary = Summary()
    if mission is not None:
        types = {name: Typed(port.kind, port.kind.claim) for name, port in ports.items()}
        summary = BodyCheck(checker, mission.body, types, mission=True).run(incomplete=incomplete)
    own = [*read.findings, *(read.document.finding(problem) for problem in problems), *summary.findings]
    findings = in_order([*own, *words.findings, *checker.findings()])
    tree = TreeSource(mission, read.text, ports, words, summary) if mission and not findings else None
    return tree, findings


def _mission(path: Path, read: source.Source, problems: list[Problem]) -> Mission | None:
    parser = Parser(problems)
    value = read.value
    if not isinstance(value, MappingValue):
        parser.wrong("tree", START, "a tree file is a mapping: tree, summary, inputs, outputs, root")
        return None
    parser.only(value, _KEYS, "a tree file")
    given = value.entries
    name = parser.text(given["tree"].value) if "tree" in given else ""
    if name and not NAME.match(name):
        parser.wrong(
            "name",
            given["tree"].value.mark,
            f"{name[:40]!r} can't be the name of a tree",
            "Use small letters, digits and _.",
        )
    if "version" in given and getattr(given["version"].value, "value", None) != 1:
        parser.wrong(
            "version", given["version"].value.mark, "this is not version 1 of the language, the only one there is"
        )
    for key in ("tree", "root"):
        if key not in given:
            parser.wrong("missing-key", START, f"the tree file lacks {key!r}")
    says = given["says"].value if "says" in given else None
    if says is not None and not isinstance(says, Many):
        parser.wrong("type", says.mark, "expected a list of sentences", 'Write it as ["organise this workbench"].')
    sentences = tuple(parser.text(item) for item in says.items) if isinstance(says, Many) else ()
    summary = parser.text(given["summary"].value) if "summary" in given else ""
    inputs = parser.inputs(given["inputs"].value) if "inputs" in given else {}
    outputs = parser.outputs(given["outputs"].value) if "outputs" in given else {}
    root = parser.node(given["root"].value) if "root" in given else None
    if root is None:
        return None
    return Mission(path, summary, sentences, Body(name, read.document, inputs, outputs, root))


def _inputs(mission: Mission, problems: list[Problem]) -> dict[str, Port]:
    ports = input_ports(mission.body.inputs, problems)
    for name, port in ports.items():
        if port.kind.parse is None:
            spec = mission.body.inputs[name]
            message = f"a mission can't be given {a(port.kind)} from outside: it comes from a skill"
            problems.append(Problem("trust" if port.kind.claim else "type", spec.type_mark, message))
    return ports
