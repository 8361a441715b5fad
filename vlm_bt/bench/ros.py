"""The distributed mission, measured from outside: processes of this package that talk over ROS on this machine."""

from __future__ import annotations

import random
from collections.abc import Sequence

from vlm_bt.bench.form import Figure, Plan, Say

ABORTS, KILLS, STARTS = 200, 50, 20
QUICK_ABORTS, QUICK_KILLS, QUICK_STARTS = 8, 3, 3


def measure_ros(plan: Plan, say: Say) -> Sequence[Figure]:
    """How quickly missions start and stop, and that nothing moves once they have been told to or were killed.

    Raises:
        ConfigError: There is no rclpy here.
    """
    from vlm_bt.bench.ros_cell import Cell
    from vlm_bt.bench.ros_stops import abort_figures, kill_figures, start_figures
    from vlm_bt.bench.ros_view import view_figures

    draw = random.Random(plan.seed)
    starts, aborts, kills = (QUICK_STARTS, QUICK_ABORTS, QUICK_KILLS) if plan.quick else (STARTS, ABORTS, KILLS)
    figures: list[Figure] = []
    with Cell(plan.out / "ros") as cell:
        figures += start_figures(cell, starts, say)
        figures += abort_figures(cell, aborts, draw, say)
        figures += kill_figures(cell, kills, draw, say)
    figures += view_figures(plan.quick, say)
    return figures
