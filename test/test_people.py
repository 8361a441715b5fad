import io

import pytest
from fakes import CrankClock, ListRecorder

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
        import time

        time.sleep(0.01)
    assert ticket.value.text == "hammer"
    shown = sink.getvalue()
    for part in ("? What is it?", "1. pliers", "3. leave it", "q.png", "leave it, if nobody answers in 10 s"):
        assert part in shown


def test_a_broken_script_is_a_clear_error(tmp_path):
    script = tmp_path / "supervisor.yaml"
    script.write_text("answers: {}\n")
    with pytest.raises(ConfigError, match="a mapping with the keys answers_after_s, group, hand_over, identity, other"):
        load_script(script)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")
