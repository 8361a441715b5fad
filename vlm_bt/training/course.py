"""The course that every training here takes: steps, rate, averaged weights, stopping and going on, telling how it goes.

A training ends after a number of steps, and each step draws from a generator of its own number. So the same command
gives the same weights on an idle and on a loaded machine, in one go or after any number of interruptions.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlm_bt.errors import ConfigError
from vlm_bt.training.board import Board
from vlm_bt.training.precision import Arithmetic

TELL_EVERY_S = 30.0
SAVE_EVERY_S = 120.0


@dataclass(frozen=True)
class Pace:
    """How long and how fast.

    Attributes:
        steps: After which it ends; the rate rises over `warm_up` of them and falls along a cosine over the rest.
        minutes: Of wall time, after which this run stops wherever it is; another run goes on from there.
        averaging: Share of the averaged weights that is kept at each step. 0: the last weights are the result.
    """

    steps: int
    rate: float
    minutes: float | None = None
    warm_up: float = 0.03
    averaging: float = 0.0
    validations: int = 8


class Course:
    """One training on its way.

    Args:
        groups: Parameters as torch's optimisers take them.
        what: Everything that decides the result; a checkpoint of anything else is refused.
        checkpoint: Where the state is kept every two minutes and gone on from, if it is there.
        validate: Figures between 0 and 1 of the model as it would be if it ended now, on what it does not learn from.

    Raises:
        ConfigError: The checkpoint belongs to another training, or cannot be read.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: list[dict[str, Any]],
        pace: Pace,
        arithmetic: Arithmetic,
        what: Mapping[str, object],
        say: Callable[[str], None],
        *,
        checkpoint: Path | None = None,
        board: Board | None = None,
        validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    ) -> None:
        from open_clip_train.scheduler import cosine_lr  # type: ignore[import-untyped]

        self._model, self._pace, self._say, self._checkpoint = model, pace, say, checkpoint
        self._board, self._validate = board or Board(None, say), validate
        self._what = json.dumps({**what, "arithmetic": str(arithmetic)}, sort_keys=True, default=str)
        self._optimiser = torch.optim.AdamW(groups, lr=pace.rate, betas=(0.9, 0.98))
        self._scaler = torch.amp.GradScaler(arithmetic.device, enabled=arithmetic.precision == "fp16")
        self._set_rate: Callable[[int], float] = cosine_lr(
            self._optimiser, pace.rate, max(1, round(pace.warm_up * pace.steps)), pace.steps
        )
        self._average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0
        self.figures: dict[str, float] = {}
        if checkpoint is not None and checkpoint.is_file():
            self._resume(checkpoint)

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, and not only this run's minutes."""
        return self.step >= self._pace.steps

    def steps(self) -> Iterator[int]:
        """The numbers of the steps that are left; `learn` is called once in each."""
        began = saved = told = time.monotonic()
        first, self._told, every = self.step, dict[str, float](), max(1, self._pace.steps // self._pace.validations)
        self._model.train()
        while not self.is_over:
            now = time.monotonic()
            if self._pace.minutes is not None and now - began > self._pace.minutes * 60:
                self._say(f"{self._pace.minutes:g} minutes are over at step {self.step} of {self._pace.steps}; run it")
                self._say("again to go on from here, or without --minutes to the end")
                break
            rate = self._set_rate(self.step)
            yield self.step
            self.step += 1
            now = time.monotonic()
            if now - told > TELL_EVERY_S:
                told, left = now, (self._pace.steps - self.step) * (now - began) / (self.step - first)
                self._say(f"step {self.step} of {self._pace.steps}, {left / 60:.0f} min left: {_listed(self._told)}")
            if self.step % 10 == 0:
                self._board.add({"rate": rate, **{f"training/{k}": v for k, v in self._told.items()}}, self.step)
            if self.step % every == 0 or self.is_over:
                self._look()
            if now - saved > SAVE_EVERY_S:
                saved = now
                self._save()
        self._save()
        took = time.monotonic() - began
        if self.step > first:
            self._say(f"{self.step - first} steps in {took / 60:.1f} min, {(self.step - first) / took:.2f} a second")

    def learn(self, loss: Tensor, told: Mapping[str, float]) -> None:
        """One step downhill. `told`: figures of this step for people."""
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_([p for p in self._model.parameters() if p.requires_grad], 1.0)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._told = dict(told)
        _blend(self._average, self._model, min(self._pace.averaging, (1 + self.step) / (10 + self.step)))

    def finished(self) -> nn.Module:
        """The model with its averaged weights, ready to be used."""
        self._model.load_state_dict(self._average)
        self._board.close()
        return self._model.eval()

    def _look(self) -> None:
        if self._validate is None:
            return
        ready = copy.deepcopy(self._model)
        ready.load_state_dict(self._average)
        with torch.inference_mode():
            self.figures = dict(self._validate(ready.eval()))
        self._say(f"step {self.step} of {self._pace.steps}, held out: {_listed(self.figures)}")
        self._board.add({f"held out/{name}": value for name, value in self.figures.items()}, self.step)

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        state = {
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": self._average,
            "step": self.step,
            "figures": self.figures,
            "what": self._what,
        }
        partial = self._checkpoint.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def _resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            kept, ours = json.loads(state["what"]), json.loads(self._what)
        except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); delete it and train from the beginning") from error
        other = [
            f"{key} was {kept.get(key)}, is {ours.get(key)}"
            for key in {**kept, **ours}
            if kept.get(key) != ours.get(key)
        ]
        if other:
            raise ConfigError(
                f"{path} is of another training ({'; '.join(other)}); give another --out, or delete it to begin anew"
            )
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        for name, value in state["average"].items():
            self._average[name].copy_(value)
        self.step, self.figures = int(state["step"]), dict(state["figures"])
        self._say(f"going on from {path.name}: step {self.step} of {self._pace.steps}")


def decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Groups of the parameters that are learnt: weights decay; biases, gains and scales do not."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in learnt if p.ndim < 2], "weight_decay": 0.0},
    ]


def _blend(average: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    """Exponential moving average of weights and batch statistics; counters are copied."""
    with torch.no_grad():
        ours, theirs = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                ours.append(average[name])
                theirs.append(value)
            else:
                average[name].copy_(value)
        torch._foreach_lerp_(ours, theirs, 1 - keep)


def _listed(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items()) or "nothing told"
