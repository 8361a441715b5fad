"""Probabilities from the log-probabilities of the one token that carries an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_bt.errors import ModelError


@dataclass(frozen=True)
class Token:
    """One token of a reply. `others`: what could have stood there, with log-probabilities; itself among them."""

    text: str
    others: tuple[tuple[str, float], ...]


def chances(
    words: Sequence[str], tokens: Sequence[Token], text: str, at: int
) -> tuple[tuple[float, ...], float] | None:
    """The probability of each word at a place of the reply, its spellings summed, and the mass outside all words.

    What the endpoint does not list (most list the 20 likeliest) counts as outside.

    Args:
        at: Where in `text` the answer begins.

    Returns:
        None where there are no log-probabilities, or none for that place.

    Raises:
        ModelError: The numbers are no log-probabilities.
    """
    token = _token_at(tokens, text, at)
    if token is None:
        return None
    sums = [0.0] * len(words)
    total = 0.0
    for spelling, logprob in token.others:
        if not math.isfinite(logprob) or logprob > 1e-3:
            raise ModelError(f"the endpoint gives {logprob} as a log-probability")
        total += math.exp(logprob)
        index = _word(spelling, words)
        if index is not None:
            sums[index] += math.exp(logprob)
    if total > 1.01:
        raise ModelError(f"the probabilities that the endpoint gives add up to {total:.3f}")
    scale = max(1.0, sum(sums))
    found = tuple(chance / scale for chance in sums)
    return found, max(0.0, 1.0 - sum(found))


def _token_at(tokens: Sequence[Token], text: str, at: int) -> Token | None:
    """The token that covers a place; None where the tokens do not spell the text up to there."""
    begin = 0
    for token in tokens:
        end = begin + len(token.text)
        if text[begin : min(end, len(text))] != token.text[: len(text) - begin]:
            return None
        if begin <= at < end:
            return token
        begin = end
    return None


def _word(spelling: str, words: Sequence[str]) -> int | None:
    """The word that a token spells, or is the beginning of if it can be of one only; quotes, spaces and case aside."""
    bare = re.sub(r"^[\W_]+|[\W_]+$", "", spelling).casefold()
    if not bare:
        return None
    exact = [n for n, word in enumerate(words) if word.casefold() == bare]
    begun = exact or [n for n, word in enumerate(words) if word.casefold().startswith(bare)]
    return begun[0] if len(begun) == 1 else None
