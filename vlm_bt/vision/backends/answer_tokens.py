"""Probabilities of short answers, read from a model's next token: every spelling of an answer counts for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from vlm_bt.questions import MOST_COUNTED
from vlm_bt.vision.model import Unsupported

WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
WORTH_FOLLOWING = 1e-4
"""A beginning of a number with less probability is not followed to its end."""

Begun = tuple[int, ...]
Next = Callable[[Sequence[Begun]], torch.Tensor]
"""Begun answers, all equally long -> (begun, vocabulary) probabilities of their next token."""


class AnswerTokens:
    """A tokenizer's vocabulary, by what a reader sees of each token."""

    def __init__(self, tokenizer: Any) -> None:
        self._seen: dict[str, list[int]] = defaultdict(list)
        special = set(tokenizer.all_special_ids)
        for token, number in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
            if number not in special:
                # How byte-level and sentencepiece vocabularies write a space and a line's end.
                self._seen[token.replace("Ġ", " ").replace("▁", " ").replace("Ċ", "\n")].append(number)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for text, numbers in self._seen.items():
            self._by_word[text.strip()] += numbers
        self._in_any_case: dict[str, list[int]] = defaultdict(list)
        for text, numbers in self._by_word.items():
            self._in_any_case[text.casefold()] += numbers
        self._digits = [number for text, some in self._seen.items() if _is_digits(text) for number in some]
        self._numbers = self._first_of_numbers()

    def of(self, answer: str) -> list[int]:
        """Tokens that spell an answer, with and without a space before it; of a word in any case, of a letter in its
        own: "a" is an article.

        Raises:
            Unsupported: No single token spells it.
        """
        found = self._by_word.get(answer) if len(answer) == 1 else self._in_any_case.get(answer.casefold())
        if not found:
            raise Unsupported(f"no single token of this model's vocabulary spells {answer!r}; ask for words instead")
        return found

    def shares(self, probabilities: torch.Tensor, answers: Sequence[str]) -> list[float]:
        """Probability of each answer, of (vocabulary,) probabilities. Raises: Unsupported."""
        return [float(probabilities[self.of(answer)].sum()) for answer in answers]

    def numbers(self, first: torch.Tensor, following: Next) -> list[float]:
        """Probability of each number from 0 to `MOST_COUNTED`, whether the vocabulary has it in one token or not.

        A first digit is followed to see whether the number ends there: P(1) leaves out what goes on to 12. What the
        sum lacks of 1 is larger numbers and other words.

        Args:
            first: (vocabulary,) probabilities of the answer's first token.
        """
        whole = [0.0] * (MOST_COUNTED + 1)
        begun: dict[Begun, tuple[str, float]] = {(): ("", 1.0)}
        nexts = first[None]
        for _ in range(3):  # a space of its own and two digits at most
            ahead: dict[Begun, tuple[str, float]] = {}
            for row, (tokens, (digits, reached)) in zip(nexts, begun.items(), strict=True):
                if digits:
                    whole[int(digits)] += reached * (1.0 - float(row[self._digits].sum()))
                for token, text in self._numbers.items():
                    if digits and (not _is_digits(text) or int(digits) == 0):
                        continue  # "1 2" and "1 two" are not 12, "01" is not 1
                    if tokens and not text.strip():
                        continue
                    chance = reached * float(row[token])
                    said = digits + text.strip()
                    if said and not said.isascii():
                        continue
                    if not said or (len(said) == 1 and chance >= WORTH_FOLLOWING):
                        if chance >= WORTH_FOLLOWING:
                            ahead[(*tokens, token)] = (said, chance)
                        continue
                    number = int(said) if _is_digits(said) else WORDS.index(said.casefold())
                    if number <= MOST_COUNTED:
                        whole[number] += chance
            if not ahead:
                break
            begun = ahead
            nexts = following(tuple(begun))
        return whole

    def _first_of_numbers(self) -> dict[int, str]:
        words = set(WORDS)
        return {
            number: text
            for text, some in self._seen.items()
            if text == " " or text.strip().casefold() in words or (_is_digits(text.strip()) and len(text.strip()) <= 2)
            for number in some
        }


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
