"""What the text of a file may not hold, wherever it stands: secrets, and paths of one machine."""

from __future__ import annotations

import re
from itertools import islice

from vlm_bt.tree.findings import Mark, Problem

MOST = 100
"""Of each in one file; more are not looked for."""

_SECRET = re.compile(
    r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,80}\b|\bgithub_pat_[A-Za-z0-9_]{30,90}\b|\bglpat-[A-Za-z0-9_-]{20,40}"
    r"|\bhf_[A-Za-z0-9]{30,40}\b|\bsk-[A-Za-z0-9_-]{20,90}|\bxox[abprs]-[A-Za-z0-9-]{10,80}"
    r"|\beyJ[A-Za-z0-9_-]{10,400}\.[A-Za-z0-9_-]{10,2000}"
    r"|[a-z]{2,10}://[^\s/@:\"']{1,60}:[^\s/@\"']{1,60}@"
    r"|(?i:\b(?:password|passwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token)[\"']?[ ]{0,3}[:=][ ]{0,3})"
    r"(?![\[{$|>~]|null\b|text\b)[^\s,}\]]{3,80}"
)
_PATH = re.compile(
    r"(?<![\w./~$:-])(?:file://|~/|/)(?:home|Users|root|etc|var|tmp|opt|usr|mnt|media|srv|work|data|dev|run|proc)/[\w.-]"
    r"|(?<![\w./~$-])~/[\w.]"
    r"|(?<![\w])[A-Za-z]:\\[\w.]"
    r"|\bfile:///?[\w.]"
)
_WORDS = re.compile(
    r"://|[pP][aA][sS][sS]|[kK][eE][yY]|[sS][eE][cC]|[tT][oO][kK][eE]|AKIA|gh|glpat|hf_|sk-|xox|eyJ|KEY"
)


def text_problems(text: str) -> list[Problem]:
    """Secrets and absolute paths, comments included. The secret itself is not repeated."""
    problems: list[Problem] = []
    if _WORDS.search(text):
        for found in islice(_SECRET.finditer(text), MOST):
            where = _mark(text, found.start(), found.end())
            problems.append(Problem("secret", where, "this looks like a secret", "Secrets do not belong in a tree."))
    if "/" in text or "\\" in text:
        for found in islice(_PATH.finditer(text), MOST):
            where = _mark(text, found.start(), found.end())
            help = "Name it beside this file, or in the configuration of the machine."
            problems.append(Problem("absolute-path", where, "this is a path of one machine", help))
    return problems


def _mark(text: str, start: int, end: int) -> Mark:
    return Mark(text.count("\n", 0, start), start - (text.rfind("\n", 0, start) + 1), end - start)
