"""The real vision service outside a mission: one picture, one question, waited for on the wall."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vlm_bt.clocks import LockstepClock
from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.frames import FrameStore
from vlm_bt.types import Frame, Intrinsics, Pose, Zone
from vlm_bt.vision.messages import Ready
from vlm_bt.vision.service import VisionService
from vlm_bt.vision_settings import VisionSettings

TICK_S = 0.005
ABOVE_BENCH = Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0))
"""Where a picture is taken to be seen from: straight down, as the simulation's overhead camera."""
FOCAL = 0.73
"""Focal length taken for a picture that does not say, in its widths."""


class _Heard:
    """A recorder that keeps the latest answer's row alone."""

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] = {}

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        if channel == "answer":
            self.answer = data

    def keep_frame(self, frame_id: str, why: str) -> None:
        """There is no record to keep it in."""


class Eyes:
    """A service with the models of one route, ready to be asked.

    Attributes:
        ready: What each model says of itself.
    """

    def __init__(self, vision: VisionSettings, zones: Sequence[Zone]) -> None:
        self._frames = FrameStore()
        self._heard = _Heard()
        self._clock = LockstepClock(TICK_S, realtime=True)
        self._patience_s = sum(model.patience_s + model.start_within_s for model in vision.models.values())
        self._service = VisionService(vision, zones, self._frames, self._clock, self._heard, lockstep=False)
        self._clock.connect((self._service.settle,), lambda: False)
        self.ready: Mapping[str, Ready] = {}

    def wait_ready(self) -> None:
        """Raises: ModelError: a model cannot be loaded, or did not start in time."""
        self.ready = self._service.wait_ready()

    def show(self, rgb: NDArray[np.uint8], depth_m: NDArray[np.float32] | None = None) -> str:
        """Put a picture (H, W, 3) in, with its depth (H, W) in metres if there is one; returns the frame's id."""
        height, width = rgb.shape[:2]
        lens = Intrinsics(width, height, width * FOCAL, width * FOCAL, width / 2, height / 2)
        depth = np.zeros((height, width), np.float32) if depth_m is None else depth_m
        name = self._frames.new_id("picture")
        return self._frames.put(Frame(name, "picture", rgb, depth, lens, ABOVE_BENCH, self._clock.now_s))

    def ask(self, question: Any) -> tuple[Any, Mapping[str, Any]]:
        """The answer, and the row that a mission would record of it.

        Raises:
            ModelError: There is no answer; the text says why.
        """
        ticket = self._service.submit(question)
        ends_s = self._clock.now_s + self._patience_s
        while ticket.outcome is None and self._clock.now_s < ends_s:
            self._clock.advance()
        if ticket.outcome is None:
            ticket.cancel()
            raise ModelError(f"no answer within {self._patience_s:g} s")
        if not ticket.outcome.ok:
            raise ModelError(f"no answer: {ticket.outcome}")
        return ticket.value, self._heard.answer

    def close(self) -> None:
        self._service.close()
        self._frames.close()


@contextlib.contextmanager
def opened(vision: VisionSettings, zones: Sequence[Zone] = ()) -> Iterator[Eyes]:
    """Start the processes of these models and wait until they are up; end them afterwards."""
    eyes = Eyes(vision, zones)
    try:
        eyes.wait_ready()
        yield eyes
    finally:
        eyes.close()


def only(vision: VisionSettings, names: Sequence[str]) -> VisionSettings:
    """The same configuration with these models alone, asked in this order.

    Raises:
        ConfigError: A name that is not among the models.
    """
    for name in names:
        if name not in vision.models:
            raise ConfigError(f"no model is called {name!r}; there are: {', '.join(vision.models)}")
    models = {name: vision.models[name] for name in names}
    return vision.model_copy(update={"models": models, "route": tuple(names)})


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8. Raises: ConfigError: no such file, or no picture."""
    try:
        with Image.open(path) as picture:
            return np.ascontiguousarray(picture.convert("RGB"), dtype=np.uint8)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file") from error
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f"{path}: is no picture that can be read ({type(error).__name__}); save it as PNG") from error


def read_depth(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) float32 metres from a .npy file. Raises: ConfigError: no such file, or not the picture's size."""
    try:
        depth = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path}: is no .npy file of numbers; write it with numpy.save") from error
    if not isinstance(depth, np.ndarray) or depth.shape != size or depth.dtype.kind not in "fiu":
        shape = getattr(depth, "shape", "?")
        raise ConfigError(f"{path}: depth must be {size} numbers in metres, as the picture, it is {shape}")
    return np.ascontiguousarray(depth, dtype=np.float32)
