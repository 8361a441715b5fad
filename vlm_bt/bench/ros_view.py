"""What viewers cost a mission: the time that telling them takes, as a share of the tick period."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import py_trees

from vlm_bt.bench.form import Figure, Say
from vlm_bt.clocks import WallClock
from vlm_bt.executive import Executive, Snapshot

NODES = 200
TICKS, QUICK_TICKS = 600, 100
PERIOD_S = 0.05


class _NoArm:
    """What a tree that moves nothing needs of an arm."""

    def hold(self, why: str = "") -> None: ...

    def resume(self, why: str = "") -> None: ...

    def stop(self) -> None: ...

    def disable(self) -> None: ...


def view_figures(quick: bool, say: Say) -> Sequence[Figure]:
    """A tree of 200 nodes, ticked at 20 Hz, without a viewer and with one; none where py_trees_ros is missing."""
    from vlm_bt.errors import ConfigError
    from vlm_bt.ros.runtime import Runtime
    from vlm_bt.ros.tree_view import open_view
    from vlm_bt.ros.watching import Watching

    ticks = QUICK_TICKS if quick else TICKS
    with Runtime() as runtime:
        try:
            view = open_view("required", runtime.context, name="benched_tree")
        except ConfigError as missing:
            say(str(missing))
            return []
        executive = Executive(_tree(), WallClock(PERIOD_S), _NoArm())  # type: ignore[arg-type]
        view.adopt(executive)
        alone = _share(executive, view.after_tick, ticks)
        viewer = Watching(runtime.node("viewer"), "/benched_tree")
        watched = _share(executive, view.after_tick, ticks)
        say(f"{len(viewer.seen)} snapshots in {ticks} ticks")
        view.close()
    return [
        Figure("viewers, none there", 100 * alone, "% of the tick period", 1.0),
        Figure("viewers, one looks at 200 nodes", 100 * watched, "% of the tick period", 10.0),
        Figure("snapshots that it got", float(len(viewer.seen)), "", ticks / 10, "at least"),
    ]


def _tree() -> py_trees.behaviour.Behaviour:
    root = py_trees.composites.Parallel("everything", py_trees.common.ParallelPolicy.SuccessOnAll())
    root.add_children([py_trees.behaviours.Periodic(f"leaf {number}", n=7 + number) for number in range(NODES - 1)])
    return root


def _share(executive: Executive, after_tick: Callable[[Snapshot], None], ticks: int) -> float:
    """Of the ticking thread's own time, so that what else the machine does is not counted."""
    spent_s = 0.0
    clock = WallClock(PERIOD_S)
    for _ in range(ticks):
        executive.tick()
        began_s = time.thread_time()
        after_tick(Snapshot(clock.tick, clock.now_s, executive.root, ()))
        spent_s += time.thread_time() - began_s
        clock.advance()
    return spent_s / (ticks * PERIOD_S)
