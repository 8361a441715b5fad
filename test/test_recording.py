import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import py_trees
import pytest
from mcap.reader import make_reader
from PIL import Image
from py_trees.common import Status
from small_record import SmallMission, write_small_mission

from vlm_bt.errors import ConfigError
from vlm_bt.executive import walk
from vlm_bt.recording import entries, pictures
from vlm_bt.recording.record import Record
from vlm_bt.recording.trace import Trace


@pytest.fixture
def mission(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    yield mission
    mission.close()


def test_what_is_written_is_read_back_as_typed_values_in_order(tmp_path):
    record = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    assert record.complete
    assert record.configuration["seed"] == 3
    assert [source.path for source in record.of(entries.TreeSource)] == ["tidy_up.yaml"]
    first = next(record.of(entries.Motion))
    assert (first.verb, first.label, first.start, first.goal, first.done) == (
        "pick",
        "combination wrench",
        (0.1, 0.1),
        None,
        True,
    )
    question = next(record.of(entries.AskedQuestion))
    assert question.options == ("wrench", "hammer", "leave it") and question.mark == (4, 4, 30, 20)
    assert [reply.text for reply in record.of(entries.ReplyGiven)] == ["wrench"]
    assert record.result["motions"] == 7 and "t" not in record.result
    times = [entry.t for entry in record.entries]
    assert times == sorted(times)


def test_a_kept_frame_comes_back_as_a_picture(tmp_path):
    record = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    kept = record.pictures["overhead-1"]
    picture = pictures.from_jpeg(kept.jpeg)
    assert (kept.camera, kept.why, picture.size) == ("overhead", "before", (64, 48))
    assert abs(int(np.asarray(picture).mean()) - 120) <= 2


def test_foxglove_can_show_the_pictures_and_the_index_is_whole(tmp_path):
    with write_small_mission(tmp_path / "mission.mcap").open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_summary().statistics.message_count > 10
        schema, channel, message = next(reader.iter_messages(topics=["frame/overhead"]))
        data = json.loads(message.data)
    assert (schema.name, schema.encoding, channel.message_encoding) == (
        "foxglove.CompressedImage",
        "jsonschema",
        "json",
    )
    assert {"timestamp", "frame_id", "data", "format"} <= data.keys()


def test_foxglove_can_place_the_pictures_in_space(tmp_path):
    with write_small_mission(tmp_path / "mission.mcap").open("rb") as stream:
        reader = make_reader(stream)
        topics = ["transform/overhead", "calibration/overhead", "frame/overhead"]
        told = reader.iter_messages(topics)
        found = {channel.topic: (schema, json.loads(message.data)) for schema, channel, message in told}
    schema, placed = found["transform/overhead"]
    assert schema.name == "foxglove.FrameTransform" and json.loads(schema.data)["properties"].keys() <= placed.keys()
    assert (placed["parent_frame_id"], placed["translation"]) == ("base", {"x": 0.3, "y": 0.0, "z": 1.0})
    assert placed["rotation"] == {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
    names = {data.get("frame_id", placed["child_frame_id"]) for _, data in found.values()}
    assert names == {placed["child_frame_id"]} and len({data["id"] for _, data in found.values()}) == 1


def test_foxglove_can_draw_what_a_look_found_onto_its_picture(tmp_path):
    with write_small_mission(tmp_path / "mission.mcap").open("rb") as stream:
        told = make_reader(stream).iter_messages(["annotations/overhead", "frame/overhead"], log_time_order=False)
        found = [(schema, channel.topic, json.loads(message.data)) for schema, channel, message in told]
    schema, _, drawn = next(one for one in found if one[1] == "annotations/overhead")
    picture = next(data for _, topic, data in found if topic == "frame/overhead" and data["id"] == drawn["id"])
    assert schema.name == "foxglove.ImageAnnotations" and json.loads(schema.data)["properties"].keys() <= drawn.keys()
    assert [one["text"] for one in drawn["texts"]][:2] == ["combination wrench 0.90", "pliers 0.90"]
    box = drawn["points"][0]
    assert {(point["x"], point["y"]) for point in box["points"]} == {(4, 4), (30, 4), (30, 20), (4, 20)}
    assert box["type"] == 2 and box["timestamp"] == picture["timestamp"]


def test_log_times_are_the_missions_clock_in_nanoseconds(mission, tmp_path):
    mission.now_s = 1.25
    mission.write("event", what="hello")
    mission.close()
    with (tmp_path / "mission.mcap").open("rb") as stream:
        assert [message.log_time for _, _, message in make_reader(stream).iter_messages()] == [1_250_000_000]


def test_a_frame_waits_for_the_flush_and_is_pinned_until_then(mission, tmp_path):
    first = mission.picture("evidence")
    for _ in range(20):
        mission.frames.put(replace(mission.frames.get(first), id=mission.frames.new_id("overhead")))
    assert not list(Record.read(tmp_path / "mission.mcap").of(entries.Kept)), "compressed inside the tick"
    mission.recorder.flush()
    assert [kept.id for kept in Record.read(tmp_path / "mission.mcap").of(entries.Kept)] == [first]


def test_a_frame_is_written_once_with_every_reason_of_that_tick(mission, tmp_path):
    frame = mission.picture("pick pliers")
    mission.recorder.keep_frame(frame, "question")
    mission.recorder.flush()
    mission.recorder.keep_frame(frame, "again")
    mission.close()
    assert [kept.why for kept in Record.read(tmp_path / "mission.mcap").of(entries.Kept)] == ["pick pliers; question"]


def test_a_frame_that_is_gone_is_told_and_ends_nothing(mission, tmp_path):
    mission.recorder.keep_frame("overhead-99", "evidence")
    mission.close()
    event = next(Record.read(tmp_path / "mission.mcap").of(entries.Event))
    assert (event.what, event.data["frame"]) == ("frame_gone", "overhead-99")


def test_closing_twice_and_writing_afterwards_do_nothing(mission, tmp_path):
    mission.write("event", what="one")
    mission.recorder.close()
    size = (tmp_path / "mission.mcap").stat().st_size
    mission.recorder.close()
    mission.write("event", what="two")
    mission.recorder.flush()
    assert (tmp_path / "mission.mcap").stat().st_size == size


def test_numpy_values_in_a_message_become_plain_ones(mission, tmp_path):
    mission.write("event", what="measured", score=np.float32(0.5), box=np.arange(3))
    mission.close()
    event = next(Record.read(tmp_path / "mission.mcap").of(entries.Event))
    assert (event.data["score"], event.data["box"]) == (0.5, [0, 1, 2])


def test_a_killed_process_leaves_what_it_had_flushed(tmp_path):
    path = tmp_path / "mission.mcap"
    code = (
        "import sys, time; from pathlib import Path; from small_record import write_small_mission\n"
        "write_small_mission(Path(sys.argv[1]), ends=False); print('flushed', flush=True); time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None and process.stdout.readline() == "flushed\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    record = Record.read(path)
    assert not record.complete
    assert len(list(record.of(entries.Motion))) == 7 and len(record.pictures) == 2 and not record.result


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_record_that_was_cut_anywhere_is_read_up_to_the_cut(tmp_path, share):
    whole = write_small_mission(tmp_path / "mission.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: int(len(whole) * share)])
    record = Record.read(tmp_path / "cut.mcap")
    complete = Record.read(tmp_path / "mission.mcap")
    assert not record.complete
    assert record.entries == complete.entries[: len(record.entries)]


def test_a_record_with_a_flipped_bit_is_read_up_to_it(tmp_path):
    whole = write_small_mission(tmp_path / "mission.mcap").read_bytes()
    complete = Record.read(tmp_path / "mission.mcap")
    generator = np.random.default_rng(1)
    cut_short = 0
    for _ in range(200):
        bad = bytearray(whole)
        bad[int(generator.integers(8, len(whole)))] ^= 1 << int(generator.integers(8))
        (tmp_path / "bad.mcap").write_bytes(bad)
        try:
            found = Record.read(tmp_path / "bad.mcap").entries
        except ConfigError:
            continue
        cut_short += len(found) < len(complete.entries)
        assert len(found) <= len(complete.entries)
    assert cut_short > 10


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"no mcap at all", "no MCAP file"), (b"", "no MCAP")]
)
def test_what_is_no_record_is_said_so(tmp_path, content, says):
    path = tmp_path / "other.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        Record.read(path)
    assert str(path) in str(caught.value)


def test_a_record_that_cannot_be_created_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        SmallMission(tmp_path / "file" / "mission.mcap")


def test_unknown_channels_and_missing_fields_are_readable(mission, tmp_path):
    mission.write("from_a_later_version", colour="red")
    mission.write("motion", verb="pick")
    mission.close()
    other, motion = Record.read(tmp_path / "mission.mcap").entries
    assert other.data["colour"] == "red"
    assert isinstance(motion, entries.Motion) and (motion.label, motion.goal) == ("", None)


@pytest.mark.parametrize("channel", entries.KINDS)
def test_every_channel_has_a_schema_of_its_own_fields(channel):
    described = entries.schema(channel)
    assert described["type"] == "object" and {"tick", "t"} <= described["properties"].keys()
    assert "start" not in described["properties"], "the record says from and to"


def tree(*statuses):
    root = py_trees.composites.Sequence("root", memory=True)
    for index, status in enumerate(statuses):
        leaf = py_trees.behaviours.Dummy(f"leaf {index}")
        leaf.status = status
        root.add_child(leaf)
    return root


def fingerprint(*ticks):
    trace = Trace()
    for number, root in enumerate(ticks):
        trace.add(number, root)
    return trace.trace_sha256


def test_equal_histories_have_equal_traces_whatever_the_nodes_are_called():
    one, other = tree(Status.SUCCESS, Status.RUNNING), tree(Status.SUCCESS, Status.RUNNING)
    other.name = "another name"
    assert fingerprint(one, one) == fingerprint(other, other)


def test_a_trace_of_a_large_tree_is_the_sum_of_all_its_bytes():
    leaves = [py_trees.behaviours.Success(str(number)) for number in range(700)]
    root = py_trees.composites.Sequence("root", memory=True, children=leaves)
    trace = Trace()
    trace.add(5, root)
    keys = [b"\0", *(struct.pack("<BH", 1, number) for number in range(700))]
    told = struct.pack("<BI", 0xFF, 5) + b"".join(key + b"\0" for key in keys)
    assert len(told) > 2047 and trace.trace_sha256 == hashlib.sha256(told).hexdigest()


def test_a_status_a_place_or_a_tick_that_differs_changes_the_trace():
    same = tree(Status.SUCCESS, Status.RUNNING)
    traces = {
        fingerprint(same),
        fingerprint(same, same),
        fingerprint(tree(Status.RUNNING, Status.SUCCESS)),
        fingerprint(tree(Status.SUCCESS, Status.FAILURE)),
        fingerprint(tree(Status.SUCCESS)),
    }
    late = Trace()
    late.add(7, same)
    assert len(traces | {late.trace_sha256}) == 6


def test_a_walk_names_nodes_by_their_place_parents_first():
    root = tree(Status.SUCCESS, Status.SUCCESS)
    inner = py_trees.composites.Sequence("inner", memory=True, children=[py_trees.behaviours.Dummy("below")])
    root.add_child(inner)
    assert [path for path, _ in walk(root)] == [(), (0,), (1,), (2,), (2, 0)]


def blank(width=640, height=360):
    return Image.new("RGB", (width, height), (200, 200, 200))


def crowd(count):
    generator = np.random.default_rng(5)
    corners = generator.integers((200, 80), (380, 220), (count, 2))
    return [
        pictures.Mark((int(x), int(y), int(x) + 40, int(y) + 20), f"combination wrench {i}")
        for i, (x, y) in enumerate(corners)
    ]


def test_labels_of_a_crowd_do_not_cover_each_other():
    marks = crowd(16)
    placed = pictures._place_labels([mark.box for mark in marks], [[(130, 16), (70, 32)]] * 16, (640, 360))
    spots = [spot for spot, _ in placed]
    covered = [pictures._overlap(a, b) for i, a in enumerate(spots) for b in spots[:i]]
    assert max(covered) == 0
    assert all(min(spot) >= 0 and spot[2] <= 640 and spot[3] <= 360 for spot in spots)


def test_annotating_draws_on_a_copy_in_the_marks_colour():
    picture = blank()
    drawn = pictures.annotate(picture, [pictures.Mark((100, 100, 200, 160), "pliers", (200, 0, 0))])
    assert picture.getpixel((100, 130)) == (200, 200, 200)
    assert drawn.getpixel((100, 130)) == (200, 0, 0)


def test_a_box_at_the_edge_or_without_area_is_drawn_all_the_same():
    boxes = [(0, 0, 640, 360), (639, 359, 640, 360), (-5, -5, 3, 3), (10, 10, 10, 10)]
    pictures.annotate(blank(), [pictures.Mark(box, "x" * 200) for box in boxes])


@pytest.mark.parametrize("mark", [(300, 100, 340, 120), (0, 0, 5, 5), (0, 0, 640, 360), (630, 350, 640, 360)])
def test_a_question_shows_its_object_close_up_beside_the_whole_picture(mark):
    picture = pictures.question_picture(blank(), mark)
    assert picture.height == pictures.PANEL_PX and picture.width > 2 * pictures.PANEL_PX
    close_up = np.asarray(picture)[:, : pictures.PANEL_PX]
    assert (close_up == pictures.MARKED).all(axis=-1).any()


def test_a_question_without_a_mark_shows_the_picture_itself():
    assert pictures.question_picture(blank(), None).size == (640, 360)


def test_saving_makes_the_folder(tmp_path):
    path = pictures.save_png(blank(), tmp_path / "new" / "a.png")
    assert Image.open(io.BytesIO(path.read_bytes())).format == "PNG"


def test_a_label_without_room_in_one_line_is_folded_into_two():
    assert pictures._folded("combination wrench") == ["combination wrench", "combination\nwrench"]
    assert pictures._folded("pliers") == ["pliers"]
    ((spot, fold),) = pictures._place_labels([(110, 0, 200, 122)], [[(150, 16), (80, 34)]], (320, 122))
    assert fold == 1 and not pictures._overlap(spot, (110, 0, 200, 122))


def test_few_colours_keep_a_small_yellow_thing_yellow(tmp_path):
    picture = Image.effect_noise((200, 200), 40).convert("RGB")
    picture.paste((240, 200, 20), (10, 10, 22, 22))
    saved = Image.open(pictures.save_png(picture, tmp_path / "a.png", colours=32)).convert("RGB")
    red, green, blue = saved.getpixel((15, 15))
    assert red > 180 and green > 150 and blue < 90


def test_views_side_by_side_are_as_wide_as_asked():
    both = pictures.side_by_side([("Before", blank()), ("After", blank())], width=800)
    assert both.width == 800 and both.height < 300
