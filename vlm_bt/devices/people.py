"""Channels to a person: a terminal, a scripted supervisor, and nobody."""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TextIO

import yaml

from vlm_bt.conversation.intents import Heard
from vlm_bt.conversation.stop_words import is_stop
from vlm_bt.conversation.talk import Response
from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.ports import Clock, Recorder, Ticket
from vlm_bt.types import Question, Reply

Eyes = Callable[[tuple[float, float]], str]
"""What somebody who stands at the bench sees at a place (x, y), or "" where nothing lies."""


class Listener(Protocol):
    """Takes in what a person says without being asked; see `vlm_bt.conversation.talk.Conversation`."""

    def say(self, text: str, by: str = "") -> Future[Response]: ...

    def hear(self, text: str) -> Heard: ...


class Channel:
    """Questions with a time limit on the mission's clock; a reply that comes late still becomes a fact.

    Subclasses say what happens when a question opens, and hand answers in by `answer`.
    """

    live = False
    """True where a real person needs real seconds, so that simulated time must not run ahead of them."""

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        self.clock = clock
        self._recorder = recorder
        self._open: dict[str, tuple[Question, Ticket[Reply], float]] = {}
        self._late: list[Reply] = []
        self.listener: Listener | None = None
        """Who takes in what is said and answers no question; set before the mission runs."""
        self.onlooker: Callable[[Question, Reply | None], None] = lambda question, reply: None
        """Told of every question that is put and, with the reply, of every one that is answered in time."""

    def ask(self, question: Question) -> Ticket[Reply]:
        """The question stays open for the mission when the ticket is cancelled; only its answer is then a late one."""
        ticket: Ticket[Reply] = Ticket(f"ask: {question.text}")
        self._open[question.id] = (question, ticket, self.clock.now_s + question.timeout_s)
        box = question.mark
        self._recorder.write(
            "question",
            {
                "id": question.id,
                "text": question.text,
                "options": list(question.options),
                "default": question.default,
                "topic": question.topic,
                "about": question.about,
                "subject": question.subject,
                "frame": question.frame_id,
                "mark": [box.x0, box.y0, box.x1, box.y1] if box else None,
                "marks": [[one.x0, one.y0, one.x1, one.y1] for one in question.marks],
            },
        )
        self.opened(question)
        self.onlooker(question, None)
        return ticket

    def opened(self, question: Question) -> None:
        """Show the question to whoever answers."""

    def told(self, text: str) -> None:
        """Tell the person something that no question asks; shown where somebody looks."""

    def settle(self, tick: int) -> None:
        """Called by the clock between ticks."""
        now_s = max(self.clock.now_s, tick * self.clock.period_s)
        for question, ticket, limit_s in list(self._open.values()):
            if ticket.outcome is None and now_s >= limit_s:
                self._end(question, ticket, Reply(question.id, question.default, silent=True, stamp_s=now_s))

    def answer(self, question_id: str, text: str, now_s: float) -> bool:
        """Take a person's answer; False where the question is unknown or the text is none of its options."""
        if question_id not in self._open:
            return False
        question, ticket, _ = self._open[question_id]
        chosen = choose(question, text)
        if chosen is None:
            return False
        reply = Reply(question_id, chosen, stamp_s=now_s)
        if ticket.outcome is None:
            self._end(question, ticket, reply)
        else:
            self._late.append(reply)
            self._recorder.write("reply", {"id": question_id, "text": chosen, "silent": False, "late": True})
        del self._open[question_id]
        return True

    def late_replies(self) -> list[tuple[str, Reply]]:
        """Answers that came after their question's limit, handed over once."""
        late, self._late = self._late, []
        return [(reply.question_id, reply) for reply in late]

    @property
    def pending(self) -> list[Question]:
        """The questions that wait for an answer now, the oldest first."""
        return [question for question, ticket, _ in self._open.values() if ticket.outcome is None]

    @property
    def waiting(self) -> bool:
        """Whether a live person is being asked right now."""
        return self.live and bool(self.pending)

    def close(self) -> None:
        """Nothing to free."""

    def _end(self, question: Question, ticket: Ticket[Reply], reply: Reply) -> None:
        self._recorder.write("reply", {"id": question.id, "text": reply.text, "silent": reply.silent, "late": False})
        self.onlooker(question, reply)
        ticket.resolve(reply)


def choose(question: Question, text: str) -> str | None:
    """The option that a typed answer means: its number, its text, or free text where the question allows it."""
    said = " ".join(text.split())
    if said.isdigit() and 1 <= int(said) <= len(question.options):
        return question.options[int(said) - 1]
    for option in question.options:
        if said.casefold() == option.casefold():
            return option
    return said[:80] if said and question.free_text else None


class SilentHuman(Channel):
    """Nobody is there: every question ends in its safe default after its time limit."""


class DistantHuman(Channel):
    """Somebody answers from elsewhere, as in a browser: questions stay open, and time does not run ahead of them."""

    live = True


class ScriptedHuman(Channel):
    """A supervisor who answers from a YAML file, looking at the bench with their own eyes.

    Under `says` the file lists what they say of their own accord, each as `{at_s, text}` on the mission's clock.

    Args:
        script: See `config/supervisor.yaml`.
        eyes: What the supervisor sees at the marked place.
    """

    def __init__(self, clock: Clock, recorder: Recorder, script: Mapping[str, Any], eyes: Eyes) -> None:
        super().__init__(clock, recorder)
        self._script = script
        self._eyes = eyes
        self._due: list[tuple[float, str, str]] = []
        self._says_yet = sorted(
            (
                (float(one["at_s"]), str(one["text"]))
                for one in script.get("says") or ()
                if float(one["at_s"]) >= clock.now_s
            ),
            reverse=True,
        )

    def opened(self, question: Question) -> None:
        text = self._says(question)
        if text is not None:
            after_s = float(self._script.get("answers_after_s", 2.0))
            self._due.append((self.clock.now_s + after_s, question.id, text))

    def settle(self, tick: int) -> None:
        now_s = max(self.clock.now_s, tick * self.clock.period_s)
        due = [entry for entry in self._due if entry[0] <= now_s + 1e-9]
        self._due = [entry for entry in self._due if entry[0] > now_s + 1e-9]
        for _, question_id, text in due:
            self.answer(question_id, text, now_s)
        while self._says_yet and self._says_yet[-1][0] <= now_s + 1e-9 and self.listener is not None:
            self.listener.say(self._says_yet.pop()[1], "the supervisor")
        super().settle(tick)

    def _says(self, question: Question) -> str | None:
        """The scripted answer; None stays silent."""
        said: Mapping[str, Any] = self._script.get(question.topic) or {}
        if question.topic == "identity":
            seen = self._eyes(question.mark_centre) if question.mark_centre else ""
            return str(said.get(seen, seen)) if seen else question.default
        if question.topic == "group":
            return str(said.get(question.subject, said.get("anything else", question.default)))
        answer = said.get(question.text, said.get("anything else"))
        return None if answer is None else str(answer)


class TerminalHuman(Channel):
    """A person at the terminal: question, numbered options, the picture's path, the time limit and the default.

    A line stops the mission, or answers the open question, or is something said of their own accord, in this order.
    """

    live = True

    def __init__(
        self,
        clock: Clock,
        recorder: Recorder,
        picture: Callable[[Question], Path | None],
        source: TextIO = sys.stdin,
        sink: TextIO = sys.stderr,
    ) -> None:
        super().__init__(clock, recorder)
        self._picture = picture
        self._sink = sink
        self._typed: queue.Queue[str] = queue.Queue()
        _take_over(source, self._hear)

    def opened(self, question: Question) -> None:
        lines = ["", f"? {question.text}"]
        lines += [f"  {number}. {option}" for number, option in enumerate(question.options, 1)]
        if question.free_text:
            lines.append("  or type something else")
        picture = self._picture(question)
        if picture is not None:
            lines.append(f"  picture: {picture}")
        lines.append(f"  [{question.default}, if nobody answers in {question.timeout_s:g} s]")
        print("\n".join(lines), file=self._sink, flush=True)

    def settle(self, tick: int) -> None:
        now_s = max(self.clock.now_s, tick * self.clock.period_s)
        while not self._typed.empty():
            self._take(self._typed.get_nowait(), now_s)
        super().settle(tick)

    def told(self, text: str) -> None:
        if text not in [question.text for question in self.pending]:
            print(f"= {text}", file=self._sink, flush=True)

    def _take(self, text: str, now_s: float) -> None:
        asked = (self.pending or [question for question, _, _ in self._open.values()][-1:])[:1]
        for question in asked:
            means_it = self.pending or not text.strip().isdigit()
            if means_it and choose(replace(question, free_text=False), text) is not None:
                self.answer(question.id, text, now_s)
                return
            heard = self.listener.hear(text) if self.listener is not None else None
            if question.free_text and (heard is None or not heard.sure) and self.answer(question.id, text, now_s):
                return
            if self.listener is None:
                print(f"  not one of the options: 1 to {len(question.options)}", file=self._sink, flush=True)
        self._volunteer(text)

    def _volunteer(self, text: str) -> None:
        if self.listener is not None and text.strip():
            self.listener.say(text).add_done_callback(lambda said: self.told(said.result().text))

    def _hear(self, line: str) -> None:
        """In the reader's thread: a stop does not wait for the next settling between ticks."""
        if is_stop(line):
            self._volunteer(line)
        else:
            self._typed.put(line)


class _Reader:
    """Reads a terminal in one thread, for the channel that has taken it over last."""

    def __init__(self, source: TextIO, hear: Callable[[str], None]) -> None:
        self.hear = hear
        # A read from a terminal cannot be interrupted; the thread is a daemon and ends with the process.
        threading.Thread(target=self._read, args=(source,), daemon=True, name="terminal").start()

    def _read(self, source: TextIO) -> None:
        for line in source:
            self.hear(line)


_READERS: weakref.WeakKeyDictionary[TextIO, _Reader] = weakref.WeakKeyDictionary()
"""One a terminal: of two, each would get some of the lines, and a stop might reach a mission that is over."""


def _take_over(source: TextIO, hear: Callable[[str], None]) -> None:
    """What is typed is heard by `hear` from now on."""
    reader = _READERS.get(source)
    if reader is None:
        _READERS[source] = _Reader(source, hear)
    else:
        reader.hear = hear


def script_path(script: str, *, shipped: bool) -> Path:
    """Where a script lies: among the shipped configuration, or where a person says."""
    return share_dir("config") / script if shipped else Path(script)


def load_script(path: Path) -> Mapping[str, Any]:
    """Read a supervisor's script.

    Raises:
        ConfigError: The file is missing or is no mapping of known topics.
    """
    known = {"answers_after_s", "identity", "group", "hand_over", "reference", "collect", "says", "other"}
    try:
        script = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give --human scripted:FILE") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(script, dict) or not set(script) <= known:
        raise ConfigError(f"{path}: a supervisor's script is a mapping with the keys {', '.join(sorted(known))}")
    return script
