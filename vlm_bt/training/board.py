"""How a training goes, for TensorBoard: `tensorboard --logdir FOLDER`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Board:
    """Writes numbers where TensorBoard finds them; without TensorBoard says so once and writes nothing."""

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            say("no TensorBoard here, so no curves: pip install 'vlm_bt[training]' brings it; the training goes on")
            return
        self._writer = SummaryWriter(str(folder))

    def add(self, figures: Mapping[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Idempotent."""
        if self._writer is not None:
            self._writer.close()
