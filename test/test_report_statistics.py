import csv
import io
import json

import pytest
from PIL import Image
from small_record import SmallMission, write_small_mission
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.recording.statistics import gather


def told(*arguments):
    done = CliRunner().invoke(app, ["stats", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """A whole mission, one that was cut off, one that is no record, and one with a skill of every ending."""
    write_small_mission(tmp_path / "a" / "mission.mcap")
    write_small_mission(tmp_path / "cut" / "mission.mcap", ends=False)
    (tmp_path / "broken.mcap").write_bytes(b"no record at all")
    mission = SmallMission(tmp_path / "b" / "mission.mcap")
    mission.write("status", path=[], name="sequence", status="RUNNING")
    for outcome in ("done", "done", "grasp_failed", "unsure"):
        status = "SUCCESS" if outcome == "done" else "FAILURE"
        mission.write("status", path=[0], name="pick ($thing)", status=status, outcome=outcome, detail="")
    mission.look("before", ("object-9", "pliers", (0.1, 0.1)))
    mission.write("verdict", id="v1", object="object-9", label="hammer", by="person", error_rate=0.0)
    for number in range(100):
        mission.write("query", id=number, kind="Choose", skill="find", model="small")
        mission.write("answer", id=number, kind="Choose", ms=number + 1.0)
    mission.write("result", outcome="failed")
    mission.close()
    return tmp_path


def test_unfinished_and_damaged_records_are_counted_and_named(folder):
    found = gather(folder)
    assert found.outcomes == {"done": 1, "not ended": 1, "failed": 1}
    assert found.unfinished == ["cut/mission.mcap"]
    assert [name for name, _ in found.unread] == ["broken.mcap"]


def test_an_answer_is_no_failure_of_a_skill_and_a_mishap_is(folder):
    pick = gather(folder).skills["pick"]
    assert (pick.done, pick.answers, pick.failures, pick.success_rate) == (2, 1, 1, 0.75)
    assert pick.reasons == {"grasp_failed": 1, "unsure": 1}
    assert "sequence" not in gather(folder).skills


def test_what_was_claimed_stands_against_what_was_said(folder):
    confusion = gather(folder).confusion
    assert confusion[("pliers", "hammer", "person")] == 1
    assert confusion[("combination wrench", "combination wrench", "person")] == 2
    assert not [key for key in confusion if key[2] == "tracking"]


def test_asking_and_latency_are_measured_over_all_missions(folder):
    found = json.loads(told(folder, "--json"))
    assert (found["questions"], found["things"], found["questions_per_mission"]) == (2, 9, pytest.approx(2 / 3))
    (row,) = found["latency_ms"]
    assert (row["skill"], row["model"], row["answers"], row["p50"], row["p99"]) == ("find", "small", 100, 50.5, 99.01)
    assert sum(found["time_shares"].values()) == pytest.approx(1.0, abs=1e-3)


def test_csv_holds_what_json_holds(folder):
    rows = list(csv.DictReader(io.StringIO(told(folder, "--csv"))))
    found = {(row["table"], row["row"], row["figure"]): row["value"] for row in rows}
    assert found[("skills", "pick", "success_rate")] == "0.75"
    assert found[("skills", "pick", "reason grasp_failed")] == "1"
    assert found[("confusion", "pliers / hammer / person", "times")] == "1"
    assert found[("missions", "", "questions")] == "2"


def test_a_terminal_gets_tables_and_a_folder_the_plots(folder, tmp_path):
    text = told(folder, "--out", tmp_path / "plots")
    for words in ("3 missions", "unfinished: cut/mission.mcap", "not counted: broken.mcap", "pliers", "hammer"):
        assert words in text
    assert Image.open(tmp_path / "plots" / "stats.png").width == 1500


def test_a_folder_without_a_record_is_told(tmp_path):
    assert "there is no record" in str(CliRunner().invoke(app, ["stats", str(tmp_path)]).exception)
