"""Plain sentences about counted things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CLASSES = ("wrench", "screwdriver", "pliers", "screw")


def plural(label: str, n: int) -> str:
    """The label for n of them: "wrenches", "pliers", "tape measure"."""
    if n == 1 or label.endswith("s"):
        return label
    return f"{label}es" if label.endswith(("ch", "sh", "x")) else f"{label}s"


def singular(name: str) -> str:
    """One of them: "wrench" of "wrenches", "screw" of "screws"; "pliers" and "glass" stay as they are."""
    if name.casefold().endswith("pliers") or name.endswith("ss"):
        return name
    if name.endswith(("ches", "shes", "xes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") else name


def named(of: str, label: str) -> bool:
    """Whether every word of `of` is a word of the label, in the singular or the plural; a hyphen parts words."""
    words = label.casefold().replace("-", " ").split()
    said = of.casefold().replace("-", " ").split()
    return all(any(word in (known, plural(known, 2)) for known in words) for word in said)


def article(label: str) -> str:
    """ "a" or "an"."""
    return "an" if label[:1].lower() in "aeiou" else "a"


def listed(parts: Iterable[str], word: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    names = list(parts)
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def contents(counts: Mapping[str, int]) -> str:
    """What a section holds, alike kinds together: "5 wrenches (3 combination, 2 adjustable) and 1 hammer"."""
    families: dict[str, dict[str, int]] = {}
    for label, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if n > 0:
            family = next((name for name in CLASSES if label.endswith(name)), label)
            families.setdefault(family, {})[label] = n
    parts = []
    for family, labels in families.items():
        total = sum(labels.values())
        if len(labels) == 1:
            label = next(iter(labels))
            parts.append(f"{total} {plural(label, total)}")
        else:
            inner = ", ".join(f"{n} {label.removesuffix(family).strip() or 'plain'}" for label, n in labels.items())
            parts.append(f"{total} {plural(family, total)} ({inner})")
    return listed(parts)


def split(counts: Mapping[str, int], word: str) -> str:
    """How many there are of what a word names, and how they divide: "3 screwdrivers: 2 Phillips, 1 flat"."""
    total = sum(counts.values())
    if not total:
        return f"no {plural(word, 2)}"
    rows = sorted((row for row in counts.items() if row[1]), key=lambda row: (-row[1], row[0]))
    if len(rows) == 1:
        return f"{total} {plural(rows[0][0], total)}"
    shared = word if all(label.endswith(word) for label, _ in rows) else ""
    parts = [
        f"{n} {label.removesuffix(shared).strip() or 'plain' if shared else plural(label, n)}" for label, n in rows
    ]
    return f"{total} {plural(word, total)}: {', '.join(parts)}"


def closing_sentence(sections: Mapping[str, Mapping[str, int]], left_over: Iterable[str] = ()) -> str:
    """What each section of the bench holds now and what is left over, as a supervisor would write it down."""
    said = []
    for zone, counts in sections.items():
        held = contents(counts)
        name = zone.replace("_", " ")
        if held:
            said.append(f"{name.capitalize()} {'section ' if 'bin' not in name else ''}contains {held}.")
    left = list(left_over)
    if left:
        counted = {label: left.count(label) for label in dict.fromkeys(left)}
        said.append(f"Left where {'it lies' if len(left) == 1 else 'they lie'}: {contents(counted)}.")
    else:
        said.append("Nothing is left over.")
    return " ".join(said)
