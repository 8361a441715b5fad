"""Words that stop the arm. They are matched exactly and before anything else; nothing learnt or guessed comes near."""

from __future__ import annotations

import re
import unicodedata

ANYWHERE_FIRST = (
    "stop", "halt", "abort", "stopp", "anhalten", "arrête", "arrete", "arrêtez", "arretez", "fermati", "fermatevi",
    "detente", "deténgase", "stój", "стоп", "остановись", "dur", "pysähdy",
    "止まれ", "とまれ", "停止", "停", "정지", "멈춰",
)  # fmt: skip
"""They stop wherever they are the first word that says something, whatever follows."""
ALONE = (
    "emergency", "emergency stop", "emergency off", "e stop", "estop", "freeze", "cancel", "quit", "enough",
    "hands off", "notaus", "not aus", "nothalt", "cut it out",
    "don't move", "do not move", "dont move", "nobody move", "stand still", "no stop", "alto", "para", "pare", "parad",
    "basta", "fermo", "ferma", "pára", "stoj", "stoppe", "stoppa", "やめて",
)  # fmt: skip
"""They stop where nothing else is said: the same words begin sentences that mean something else."""
BEFORE = frozenset(
    (
        "please", "hey", "hello", "ok", "okay", "oh", "ah", "no", "wait", "now", "just", "and", "god", "robot", "arm",
        "you", "could", "can", "would", "will", "should", "must",
        "have", "to", "need", "i", "said", "say", "want", "that's",
        "thats", "enough", "everybody", "careful", "watch", "out", "quick", "quickly",
    )
)  # fmt: skip
"""Words that may stand before a stop word. A question word, a negation or a thing there, and it is no command."""
LONGEST = 400
_STRETCHED = re.compile(r"(?:s+t+o+p+)+")
_ASKS = ("should i ", "can i ", "could i ", "must i ")
"""Beginnings made of such words that ask about stopping, rather than for it."""


def is_stop(text: str) -> bool:
    """Whether a person tells the robot to stop.

    Case, punctuation, repetition and politeness change nothing: "STOP!", "stop,stop", "please stop", "stooop",
    "stop... my hand". "Don't stop", "why did you stop" and "where is the bus stop" do not stop anything.
    """
    said = words(text)
    if not said:
        return False
    if " ".join(said) in ALONE or " ".join(word for word in said if word != "please") in ALONE:
        return True
    if " ".join(said).startswith(_ASKS):
        return False
    first = next((word for word in said if word not in BEFORE), "")
    return first in ANYWHERE_FIRST or bool(_STRETCHED.fullmatch(first))


def words(text: str) -> list[str]:
    """Lower-case words: compatibility forms made plain, marks that nobody sees taken out, split at all but letters."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold().replace("\u2019", "'")
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return [word for part in re.split(r"[^\w']+|_", seen) if (word := part.strip("'"))]
