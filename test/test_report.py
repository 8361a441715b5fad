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
