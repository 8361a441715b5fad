"""Where the nodes of a tree go on a page: the root at the left, children to the right of their parent, top to bottom.

A tidy tree: no two nodes overlap, every subtree has a band of its own, siblings stand in one column in the order they
are ticked, and a parent stands beside its first child, so that reading down is reading in time. Lengths are pixels,
x to the right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_bt.tree.naming import plain
from vlm_bt.tree.source import Many, Mapping, Scalar
from vlm_bt.tree.syntax import Call, Variable
from vlm_bt.tree.view import Handled, View

GAP_X, GAP_Y = 36.0, 10.0
PAD_X, PAD_Y = 10.0, 8.0
HEAD, TITLE, DETAIL = 15.0, 17.0, 14.0
AREA_PAD, AREA_HEAD = 10.0, 20.0
_TITLE_WIDE, _DETAIL_WIDE = 26, 42


@dataclass(frozen=True)
class Detail:
    """A line under the title; `arrow` is `in`, `out` or nothing."""

    text: str
    arrow: str = ""
    claim: bool = False


@dataclass
class Card:
    """One node with its lines and its rectangle."""

    view: View
    title: list[str]
    details: list[Detail]
    w: float
    h: float
    x: float = 0.0
    y: float = 0.0
    parent: Card | None = None

    @property
    def head(self) -> bool:
        """Is there a line above the title, for the role and the safety class?"""
        return bool(self.view.role or self.view.safety)


@dataclass(frozen=True)
class Area:
    """What a guard watches over, or what an opened subtree holds."""

    kind: str
    text: str
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Layout:
    cards: list[Card]
    areas: list[Area]
    w: float
    h: float


def layout(root: View) -> Layout:
    """Place every node."""
    placer = _Placer()
    w, h = placer.place(root, 0.0, 0.0, None)
    return Layout(placer.cards, placer.areas, w, h)


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is in a common sans-serif face; rather more than less."""
    units = sum(
        _WIDTHS.get(letter, 0.74 if letter.isupper() else 0.62 if ord(letter) < 0x2000 else 1.0) for letter in text
    )
    return units * size * (1.13 if bold else 1.0)


_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|!", 0.33),
    **dict.fromkeys("ftrI()[]{}/- ", 0.40),
    **dict.fromkeys("mwMW%@", 0.98),
    "_": 0.53,
}


class _Placer:
    def __init__(self) -> None:
        self.cards: list[Card] = []
        self.areas: list[Area] = []

    def place(self, node: View, x: float, y: float, parent: Card | None) -> tuple[float, float]:
        """Place a node and all below it with its band's corner at (x, y); how wide and high the band is."""
        card = _card(node)
        card.x, card.parent = x, parent
        self.cards.append(card)
        below: list[tuple[Card, float]] = []
        right, bottom = x + card.w, y
        for child in node.children:
            index = len(self.cards)
            area = _area_of(node, child)
            pad, top = (AREA_PAD, AREA_HEAD) if area else (0.0, 0.0)
            slot = len(self.areas)
            left = x + card.w + GAP_X
            w, h = self.place(child, left + pad, bottom + top, card)
            if area:
                w, h = w + 2 * pad, h + top + pad
                w = max(w, width_of(area[1], 11, bold=True) + 2 * pad)
                self.areas.insert(slot, Area(area[0], area[1], left, bottom, w, h))
            below.append((self.cards[index], h))
            right, bottom = max(right, left + w), bottom + h + GAP_Y
        if not below:
            card.y = y
            return card.w, card.h
        high = bottom - GAP_Y - y
        first = below[0][0]
        card.y = max(y, first.y + first.h / 2 - card.h / 2)
        return right - x, max(high, card.y + card.h - y)


def _area_of(parent: View, child: View) -> tuple[str, str] | None:
    if parent.kind == "guard" and (child.role == "do" or len(parent.children) == 1):
        return "guarded", f"guarded: {parent.text}"
    return ("opened", parent.text) if parent.kind == "subtree" else None


def _card(node: View) -> Card:
    title = _wrapped(_title(node))
    details = _details(node)
    sign = 20.0 if node.kind not in ("leaf", "subtree") else 0.0
    wide = max(
        max(width_of(line, 13, bold=True) for line in title) + sign,
        *(width_of(detail.text, 11) + 16 for detail in details),
        width_of(node.role, 11, bold=True) + (width_of(node.safety or "", 11) + 34 if node.safety else 0),
        60.0,
    )
    head = HEAD if node.role or node.safety else 0.0
    high = 2 * PAD_Y + head + TITLE * len(title) + DETAIL * len(details) + (3 if details else 0)
    return Card(node, title, details, wide + 2 * PAD_X, high)


def _title(node: View) -> str:
    if isinstance(node.node, Call) and not node.node.name:
        return node.node.skill.replace("_", " ")
    return node.text


def _details(node: View) -> list[Detail]:
    rows = [
        Detail(_short(f"{name}: {_option(value)}"))
        for name, value in node.options.items()
        if _option(value) not in node.text
    ]
    if isinstance(node.node, Call) and node.node.name:
        rows.append(Detail(node.node.skill))
    rows += [Detail(_short(_said(one)), "in", one.claim) for one in node.takes]
    rows += [Detail(_short(_said(one)), "out", one.claim) for one in node.gives]
    return rows


def _option(value: object) -> str:
    if isinstance(value, Scalar | Many | Mapping):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _said(one: Handled) -> str:
    claim = ", a claim" if one.claim else ""
    if isinstance(one.value, Variable):
        return f"{one.variable}: {one.type}{claim}"
    return f"{one.name}: {plain(one.value)}"


def _short(text: str) -> str:
    return text if len(text) <= _DETAIL_WIDE else text[: _DETAIL_WIDE - 1] + "…"


def _wrapped(text: str) -> list[str]:
    """Lines of about equal length, broken between words."""
    rows = [""]
    for word in text.split() or [""]:
        word = word if len(word) <= _DETAIL_WIDE else word[: _DETAIL_WIDE - 1] + "…"
        if rows[-1] and len(rows[-1]) + 1 + len(word) > _TITLE_WIDE:
            rows.append(word)
        else:
            rows[-1] = f"{rows[-1]} {word}".strip()
    return rows
