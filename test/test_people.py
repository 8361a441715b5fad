import io
import os
import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from fakes import CrankClock, ListRecorder

from vlm_bt.conversation.intents import understand
from vlm_bt.conversation.talk import Response
from vlm_bt.devices.people import ScriptedHuman, SilentHuman, TerminalHuman, choose, load_script
from vlm_bt.errors import ConfigError
from vlm_bt.types import Question

ASKED = Question(
    "question-1", "What is it?", ("pliers", "hammer", "leave it"), "leave it", 10.0, "identity", mark_centre=(0.5, 0.1)
)


def run(human, clock, seconds):
    for _ in range(round(seconds / clock.period_s)):
        clock.advance()
        human.settle(clock.tick)


def test_a_silent_person_means_the_safe_default_after_the_limit():
    clock = CrankClock()
    human = SilentHuman(clock, ListRecorder())
    ticket = human.ask(ASKED)
    run(human, clock, 9.9)
    assert ticket.outcome is None
    run(human, clock, 0.2)
    assert ticket.value.silent and ticket.value.text == "leave it"


def test_a_scripted_supervisor_answers_by_what_lies_at_the_marked_place():
    clock = CrankClock()
    script = {"answers_after_s": 1.0, "identity": {"T-handle Allen wrench": "hammer"}}
    human = ScriptedHuman(clock, ListRecorder(), script, lambda place: "T-handle Allen wrench")
    ticket = human.ask(ASKED)
    run(human, clock, 0.9)
    assert ticket.outcome is None
    run(human, clock, 0.2)
    assert ticket.value.text == "hammer" and not ticket.value.silent


def test_an_answer_after_the_limit_is_handed_over_as_a_late_one_once():
    clock, recorder = CrankClock(), ListRecorder()
    human = SilentHuman(clock, recorder)
    human.ask(ASKED)
    run(human, clock, 11)
    assert human.answer("question-1", "hammer", clock.now_s)
    assert [(name, reply.text) for name, reply in human.late_replies()] == [("question-1", "hammer")]
    assert human.late_replies() == []
    assert recorder.on("reply")[-1]["late"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("2", "hammer"), (" Hammer ", "hammer"), ("0", None), ("4", None), ("banana", None), ("", None)],
)
def test_a_typed_answer_is_an_option_by_number_or_name(typed, meant):
    assert choose(ASKED, typed) == meant


def test_the_terminal_shows_question_options_picture_limit_and_default(tmp_path):
    clock, sink = CrankClock(), io.StringIO()
    human = TerminalHuman(clock, ListRecorder(), lambda question: tmp_path / "q.png", io.StringIO("2\n"), sink)
    ticket = human.ask(ASKED)
    for _ in range(100):
        clock.advance()
        human.settle(clock.tick)
        if ticket.outcome:
            break
        time.sleep(0.01)
    assert ticket.value.text == "hammer"
    shown = sink.getvalue()
    for part in ("? What is it?", "1. pliers", "3. leave it", "q.png", "leave it, if nobody answers in 10 s"):
        assert part in shown


def test_a_broken_script_is_a_clear_error(tmp_path):
    script = tmp_path / "supervisor.yaml"
    script.write_text("answers: {}\n")
    with pytest.raises(
        ConfigError, match="a mapping with the keys answers_after_s, collect, group, hand_over, identity, other"
    ):
        load_script(script)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")


class Listening:
    """Keeps what is said; understands as a mission does."""

    def __init__(self):
        self.said = []

    def say(self, text, by=""):
        self.said.append(text.strip())
        answer = Future()
        answer.set_result(Response("status", f"heard {text.strip()}"))
        return answer

    def hear(self, text):
        return understand(text)


def typed(question, *lines):
    """What became of lines that were typed while a question is open: (answer, what was volunteered, what was shown)."""
    clock, sink = CrankClock(), io.StringIO()
    human = TerminalHuman(clock, ListRecorder(), lambda question: None, io.StringIO(), sink)
    human.listener = Listening()
    ticket = human.ask(question)
    for line in lines:
        human._take(line, clock.now_s)
    return (ticket.value.text if ticket.outcome else None), human.listener.said, sink.getvalue()


def test_a_typed_line_answers_the_open_question_or_is_something_said_of_its_own_accord():
    assert typed(ASKED, "how many hammers are there?", "2")[:2] == ("hammer", ["how many hammers are there?"])
    free = replace(ASKED, free_text=True)
    assert typed(free, "where is the hammer?", "Allen wrench")[:2] == ("Allen wrench", ["where is the hammer?"])
    assert "= heard status" in typed(ASKED, "status")[2]


def test_a_typed_stop_does_not_wait_for_a_tick_nor_for_the_open_question():
    human = TerminalHuman(CrankClock(), ListRecorder(), lambda question: None, io.StringIO(), io.StringIO())
    human.listener = Listening()
    human.ask(replace(ASKED, options=("stop", "go on"), default="go on"))
    human._hear("Stop!\n")
    assert human.listener.said == ["Stop!"]


def test_of_two_missions_at_one_terminal_the_later_one_hears_every_line():
    reading, writing = os.pipe()
    with open(reading) as terminal, open(writing, "w", buffering=1) as keyboard:
        first, second = (
            TerminalHuman(CrankClock(), ListRecorder(), lambda question: None, terminal, io.StringIO())
            for _ in range(2)
        )
        first.listener, second.listener = Listening(), Listening()
        keyboard.write("Stop!\n" * 4)
        by_s = time.monotonic() + 5.0
        while len(second.listener.said) < 4 and time.monotonic() < by_s:
            time.sleep(0.01)
        assert (first.listener.said, second.listener.said) == ([], ["Stop!"] * 4)
        keyboard.close()


def test_a_scripted_supervisor_says_things_of_their_own_accord_at_their_time():
    clock = CrankClock()
    says = [{"at_s": 2.0, "text": "stop"}, {"at_s": 1.0, "text": "status"}]
    human = ScriptedHuman(clock, ListRecorder(), {"says": says}, lambda place: "")
    human.listener = Listening()
    run(human, clock, 1.5)
    assert human.listener.said == ["status"]
    run(human, clock, 1.0)
    assert human.listener.said == ["status", "stop"]
