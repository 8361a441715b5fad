"""The distributed mission, measured from outside: processes of this package that talk over ROS on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.kept import Kept, Row
from vlm_bt.bench.mission import fingerprint

if TYPE_CHECKING:
    from vlm_bt.bench.ros_cell import Cell
    from vlm_bt.bench.ros_stops import Cells

STARTS, ABORTS, KILLS, RESTARTS = 20, 200, 50, 50
QUICK_STARTS, QUICK_ABORTS, QUICK_KILLS, QUICK_RESTARTS = 3, 4, 1, 2


def measure_ros(plan: Plan, say: Say) -> Sequence[Figure]:
    """How images arrive, how missions start and stop, and that they survive the parts that they run on.

    Each trial is kept under `plan.out`; what is there already, of the same program, is not done again.

    Raises:
        ConfigError: There is no rclpy here.
    """
    from vlm_bt.bench.ros_cell import isolate
    from vlm_bt.bench.ros_restarts import restart_figures
    from vlm_bt.bench.ros_stops import abort_figures, kill_figures, start_figures
    from vlm_bt.bench.ros_stream import stream_figures
    from vlm_bt.bench.ros_view import view_figures

    out, program = plan.out / f"ros{'-quick' if plan.quick else ''}", fingerprint()
    starts, aborts, kills, restarts = (
        (QUICK_STARTS, QUICK_ABORTS, QUICK_KILLS, QUICK_RESTARTS) if plan.quick else (STARTS, ABORTS, KILLS, RESTARTS)
    )

    def kept(part: str) -> Kept:
        return Kept(out / f"{part}.jsonl", {"program": program, "seed": plan.seed})

    isolate()
    left = kept("left_over")
    figures = [*stream_figures(kept("stream"), say)]
    with _cell(out, left) as cells:
        figures += start_figures(cells, kept("starts"), starts, say)
        figures += abort_figures(cells, kept("aborts"), aborts, plan.seed, say)
        figures += kill_figures(cells, kept("kills"), kills, plan.seed, say)
        figures += restart_figures(cells, kept("restarts"), restarts, plan.seed, say)
    figures += view_figures(plan.quick, say)
    return [*figures, *left_figures(left.rows)]


@contextmanager
def _cell(folder: Path, left: Kept) -> Iterator[Cells]:
    """A cell that is started when it is first asked for; what it leaves behind at its end is noted."""
    from vlm_bt.bench.ros_cell import Cell

    before, started = unmapped(), list[Cell]()
    with ExitStack() as stack:

        def started_cell() -> Cell:
            if not started:
                started.append(stack.enter_context(Cell(folder)))
            return started[0]

        yield started_cell
    if started:
        left.add({"processes": started[0].left_over(), "shared_mb": _megabytes(unmapped() - before)})


def left_figures(rows: Sequence[Row]) -> list[Figure]:
    """Over all cells, the killed processes included."""
    return [
        Figure("processes left over", float(sum(row["processes"] for row in rows)), "", 0.0),
        Figure("shared memory left over", float(sum(row["shared_mb"] for row in rows)), "MB", 1.0),
    ]


def unmapped() -> frozenset[Path]:
    """Shared memory of this machine that no living process has mapped."""
    used = set[str]()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        used.update(line.split()[5] for line in lines if "/dev/shm/" in line)
    return frozenset(path for path in Path("/dev/shm").iterdir() if str(path) not in used)


def _megabytes(paths: frozenset[Path]) -> float:
    return round(sum(path.stat().st_blocks * 512 for path in paths if path.exists()) / 1e6, 2)
