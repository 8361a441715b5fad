"""A tree file, read and checked. Every mistake of it and of the skills that it uses comes out together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_bt.errors import ConfigError
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.places import share_dir
from vlm_bt.tree import source
from vlm_bt.tree.cards import Card, Port
from vlm_bt.tree.check import BodyCheck, Checker
from vlm_bt.tree.collector import uncollected
from vlm_bt.tree.findings import START, Document, Finding, Problem, did_you_mean, in_order, one_of, raise_all
from vlm_bt.tree.include import include
from vlm_bt.tree.meaning import Summary, Typed
from vlm_bt.tree.mission import read_mission, taken
from vlm_bt.tree.silence import silenced
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.syntax import Body, Mission
from vlm_bt.tree.text import text_problems
from vlm_bt.tree.words import Vocabulary


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


def load_text(
    text: str,
    path: Path | str,
    leaves: Mapping[str, type[Leaf]],
    *,
    skills_dirs: Sequence[Path | str] | None = None,
    allow: Iterable[str] = (),
) -> TreeSource:
    """`load_tree` for a text that stands in no file; `path` is what errors call it.

    Raises:
        TreeError: With every finding in it.
    """
    words = Vocabulary(_folders(skills_dirs), leaves, allow)
    with uncollected():
        tree, findings = _load_mission(Path(path), source.parse(text, str(path)), words)
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
    """Everything that is wrong with a tree file, or a skill card, and the skills it uses; empty where it may run."""
    return _load(Path(path), Vocabulary(_folders(skills_dirs), leaves, allow))[1]


def vocabulary(
    leaves: Mapping[str, type[Leaf]], *, skills_dirs: Sequence[Path | str] | None = None, allow: Iterable[str] = ()
) -> list[Card]:
    """Every skill of these folders, by name; of a subtree, what follows from its body is filled in.

    Raises:
        TreeError: A card is wrong.
    """
    words = Vocabulary(_folders(skills_dirs), leaves, allow)
    with uncollected():
        cards = [card for card in map(words.card, sorted(words.names)) if card is not None]
        checker = Checker(words)
        whole = [checker.completed(card) for card in cards]
        raise_all(silenced(in_order([*words.findings, *checker.findings()]), words.documents))
    return whole


def skill_folders(more: Sequence[Path | str] = ()) -> list[Path | str]:
    """The folder of cards that comes with the package, and others after it.

    Raises:
        ConfigError: One of the others is not there.
    """
    for folder in more:
        if not Path(folder).is_dir():
            raise ConfigError(f"{folder}: there is no such folder of skill cards")
    return [share_dir("skills"), *more]


def is_card(value: MappingValue) -> bool:
    """Is this file a skill card, and no mission?"""
    keys = value.entries
    body = "tree" in keys and not isinstance(keys["tree"].value, source.Scalar)
    return "skill" in keys or ("root" not in keys and ("leaf" in keys or body))


def _folders(skills_dirs: Sequence[Path | str] | None) -> Sequence[Path | str]:
    return skill_folders() if skills_dirs is None else skills_dirs


def _load(path: Path, words: Vocabulary) -> tuple[TreeSource | None, list[Finding]]:
    with uncollected():
        read = source.read(path)
        if isinstance(read.value, MappingValue) and is_card(read.value):
            return None, _check_card(path, words)
        return _load_mission(path, read, words)


def _check_card(path: Path, words: Vocabulary) -> list[Finding]:
    """A card by itself. The cards beside it are skills too."""
    words.add(path.parent)
    card = words.card(path.stem)
    checker = Checker(words)
    if card is not None:
        checker.completed(card)
    return silenced(in_order([*words.findings, *checker.findings()]), words.documents)


def _load_mission(path: Path, read: source.Source, words: Vocabulary) -> tuple[TreeSource | None, list[Finding]]:
    if read.value is None:
        return None, list(read.findings)
    problems = text_problems(read.text)
    mission = read_mission(path, read, problems)
    if mission is not None:
        include(mission, words, problems)
    ports = taken(mission, problems) if mission else {}
    incomplete = bool(problems or read.findings)
    checker = Checker(words)
    summary = Summary()
    if mission is not None:
        types = {name: Typed(port.kind, port.kind.claim) for name, port in ports.items()}
        summary = BodyCheck(checker, mission.body, types, mission=True).run(incomplete=incomplete)
    own = [*read.findings, *(read.document.finding(problem) for problem in problems), *summary.findings]
    found = in_order([*own, *words.findings, *checker.findings()])
    findings = silenced(found, [read.document, *words.documents])
    tree = TreeSource(mission, read.text, ports, words, summary) if mission and not findings else None
    return tree, findings
