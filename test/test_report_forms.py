import pytest
from small_record import SmallMission, write_small_mission
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.recording.record import Record
from vlm_bt.recording.time_spent import time_spent


@pytest.fixture
def mission(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    yield mission
    mission.close()


def spent(mission):
    mission.recorder.flush()
    return time_spent(Record.read(mission.recorder.path))


def test_a_report_is_written_in_the_form_and_folder_that_are_asked_for(tmp_path):
    record = write_small_mission(tmp_path / "mission.mcap")
    done = CliRunner().invoke(app, ["report", str(record), "--format", "md", "--out", str(tmp_path / "notes")])
    assert done.stdout.strip() == str(tmp_path / "notes" / "report.md")
    assert "Left section contains 1 combination wrench." in (tmp_path / "notes" / "report.md").read_text("utf-8")
    assert not (tmp_path / "notes" / "report.html").exists()


def test_without_a_form_both_are_written_beside_the_record(tmp_path):
    write_small_mission(tmp_path / "mission.mcap")
    assert CliRunner().invoke(app, ["report", str(tmp_path)]).exit_code == 0
    assert {"report.html", "report.md"} <= {path.name for path in tmp_path.iterdir()}


def test_a_form_that_there_is_not_is_refused_with_those_there_are(tmp_path):
    write_small_mission(tmp_path / "mission.mcap")
    refused = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "docx"])
    assert "'html' or 'md', not 'docx'" in str(refused.exception)


def test_parts_of_the_time_exclude_each_other_and_add_up_to_the_mission(mission):
    mission.now_s = 2.0
    mission.ask(1, "What is it?", None, "object-1", "")
    mission.now_s = 6.0
    mission.write("motion", id="m1", verb="pick", object="o", label="pliers", outcome="done", began_s=3.0)
    mission.now_s = 8.0
    mission.write("reply", id="question-1", text="pliers", silent=False, late=False)
    mission.now_s = 10.0
    mission.write("answer", id=1, kind="Choose", ms=500.0)
    mission.now_s = 12.0
    mission.write("event", what="report", text="done")
    parts = spent(mission)
    assert (parts.moving, parts.asking, parts.held, parts.thinking, parts.rest) == (3.0, 3.0, 0.0, 0.5, 5.5)
    assert parts.whole == 12.0 and sum(parts.shares().values()) == pytest.approx(1.0)


def test_a_question_that_nobody_answered_counts_until_the_record_ends(mission):
    mission.now_s = 1.0
    mission.ask(1, "What is it?", None, "object-1", "")
    mission.now_s = 5.0
    mission.write("event", what="report", text="done")
    assert spent(mission).asking == 4.0


def test_a_mission_without_a_message_took_no_time(mission):
    assert spent(mission).whole == 0.0 and set(spent(mission).shares().values()) == {0.0}


def test_both_forms_say_where_the_time_went(tmp_path):
    write_small_mission(tmp_path / "mission.mcap")
    CliRunner().invoke(app, ["report", str(tmp_path)])
    assert "| Waiting for people | 2.0 | 5% |" in (tmp_path / "report.md").read_text("utf-8")
    assert 'Waiting for people</th><td class="n">2.0' in (tmp_path / "report.html").read_text("utf-8")


def verified(mission, outcome, grounds):
    status = "SUCCESS" if outcome == "done" else "FAILURE"
    mission.write("status", path=[0], name="verify grounding ($thing)", status=status, outcome=outcome,
                  detail="pliers: 2 of 3 looks agree", grounds=grounds)  # fmt: skip


def test_the_evidence_stands_where_a_verdict_and_where_a_refusal_is_told(mission, tmp_path):
    seen = {"source": "look 1", "says": "pliers | <b>", "weighs": "for", "score": 0.97}
    doubt = {"source": "known sizes", "says": "it is 900 mm long", "weighs": "against", "score": None}
    mission.write("verdict", id="v1", object="object-1", label="pliers", by="model", error_rate=0.01)
    verified(mission, "done", [seen])
    mission.now_s = 4.0
    mission.write("verdict", id="v2", object="object-1", label="pliers", by="tracking", error_rate=0.0)
    mission.move("pick", "object-1", "pliers", (0.1, 0.1), verdict="v2")
    verified(mission, "refuted", [doubt])
    mission.close()
    CliRunner().invoke(app, ["report", str(tmp_path)])
    page, markdown = ((tmp_path / name).read_text("utf-8") for name in ("report.html", "report.md"))
    why, refused = page.split("What a check refused or left unsure")
    assert "Why it is taken for pliers" in why and "look 1: pliers | &lt;b&gt;" in why and "0.97" in why
    assert '<b class="bad">against</b> known sizes: it is 900 mm long' in refused
    assert "- for: look 1: pliers \\| \\<b\\> (0.97)\n" in markdown
    assert "- against: known sizes: it is 900 mm long\n" in markdown
