"""What many missions have in common: how skills ended, what was asked, what was mistaken, how long things took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt.errors import ConfigError
from vlm_bt.recording import entries
from vlm_bt.recording.record import Record
from vlm_bt.recording.time_spent import TimeSpent, time_spent
from vlm_bt.types import REASONS

PERCENTILES = (50, 90, 99)


@dataclass
class Skill:
    """How often a skill ended how. `answers`: it failed by saying no, not found, refuted or unsure, which is its work;
    `failures`: by mishap or fault. `reasons` counts both."""

    done: int = 0
    answers: int = 0
    failures: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def success_rate(self) -> float:
        """Of all its ends, those that were no mishap and no fault, 0 to 1."""
        return (self.done + self.answers) / max(1, self.done + self.answers + self.failures)


@dataclass
class Statistics:
    """Figures over records.

    Attributes:
        outcomes: Missions by how they ended; "not ended" where the record has no result.
        unfinished: Records without a result or cut off before their index; what they hold is counted.
        unread: (record, why) of those that could not be read; nothing of them is counted.
        confusion: {(claimed, said, by): times}: the label of the last look before a person or a model's verdict.
        latency_ms: {(skill, model, question): times}, wall milliseconds from asking to the answer.
        things: Different things that the first looks showed.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    unfinished: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    skills: defaultdict[str, Skill] = field(default_factory=lambda: defaultdict(Skill))
    questions: int = 0
    silent: int = 0
    things: int = 0
    confusion: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    latency_ms: defaultdict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    spent: TimeSpent = field(default_factory=TimeSpent)

    @property
    def missions(self) -> int:
        return self.outcomes.total()

    def json(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        return {
            "missions": self.missions,
            "outcomes": dict(self.outcomes),
            "unfinished": self.unfinished,
            "unread": [{"record": name, "why": why} for name, why in self.unread],
            "questions": self.questions,
            "unanswered": self.silent,
            "things": self.things,
            "questions_per_mission": self.questions / max(1, self.missions),
            "questions_per_thing": self.questions / max(1, self.things),
            "skills": [
                {
                    "skill": name,
                    "done": one.done,
                    "answers": one.answers,
                    "failures": one.failures,
                    "success_rate": round(one.success_rate, 4),
                    "reasons": dict(one.reasons.most_common()),
                }
                for name, one in sorted(self.skills.items())
            ],
            "confusion": [
                {"claimed": claimed, "said": said, "by": by, "times": times}
                for (claimed, said, by), times in sorted(self.confusion.items())
            ],
            "latency_ms": [
                {"skill": skill, "model": model, "question": kind, "answers": len(times), **percentiles(times)}
                for (skill, model, kind), times in sorted(self.latency_ms.items())
            ],
            "time_s": {name: round(seconds, 3) for name, seconds in vars(self.spent).items()},
            "time_shares": {name: round(share, 4) for name, share in self.spent.shares().items()},
        }


def percentiles(times: Sequence[float]) -> dict[str, float]:
    """{"p50": ...} of PERCENTILES; `times` holds at least one."""
    return {f"p{one}": round(float(np.percentile(times, one)), 2) for one in PERCENTILES}


def gather(folder: Path) -> Statistics:
    """Read every record (*.mcap) in a folder and the folders in it.

    A record that is damaged or still being written is counted as far as it can be read, and named.

    Raises:
        ConfigError: There is no record.
    """
    paths = sorted(folder.rglob("*.mcap"))
    if not paths:
        raise ConfigError(f"{folder}: there is no record (*.mcap) in it; a mission writes one into its --out folder")
    found = Statistics()
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            record = Record.read(path)
            seen = _one(record)
        except (ConfigError, TypeError, ValueError, KeyError, AttributeError, IndexError) as why:
            found.unread.append((name, str(why).replace(str(path), name)))
            continue
        if not record.complete or record.last(entries.MissionResult) is None:
            found.unfinished.append(name)
        _add(found, seen)
    return found


def _add(found: Statistics, one: Statistics) -> None:
    found.outcomes += one.outcomes
    found.confusion += one.confusion
    found.questions += one.questions
    found.silent += one.silent
    found.things += one.things
    found.spent += one.spent
    for name, skill in one.skills.items():
        into = found.skills[name]
        into.done += skill.done
        into.answers += skill.answers
        into.failures += skill.failures
        into.reasons += skill.reasons
    for key, times in one.latency_ms.items():
        found.latency_ms[key] += times


def _one(record: Record) -> Statistics:
    """The figures of a single record."""
    result = record.last(entries.MissionResult)
    found = Statistics(outcomes=Counter([result.outcome if result else "not ended"]), spent=time_spent(record))
    _count_skills(record, found)
    _count_claims(record, found)
    found.questions = sum(1 for _ in record.of(entries.AskedQuestion))
    found.silent = sum(one.silent for one in record.of(entries.ReplyGiven))
    asked = {one.id: one for one in record.of(entries.Query)}
    for answer in record.of(entries.ModelAnswer):
        if answer.ms > 0:
            about = asked[answer.id].data if answer.id in asked else {}
            key = (str(about.get("skill") or "-"), str(about.get("model") or "-"), answer.kind)
            found.latency_ms[key].append(float(answer.ms))
    return found


def _count_skills(record: Record, found: Statistics) -> None:
    """Ends of leaves: an end is where the status turns to SUCCESS or FAILURE."""
    changes = list(record.of(entries.StatusChange))
    inner = {change.path[:-1] for change in changes if change.path}
    for change in changes:
        if change.path in inner or not change.outcome:
            continue
        skill = found.skills[change.name.partition(" (")[0]]
        if change.outcome == "done":
            skill.done += 1
            continue
        skill.reasons[change.outcome] += 1
        if REASONS.get(change.outcome) == "answer":
            skill.answers += 1
        else:
            skill.failures += 1


def _count_claims(record: Record, found: Statistics) -> None:
    """Each thing that a look named and a verdict then did: what was claimed beside what was said, once per decision."""
    claimed: dict[str, str] = {}
    decided: set[tuple[str, str, str]] = set()
    looked = False
    for one in record.entries:
        if isinstance(one, entries.Look):
            for item in one.items:
                if not item.get("verified"):
                    claimed[str(item.get("object", ""))] = str(item.get("label", "")).rstrip("?")
            if not looked:
                found.things, looked = len(one.items), True
        elif isinstance(one, entries.VerdictGiven) and one.by != "tracking" and one.object in claimed:
            decision = (one.object, one.label, one.by)
            if decision not in decided:
                decided.add(decision)
                found.confusion[(claimed[one.object], one.label, one.by)] += 1
