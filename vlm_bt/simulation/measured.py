"""What a model was measured to answer about single things: the source of the fast fidelity's errors.

Nothing in such a file is invented: `vlm-bt bench answers` draws benches in full, asks the model about everything that
depth finds on them, and keeps what it said, with the calibration that the model had then.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.vision.calibration_file import CalibrationFile

NOTHING, SEVERAL = "nothing", "several things"
"""Kinds of what is no thing, or more than one."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the answers come from: the command, seeds (first, last) of the benches, and the day."""

    command: str
    seeds: tuple[int, int]
    items: int
    day: str


class Seen(_Strict):
    """One thing as the model saw it.

    Attributes:
        kind: What it really was.
        looks: Probabilities of `MeasuredAnswers.kinds` and of none of them, for each look of `MeasuredAnswers.looks`.
        caption: What the model said of it in words.
    """

    kind: str
    looks: tuple[tuple[float, ...], ...]
    caption: str = ""


class MeasuredAnswers(_Strict):
    """Answers of one model through one camera.

    Attributes:
        revision: Of the model.
        looks: (variant, wording) of each look.
        calibration: The model's, as it was then; "" stands for none.
    """

    source: Source
    model: str
    revision: str
    kinds: tuple[str, ...]
    looks: tuple[tuple[int, int], ...]
    calibration: CalibrationFile | None
    seen: tuple[Seen, ...]

    @staticmethod
    def read(path: Path | None = None) -> MeasuredAnswers:
        """Those of the shipped model if no file is named. Raises: ConfigError."""
        path = share_dir("config") / "answers" / "shipped-overhead.json" if path is None else path
        try:
            return MeasuredAnswers.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"{path}: no measured answers ({first}); make them with `vlm-bt bench answers`") from None
