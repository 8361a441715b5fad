"""A folder of pictures as a camera."""

import json

import numpy as np
import pytest

from vlm_bt.devices.folder import FolderCamera, save_frame
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.types import Frame, Intrinsics, Pose

LENS = Intrinsics(8, 6, 7.0, 7.0, 3.5, 2.5)
HANGS = Pose((0.1, 0.2, 1.0), (0.0, 1.0, 0.0, 0.0))


@pytest.fixture
def store():
    made = FrameStore()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path):
    for n in (1, 2):
        rgb = np.full((6, 8, 3), 10 * n, np.uint8)
        depth = np.full((6, 8), 0.7 + 0.01 * n, np.float32)
        depth[0, 0] = 0.0
        save_frame(tmp_path, Frame("x", "overhead", rgb, depth, LENS, HANGS, 0.0))
    return tmp_path


def look(camera, tick=1):
    ticket = camera.request("overhead")
    camera.step(tick)
    return ticket


def test_each_request_gets_the_next_picture_as_if_taken_now(folder, store):
    camera = FolderCamera({"overhead": folder}, store, lambda: 4.5)
    for n in (1, 2):
        frame = store.get(look(camera).value)
        assert frame.rgb[3, 3].tolist() == [10 * n] * 3
        assert frame.depth_m[3, 3] == pytest.approx(0.7 + 0.01 * n, abs=1e-6) and frame.depth_m[0, 0] == 0.0
        assert (frame.intrinsics, frame.pose_camera_in_base, frame.stamp_s) == (LENS, HANGS, 4.5)
        del frame
    ended = look(camera).outcome
    assert ended.reason == "camera_lost" and "all 2 pictures have been seen" in ended.detail


def test_a_folder_can_be_looped(folder, store):
    camera = FolderCamera({"overhead": folder}, store, lambda: 0.0, loop=True)
    greys = [int(store.get(look(camera).value).rgb[0, 0, 0]) for _ in range(5)]
    assert greys == [10, 20, 10, 20, 10]


def test_requests_between_two_ticks_share_a_picture_and_a_cancelled_one_takes_none(folder, store):
    camera = FolderCamera({"overhead": folder}, store, lambda: 0.0)
    camera.request("overhead").cancel()
    camera.step(1)
    first, second = camera.request("overhead"), camera.request("overhead")
    camera.step(2)
    assert first.value == second.value and store.get(first.value).rgb[0, 0, 0] == 10


def test_an_unknown_camera_is_lost_and_closing_cancels(folder, store):
    camera = FolderCamera({"overhead": folder}, store, lambda: 0.0)
    assert "there are: overhead" in camera.request("wrist").outcome.detail
    ticket = camera.request("overhead")
    camera.close()
    assert ticket.outcome.reason == "cancelled"


def test_what_is_wrong_with_a_folder_is_said_at_the_start(folder, store, tmp_path):
    with pytest.raises(ConfigError, match="save_frame writes such a folder"):
        FolderCamera({"overhead": tmp_path / "none"}, store, lambda: 0.0)
    (folder / "0002_depth.png").unlink()
    with pytest.raises(ConfigError, match=r"these have no NAME_depth.png: 0002"):
        FolderCamera({"overhead": folder}, store, lambda: 0.0)
    (folder / "camera.json").write_text("{}")
    with pytest.raises(ConfigError, match="says no intrinsics and pose"):
        FolderCamera({"overhead": folder}, store, lambda: 0.0)


def test_a_picture_of_another_size_is_a_lost_camera_not_a_crash(folder, store):
    about = json.loads((folder / "camera.json").read_text())
    about["intrinsics"]["width"] = 16
    (folder / "camera.json").write_text(json.dumps(about))
    outcome = look(FolderCamera({"overhead": folder}, store, lambda: 0.0)).outcome
    assert outcome.reason == "camera_lost" and "is 8x6, camera.json says 16x6" in outcome.detail
