"""One mission of a campaign: under which faults it runs, and what is kept of how it went."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlm_bt import settings as settings_module
from vlm_bt.app.fast import fast
from vlm_bt.app.mission import Mission
from vlm_bt.app.result import Result
from vlm_bt.app.simulated import SimulatedSite
from vlm_bt.bench.fault_table import Faults, Injection
from vlm_bt.bench.injected_answers import Spoilt
from vlm_bt.bench.injected_arm import MOTIONS, Taken
from vlm_bt.bench.injected_site import InjectedSite
from vlm_bt.bench.injected_vision import InjectedVision
from vlm_bt.bench.unverified import SKILLS, TREE, UNVERIFIED_LEAVES
from vlm_bt.clocks import LockstepClock
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.settings import Settings
from vlm_bt.simulation.fast_lanes import FastLanes
from vlm_bt.simulation.witness import Witnessed
from vlm_bt.types import REASONS
from vlm_bt.vision.lane import Lane

VERIFIED = share_dir("trees") / "organise_workbench.yaml"
HUNG_S = 600.0
"""Wall time after which a mission counts as hung."""
ENDS_WELL = {"done", "interrupted", *REASONS}


@dataclass(frozen=True)
class Case:
    """A mission to run. `part` names the table that it is counted in; `baseline`: without verification."""

    part: str
    seed: int
    items: int
    injections: tuple[Injection, ...]
    baseline: bool = False
    fidelity: str = "full"

    @property
    def key(self) -> str:
        return f"{self.part}/{self.fidelity}/{self.items}/{self.seed}{'/baseline' if self.baseline else ''}"


class Hung(BaseException):
    """The mission did not come to an end in time. No leaf may catch it."""


class Bench:
    """Runs cases of one fidelity, one after the other with one vision service, its models loaded once."""

    def __init__(self, fidelity: str = "full", settings: Settings | None = None) -> None:
        loaded = settings or settings_module.load()
        self._settings = fast(loaded) if fidelity == "fast" else loaded
        self._lanes = FastLanes() if fidelity == "fast" else None
        self._frames = FrameStore()
        self._vision = InjectedVision(
            self._settings.vision,
            tuple(self._settings.zones().values()),
            self._frames,
            LockstepClock(self._settings.mission.tick_s),
            _Nobody(),
            open_lane=Lane if self._lanes is None else self._lanes.open,
        )

    def run(self, case: Case) -> dict[str, Any]:
        """The row of one case; a crash and a hang are rows too. Only in a process's main thread."""
        began_s = time.perf_counter()
        row: dict[str, Any] = {"key": case.key, **{k: v for k, v in asdict(case).items() if k != "injections"}}
        try:
            with limited(HUNG_S):
                row |= self._mission(case)
        except Hung:
            row |= {"hung": True}
        except Exception as error:
            # A campaign goes on: what crashed is counted and told, with its cause.
            row |= {"crashed": f"{type(error).__name__}: {error}"}
        return row | {"wall_s": round(time.perf_counter() - began_s, 2)}

    def close(self) -> None:
        """Idempotent."""
        self._vision.close()
        self._frames.close()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mission(self, case: Case) -> dict[str, Any]:
        simulation = self._settings.simulation.model_copy(update={"items": case.items})
        changes: dict[str, Any] = {"simulation": simulation}
        if case.baseline:
            changes["skills"] = (*self._settings.skills, SKILLS)
        settings = self._settings.model_copy(update=changes)
        faults = Faults(case.seed, case.injections)
        self._frames.clear()
        bench = SimulatedSite(settings, self._frames, case.seed)
        if self._lanes is not None:
            self._lanes.show(bench.world)
        site = InjectedSite(bench, settings, self._frames, faults)
        self._vision.inflict(faults, Spoilt(faults, site.whose, self._frames_width), site.regions)
        verdicts: dict[str, Mapping[str, Any]] = {}

        def notice(channel: str, entry: Mapping[str, Any]) -> None:
            if channel == "verdict":
                verdicts[str(entry["id"])] = dict(entry)

        with tempfile.TemporaryDirectory(prefix="vlm_bt-campaign-") as folder:
            try:
                mission = Mission(
                    settings,
                    TREE if case.baseline else VERIFIED,
                    site,
                    self._frames,
                    human="scripted",
                    inputs={},
                    out=Path(folder),
                    seed=case.seed,
                    onlooker=notice,
                    vision=self._vision,
                    leaves=UNVERIFIED_LEAVES if case.baseline else LEAVES,
                    report=False,
                )
            except BaseException:
                site.close()
                raise
            with mission:
                return _row(mission.run(), site, faults, verdicts)

    def _frames_width(self, frame_id: str) -> int:
        return self._frames.handle(frame_id).intrinsics.width


def _row(
    result: Result, site: InjectedSite, faults: Faults, verdicts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    false = [taken for taken in site.arm.taken if Witnessed(taken.label, taken.real).false]
    by_person = [taken for taken in false if decided_by(taken, verdicts) == "person"]
    stop_tick = site.human.stop_said_tick if site.human is not None else None
    commands = [one for one in site.arm.commands if one.verb in MOTIONS]
    score = result.score
    return {
        "outcome": result.outcome,
        "detail": result.detail,
        "named": result.outcome in ENDS_WELL,
        "safe": result.safe,
        "success": result.outcome == "done" and site.misplaced == 0 and score["on_floor"] == 0,
        "score": dict(score),
        "misplaced": site.misplaced,
        "questions": result.questions,
        "motions": result.motions,
        "unverified_motions": result.unverified_motions,
        "false_unconfirmed": len(false) - len(by_person),
        "false_by_person": len(by_person),
        "false": [[taken.label, taken.real] for taken in false],
        "stops": [asdict(stop) | {"in_time": stop.in_time} for stop in site.stops],
        "released_in_reach": sum(one.in_reach for one in commands if one.verb == "resume"),
        "after_abort": sum(one.tick > stop_tick for one in commands) if stop_tick is not None else 0,
        "hits": [[one.name, hits] for one, hits in zip(faults.injections, faults.hits, strict=True)],
        "sim_s": result.sim_s,
        "trace_sha256": result.trace_sha256,
    }


def decided_by(taken: Taken, verdicts: Mapping[str, Mapping[str, Any]]) -> str:
    """Who first said what the thing is: "model" or "person". A renewed verdict goes back to the one that it renews.

    What lost its track on the way counts as the model's: a false motion is never excused by a guess.
    """
    order = list(verdicts)
    entry = verdicts.get(taken.verdict_id)
    while entry is not None and entry["by"] == "tracking":
        before = [verdicts[name] for name in order[: order.index(str(entry["id"]))]]
        mine = [one for one in before if (one["label"], one["object"]) == (entry["label"], entry["object"])]
        entry = mine[-1] if mine else None
    return str(entry["by"]) if entry is not None else "model"


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises: Hung: what is inside took longer, on the wall."""

    def ring(*_: object) -> None:
        raise Hung(f"no end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


class _Nobody:
    """A recorder between missions."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None: ...

    def keep_frame(self, frame_id: str, why: str) -> None: ...
