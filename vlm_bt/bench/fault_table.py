"""Every fault that a campaign can inflict: what it does, how often, and what is expected of the mission under it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Port = Literal["model", "camera", "arm", "workspace", "human", "scene"]
Nature = Literal["random", "sticking", "timed"]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        port: Where it is put in; no leaf is touched.
        does: What happens, in words.
        lasts_s: How long, least and most, on the mission's clock; 0 happens once.
        share: Of the answers, pictures, questions or things that it meets while it lasts.
        nature: `sticking`: the same thing is hit again and again, whatever the crop, the wording and the model.
        expected: What the mission should make of it.
    """

    name: str
    port: Port
    does: str
    lasts_s: tuple[float, float]
    expected: str
    share: float = 1.0
    nature: Nature = "timed"


ASKED = "the second look disagrees: a person is asked, or the thing is set aside"
WAITS = "the step fails by name and is tried again; no motion meanwhile"

TABLE: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("wrong_label", "model", "is sure of another name", (8, 25), ASKED, 0.5, "random"),
        Fault("sticking_label", "model", "is sure of one wrong name for a thing, however it is asked", (math.inf,) * 2,
              "what depth and knowledge contradict is asked about; the rest is the calibrated error", 0.2, "sticking"),
        Fault("hallucination", "model", "names what is no known thing, and finds a thing where none is", (8, 25),
              "depth shows nothing there, or the second look disagrees", 0.5, "random"),
        Fault("wrong_box", "model", "answers for the thing beside the one that is meant", (8, 25), ASKED, 0.5,
              "random"),
        Fault("over_confident", "model", "is sure of its best guess whatever its calibration says", (10, 40), ASKED,
              1.0, "random"),
        Fault("left_right", "model", "takes left for right", (8, 25), ASKED, 0.5, "random"),
        Fault("model_slow", "model", "answers seconds late", (5, 15), WAITS),
        Fault("model_hung", "model", "does not answer until its watch-dog ends it", (2, 6), WAITS),
        Fault("model_dead", "model", "its process is gone for a while", (2, 12), WAITS),
        Fault("model_killed", "model", "its process is really killed", (0, 0), "started again; the step is repeated"),
        Fault("camera_frozen", "camera", "gives its last picture again, with the old stamp", (2, 10), WAITS),
        Fault("camera_frozen_fresh", "camera", "gives its last picture again under a new stamp", (2, 10),
              "what was moved seems not to have moved: the check after the motion fails by name"),
        Fault("camera_black", "camera", "gives black pictures without depth", (2, 10), WAITS),
        Fault("camera_lost", "camera", "gives no picture", (2, 10), WAITS),
        Fault("camera_shifted", "camera", "was knocked: everything seems 20 to 40 mm beside its place", (5, 20),
              "grasps fail and are tried again, or a wrong place is noticed afterwards"),
        Fault("depth_holes", "camera", "has patches without depth", (5, 20), "what is not seen is not moved"),
        Fault("grasp_slips", "arm", "the next grip is lost half-way up", (0, 0), "noticed, located and picked again"),
        Fault("drop", "arm", "what is carried falls", (0, 0), "noticed, and the thing is a candidate again"),
        Fault("arm_stall", "arm", "a joint does not answer", (1, 5), "arm_fault by name; no motion meanwhile"),
        Fault("person_in_reach", "workspace", "somebody steps up to the bench", (2, 6),
              "stopped within one tick; goes on when they are gone"),
        Fault("monitor_lost", "workspace", "the workspace monitor falls silent", (1, 5),
              "a silent monitor counts as somebody in reach"),
        Fault("silent_person", "human", "does not answer", (30, 60), "the safe default after the time limit"),
        Fault("wrong_person", "human", "answers with another option", (30, 60),
              "done as told: a person may identify; depth still locates"),
        Fault("contradicting_person", "human", "answers rightly and wrongly in turn", (30, 60),
              "the latest word counts; nothing moves unlocated"),
        Fault("says_stop", "human", "says stop", (0, 0), "the arm stops; no motion afterwards"),
        Fault("lying_label", "scene", "a sign with a false name lies beside a thing", (math.inf,) * 2,
              "writing is data: what a thing is called does not change"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Injection:
    """One fault at one time of one mission, on the mission's clock."""

    name: str
    begins_s: float
    ends_s: float
    share: float

    @property
    def fault(self) -> Fault:
        return TABLE[self.name]

    def lasts(self, now_s: float) -> bool:
        return self.begins_s <= now_s < self.ends_s


class Faults:
    """The faults of one mission. The same seed and the same course of things give the same faults.

    Attributes:
        now: The mission's clock, in seconds.
        hits: How often each injection has had an effect; what never met anything counts as not injected.
    """

    def __init__(self, seed: int, injections: Sequence[Injection] = ()) -> None:
        self.seed = seed
        self.injections = tuple(injections)
        self.hits = [0] * len(self.injections)
        self.now: Callable[[], float] = lambda: 0.0
        self._draws = 0
        self._begun: set[int] = set()

    def active(self, name: str) -> bool:
        return any(one.name == name and one.lasts(self.now()) for one in self.injections)

    def strikes(self, name: str) -> bool:
        """Whether the fault hits what it meets now; by chance where its share is less than one."""
        for index, one in enumerate(self.injections):
            if one.name == name and one.lasts(self.now()) and (one.share >= 1.0 or self.draw() < one.share):
                self.hits[index] += 1
                return True
        return False

    def sticks(self, name: str, thing: str) -> bool:
        """Whether the fault hits this thing; always the same answer for the same thing."""
        for index, one in enumerate(self.injections):
            if one.name == name and one.lasts(self.now()) and self.of(name, thing).random() < one.share:
                self.hits[index] += 1
                return True
        return False

    def due(self, name: str) -> bool:
        """Whether an injection of this name begins now; each begins once, and counts as having had its effect."""
        for index, one in enumerate(self.injections):
            if one.name == name and index not in self._begun and one.begins_s <= self.now():
                self._begun.add(index)
                self.hits[index] += 1
                return True
        return False

    def draw(self) -> float:
        """A number in [0, 1) from the mission's seed, another one each time."""
        self._draws += 1
        return float(np.random.default_rng((self.seed, 1, self._draws)).random())

    def of(self, name: str, thing: str) -> np.random.Generator:
        """Numbers that belong to a thing under a fault."""
        return np.random.default_rng((self.seed, 2, zlib.crc32(f"{name}/{thing}".encode())))


def lasting(name: str, share: float | None = None) -> Injection:
    """A fault that lasts for the whole mission."""
    return Injection(name, 0.0, math.inf, TABLE[name].share if share is None else share)


def drawn(seed: int, count: int, within_s: float, names: Sequence[str] = tuple(TABLE)) -> tuple[Injection, ...]:
    """`count` faults at random moments of the first `within_s` seconds, every name as likely as the others."""
    chance = np.random.default_rng((seed, 0))
    found = []
    for name in chance.choice(np.array(names), size=count):
        fault = TABLE[str(name)]
        begins_s = float(chance.uniform(0.0, within_s)) if not math.isinf(fault.lasts_s[0]) else 0.0
        lasts_s = float(chance.uniform(*fault.lasts_s)) if begins_s else math.inf
        found.append(Injection(fault.name, begins_s, begins_s + lasts_s, fault.share))
    return tuple(sorted(found, key=lambda one: (one.begins_s, one.name)))
