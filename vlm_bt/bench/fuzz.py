"""Random documents thrown at the reader and the checker: no crash, no hang, no memory, and bombs told in one line."""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.errors import TreeError
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.tree.compile import compile_tree
from vlm_bt.tree.kinds import KINDS
from vlm_bt.tree.load import load_tree
from vlm_bt.tree.syntax import BLOCKS

DOCUMENTS, QUICK = 100_000, 2_000
LONGEST = 4_000

_ALPHABET = range(98, 120)

BOMBS: Mapping[str, Callable[[], bytes]] = {
    "aliases": lambda: b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in _ALPHABET),
    "an anchor to itself": lambda: b"tree: t\nroot: &a [*a]\n",
    "depth, lists": lambda: b"tree: t\nroot: " + b"[" * 200_000,
    "depth, mappings": lambda: b"root: " + b"{a: " * 100_000,
    "depth, block": lambda: b"".join(b" " * n + b"a:\n" for n in range(1_200)),
    "depth, dashes": lambda: b"- " * 100_000 + b"x",
    "a tag that calls": lambda: b"root: !!python/object/apply:os.system ['true']\n",
    "a tag of the file": lambda: b"%TAG ! tag:x,2026:\n---\nroot: !y {}\n",
    "equal keys": lambda: b"tree: t\ntree: t\nroot: go_home\n",
    "a merge key": lambda: b"root: {<<: {do: go_home}}\n",
    "a NUL byte": lambda: b"tree: t\nroot: go\x00home\n",
    "a line of 10 MB": lambda: b"tree: " + b"x" * 10_000_000 + b"\nroot: go_home\n",
    "a key of 1.9 MB": lambda: b"x" * 1_900_000 + b": 1\n",
    "many lines": lambda: b"- a\n" * 450_000,
    "many unknown skills": lambda: b"tree: t\nroot:\n  sequence:\n" + b"".join(b"  - a%d\n" % n for n in range(20_000)),
    "UTF-16": lambda: "tree: t\nroot: go_home\n".encode("utf-16"),
    "Latin-1": lambda: "tree: t\nsummary: schön\nroot: go_home\n".encode("latin-1"),
    "half a letter": lambda: b"tree: t\nsummary: \xe2\x82\n",
    "surrogates": lambda: b"tree: \xed\xa0\x80\n",
    "two documents": lambda: b"tree: t\n---\nroot: go_home\n",
    "nothing": lambda: b"",
    "a long number": lambda: b"tree: t\nroot: {retry: {at_most: " + b"9" * 100_000 + b", do: workspace_is_clear}}\n",
    "many dollars": lambda: b"tree: t\nroot: {log: '" + b"$" * 500_000 + b"'}\n",
    "slashes": lambda: b"tree: t\nsummary: " + b"/" * 1_000_000 + b"\nroot: go_home\n",
    "secrets": lambda: b"# " + b"password = hunter2 " * 50_000 + b"\ntree: t\nroot: go_home\n",
}  # fmt: skip
"""What has broken readers of YAML before, and what might break this one."""


@dataclass
class Worst:
    """What came of it. `crashed` says what raised anything but the language's own error."""

    documents: int = 0
    refused: int = 0
    crashed: str = ""
    slowest_s: float = 0.0
    slowest: str = ""


def measure_fuzz(plan: Plan, say: Say) -> Sequence[Figure]:
    """Bombs first, then random documents, half of them trees with the language's own words and half bytes."""
    began_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bombs = thrown((name, make()) for name, make in BOMBS.items())
    count = QUICK if plan.quick else DOCUMENTS
    worst = thrown((f"document {n}", data) for n, data in enumerate(documents(count, plan.seed)))
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began_kb) / 1024
    for row in (bombs, worst):
        say(f"{row.documents} documents, {row.refused} refused; slowest: {row.slowest}, {row.slowest_s * 1e3:.0f} ms")
        if row.crashed:
            say(f"CRASHED: {row.crashed}")
    return [
        Figure("random documents", float(worst.documents), "", count, "at least"),
        Figure("crashes", float(bool(worst.crashed)) + float(bool(bombs.crashed)), "", 0, "exactly"),
        Figure("slowest", round(max(worst.slowest_s, bombs.slowest_s), 3), "s", 1.0, "at most"),
        Figure("memory it took", round(grown_mb), "MB", 200, "at most"),
    ]


def thrown(rows: Iterator[tuple[str, bytes]]) -> Worst:
    """Load each document as a tree file. It ends at the first crash."""
    worst = Worst()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.yaml"
        for name, data in rows:
            path.write_bytes(data)
            began = time.perf_counter()
            try:
                worst.documents += 1
                compiled = compile_tree(
                    load_tree(path, LEAVES, skills_dirs=[share_dir("skills")]), _ports(), namespace="z"
                )
                compiled.close()
            except TreeError:
                worst.refused += 1
            except Exception as error:  # What is looked for: anything that is not the language's own error.
                worst.crashed = f"{name}: {type(error).__name__}: {str(error)[:200]}; {data[:200]!r}"
                return worst
            took = time.perf_counter() - began
            if took > worst.slowest_s:
                worst.slowest_s, worst.slowest = took, name
    return worst


def documents(count: int, seed: int = 0) -> Iterator[bytes]:
    """Random documents: bytes, spoilt trees, and values grown from the words of the language."""
    shipped = [path.read_bytes() for path in sorted(share_dir("trees").glob("*.yaml"))]
    for number in range(count):
        dice = random.Random(f"{seed}-{number}")
        kind = number % 4
        if kind == 0:
            yield dice.randbytes(dice.randrange(200))
        elif kind == 1:
            yield _spoilt(dice, dice.choice(shipped))
        elif kind == 2:
            yield "".join(dice.choice(_SIGNS) for _ in range(dice.randrange(300))).encode()
        else:
            yield ("tree: t\nroot: " + _grown(dice, 0))[:LONGEST].encode()


def _spoilt(dice: random.Random, text: bytes) -> bytes:
    spoilt = bytearray(text)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(spoilt))
        spoilt[at : at + dice.choice((0, 1, 1, 8, 60))] = dice.choice(_BITS)
    return bytes(spoilt)


def _grown(dice: random.Random, depth: int) -> str:
    roll = dice.random()
    if depth > 6 or roll < 0.25:
        return dice.choice(_ATOMS)
    if roll < 0.5:
        return "[" + ", ".join(_grown(dice, depth + 1) for _ in range(dice.randrange(4))) + "]"
    keys = [dice.choice(_KEYS) for _ in range(dice.randrange(1, 4))]
    return "{" + ", ".join(f"{key}: {_grown(dice, depth + 1)}" for key in keys) + "}"


def _ports() -> object:
    from vlm_bt.bench.load import Nothing

    return Nothing()


_SKILLS = ("go_home", "pick", "place", "find_next_tool", "verify_grounding", "workspace_is_clear", "pick_and_check")
_OPTIONS = sorted({key for form in BLOCKS.values() for key in form.keys})
_KEYS = (
    *BLOCKS,
    *_SKILLS,
    *_OPTIONS,
    "into",
    "tool",
    "candidate",
    "groups",
    "unsure",
    "else",
    "fault",
    "x",
    "$x",
    "1",
    "''",
)
_ATOMS = (
    *_SKILLS,
    "$x",
    "$tool",
    "$x.label",
    "$",
    "5",
    "-1",
    "1e9",
    "true",
    "~",
    "''",
    "'a $x b'",
    "all",
    "any",
    "stale",
    *KINDS,
)
_SIGNS = (
    *"\n\n  -:{}[],&*!|>'\"%@`#?$.\t\x00\x85\u2028é𝄞",
    "---\n",
    "...\n",
    "root: ",
    "tree: t\n",
    "- ",
    ": ",
    *_KEYS,
)
_BITS = (
    b"",
    b"\x00",
    b"\n",
    b"\t",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"&a ",
    b"*a",
    b"!!",
    b"$x",
    b"\xff",
    b"'",
    b"  ",
    b"root:",
)
