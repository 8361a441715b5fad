import io
import threading
import time

import numpy as np
import pytest
from PIL import Image
from small_record import LENS, SmallMission

from vlm_bt.frames import FrameStore
from vlm_bt.recording import entries, frame_messages, writer
from vlm_bt.recording.record import Record
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.settings import RecorderSettings
from vlm_bt.types import Frame, Pose

FRAME_BYTES = LENS.width * LENS.height * 7


def until(true, limit_s=5.0):
    end = time.monotonic() + limit_s
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


@pytest.fixture
def gate(monkeypatch):
    """The disk takes nothing until the gate is opened."""
    opened = threading.Event()
    add = writer.RecordWriter._add

    def slow(self, message):
        opened.wait(10.0)
        add(self, message)

    monkeypatch.setattr(writer.RecordWriter, "_add", slow)
    monkeypatch.setattr(writer, "PATIENCE_S", 0.05)
    yield opened
    opened.set()


def recorder(path, room=writer.ROOM_BYTES, frames=None, **settings):
    return McapRecorder(path, frames or FrameStore(), lambda: 0.0, RecorderSettings(**settings), room_bytes=room)


def test_what_is_written_is_on_disk_within_a_second_though_nobody_flushes(tmp_path):
    one = recorder(tmp_path / "mission.mcap")
    one.write("event", {"what": "hello"})
    assert until(lambda: Record.read(one.path).last(entries.Event), 1.0)
    one.close()


def test_a_slow_disk_holds_nobody_up_and_costs_pictures_before_entries(tmp_path, gate):
    mission = SmallMission(tmp_path / "mission.mcap")
    mission.recorder = recorder(tmp_path / "mission.mcap", 6 * FRAME_BYTES, mission.frames)
    began = time.perf_counter()
    for number in range(5):
        mission.picture(f"pick {number}")
        mission.recorder.hand_over()
        mission.recorder.write("event", {"what": "beat", "number": number})
    assert time.perf_counter() - began < 1.0
    gate.set()
    mission.close()
    record = Record.read(tmp_path / "mission.mcap")
    events = list(record.of(entries.Event))
    assert [one.data["number"] for one in events if one.what == "beat"] == [0, 1, 2, 3, 4]
    dropped = [one.data["why"] for one in events if one.what == "pictures_dropped"]
    assert [one.why for one in record.of(entries.Kept)] + dropped == [f"pick {number}" for number in range(5)]
    assert dropped and record.complete


def test_entries_that_found_no_room_are_counted_in_the_record(tmp_path, gate):
    one = recorder(tmp_path / "mission.mcap", 2000)
    for number in range(30):
        one.write("event", {"what": "beat", "number": number, "text": "x" * 200})
    gate.set()
    assert one._writer.sync(5.0)
    one.write("event", {"what": "after"})
    one.close()
    events = list(Record.read(one.path).of(entries.Event))
    beats = [event.data["number"] for event in events if event.what == "beat"]
    lost = [event.data["total"] for event in events if event.what == "entries_lost"]
    assert beats == sorted(beats) and lost and len(beats) + lost[-1] == 30
    assert events[-1].what == "after"


def test_a_disk_that_is_full_ends_the_record_and_not_the_mission(tmp_path, monkeypatch):
    def full(self, message):
        raise OSError(28, "No space left on device")

    one = recorder(tmp_path / "mission.mcap")
    one.write("event", {"what": "before"})
    one.flush()
    told = []
    one.onlooker = lambda channel, entry: told.append(entry["what"])
    monkeypatch.setattr(writer.RecordWriter, "_add", full)
    one.write("event", {"what": "lost"})
    one.flush()
    one.write("event", {"what": "later"})
    one.close()
    assert told.count("record_failed") == 1 and told[-1] == "later"
    assert [event.what for event in Record.read(one.path).of(entries.Event)] == ["before"]


def test_an_entry_never_overtakes_a_picture_or_another_entry(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    for number in range(40):
        mission.now_s = float(number)
        mission.write("event", what=str(number))
        if number % 4 == 0:
            mission.picture(str(number))
            mission.recorder.hand_over()
    mission.close()
    written = [one for one in Record.read(tmp_path / "mission.mcap").entries if one.channel in ("event", "frame")]
    told = [one.what if isinstance(one, entries.Event) else one.why for one in written]
    assert told == [text for number in range(40) for text in [str(number)] * (2 if number % 4 == 0 else 1)]


@pytest.mark.parametrize(("frames", "whys"), [("none", []), ("evidence", ["pick"]), ("all", ["every frame is kept"])])
def test_the_setting_says_which_frames_are_kept(tmp_path, frames, whys):
    mission = SmallMission(tmp_path / "mission.mcap")
    mission.recorder = recorder(tmp_path / "mission.mcap", frames=mission.frames)
    mission.recorder._settings = RecorderSettings(frames=frames)
    if frames != "all":
        mission.picture("pick")
    frame_id = mission.frames.new_id("overhead")
    rgb, depth = np.zeros((LENS.height, LENS.width, 3), np.uint8), np.ones((LENS.height, LENS.width), np.float32)
    mission.frames.put(Frame(frame_id, "overhead", rgb, depth, LENS, Pose((0.0, 0.0, 1.0)), 0.0))
    mission.recorder.hand_over()
    mission.recorder.hand_over()
    mission.close()
    assert [kept.why for kept in Record.read(tmp_path / "mission.mcap").of(entries.Kept)] == whys


def test_from_the_size_limit_on_entries_go_on_without_pictures_and_the_record_says_so(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    mission.recorder = recorder(tmp_path / "mission.mcap", frames=mission.frames, limit_mb=0.002)
    for number in range(8):
        mission.picture(str(number))
        mission.recorder.flush()
    mission.write("event", what="still here")
    mission.close()
    record = Record.read(tmp_path / "mission.mcap")
    full = [one for one in record.of(entries.Event) if one.what == "record_full"]
    assert 0 < len(record.pictures) < 8 and len(full) == 1 and full[0].data["limit_mb"] == 0.002
    assert record.entries[-1].data["what"] == "still here"


def test_depth_comes_back_in_millimetres_with_lens_and_pose(tmp_path):
    depth = np.random.default_rng(3).uniform(0.2, 3.0, (LENS.height, LENS.width)).astype(np.float32)
    depth[0, :4] = (0.0, np.nan, 70.0, -1.0)
    mission = SmallMission(tmp_path / "mission.mcap")
    frame = Frame("a-1", "a", np.zeros((LENS.height, LENS.width, 3), np.uint8), depth, LENS, Pose((0.3, 0.0, 1.0)), 2.5)
    mission.frames.put(frame)
    mission.recorder.keep_frame("a-1", "pick")
    mission.close()
    record = Record.read(tmp_path / "mission.mcap")
    kept = next(record.of(entries.KeptDepth))
    read = np.asarray(Image.open(io.BytesIO(kept.png)))
    assert read.dtype.kind in "iu" and read.shape == depth.shape and not read[0, :4].any()
    assert np.abs(read.ravel()[4:] / 1000.0 - depth.ravel()[4:]).max() <= 0.00051
    assert kept.intrinsics["fx"] == LENS.fx and list(kept.pose_camera_in_base["position"]) == [0.3, 0.0, 1.0]
    assert next(record.of(entries.Calibrated)).data["K"][0] == LENS.fx
    assert {one.id for one in record.of(entries.KeptDepth)} == set(record.pictures)


def test_a_depth_picture_without_any_depth_is_a_picture_all_the_same():
    png = frame_messages.depth_png(np.zeros((3, 5), np.float32))
    assert not np.asarray(Image.open(io.BytesIO(png))).any()
