"""A folder of pictures as a camera, and writing one: for debugging, for tests and for data that somebody sends.

bench/
  camera.json          intrinsics, depth_unit_m, pose_camera_in_base: {position, quaternion}
  0001_colour.png      8 bit RGB
  0001_depth.png       16 bit, aligned to colour, 0: no return
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.types import Frame, Intrinsics, Outcome, Pose

ABOUT = "camera.json"
COLOUR, DEPTH = "_colour.png", "_depth.png"
DEPTH_UNIT_M = 0.001


@dataclass(frozen=True)
class About:
    """What `camera.json` says. `depth_unit_m`: metres for each step of the depth pictures."""

    intrinsics: Intrinsics
    pose_camera_in_base: Pose
    depth_unit_m: float = DEPTH_UNIT_M


class FolderCamera:
    """The Camera port over folders: each request gets the next picture of its folder, between ticks.

    A picture's stamp is the time at which it is handed out: to the mission it is taken then.

    Args:
        folders: By the name of the camera.
        now: The mission's clock in seconds.
        loop: Begin again after the last picture; otherwise the camera is lost then.

    Raises:
        ConfigError: A folder, its `camera.json` or a picture is missing or makes no sense.
    """

    def __init__(
        self, folders: Mapping[str, Path], frames: FrameStore, now: Callable[[], float], *, loop: bool = False
    ) -> None:
        self._frames = frames
        self._now = now
        self._loop = loop
        self._folders = dict(folders)
        self._about = {name: _about(folder) for name, folder in folders.items()}
        self._names = {name: _names(folder) for name, folder in folders.items()}
        self._next = dict.fromkeys(folders, 0)
        self._waiting: list[tuple[str, Ticket[str]]] = []

    def request(self, camera: str) -> Ticket[str]:
        """The next picture; the ticket resolves to its frame's id at the next `step`."""
        ticket: Ticket[str] = Ticket(f"frame of {camera}")
        if camera not in self._folders:
            known = ", ".join(self._folders)
            ticket.fail(Outcome("camera_lost", f"there is no camera {camera!r}; there are: {known}"))
        else:
            self._waiting.append((camera, ticket))
        return ticket

    def step(self, tick: int) -> None:
        """Between ticks: hand out what was asked for; requests for the same camera share a picture."""
        waiting, self._waiting = self._waiting, []
        given: dict[str, str | Outcome] = {}
        for camera, ticket in waiting:
            if ticket.outcome is not None:
                continue
            if camera not in given:
                given[camera] = self._take(camera)
            frame = given[camera]
            if isinstance(frame, Outcome):
                ticket.fail(frame)
            else:
                ticket.resolve(frame)

    def close(self) -> None:
        """Idempotent."""
        for _, ticket in self._waiting:
            ticket.cancel()
        self._waiting = []

    def _take(self, camera: str) -> str | Outcome:
        names, index = self._names[camera], self._next[camera]
        if index >= len(names):
            if not self._loop:
                return Outcome("camera_lost", f"camera {camera!r}: all {len(names)} pictures have been seen")
            index = 0
        self._next[camera] = index + 1
        try:
            frame = self._read(camera, names[index])
        except ConfigError as error:
            return Outcome("camera_lost", f"camera {camera!r}: {error}")
        return self._frames.put(frame)

    def _read(self, camera: str, name: str) -> Frame:
        folder, about = self._folders[camera], self._about[camera]
        rgb = _picture(folder / f"{name}{COLOUR}", about.intrinsics).astype(np.uint8)
        depth = _picture(folder / f"{name}{DEPTH}", about.intrinsics)
        if rgb.ndim != 3 or depth.ndim != 2:
            raise ConfigError(f"{folder / name}: colour must be RGB and depth 16 bit grey")
        depth_m = depth.astype(np.float32) * np.float32(about.depth_unit_m)
        frame_id, pose = self._frames.new_id(camera), about.pose_camera_in_base
        return Frame(frame_id, camera, rgb[..., :3], depth_m, about.intrinsics, pose, self._now())


def save_frame(folder: Path, frame: Frame, depth_unit_m: float = DEPTH_UNIT_M) -> str:
    """Write a frame as the folder's next picture; returns its name. The first one writes `camera.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    about = folder / ABOUT
    if not about.exists():
        told = {
            "intrinsics": asdict(frame.intrinsics),
            "pose_camera_in_base": asdict(frame.pose_camera_in_base),
            "depth_unit_m": depth_unit_m,
        }
        about.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    unit_m = _about(folder).depth_unit_m
    name = f"{len(list(folder.glob(f'*{COLOUR}'))) + 1:04d}"
    Image.fromarray(frame.rgb).save(folder / f"{name}{COLOUR}")
    steps = np.rint(frame.depth_m / unit_m).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    Image.fromarray(steps).save(folder / f"{name}{DEPTH}")
    return name


def _about(folder: Path) -> About:
    path = folder / ABOUT
    try:
        return About(**json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); save_frame writes such a folder") from error
    except (TypeError, ValueError, ValidationError) as error:
        raise ConfigError(f"{path}: says no intrinsics and pose: {error}") from error


def _names(folder: Path) -> list[str]:
    """Names of the pictures in order. Raises: ConfigError: there are none, or one has no depth."""
    names = sorted(path.name.removesuffix(COLOUR) for path in folder.glob(f"*{COLOUR}"))
    if not names:
        raise ConfigError(f"{folder}: there is no picture NAME{COLOUR} in it")
    alone = [name for name in names if not (folder / f"{name}{DEPTH}").is_file()]
    if alone:
        raise ConfigError(f"{folder}: these have no NAME{DEPTH}: {', '.join(alone)}")
    return names


def _picture(path: Path, lens: Intrinsics) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    try:
        with Image.open(path) as opened:
            pixels = np.asarray(opened)
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(f"{path}: cannot be read as a picture") from error
    if pixels.shape[:2] != (lens.height, lens.width):
        height, width = pixels.shape[:2]
        raise ConfigError(f"{path}: is {width}x{height}, {ABOUT} says {lens.width}x{lens.height}")
    return pixels
