"""How fast questions are answered through the service, next to the same questions put to the plain library."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.bench.asking import Desk
from vlm_bt.bench.vision_library import Library
from vlm_bt.ports import ASKER, Asker
from vlm_bt.questions import Choose, IsTrue, Look, Question

CLAIMS = (
    *("a red hammer", "two open pliers", "a screw that lies on its head", "a tape measure"),
    *("the drawer is open", "a wrench in the bin", "a hand over the bench", "an empty bench"),
)
OPTIONS = (
    *(("hammer", "pliers"), ("screw", "nut"), ("a wrench", "a tape measure"), ("an open drawer", "a closed drawer")),
    *(("red handles", "blue handles"), ("a hand", "no hand"), ("one tool", "two tools"), ("a full bin", "a bin")),
)
Ask = Callable[[str], tuple[Question, ...]]


def claims(frame_id: str) -> tuple[Question, ...]:
    """Eight questions for a chat model."""
    return tuple(IsTrue((Look(frame_id),), claim) for claim in CLAIMS)


def choices(frame_id: str) -> tuple[Question, ...]:
    """Eight questions for a CLIP."""
    return tuple(Choose((Look(frame_id),), "which of these is seen?", options) for options in OPTIONS)


@dataclass(frozen=True)
class Compared:
    """Medians in seconds of eight questions on a new picture, through the service and by eight calls of the library.

    Attributes:
        first_s: The service's first eight questions, with words it has never read.
        apart: Largest difference of a probability, also as a share among the options alone.
    """

    eight_s: float
    plain_s: float
    first_s: float
    apart: float

    @property
    def times_faster(self) -> float:
        return round(self.plain_s / self.eight_s, 2)


def compared(model: Mapping[str, Any], plain: Library, ask: Ask, rounds: int, warm: int = 8) -> Compared:
    """Ask the service and the library in turns, so that a busy machine slows both. `warm`: questions that the library
    is asked beforehand."""
    with Desk(model) as desk:
        picture = desk.noise(0)
        first_s, _ = desk.timed(*ask(desk.show(picture)))
        for question in ask("")[:warm]:
            plain(picture, question)
        eight, calls, apart = [], [], 0.0
        for number in range(1, rounds + 1):
            picture = desk.noise(number)
            took_s, said = desk.timed(*ask(desk.show(picture)))
            eight.append(took_s)
            began = time.perf_counter()
            rows = [plain(picture, question) for question in ask("")]
            calls.append(time.perf_counter() - began)
            apart = max(apart, *(_apart(answer, row) for answer, row in zip(said, rows, strict=True)))
        return Compared(statistics.median(eight), statistics.median(calls), first_s, apart)


def _apart(answer: Any, row: Sequence[float]) -> float:
    """Of an answer and the library's row: absolutely, and among the options alone, where random models say little."""
    mine, other = np.array([*answer.probabilities, answer.outside]), np.asarray(row)
    shares = [values[:-1] / max(float(values[:-1].sum()), 1e-12) for values in (mine, other)]
    return float(max(np.abs(mine - other).max(), np.abs(shares[0] - shares[1]).max()))


def overhead_ms(
    model: Mapping[str, Any], ask: Ask, bare: Callable[[NDArray[np.uint8]], Any], times: int
) -> tuple[float, float]:
    """Milliseconds that one question takes longer through the service than its bare forward pass, and those of the
    pass: medians over new pictures of 640 x 480, in turns."""
    with Desk(model) as desk:
        desk.timed(ask(desk.show(desk.noise(0)))[0])
        bare(desk.noise(0))
        through, alone = [], []
        for number in range(1, times + 1):
            picture = desk.noise(number)
            frame = desk.show(picture)
            through.append(desk.timed(ask(frame)[0])[0])
            began = time.perf_counter()
            bare(picture)
            alone.append(time.perf_counter() - began)
        pass_ms = statistics.median(alone) * 1e3
        return statistics.median(through) * 1e3 - pass_ms, pass_ms


def served(model: Mapping[str, Any], ask: Ask, rounds: int) -> tuple[float, float, float]:
    """Median seconds of one question and of eight on new pictures, and megabytes of the model's process."""
    with Desk(model) as desk:
        one, eight = [], []
        for number in range(rounds + 1):
            frame = desk.show(desk.noise(2 * number))
            took_one, _ = desk.timed(ask(frame)[0])
            took_eight, _ = desk.timed(*ask(desk.show(desk.noise(2 * number + 1))))
            if number:  # The first words are new ones.
                one.append(took_one)
                eight.append(took_eight)
        return statistics.median(one), statistics.median(eight), memory_mb(desk)


def hits(model: Mapping[str, Any], times: int, similar: bool) -> tuple[list[float], list[float], float]:
    """Seconds of answers that were remembered, end to end and in the model's process, and of the first one."""
    token = ASKER.set(Asker("cache", reuse="similar" if similar else "exact"))
    try:
        with Desk(model) as desk:
            picture = desk.noise(0)
            asked_s, _ = desk.timed(desk.claim(desk.show(picture), "known"))
            took: list[float] = []
            for number in range(times):
                if similar:
                    # A view that hardly differs, and another one every time.
                    picture = picture.copy()
                    picture[0, number % picture.shape[1]] ^= 1
                took.append(desk.timed(desk.claim(desk.show(picture), "known"))[0])
            row = next(row for key, row in desk.service.metrics._rows.items() if key[0] == "cache")
            if (row.similar if similar else row.exact) != times:
                raise RuntimeError(f"{row.exact} exact and {row.similar} similar hits of {times}")
            return took, [ms / 1e3 for ms in row.wait_ms[1:]], asked_s
    finally:
        ASKER.reset(token)


def memory_mb(desk: Desk) -> float:
    """What the model's process has in memory, megabytes."""
    pid = desk.service.lanes["measured"].pid
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        row = next(line for line in status if line.startswith("VmRSS"))
    return round(int(row.split()[1]) / 1024)
