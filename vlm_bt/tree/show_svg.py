"""A tree as a self-contained SVG picture, in light and dark, without Graphviz."""

from __future__ import annotations

from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.show_graph import xml_text
from vlm_bt.tree.svg_layout import (
    AREA_PAD,
    DETAIL,
    HEAD,
    PAD_X,
    PAD_Y,
    TITLE,
    Area,
    Card,
    layout,
    width_of,
)
from vlm_bt.tree.view import View

MARGIN = 24.0

_STYLE = """
svg { --paper: #ffffff; --ink: #111827; --quiet: #4b5563; --line: #9ca3af; --block: #f3f4f6; --edge: #6b7280;
  --looks: #1d4ed8; --looks-fill: #eff6ff; --asks: #b45309; --asks-fill: #fffbeb; --moves: #b91c1c;
  --moves-fill: #fef2f2; --guard: #047857; --guard-fill: #d1fae5; --area: #ecfdf5;
  font-family: ui-sans-serif, system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --quiet: #9aa5b1; --line: #57606a; --block: #1b222c; --edge: #7d8590;
    --looks: #79b8ff; --looks-fill: #0f2036; --asks: #f0b429; --asks-fill: #2b2208; --moves: #ff8f8f;
    --moves-fill: #341518; --guard: #4ade9a; --guard-fill: #0b3a2a; --area: #0c211a; }
}
.paper { fill: var(--paper); } text { fill: var(--ink); } .title { font-size: 13px; font-weight: 600; }
.detail, .quiet { font-size: 11px; fill: var(--quiet); } .claim { font-style: italic; }
.role { font-size: 11px; font-weight: 700; fill: var(--quiet); } .tree { font-size: 20px; font-weight: 700; }
.link { fill: none; stroke: var(--line); stroke-width: 1.5; }
.block rect { fill: var(--block); stroke: var(--edge); } .sign { fill: var(--quiet); font-weight: 700; }
.looks rect { fill: var(--looks-fill); stroke: var(--looks); }
.looks .mark { fill: var(--looks); stroke: var(--looks); }
.asks rect { fill: var(--asks-fill); stroke: var(--asks); } .asks .mark { fill: var(--asks); stroke: var(--asks); }
.moves rect { fill: var(--moves-fill); stroke: var(--moves); stroke-width: 2; }
.moves .mark { fill: var(--moves); stroke: var(--moves); }
.guard rect { fill: var(--guard-fill); stroke: var(--guard); stroke-width: 2.5; } .guard .mark { fill: var(--guard); }
svg .looks text.mark, svg .asks text.mark, svg .moves text.mark { font-size: 11px; font-weight: 700; stroke: none; }
.area.guarded rect { fill: var(--area); stroke: var(--guard); stroke-dasharray: 2 3; }
.area.guarded text { fill: var(--guard); }
.area.opened rect { fill: none; stroke: var(--edge); stroke-dasharray: 6 4; }
.area text { font-size: 11px; font-weight: 600; }
"""

_ICONS = {
    "looks": '<path class="mark" fill-opacity="0" stroke-width="1.4" d="M-6 0 Q0 -7 6 0 Q0 7 -6 0Z"/>'
    '<circle class="mark" r="1.8"/>',
    "asks": '<circle class="mark" fill-opacity="0" stroke-width="1.4" r="5.5"/>'
    '<text class="mark" text-anchor="middle" y="3.8" style="font-size:10px">?</text>',
    "moves": '<path class="mark" stroke="none" d="M-6 -1.6 H0 V-5 L6.5 0 L0 5 V1.6 H-6Z"/>',
    "guard": '<path class="mark" d="M0 -7 L6 -4.6 V0 C6 4 3 6.4 0 7.6 C-3 6.4 -6 4 -6 0 V-4.6Z"/>',
    "timeout": '<circle r="5.5" fill="none" stroke="var(--quiet)" stroke-width="1.5"/>'
    '<path d="M0 -3.2 V0 H2.6" fill="none" stroke="var(--quiet)" stroke-width="1.5"/>',
}


def svg(tree: TreeSource, root: View) -> str:
    """One SVG document. Every text of an author is escaped; it loads nothing and runs nothing."""
    placed = layout(root)
    heading = _heading(tree)
    top = MARGIN + 22 + 16 * (len(heading) - 1) + 14
    needed = max([width_of(heading[0], 20, bold=True), *(width_of(line, 11) for line in heading[1:]), 560.0])
    wide, high = max(placed.w, needed) + 2 * MARGIN, top + placed.h + 56
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" role="img">',
        f"<title>{xml_text(tree.name)}</title>",
        f"<style>{_STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text class="tree" x="{MARGIN:.0f}" y="{MARGIN + 14:.0f}">{xml_text(heading[0])}</text>',
    ]
    for index, line in enumerate(heading[1:]):
        rows.append(f'<text class="quiet" x="{MARGIN:.0f}" y="{MARGIN + 34 + 16 * index:.0f}">{xml_text(line)}</text>')
    rows.append(f'<g transform="translate({MARGIN:.0f} {top:.0f})">')
    rows += [_area(area) for area in placed.areas]
    rows += [_link(card) for card in placed.cards if card.parent]
    rows += [_card(card) for card in placed.cards]
    rows += ["</g>", _legend(high - 26), "</svg>"]
    return "\n".join(rows)


def _heading(tree: TreeSource) -> list[str]:
    rows = [tree.name.replace("_", " ")]
    if tree.mission.summary:
        rows.append(tree.mission.summary)
    takes = ", ".join(f"${name}: {port.kind.name}" for name, port in tree.inputs.items())
    gives = ", ".join(
        f"{name}: {typed.kind.name}{', a claim' if typed.claim else ''}" for name, typed in tree.summary.outputs.items()
    )
    said = " · ".join(filter(None, [takes and f"takes {takes}", gives and f"gives {gives}"]))
    return [*rows, said] if said else rows


def _area(area: Area) -> str:
    return (
        f'<g class="area {area.kind}"><rect x="{area.x:.1f}" y="{area.y:.1f}" width="{area.w:.1f}" '
        f'height="{area.h:.1f}" rx="12"/><text x="{area.x + AREA_PAD:.1f}" y="{area.y + 14:.1f}">'
        f"{xml_text(area.text)}</text></g>"
    )


def _link(card: Card) -> str:
    assert card.parent is not None
    x0, y0 = card.parent.x + card.parent.w, card.parent.y + card.parent.h / 2
    x1, y1 = card.x, card.y + card.h / 2
    middle, turn = x1 - 16.0, min(8.0, abs(y1 - y0) / 2)
    if turn < 0.5:
        return f'<path class="link" d="M{x0:.1f} {y0:.1f} H{x1:.1f}"/>'
    down = turn if y1 > y0 else -turn
    return (
        f'<path class="link" d="M{x0:.1f} {y0:.1f} H{middle - turn:.1f} '
        f"Q{middle:.1f} {y0:.1f} {middle:.1f} {y0 + down:.1f} "
        f'V{y1 - down:.1f} Q{middle:.1f} {y1:.1f} {middle + turn:.1f} {y1:.1f} H{x1:.1f}"/>'
    )


def _card(card: Card) -> str:
    node = card.view
    look = node.safety or ("guard" if node.kind == "guard" else "block")
    rounded = 14 if node.safety else 4
    rows = [
        f'<g class="{look}" transform="translate({card.x:.1f} {card.y:.1f})"><title>{xml_text(node.text)}</title>',
        f'<rect width="{card.w:.1f}" height="{card.h:.1f}" rx="{rounded}"/>',
    ]
    if node.kind == "subtree":
        rows.append(f'<rect x="3" y="3" width="{card.w - 6:.1f}" height="{card.h - 6:.1f}" rx="11" fill="none"/>')
    y = PAD_Y
    if card.head:
        rows.append(f'<text class="role" x="{PAD_X:.0f}" y="{y + 10:.0f}">{xml_text(node.role)}</text>')
        if node.safety:
            left = card.w - PAD_X - width_of(node.safety, 11, bold=True)
            rows.append(f'<g transform="translate({left - 11:.1f} {y + 6.5:.1f})">{_ICONS[node.safety]}</g>')
            rows.append(f'<text class="mark" x="{left:.1f}" y="{y + 10:.0f}">{node.safety}</text>')
        y += HEAD
    rows += _lines(card, y)
    return "".join([*rows, "</g>"])


def _lines(card: Card, y: float) -> list[str]:
    node, rows, left = card.view, [], PAD_X
    icon = _ICONS.get("timeout" if node.kind == "wait" else node.kind)
    if icon:
        rows.append(f'<g transform="translate({left + 7:.0f} {y + 9:.0f})">{icon}</g>')
    elif not node.safety:
        rows.append(f'<text class="sign" x="{left:.0f}" y="{y + 13:.0f}">{node.sign}</text>')
    left += 0 if node.safety else 20
    for line in card.title:
        rows.append(f'<text class="title" x="{left:.0f}" y="{y + 13:.0f}">{xml_text(line)}</text>')
        y += TITLE
    y += 3
    for detail in card.details:
        look = "detail claim" if detail.claim else "detail"
        arrow = {"in": "M0 -3 H7 M4 -6 L7 -3 L4 0", "out": "M1 -3 H9 M6 -6 L9 -3 L6 0"}.get(detail.arrow, "")
        bar = "M9 -7 V1" if detail.arrow == "in" else "M0 -7 V1" if detail.arrow == "out" else ""
        rows.append(
            f'<g transform="translate({PAD_X:.0f} {y + 10:.0f})"><path d="{bar} {arrow}" fill="none" '
            f'stroke="var(--quiet)"/><text class="{look}" x="{16 if arrow else 0}">{xml_text(detail.text)}</text></g>'
        )
        y += DETAIL
    return rows


def _legend(y: float) -> str:
    rows, x = [], MARGIN
    for name in ("looks", "asks", "moves", "guard"):
        rows.append(
            f'<g class="{name}" transform="translate({x:.0f} {y:.0f})">'
            '<rect y="-10" width="24" height="20" rx="7"/>'
            f'<g transform="translate(12 0)">{_ICONS[name]}</g><text class="quiet" x="30" y="4">{name}</text></g>'
        )
        x += 88
    return "\n".join(
        [*rows, f'<text class="quiet" x="{x:.0f}" y="{y + 4:.0f}">ticked from left to right, top to bottom</text>']
    )
