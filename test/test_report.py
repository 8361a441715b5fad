import re
from html.parser import HTMLParser

import pytest
from PIL import Image
from small_record import SmallMission, write_small_mission

from vlm_bt.errors import ConfigError
from vlm_bt.recording.record import Record
from vlm_bt.recording.report import _fenced, _plain, write_report
from vlm_bt.recording.story import tell

HOSTILE = (
    """<script>alert(1)</script> <img src=x onerror=y> | [here](http://x.example) `code` **bold** "quoted" {{ 7*7 }}"""
)


class Page(HTMLParser):
    """What a browser would see: its text and its elements."""

    def __init__(self, source):
        super().__init__()
        self.text, self.tags = "", []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]


def reported(tmp_path, **how):
    path = write_report(write_small_mission(tmp_path / "mission.mcap", **how), tmp_path / "out")
    return Page(path.read_text("utf-8")), (tmp_path / "out" / "report.md").read_text("utf-8")


@pytest.fixture
def mission(tmp_path):
    mission = SmallMission(tmp_path / "mission.mcap")
    yield mission
    mission.close()


def told(mission):
    mission.recorder.flush()
    return tell(Record.read(mission.recorder.path))


def test_the_report_says_where_things_lie_and_what_is_left_over_and_why(tmp_path):
    page, markdown = reported(tmp_path)
    for text in (" ".join(page.text.split()), markdown):
        assert "Left section contains 1 combination wrench." in text
        assert "Right section contains 1 pliers." in text
        assert "Parts bin contains 1 screw." in text
        assert "pick failed: grasp failed (closed on nothing)" in text
        assert "model (≤ 2.0% wrong)" in text
    assert "done" in page.text and "0:45" in page.text


def test_a_verdict_by_tracking_names_who_said_it_first(tmp_path):
    story = tell(Record.read(write_small_mission(tmp_path / "mission.mcap")))
    identified = {row.label: row.identified for row in story.moved}
    assert identified == {
        "combination wrench": "person",
        "pliers": "model (≤ 2.0% wrong)",
        "screw": "nobody",
        "hammer": "nobody",
    }


def test_questions_stand_beside_their_pictures_and_answers(tmp_path):
    page, markdown = reported(tmp_path, said="it is a wrench")
    assert "“it is a wrench”" in page.text
    assert "**Answer:** it is a wrench" in markdown
    assert "What question 1 is about" in page.attributes("alt")
    assert Image.open(tmp_path / "out" / "pictures" / "question-1.jpg").width > 520


def test_the_page_needs_nothing_but_itself(tmp_path):
    page, _ = reported(tmp_path)
    assert page.attributes("src") and all(uri.startswith("data:image/jpeg;base64,") for uri in page.attributes("src"))
    assert not page.attributes("href")
    assert "script" not in [tag for tag, _ in page.tags]
    source = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert not re.search(r"https?://|@import|url\(", re.sub(r'src="data:[^"]*"', "", source))


def test_every_picture_of_the_markdown_lies_beside_it(tmp_path):
    _, markdown = reported(tmp_path)
    named = re.findall(r"\]\(([^)]+)\)", markdown)
    assert named == ["pictures/before.jpg", "pictures/after.jpg", "pictures/question-1.jpg"]
    assert all((tmp_path / "out" / name).is_file() for name in named)


def test_what_a_person_says_stays_text_in_html(tmp_path):
    page, _ = reported(tmp_path, said=HOSTILE)
    assert HOSTILE in page.text
    assert "script" not in [tag for tag, _ in page.tags]
    assert all(uri.startswith("data:") for uri in page.attributes("src"))
    assert not page.attributes("onerror")


def test_what_a_person_says_stays_text_in_markdown(tmp_path):
    from markdown_it import MarkdownIt

    _, markdown = reported(tmp_path, said=HOSTILE)
    page = Page(MarkdownIt("commonmark").enable("table").render(markdown))
    assert HOSTILE in page.text
    assert not page.attributes("href") and "script" not in [tag for tag, _ in page.tags]
    assert len(page.attributes("src")) == 3


@pytest.mark.parametrize("channel", ["labels", "events", "sources", "zones"])
def test_hostile_text_anywhere_in_the_record_stays_text(mission, tmp_path, channel):
    label = HOSTILE if channel == "labels" else "pliers"
    zone = HOSTILE if channel == "zones" else "left"
    if channel == "events":
        mission.write("event", what=HOSTILE, detail=HOSTILE)
    mission.write("tree", path="tree.yaml", text=f"```\n{HOSTILE}" if channel == "sources" else "tree: x")
    mission.look("before", ("object-1", label, (0.1, 0.1)))
    mission.move("pick", "object-1", label, (0.1, 0.1))
    mission.move("place", "object-1", label, (0.2, 0.4), zone=zone)
    mission.write("result", outcome="done")
    mission.close()
    page = Page(write_report(tmp_path / "mission.mcap", tmp_path / "out").read_text("utf-8"))
    assert "script" not in [tag for tag, _ in page.tags] and not page.attributes("onerror")
    assert "alert(1)" in page.text


def test_what_the_scorer_knows_stands_apart_and_only_if_there_is_a_score(tmp_path):
    page, markdown = reported(tmp_path)
    assert "judged from outside" in page.text and "| Unsorted | 1 |" in markdown
    other, _ = reported(tmp_path / "unfinished", ends=False)
    assert "judged from outside" not in other.text


def test_a_mission_that_was_cut_off_still_has_a_report_that_says_so(tmp_path):
    page, markdown = reported(tmp_path, ends=False)
    text = " ".join(page.text.split())
    assert "This record ends at 0:37" in text and "This record ends at 0:37" in markdown
    assert "not ended" in text and "Left section contains 1 combination wrench." in text


def test_an_empty_record_has_a_report(mission, tmp_path):
    mission.recorder.flush()
    page = Page(write_report(tmp_path / "mission.mcap", tmp_path).read_text("utf-8"))
    assert "Nothing was sorted." in page.text and "Nobody was asked." in page.text


def test_the_missions_own_account_stands_over_what_its_motions_suggest(mission):
    mission.move("place", "object-1", "pliers", (0.2, 0.4), zone="right")
    left = [{"object": "object-2", "label": "hammer", "why": "a person said: leave it"}]
    sections = {"right": {"pliers": 2}}
    mission.write("event", what="report", text="Two pliers.", sections=sections, left_over=left)
    story = told(mission)
    assert (story.sentence, story.sections) == ("Two pliers.", sections)
    assert [(thing.label, thing.why) for thing in story.left_over] == [("hammer", "a person said: leave it")]


def test_what_was_put_down_and_taken_up_again_lies_there_no_longer(mission):
    mission.move("place", "object-1", "pliers", (0.2, 0.4), zone="left")
    mission.move("pick", "object-7", "pliers", (0.21, 0.41))
    mission.move("place", "object-7", "pliers", (0.2, -0.4), zone="right")
    mission.move("pick", "object-8", "pliers", (0.2, -0.4), "grasp_failed")
    assert told(mission).sections == {"right": {"pliers": 1}}


def test_tries_are_counted_and_the_last_one_decides(mission):
    mission.move("pick", "object-1", "pliers", (0.1, 0.1), "grasp_failed")
    mission.move("pick", "object-1", "pliers", (0.1, 0.1))
    mission.move("place", "object-1", "pliers", (0.2, 0.4), zone="left")
    mission.move("pick", "object-2", "screw", (0.1, 0.2))
    rows = [(row.label, row.tries, row.zone, row.result, row.ok) for row in told(mission).moved]
    assert rows == [("pliers", 2, "left", "placed", True), ("screw", 1, "", "still held", False)]


def test_a_silent_person_is_told_with_the_default_that_was_taken(mission, tmp_path):
    mission.ask(1, "What is it?", "leave it", "object-1", "", silent=True)
    mission.ask(2, "And this?", None, "object-2", "")
    mission.close()
    page = Page(write_report(tmp_path / "mission.mcap", tmp_path).read_text("utf-8"))
    assert "Nobody answered. The safe default was taken: leave it" in page.text
    assert "Not answered yet." in page.text


def test_a_late_answer_stands_over_the_silence(mission):
    mission.ask(1, "What is it?", "leave it", "object-1", "", silent=True)
    mission.write("reply", id="question-1", text="a hammer", silent=False, late=True)
    (exchange,) = told(mission).exchanges
    assert (exchange.reply, exchange.silent, exchange.late) == ("a hammer", False, True)


def test_a_report_that_cannot_be_written_is_a_clear_error(tmp_path):
    record = write_small_mission(tmp_path / "mission.mcap")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report(record, record)


def test_plain_text_has_no_mark_of_markdown_left():
    assert _plain("a|b\n# c <i>") == r"a\|b \# c \<i\>"


def test_a_code_block_is_closed_by_nothing_inside_it():
    assert _fenced("a\n````\nb", "yaml") == "`````yaml\na\n````\nb\n`````"


def test_the_headline_says_how_it_ended_and_what_came_of_it(tmp_path, mission):
    page, markdown = reported(tmp_path / "a")
    for text in (page.text, markdown):
        assert "Done after 0:37: 3 things brought to their place, 1 question to a person, 1 left over." in text
    mission.write("result", outcome="interrupted", detail="interrupted by a person")
    mission.close()
    page = Page(write_report(tmp_path / "mission.mcap", tmp_path / "b").read_text("utf-8"))
    assert "Interrupted by a person after 0:00: 0 things brought to their place" in page.text
    assert "Ended because: interrupted by a person" in page.text


def test_both_views_lie_side_by_side_in_a_small_picture(tmp_path):
    reported(tmp_path)
    both = tmp_path / "out" / "before_after.png"
    assert Image.open(both).width == 1800 and both.stat().st_size < 700_000


def segment(mission, frame, *regions):
    mission.write(
        "answer",
        kind="Segment",
        result={
            "frame_id": frame,
            "regions": [
                {
                    "box": dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
                    "footprint": {"centre": at},
                    "container": inside,
                }
                for box, at, inside in regions
            ],
        },
    )


def test_a_thing_is_shown_beside_its_row_as_it_was_seen_last(mission):
    frame = mission.picture("pick pliers")
    segment(mission, frame, ((4, 4, 30, 20), (0.5, 0.5), ""), ((8, 8, 20, 20), (0.3, 0.1), ""))
    mission.write("verdict", id="v1", object="object-1", label="pliers", by="model", frame=frame, centre=[0.3, 0.1001])
    mission.move("pick", "object-1", "pliers", (0.3, 0.1), verdict="v1")
    mission.close()
    out = mission.recorder.path.parent
    (row,) = tell(Record.read(mission.recorder.path)).moved
    assert (row.frame, row.mark, row.came_from) == (frame, (8, 8, 20, 20), "30 cm ahead, 10 cm left")
    page = Page(write_report(mission.recorder.path, out).read_text("utf-8"))
    assert len(page.attributes("src")) == 2, "the last view, and the thing"


def test_a_thing_that_lay_in_a_section_came_from_there(mission):
    mission.write("configuration", settings={"bench": {"zones": {"rear": {"x": [0.6, 0.72], "y": [-0.1, 0.1]}}}})
    mission.move("pick", "object-1", "pliers", (0.65, 0.0))
    assert told(mission).moved[0].came_from == "rear"


def test_the_last_view_of_a_mission_cut_off_names_what_it_had_named_before(mission):
    mission.look("before", ("object-1", "pliers", (0.1, 0.1)), ("object-2", "screw", (0.3, 0.1)))
    mission.recorder.flush()
    mission.move("place", "object-1", "pliers", (0.2, -0.4), zone="right")
    last = mission.picture("pick screw")
    segment(
        mission,
        last,
        ((1, 1, 9, 9), (0.2, -0.41), ""),
        ((9, 9, 20, 20), (0.3, 0.1), ""),
        ((0, 0, 5, 5), (0.7, 0.7), ""),
    )
    view = told(mission).after
    assert view.picture.id == last
    assert [(item["label"], item["box"]) for item in view.items] == [
        ("pliers", (1, 1, 9, 9)),
        ("screw", (9, 9, 20, 20)),
    ]


def test_what_lies_in_a_container_has_one_box_around_it(mission):
    segment(mission, "overhead-1", ((1, 1, 9, 9), (0.4, 0.4), "parts_bin"), ((5, 7, 12, 14), (0.4, 0.4), "parts_bin"))
    assert told(mission).in_container == {"parts_bin": (1, 1, 12, 14)}


def test_a_thing_that_a_person_said_to_leave_is_told_apart(mission, tmp_path):
    more = {"topic": "group", "subject": "hammer"}
    mission.write("question", id="q1", text="Where?", default="leave it", about="object-1", **more)
    mission.write("reply", id="q1", text="leave it", silent=False, late=False)
    mission.close()
    page = Page(write_report(tmp_path / "mission.mcap", tmp_path).read_text("utf-8"))
    assert "Left where it lies: hammer object-1, because a person said: leave it" in page.text


def test_mishaps_and_stops_stand_in_both_forms_and_stay_text(mission, tmp_path):
    mission.move("pick", "object-1", HOSTILE, (0.1, 0.1), "grasp_failed", detail=HOSTILE)
    for path, status in (([], "RUNNING"), ([0], "SUCCESS"), ([1], "RUNNING")):
        mission.write("status", path=path, name=HOSTILE, status=status)
    mission.now_s += 1.0
    mission.write("status", path=[0], name="clear", status="FAILURE", outcome="no", detail=HOSTILE)
    mission.write("event", what="model ready", model=HOSTILE, calibrated=False, note=HOSTILE)
    mission.close()
    source = write_report(tmp_path / "mission.mcap", tmp_path).read_text("utf-8")
    page = Page(source)
    assert page.text.count(HOSTILE) >= 5 and "to the end" in page.text and "no motion followed" in page.text
    assert "script" not in [tag for tag, _ in page.tags] and not page.attributes("onerror")
    assert "<script" not in (tmp_path / "report.md").read_text("utf-8").replace("\\<script", "")


def test_what_looking_cost_stands_in_both_reports_for_each_skill_and_model(mission, tmp_path):
    times = {"mean": 12.4, "p95": 20.0}
    row = {"skill": "find_next_tool", "model": "shipped", "question": "Choose", "asked": 7, "answered": 6}
    row |= {"failed": {"model_lost": 1}, "total_ms": times, "wait_ms": times, "run_ms": times, "batch": 3.5}
    mission.write("event", what="model ready", name="shipped", model="m-1", calibrated=True, note="")
    mission.write("event", what="model ready", name="big", model="m-2", calibrated=False, note="none is configured")
    mission.write("looking", rows=[row | {"cache_exact": 1, "cache_similar": 1}])
    mission.recorder.flush()
    page = Page(write_report(mission.recorder.path, tmp_path / "out").read_text("utf-8"))
    text = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "| find next tool | Choose | shipped | 7 | 1 | 12 ms | 12 ms | 3.5 | 2 |" in text
    for words in ("What looking cost", "find next tool", "Model shipped", "Calibration of big", "none is configured"):
        assert words in page.text
