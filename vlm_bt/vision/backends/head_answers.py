"""Answers of the question head, read from its logits: yes or no, one of some options, a few words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlm_bt.vision.asking_words import NONE_OF_THESE, choice_prompt, well_written
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip, Pixels
from vlm_bt.vision.backends.question_head import END, LONGEST_ANSWER, PAD, load_head, own_question_only


class HeadAnswers:
    """The question head of a model's folder.

    Raises:
        ModelError: It is missing, corrupt, or belongs to another model.
    """

    def __init__(self, directory: Path, clip: EmbeddedClip) -> None:
        self._clip = clip
        self._head, self._words, self.revision = load_head(directory, clip.revision)
        self._yes, self._no = self._words.answer("yes")[0], self._words.answer("no")[0]

    @torch.inference_mode()
    def pictures(self, crops: Pixels) -> Tensor:
        """(N, P, W) of crops (N, S, S, 3): what the other questions take; one pass of the trunk."""
        return self.of_trunk(*self._clip.seen(crops))

    @torch.inference_mode()
    def of_trunk(self, *seen: Tensor) -> Tensor:
        """As `pictures`, of what the trunk has said (`EmbeddedClip.seen`)."""
        return self._head.picture(*seen)

    @torch.inference_mode()
    def yes_no(self, pictures: Tensor, questions: Sequence[str]) -> NDArray[np.float32]:
        """(N, 2) probabilities of yes and no; row n is question n about picture n. What they leave of 1 is the share
        of other words."""
        tokens = [self._words.question(text) for text in questions]
        rows = torch.full((len(tokens), max(map(len, tokens))), PAD)
        for n, some in enumerate(tokens):
            rows[n, : len(some)] = torch.tensor(some)
        # What follows a token is not seen by it, so what fills up the shorter questions changes nothing.
        states = self._head.hidden(pictures, rows)
        last = torch.tensor([len(some) - 1 for some in tokens])
        shares = self._head.logits(states[torch.arange(len(tokens)), last]).softmax(-1)
        out: NDArray[np.float32] = shares[:, [self._yes, self._no]].numpy()
        return out

    @torch.inference_mode()
    def choose(self, picture: Tensor, question: str, options: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        """Probability of each option, word by word, and of "none of these" with everything else, about one picture
        (1, P, W). One pass: the options follow the question side by side and do not see each other."""
        asked = self._words.question(choice_prompt(question, options))
        said = [self._words.answer(option) for option in (*options, NONE_OF_THESE)]
        start = self._head.shape.picture + len(asked)
        tokens, part, at = list(asked), [0] * start, list(range(start))
        for number, answer in enumerate(said, start=1):
            tokens += answer[:-1]
            part += [number] * (len(answer) - 1)
            at += range(start, start + len(answer) - 1)
        states = self._head.hidden(
            picture, torch.tensor([tokens]), own_question_only(torch.tensor([part])), torch.tensor([at])
        )[0]
        logs = self._head.logits(states).log_softmax(-1)
        scores, place = [], len(asked)
        for answer in said:
            before = [len(asked) - 1, *range(place, place + len(answer) - 1)]
            scores.append(float(logs[before, answer].sum()))
            place += len(answer) - 1
        shares = np.exp(np.array(scores[:-1]))
        # The same words twice among the options would count twice.
        shares = shares / max(1.0, float(shares.sum()))
        return shares.astype(np.float32), max(0.0, 1.0 - float(shares.sum()))

    @torch.inference_mode()
    def say(self, picture: Tensor, question: str) -> str:
        """The likeliest words, one after the other, about one picture (1, P, W)."""
        model = self._head.words.model
        asked = torch.tensor([self._words.question(question)])
        states, past = torch.cat([picture, model.embed_tokens(asked)], 1), None
        said: list[int] = []
        while len(said) < LONGEST_ANSWER:
            out = model(inputs_embeds=states, past_key_values=past, use_cache=True)
            past = out.past_key_values
            token = int(self._head.logits(out.last_hidden_state[:, -1]).argmax())
            if token == END:
                break
            said.append(token)
            states = model.embed_tokens(torch.tensor([[token]]))
        return well_written(self._words.read(said))
