"""Who runs the missions of a campaign: processes of this machine, or the workers of a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.util import Finalize
from typing import Any

from vlm_bt.bench.campaign_mission import Bench, Case
from vlm_bt.errors import ConfigError

LOCAL = "local"
WATCH_S = 2.0
_BENCH: dict[str, Bench] = {}
"""The bench of this worker process by fidelity; its models stay loaded from case to case."""


def run_case(case: Case) -> dict[str, Any]:
    """The row of one case, on the bench of this process."""
    bench = _BENCH.get(case.fidelity)
    if bench is None:
        bench = _BENCH[case.fidelity] = Bench(case.fidelity)
        # A worker process ends without running what `atexit` knows.
        Finalize(bench, bench.close, exitpriority=10)
    return bench.run(case)


def with_processes(cases: Sequence[Case], jobs: int) -> Iterator[dict[str, Any]]:
    """Rows as they are done, by `jobs` processes. A process that dies takes the cases under way down as crashed."""
    left = list(cases)
    while left:
        # Spawned: a process that has a renderer must not be forked.
        with _pool(min(jobs, len(left))) as pool:
            running = {pool.submit(run_case, case): case for case in left}
            try:
                for done in as_completed(running):
                    row = done.result()
                    left.remove(running[done])
                    yield row
            except BrokenProcessPool:
                # Which of them it was cannot be told: each is tried alone.
                yield from _one_by_one(left)
                return


def with_ray(cases: Sequence[Case], address: str) -> Iterator[dict[str, Any]]:
    """Rows as they are done, by a Ray cluster that has this package; "local" starts one on this machine.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers there.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--ray needs Ray: pip install 'vlm_bt[ray]'") from error
    try:
        ray.init(address=None if address == LOCAL else address, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"--ray {address}: no Ray cluster answers there ({error})") from error
    try:
        task = ray.remote(max_retries=1)(run_case)
        running = {task.remote(case): case for case in cases}
        while running:
            (done, *_), _ = ray.wait(list(running))
            case = running.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                yield {"key": case.key, "part": case.part, "crashed": str(error).splitlines()[0]}
    finally:
        ray.shutdown()


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),)
    )


def _end_with(parent: int) -> None:
    """A worker of a campaign that was killed would wait for its next case for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="campaign").start()


def _one_by_one(cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    for case in cases:
        with _pool(1) as pool:
            try:
                yield pool.submit(run_case, case).result()
            except BrokenProcessPool:
                yield {"key": case.key, "part": case.part, "crashed": "its process died"}
