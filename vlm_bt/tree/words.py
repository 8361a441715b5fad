"""The skills that a tree can use: the cards of some folders, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vlm_bt.leaves.leaf import Leaf
from vlm_bt.tree.card_reader import CardReader
from vlm_bt.tree.cards import Card
from vlm_bt.tree.findings import Document, Finding, Mark, Problem

OLDER = {
    "fallback": "selector",
    "inverter": "invert",
    "force_success": "always_succeed",
    "success_is_failure": "always_fail",
    "force_failure": "always_fail",
    "one_shot": "once",
    "switch": "match",
}
"""Names that blocks have elsewhere, or had in drafts of the language, and what they are called here."""


class Vocabulary:
    """Looks cards up by name. A card that no tree uses can't stop one."""

    def __init__(
        self, folders: Iterable[Path | str], leaves: Mapping[str, type[Leaf]], allow: Iterable[str] = ()
    ) -> None:
        self._leaves = leaves
        self._allow = frozenset(allow)
        self._read: dict[str, tuple[Card | None, list[Finding]]] = {}
        self._used: dict[str, None] = {}
        self._paths: dict[str, Path] = {}
        self._clashes: list[Finding] = []
        self.folders: list[Path] = []
        for folder in folders:
            self.add(Path(folder))

    def add(self, folder: Path) -> None:
        """Use the cards of one more folder too; one that is known already changes nothing."""
        if folder.resolve() in (known.resolve() for known in self.folders):
            return
        self.folders.append(folder)
        for path in sorted(folder.glob("*.yaml")):
            first = self._paths.setdefault(path.stem, path)
            if first != path:
                clash = Problem("duplicate-skill", Mark(0, 0), f"skill {path.stem!r} is also in {first}")
                self._clashes.append(Document(str(path), ()).finding(clash))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._paths)

    def card(self, name: str) -> Card | None:
        """The card of that name; None where there is none, or where it could not be understood."""
        if name not in self._paths:
            return None
        self._used[name] = None
        return self._look_up(name)[0]

    def cards(self) -> list[Card]:
        """Every card that can be understood, whether or not a tree uses it."""
        return [card for card, _ in map(self._look_up, self.names) if card is not None]

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the cards asked for by name so far."""
        return [*self._clashes, *(finding for name in self._used for finding in self._look_up(name)[1])]

    @property
    def documents(self) -> list[Document]:
        """The files of the cards asked for by name so far."""
        return [card.document for card, _ in map(self._look_up, self._used) if card is not None]

    def givers(self, kind: str) -> list[str]:
        """The leaf skills that give a value of this type, for an error's advice."""
        leaves = [card for card in self.cards() if card.leaf is not None]
        return [card.name for card in leaves if any(port.kind.name == kind for port in card.outputs.values())]

    def instant(self) -> list[str]:
        """The skills that answer within one tick."""
        return [card.name for card in self.cards() if card.instant]

    def _look_up(self, name: str) -> tuple[Card | None, list[Finding]]:
        if name not in self._read:
            self._read[name] = CardReader(self._paths[name], self._leaves, self._allow).card()
        return self._read[name]
