"""Which of the closed intents a sentence means: stop words first and exactly, then the grammar, then likeness.

What the grammar takes, or what has the very words of an example, is understood for sure; what is merely near to an
example is a guess. What is near to none, or to two, is not guessed at: the nearest come back as options.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Indel, JaroWinkler

from vlm_bt.conversation.examples import EXAMPLES, MAY_BE_SAID, Intent
from vlm_bt.conversation.grammar import THING, parse
from vlm_bt.conversation.names import Names
from vlm_bt.conversation.phrases import Phrase, spot
from vlm_bt.conversation.stop_words import is_stop, words

LONGEST = 200
"""Characters: what is longer was not meant as a word to a robot at work."""
LONGEST_LABEL = 40
LABEL_WORDS = 4
GUESS_FROM = 0.75
AHEAD_BY = 0.03
OPTION_FROM = 0.35
OPTIONS_AT_MOST = 3
ORDER_COUNTS = 0.35
SAME_WORD = 0.92
NEEDS_A_THING: frozenset[Intent] = frozenset({"count", "where", "leave", "put_with", "that_is", "fetch"})
NEGATIONS = frozenset({"not", "never", "without", "cannot", "nothing"})
SILENT = frozenset(
    {
        "please",
        "ok",
        "okay",
        "hey",
        "hello",
        "robot",
        "well",
        "so",
        "then",
        "now",
        "actually",
        "just",
        "alright",
        "oh",
        "and",
        "also",
        "kindly",
        "dear",
    }
)
"""Words that change nothing."""
CONTRACTED = {
    "'s": " is", "n't": " not", "'re": " are", "'m": " am", "'ve": " have", "'d": " would", "'ll": " will",
}  # fmt: skip
NAMES_IT = re.compile(
    rf"^(?:no |nope |wrong |you are wrong |i think |i know |i believe |i say |listen |but |sorry )*"
    rf"(?:{THING} (?:is|are) not (?:an? )?{THING}? ?)?"
    rf"(?:(?:we |i |you |people |would )*call {THING} (?:an? |the )?|"
    rf"{THING} (?:is|are|must be|was|would be|has to be) "
    rf"(?P<article>(?:called )?an? (?:pair of )?|called |the |some )?)"
    rf"(?P<label>.+)$"
)


@dataclass(frozen=True)
class Heard:
    """What a sentence was taken for.

    Attributes:
        intent: None where none fits; then `options` are sentences that may have been meant.
        things: The things that were named, in order.
        label: What a thing was called, for `that_is`.
        sure: The words are those of a known sentence; else it is a guess of likeness `score`, 0..1.
    """

    intent: Intent | None
    things: tuple[Phrase, ...] = ()
    label: str = ""
    sure: bool = False
    score: float = 0.0
    options: tuple[str, ...] = ()


PLAIN_NAMES = Names()


def understand(text: str, names: Names = PLAIN_NAMES) -> Heard:
    """Take a sentence for one of the closed intents, or for none."""
    if is_stop(text):
        return Heard("stop", sure=True, score=1.0)
    if len(text) > LONGEST:
        return Heard(None, options=_shown(("status", "help")))
    said = plain(text)
    spotted = spot(said, names)
    things = tuple(one.phrase for one in spotted)
    masked = _masked(said, [(one.begin, one.end) for one in spotted])
    naming = _named(text, said, [(one.begin, one.end) for one in spotted])
    if naming:
        return Heard("that_is", things[:1], naming, sure=True, score=1.0)
    parsed = parse(" ".join(masked))
    if parsed is None and things and (things[0].beside or things[0].place) and masked[:2] in _PUT:
        parsed = "put_with"
    if parsed is not None and (things or parsed not in NEEDS_A_THING) and (parsed != "put_with" or _targets(things)):
        return Heard(parsed, things, sure=True, score=1.0)
    ranked = _ranked(tuple(masked), bool(things), _targets(things))
    best, score = ranked[0]
    if score >= GUESS_FROM and score - ranked[1][1] >= AHEAD_BY:
        return Heard(best, things, sure=score > 0.999, score=score)
    options = [intent for intent, near in ranked[:OPTIONS_AT_MOST] if near >= OPTION_FROM]
    return Heard(None, things, score=score, options=_shown(options or ("status", "help")))


def plain(text: str) -> tuple[str, ...]:
    """Lower-case words without hyphens and contractions."""
    said = " ".join(words(text.replace("-", " "))).replace("can't", "cannot").replace("won't", "will not")
    for short, full in CONTRACTED.items():
        said = re.sub(rf"{short}\b", full, said)
    return tuple(said.replace("'", "").split())


def _targets(things: Sequence[Phrase]) -> bool:
    """Whether one thing and where it goes are both said."""
    return len(things) > 1 or any(thing.place or thing.beside for thing in things)


def _masked(said: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[str]:
    masked, at = [], 0
    for begin, end in spans:
        masked += [*said[at:begin], THING]
        at = end
    return [word for word in (*masked, *said[at:]) if word not in SILENT]


def _named(text: str, said: Sequence[str], spans: Sequence[tuple[int, int]]) -> str:
    """What a sentence such as "that is an Allen wrench" calls a thing, as it was written; "" for any other sentence."""
    if not spans:
        return ""
    begin, end = spans[0]
    rest = [word for word in said[end:] if word not in SILENT]
    fits = NAMES_IT.match(" ".join([*(word for word in said[:begin] if word not in SILENT), THING, *rest]))
    if fits is None:
        return ""
    label = fits["label"].split()
    known = any(at >= end for at, _ in spans)
    if not 0 < len(label) <= LABEL_WORDS or not (known or fits["article"] or " call " in f" {' '.join(said[:begin])} "):
        return ""
    if any(word in _NO_NAMES for word in label):
        return ""
    written = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text)
    for size in range(len(label), 0, -1):
        tail = written[-size:]
        if [word for part in tail for word in plain(part)] == label:
            return " ".join(tail)[:LONGEST_LABEL]
    return " ".join(label)[:LONGEST_LABEL]


_PUT = tuple([verb, THING] for verb in ("put", "place", "lay", "move", "sort", "bring", "stick", "keep", "store"))
"""What begins a sentence such as "put it next to the hammer", where the other thing is a part of the first's name."""
_NO_NAMES = frozenset(
    (
        "not", "where", "what", "why", "how", "to", "be", "with", "on", "in", "at", "into", "of", "from", "for",
        "moved", "done", "gone", "wrong", "right", "fine", "ok", "mine", "yours", "mistake", "joke", "problem",
        "pity", "lot", "bit", "shame", "mess", "same", "one", "ones", "it", "that", "this", "them", "there",
        "here", "my", "your", "next", "other", "others",
    )
)  # fmt: skip


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[tuple[Intent, tuple[str, ...]], ...], dict[str, float]]:
    """Every example with its things masked, and how much each word tells."""
    masked: list[tuple[Intent, tuple[str, ...]]] = []
    for intent, sentences in EXAMPLES.items():
        for sentence in sentences:
            said = plain(sentence)
            spans = [(one.begin, one.end) for one in spot(said, PLAIN_NAMES)]
            masked.append((intent, tuple(_masked(said, spans))))
    spread: dict[str, set[Intent]] = {}
    for intent, example in masked:
        for word in example:
            spread.setdefault(word, set()).add(intent)
    weights = {word: math.log(1 + len(EXAMPLES) / len(intents)) for word, intents in spread.items()}
    return tuple(masked), weights


@lru_cache(maxsize=512)
def _ranked(said: tuple[str, ...], names_a_thing: bool, has_target: bool) -> tuple[tuple[Intent, float], ...]:
    """Every intent with its likeness to the sentence, the most alike first."""
    known, weights = _known()
    best: dict[Intent, float] = dict.fromkeys(EXAMPLES, 0.0)
    for intent, example in known:
        if (intent in NEEDS_A_THING and not names_a_thing) or (intent == "put_with" and not has_target):
            continue
        if bool(NEGATIONS & set(said)) != bool(NEGATIONS & set(example)):
            continue
        best[intent] = max(best[intent], likeness(said, example, weights))
    return tuple(sorted(best.items(), key=lambda one: -one[1]))


def likeness(said: Sequence[str], example: Sequence[str], weights: dict[str, float]) -> float:
    """0..1: the weight of the words that two sentences share, and how far they come in the same order."""
    if tuple(said) == tuple(example):
        return 1.0
    most = max(weights.values())
    mine = {word: weights.get(word, 0.7 * most) for word in said}
    theirs = {word: weights[word] for word in example}
    shared = 0.0
    for word, weight in mine.items():
        if word in theirs:
            shared += 2 * weight
        else:
            near = next((other for other in theirs if other not in mine and _alike(word, other)), None)
            shared += 0.9 * (weight + theirs[near]) if near else 0.0
    overlap = min(1.0, shared / (sum(mine.values()) + sum(theirs.values()) or 1.0))
    order = Indel.normalized_similarity(list(said), list(example))
    return min(0.999, (1 - ORDER_COUNTS) * overlap + ORDER_COUNTS * order)


def _alike(word: str, other: str) -> bool:
    return min(len(word), len(other)) >= 4 and JaroWinkler.similarity(word, other) >= SAME_WORD


def _shown(intents: Sequence[Intent]) -> tuple[str, ...]:
    return tuple(MAY_BE_SAID[intent] for intent in intents)
