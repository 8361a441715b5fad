"""The frames of a RealSense recording as a folder of pictures, which people can look through and label."""

from __future__ import annotations

from pathlib import Path

from vlm_bt.camera_settings import FilterSettings, RealSenseSettings
from vlm_bt.devices.folder import save_frame
from vlm_bt.devices.realsense_processing import Processing
from vlm_bt.devices.realsense_recording import RecordingFeed
from vlm_bt.errors import ConfigError
from vlm_bt.types import Frame, Pose

WAIT_S = 0.1
DONE = "unpacked"
"""Written last: what a stopped run has left is made again."""
HERE = Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
"""A recording does not say where its camera hung: the pictures are in the camera's own frame."""


def unpacked(recording: Path, folder: Path, every: int = 1) -> list[Path]:
    """Write colour and depth of every n-th pair as `devices.folder` reads them, unless that has been done.

    Args:
        recording: `.db3` or `.bag` of the SDK. folder: gets `camera.json`, `0001_colour.png`, `0001_depth.png`...

    Returns:
        The colour pictures in their order.

    Raises:
        ConfigError: No SDK, no such file, no recording of the SDK, or one without pictures.
    """
    done = folder / DONE
    if not (done.is_file() and done.read_text(encoding="utf-8") == _what(recording, every)):
        for old in (*folder.glob("*_colour.png"), *folder.glob("*_depth.png"), *folder.glob("camera.json")):
            old.unlink()
        if _unpack(recording, folder, every) == 0:
            raise ConfigError(f"recording {recording}: there is no picture in it")
        done.write_text(_what(recording, every), encoding="utf-8")
    return sorted(folder.glob("*_colour.png"))


def _unpack(recording: Path, folder: Path, every: int) -> int:
    settings = RealSenseSettings.model_validate({"recording": recording, "real_time": False})
    feed = RecordingFeed(settings, lambda: 0.0)
    feed.open()
    processing = Processing(FilterSettings.model_validate({}))
    count = written = 0
    try:
        while True:
            shot = feed.wait(WAIT_S)
            if shot is None:
                continue
            if count % every == 0:
                picture = processing.picture(processing.filter(shot.frames))
                depth_m, lens = picture.depth_m, picture.intrinsics
                save_frame(folder, Frame(f"recording-{count}", "recording", picture.rgb, depth_m, lens, HERE, 0.0))
                written += 1
            count += 1
    except EOFError:
        return written
    finally:
        feed.close()


def _what(recording: Path, every: int) -> str:
    if not recording.is_file():
        raise ConfigError(f"recording {recording}: there is no such file")
    about = recording.stat()
    return f"{recording.name} {about.st_size} {about.st_mtime_ns} {every}"
