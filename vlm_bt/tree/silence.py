"""`# check: allow RULE because REASON` at the end of a line: that rule says nothing about that line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vlm_bt.tree.findings import Document, Finding, Mark, Problem, did_you_mean, in_order, one_of
from vlm_bt.tree.rules import RULES

_WORDS = "# check:"
_ALLOW = re.compile(r"(?:^|\s)# check: *(allow\s+(?P<rule>\S+)(?P<why>\s+because\s+\S.*)?)?")
SILENT = tuple(name for name, rule in RULES.items() if rule.silent)


def silenced(findings: Sequence[Finding], documents: Iterable[Document]) -> list[Finding]:
    """What is left after the comments of these files, and what is wrong with the comments themselves."""
    left = list(findings)
    wrong: list[Finding] = []
    for document in {document.path: document for document in documents}.values():
        for number, line in enumerate(document.lines):
            if _WORDS not in line or (found := _ALLOW.search(line)) is None:
                continue
            rule, start = found["rule"], line.index(_WORDS, found.start())
            at = Mark(number, start, len(line.rstrip()) - start)
            problem = _problem(rule, found["why"], at)
            if problem is None:
                here = [f for f in left if f.rule == rule and f.path == document.path and f.line == number + 1]
                left = [f for f in left if f not in here]
                problem = None if here else Problem("silence", at, f"there is no {rule!r} in this line to allow")
            if problem is not None:
                wrong.append(document.finding(problem))
    return in_order([*left, *wrong]) if wrong else left


def _problem(rule: str | None, why: str | None, at: Mark) -> Problem | None:
    how = "Write it as: # check: allow RULE because REASON."
    if rule is None:
        return Problem("silence", at, "this allows nothing", how)
    if rule not in RULES:
        return Problem("silence", at, f"there is no rule {rule!r}", did_you_mean(rule, SILENT).strip())
    if rule not in SILENT:
        return Problem("silence", at, f"the rule {rule!r} can't be silenced", f"These can: {one_of(SILENT)}.")
    return None if why else Problem("silence", at, f"{rule!r} is allowed here without a reason", how)
