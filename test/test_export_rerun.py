"""Records as recordings for the Rerun viewer, read back with Rerun's own reader."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_record import SmallMission, write_small_mission
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.errors import ConfigError
from vlm_bt.recording.record import Record
from vlm_bt.recording.rerun_export import COLOURS, export_rerun

NO_SDK = "the Rerun SDK is not installed: pip install 'vlm_bt[rerun]'"


@pytest.fixture
def chunk():
    return pytest.importorskip("rerun.chunk", reason=NO_SDK)


def rows(path, chunk) -> dict[str, list[dict[str, Any]]]:
    """By entity, what was logged there: each row's components, and its time `s` on the mission's clock."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in chunk.RrdReader(path).stream():
        batch = one.to_record_batch()
        wanted = [name for name in batch.schema.names if ":" in name]
        columns = {name: batch.column(name).to_pylist() for name in wanted}
        if "mission" in batch.schema.names:
            columns["s"] = [value / 1e9 for value in batch.column("mission").cast("int64").to_pylist()]
        for number in range(batch.num_rows):
            row = {name: values[number] for name, values in columns.items() if values[number] is not None}
            found.setdefault(one.entity_path, []).append(row)
    return {path: sorted(told, key=lambda row: row.get("s", 0.0)) for path, told in found.items()}


@pytest.fixture
def exported(tmp_path, chunk):
    """A mission with a tree, exported: what it shows by entity."""
    mission = SmallMission(tmp_path / "mission.mcap")
    mission.write(
        "nodes",
        nodes=[
            {"path": [], "name": "tidy up", "type": "Sequence", "skill": ""},
            {"path": [0], "name": "look / at [it]", "type": "Look", "skill": "look"},
        ],
    )
    mission.now_s = 1.0
    mission.write("status", path=[0], name="look / at [it]", status="RUNNING")
    first = mission.look("before", ("object-1", "hammer", (0.1, 0.2)), ("object-2", "pliers", (0.3, 0.2)))
    mission.recorder.flush()
    mission.now_s = 2.0
    mission.write("verdict", id="v1", object="object-1", label="hammer", by="model", error_rate=0.01)
    mission.write("status", path=[0], name="look / at [it]", status="FAILURE", outcome="camera_lost", detail="<b>x</b>")
    mission.write("detections", frame=first, items=[{"object": "object-1", "label": "hammer", "box": [4, 4, 30, 20]}])
    mission.now_s = 3.0
    mission.write("status", path=[0], name="look / at [it]", status="INVALID")
    mission.write("query", id=5, kind="IsTrue", model="shipped")
    mission.write("answer", id=5, kind="IsTrue", ms=31.5, result={"best": "yes"})
    mission.write("question", id="q", text="What is it?", options=["hammer", "leave it"])
    mission.write("reply", id="q", text="**hammer**", silent=False, late=False)
    mission.now_s = 9.0
    mission.write(
        "motion",
        id="m1",
        verb="place",
        label="hammer",
        began_s=4.0,
        outcome="dropped",
        detail="slipped",
        **{"from": [0.1, 0.2], "to": [0.2, 0.5]},
    )
    mission.picture("nothing was found in it")
    mission.recorder.hand_over()
    mission.close()
    export_rerun(Record.read(tmp_path / "mission.mcap"), tmp_path / "out.rrd")
    verified = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "verify", tmp_path / "out.rrd"], capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stderr
    return rows(tmp_path / "out.rrd", chunk)


def test_pictures_and_depth_stand_where_their_camera_stood(exported):
    camera = exported["/cameras/overhead"][0]
    assert camera["s"] == 1.0
    assert camera["Transform3D:translation"] == [pytest.approx([0.3, 0.0, 1.0])]
    assert camera["Transform3D:quaternion"] == [[0.0, 0.0, 0.0, 1.0]]
    lens = exported["/cameras/overhead/lens"][0]
    assert lens["Pinhole:resolution"] == [[64.0, 48.0]]
    assert lens["Pinhole:image_from_camera"] == [[60.0, 0.0, 0.0, 0.0, 60.0, 0.0, 32.0, 24.0, 1.0]]
    colour = exported["/cameras/overhead/lens/colour"][0]
    jpeg = Image.open(BytesIO(bytes(colour["EncodedImage:blob"][0])))
    assert jpeg.size == (64, 48) and abs(int(np.asarray(jpeg).mean()) - 120) <= 1
    depth = exported["/cameras/overhead/lens/depth"][0]
    metres = (
        np.asarray(Image.open(BytesIO(bytes(depth["EncodedDepthImage:blob"][0])))) / depth["EncodedDepthImage:meter"]
    )
    assert metres.shape == (48, 64) and (metres == 1.0).all()


def test_boxes_say_what_is_verified_and_leave_with_their_picture(exported):
    first, second, third = exported["/cameras/overhead/lens/things"]
    assert first["Boxes2D:labels"] == ["hammer 0.90 – claimed", "pliers 0.90 – claimed"]
    assert first["Boxes2D:centers"][0] == [17.0, 12.0] and first["Boxes2D:half_sizes"][0] == [13.0, 8.0]
    assert (second["s"], second["Boxes2D:labels"]) == (2.0, ["hammer – verified"])
    assert second["Boxes2D:colors"] == [COLOURS["verified"]]
    assert (third["s"], third["Clear:is_recursive"]) == (9.0, [False])


def test_each_node_is_a_lane_of_states_at_its_place_in_the_tree(exported):
    lane = exported["/tree/tidy\\ up/0\\ look\\ \\/\\ at\\ \\[it\\]"]
    states = [(row["s"], row["StateChange:state"]) for row in lane if "StateChange:state" in row]
    assert states == [(1.0, ["RUNNING"]), (2.0, ["FAILURE"]), (3.0, [])]
    told = [(row["TextLog:text"], row["TextLog:level"]) for row in exported["/log/tree"]]
    assert (["look / at [it]: FAILURE (camera lost <b>x</b>)"], ["WARN"]) in told


def test_a_motion_lasts_from_its_begin_to_its_end(exported):
    assert [(row["s"], row["StateChange:state"]) for row in exported["/arm"]] == [
        (4.0, ["place hammer"]),
        (9.0, []),
    ]
    way = exported["/bench/motion"][0]
    assert way["s"] == 4.0 and way["Arrows3D:origins"] == [pytest.approx([0.1, 0.2, 0.0])]
    assert way["Arrows3D:vectors"] == [pytest.approx([0.1, 0.3, 0.0])]
    (told,) = exported["/log/motions"]
    assert (told["TextLog:text"], told["TextLog:level"]) == (["place hammer: dropped (slipped)"], ["WARN"])


def test_words_and_answers_are_there_as_plain_text_and_figures(exported):
    assert [row["TextLog:text"] for row in exported["/log/people"]] == [
        ["robot: What is it? [hammer / leave it]"],
        ["answer: **hammer**"],
    ]
    assert exported["/milliseconds/shipped/IsTrue"][0]["Scalars:scalars"] == [31.5]


def test_a_record_that_was_cut_off_is_exported_as_far_as_it_goes(tmp_path, chunk):
    path = write_small_mission(tmp_path / "mission.mcap", ends=False)
    path.write_bytes(path.read_bytes()[:-20])
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--rerun", str(tmp_path / "out.rrd")])
    assert result.exit_code == 0, result.output
    shown = rows(tmp_path / "out.rrd", chunk)
    assert len(shown["/log/motions"]) == 7 and "/log/mission" not in shown


def test_a_file_that_cannot_be_written_is_told_with_the_remedy(tmp_path, chunk):
    record = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    with pytest.raises(ConfigError, match=r"none/out.rrd: cannot be written \(No such file.*name a file in a folder"):
        export_rerun(record, tmp_path / "none" / "out.rrd")


def test_without_the_sdk_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    record = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    with pytest.raises(ConfigError, match=r"pip install 'vlm_bt\[rerun\]'"):
        export_rerun(record, tmp_path / "out.rrd")
    assert not (tmp_path / "out.rrd").exists()


def test_a_form_has_to_be_named(tmp_path):
    result = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert isinstance(result.exception, ConfigError) and "--rerun mission.rrd" in str(result.exception)
