"""The simulated world in fast fidelity."""

from __future__ import annotations

from vlm_bt.simulation.world import World


class FastWorld(World):
    """As `World`, for fast fidelity."""
