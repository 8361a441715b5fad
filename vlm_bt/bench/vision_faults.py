"""A model process that is killed, hangs, raises and runs out of memory, again and again, with questions under way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from vlm_bt.bench.asking import Desk
from vlm_bt.bench.holdings import Holdings

PATIENCE_S = 0.4
"""Wall time after which the bench's own model is taken for hung."""
IN_TIME_S = 30.0
"""Patience, the kill and two starts on a busy machine; no question may be open for longer."""
FAULTS = ("kill", "hang", "raise", "out_of_memory")
WARM_ROUNDS = 8
RING = 16
"""Frames that fill the ring buffer, so that its memory does not count as grown."""
SCRIPT = """
answers: [is_true]
rules:
  - {when: {about: "kill*"}, kill: true}
  - {when: {about: "hang*"}, hang: true}
  - {when: {about: "raise*"}, raise: a bug}
  - {when: {about: "out_of_memory*"}, out_of_memory: 0}
  - p_yes: 0.9
"""
WORDS = {"kill": "signal 9", "hang": "fell silent", "raise": "a bug", "out_of_memory": "memory does not suffice"}


@dataclass
class Faulted:
    """What became of it. `wrong`: tickets that did not end in time with the reason of their fault."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    before: Holdings = field(default_factory=Holdings.now)
    after: Holdings = field(default_factory=Holdings.now)

    @property
    def grown(self) -> dict[str, float]:
        """What is held now and was not held after the first faults."""
        return {
            "megabytes": max(0.0, round(self.after.rss_mb - self.before.rss_mb, 1)),
            "handles, threads, children and shared memory": float(
                max(0, self.after.handles - self.before.handles)
                + max(0, self.after.threads - self.before.threads)
                + max(0, self.after.children - self.before.children)
                + max(0, self.after.shared - self.before.shared)
            ),
        }


def faulted(times: int, folder: Path) -> Faulted:
    """Let the faults happen in turn; after each, a question must be answered again."""
    script = folder / "faults.yaml"
    script.write_text(SCRIPT, encoding="utf-8")
    found = Faulted()
    with Desk({"backend": "scripted", "script": str(script), "patience_s": PATIENCE_S}) as desk:
        for number in range(RING):
            desk.show(desk.noise(number, 96, 128))
        for number in range(WARM_ROUNDS):
            _fault(desk, FAULTS[number % len(FAULTS)], number, Faulted())
        found.before = Holdings.now()
        for number in range(times):
            _fault(desk, FAULTS[number % len(FAULTS)], WARM_ROUNDS + number, found)
        found.after = Holdings.now()
    return found


def _fault(desk: Desk, fault: str, number: int, found: Faulted) -> None:
    frame = desk.show(desk.noise(number, 96, 128))
    began = time.perf_counter()
    ticket = desk.submit(desk.claim(frame, f"{fault} {number}"))
    outcome = desk.ended(ticket, IN_TIME_S)
    found.faults += 1
    if outcome is None or outcome.reason != "model_lost" or WORDS[fault] not in outcome.detail:
        found.wrong.append(f"{fault} {number}: {outcome}")
    found.slowest_s = max(found.slowest_s, time.perf_counter() - began)
    outcome = desk.ended(desk.submit(desk.claim(frame, f"fine {number}")), IN_TIME_S)
    if outcome is None or not outcome.ok:
        found.wrong.append(f"after {fault} {number}: {outcome}")
