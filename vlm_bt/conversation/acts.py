"""What a mission does about each intent: it answers from its memory, or learns a fact and works by it from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from vlm_bt.conversation import replies
from vlm_bt.conversation.examples import MAY_BE_SAID, Intent
from vlm_bt.conversation.focus import Focus
from vlm_bt.conversation.intents import Heard
from vlm_bt.conversation.journal import Journal
from vlm_bt.conversation.learning import Learning
from vlm_bt.conversation.names import Names
from vlm_bt.conversation.phrases import Phrase
from vlm_bt.conversation.references import resolve
from vlm_bt.conversation.talk import Response
from vlm_bt.conversation.things import ASIDE_M, Known, a, called, in_section, known_things, place_of, the
from vlm_bt.executive import Executive
from vlm_bt.leaves.context import Ports
from vlm_bt.ports import Ticket
from vlm_bt.sentences import listed, named, plural, singular
from vlm_bt.types import Group, Outcome, Question, Reply

WHICH = "reference"
"""The topic of questions which of several things was meant."""
NONE_OF_THEM = "none of them"
SHOWN_AT_MOST = 6
ANSWER_WITHIN_S = 30.0

OnOne = Callable[[Known], str]


class MissionActs:
    """Answers and acts in the executive's thread.

    Args:
        tree: The mission's name.
        groups: The groups of the tree now.
        pending: Questions that wait for a person; answer: takes an answer to one of them.
        told: Says something that nobody has just asked, such as what came of a question.
    """

    def __init__(
        self,
        ports: Ports,
        executive: Executive,
        journal: Journal,
        tree: str,
        groups: Callable[[], tuple[Group, ...]],
        pending: Callable[[], Sequence[Question]],
        answer: Callable[[str, str, float], bool],
        told: Callable[[str], None],
    ) -> None:
        self._ports = ports
        self._executive = executive
        self._journal = journal
        self._tree = tree
        self._groups = groups
        self._pending = pending
        self._answer = answer
        self._told = told
        # Made anew only when they change: they are asked for at every tick.
        self._names = Names()
        self._names_of: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())
        self._focus = Focus(ports, executive, journal, pending)
        self._learning = Learning(ports)
        self._by_intent: Mapping[Intent, Callable[[Heard], str]] = {
            "status": self._status,
            "count": self._count,
            "where": self._where,
            "leave": self._leave,
            "what": self._what,
            "why": self._why,
            "put_with": self._put_with,
            "that_is": self._that_is,
            "fetch": self._fetch,
            "forget": self._forget,
            "facts": self._facts,
            "help": self._help,
        }

    @property
    def names(self) -> Names:
        memory = self._ports.memory
        labels = {tool.label for tool in memory.verdicts.values()} | {put.label for put in memory.placed}
        labels |= {str(fact.value) for fact in memory.facts.all() if fact.key == "identity"}
        labels |= {fact.subject for fact in memory.facts.all() if fact.scope == "kind"}
        known = (tuple(sorted(labels)), tuple(group.name for group in self._groups()), tuple(self._ports.zones))
        if known != self._names_of:
            self._names_of, self._names = known, Names(*known)
        return self._names

    def point_at(self, object_id: str) -> str:
        """A person points at a thing: "that one" means it now. What it is called; "" where it is not known any more."""
        one = next((one for one in known_things(self._ports) if object_id and one.id == object_id), None)
        if one is None:
            return ""
        self._focus.speak_of([one], "")
        self._ports.recorder.write("event", {"what": "pointed at", "object": one.id, "label": one.name})
        return the(one)

    def take_back(self, fact_id: str) -> str:
        """A person takes a fact back; what was said then. "" where no such fact stands."""
        return self._learning.take_back(fact_id)

    def respond(self, heard: Heard, by: str) -> Response:
        assert heard.intent is not None
        return Response(heard.intent, self._by_intent[heard.intent](heard))

    # Questions about the mission and its things.

    def _status(self, heard: Heard) -> str:
        tip = self._executive.root.tip()
        memory = self._ports.memory
        at = self._focus.handled_thing()
        now = (
            f"{tip.name.partition(' (')[0]}{f' ({the(at)})' if at is not None else ''}"
            if tip is not None
            else "about to begin"
        )
        state = "Paused in" if self._executive.paused else "Busy with"
        waits = self._pending()
        asks = f" I wait for an answer: {waits[0].text}" if waits else ""
        put = len(memory.placed)
        return (
            f"{state} '{self._tree.replace('_', ' ')}', at the step '{now}'. {put} {plural('thing', put)} put in "
            f"{'its place' if put == 1 else 'their places'}, {len(memory.objects)} on the bench.{asks}"
        )

    def _count(self, heard: Heard) -> str:
        phrase = heard.things[0]
        if phrase.kind is None and len(heard.things) > 1:
            phrase = heard.things[1]
        things = known_things(self._ports)
        if not self._ports.memory.frame_id:
            return replies.NOTHING_SEEN
        kind = phrase.kind or ""
        found = called(things, kind)
        unknown = [one for one in things if not one.label] if not kind else []
        if phrase.place:
            found = [one for one in found + unknown if one.place == phrase.place or _on_side(one, phrase.place)]
            return replies.how_many(found, kind, _where_said(phrase.place, self._ports))
        if phrase.other or phrase.beside:
            found = resolve(phrase, things, self._focus.spoken())
        self._focus.speak_of(found, kind)
        return replies.how_many(found + [one for one in unknown if one not in found], kind)

    def _where(self, heard: Heard) -> str:
        phrase = heard.things[0]
        things = known_things(self._ports)
        if not self._ports.memory.frame_id:
            return replies.NOTHING_SEEN
        if phrase.bare:
            found = called(things, phrase.kind or "")
        else:
            found = resolve(phrase, things, self._focus.spoken())
        self._focus.speak_of(found, phrase.kind or "")
        if phrase.pointing and phrase.kind is None and not found:
            return "I do not know which one you mean."
        return replies.where_is(found, things, _said(phrase))

    def _what(self, heard: Heard) -> str:
        phrase = heard.things[0] if heard.things else Phrase(pointing=True)
        return self._with_one(phrase, lambda one: replies.what_is(one, self._ports, self._journal))

    def _why(self, heard: Heard) -> str:
        if heard.things and (heard.things[0].kind or heard.things[0].place):
            left = resolve(heard.things[0], known_things(self._ports), self._focus.spoken())
            for one in left[:1]:
                why = replies.why_left(one, self._ports)
                if why:
                    return why
        done = self._journal.done[-1] if self._journal.done else None
        if done is None:
            return "I have not moved anything yet."
        verdict = self._journal.verdict_on(done.object)
        known = f"I know it for {a(done.label)}: {verdict.reason}" if verdict else "it was verified"
        group = self._ports.group_of(done.label, self._groups(), done.object)
        goes = (
            f"; {plural(done.label, 2)} go with the {plural(group.name, 2)}, {in_section(group.zone)}" if group else ""
        )
        verb = {"pick": "took", "place": "put down", "hand_over": "handed over"}[done.verb]
        failed = f" That failed: {done.ended}." if done.ended else ""
        return f"I {verb} the {done.label} because {known}{goes}.{failed}"

    # What a person wants of the mission from now on.

    def _leave(self, heard: Heard) -> str:
        phrase = heard.things[0]
        things = known_things(self._ports)
        found = resolve(phrase, things, self._focus.spoken())
        kind = phrase.kind or ""
        if phrase.bare and not phrase.unknown and (phrase.plural or kind == plural(kind, 2)) and len(found) != 1:
            return self._learning.leave_kind(singular(kind))
        if phrase.plural and found:
            self._focus.speak_of(found, phrase.kind or "")
            return " ".join(self._learning.leave(one) for one in found)
        return self._with_one(phrase, self._learning.leave)

    def _put_with(self, heard: Heard) -> str:
        phrase = heard.things[0]
        target = heard.things[1] if len(heard.things) > 1 else phrase.beside
        groups = self._groups()
        chosen = _groups_meant(target, phrase.place if target is None else target.place, groups)
        if len(chosen) != 1:
            known = listed([f"the {plural(group.name, 2)}" for group in groups], "or")
            return f"I do not know where that is. Things go with {known}." if groups else "This mission sorts nothing."
        group = chosen[0]
        if phrase.kind and not (phrase.pointing or phrase.size or phrase.other):
            kind = " ".join(phrase.words) if phrase.unknown else phrase.kind
            for question in self._pending():
                if question.topic == "group" and named(singular(kind), question.subject):
                    self._answer(question.id, group.name, self._ports.clock.now_s)
            return self._learning.group_kind(singular(kind), group)
        return self._with_one(_without_place(phrase), lambda one: self._learning.group_one(one, group))

    def _that_is(self, heard: Heard) -> str:
        phrase = heard.things[0] if heard.things else Phrase(pointing=True)
        label = _canonical(heard.label, self.names)
        several = [kind for kind in self._ports.kinds if label not in self._ports.kinds and kind.endswith(f" {label}")]
        if several:
            return f"Which {label}? Say: that is {listed([a(kind) for kind in several], 'or')}."

        def name(one: Known) -> str:
            for question in self._pending():
                if question.topic == "identity" and question.about == one.id:
                    self._answer(question.id, label, self._ports.clock.now_s)
                    return f"Thank you: {a(label)}."
            return self._learning.name(one, label)

        return self._with_one(phrase, name)

    def _fetch(self, heard: Heard) -> str:
        found = resolve(heard.things[0], known_things(self._ports), self._focus.spoken())
        seen = f" I see {the(found[0])} {place_of(found[0], found)}." if len(found) == 1 else ""
        return (
            f"Not now: I am busy with '{self._tree.replace('_', ' ')}', and one mission runs at a time.{seen} "
            f"Ask again when it has ended, or say stop first."
        )

    def _forget(self, heard: Heard) -> str:
        phrase = heard.things[0] if heard.things else None
        if phrase is not None and phrase.kind:
            found = resolve(phrase, known_things(self._ports), self._focus.spoken())
            ids = [one.id for one in found] or [""]
            return self._learning.forget_about(ids, phrase.kind)
        return self._learning.forget_last()

    def _facts(self, heard: Heard) -> str:
        things = {one.id: the(one) for one in known_things(self._ports)}
        standing = [fact for fact in self._ports.memory.facts.all() if not fact.revoked]
        if not standing:
            return "I have been told nothing yet."
        said = [replies.fact_in_words(fact, things.get(fact.subject, "")) for fact in standing]
        return f"I know: {'; '.join(said)}."

    def _help(self, heard: Heard) -> str:
        return "You may say: " + ", ".join(f"'{words}'" for words in MAY_BE_SAID.values()) + "."

    # Which one is meant.

    def _with_one(self, phrase: Phrase, then: OnOne) -> str:
        """Do something with the one thing that is meant; where there are several, ask which."""
        things = known_things(self._ports)
        found = resolve(phrase, things, self._focus.spoken())
        if not found:
            return f"I see no {_said(phrase)}." if phrase.kind else "I do not know which one you mean."
        self._focus.speak_of(found, phrase.kind or "")
        return then(found[0]) if len(found) == 1 else self._ask_which(found[:SHOWN_AT_MOST], phrase, then)

    def _ask_which(self, found: list[Known], phrase: Phrase, then: OnOne) -> str:
        ports = self._ports
        options = [f"{the(one)}, {place_of(one, found)}, {one.length_m * 100:.0f} cm long" for one in found]
        options = [f"{text} ({number})" if options.count(text) > 1 else text for number, text in enumerate(options, 1)]
        among = tuple(one.thing for one in found if one.thing is not None)
        text = f"Which {_said(phrase)} do you mean?"
        question = ports.question(text, (*options, NONE_OF_THEM), NONE_OF_THEM, ANSWER_WITHIN_S, WHICH, among=among)
        if question.frame_id:
            ports.recorder.keep_frame(question.frame_id, "question")
        ticket: Ticket[Reply] = ports.human.ask(question)

        def answered(outcome: Outcome) -> None:
            chosen = ticket.value.text if outcome.ok else NONE_OF_THEM
            if chosen not in options:
                self._told("Nothing is changed: nobody said which one.")
                return
            meant = found[options.index(chosen)]
            now = next((one for one in known_things(ports) if one.id == meant.id), None)
            self._focus.speak_of([meant], phrase.kind or meant.label)
            self._told(then(now) if now is not None else f"{the(meant)} is no longer there.")

        ticket.when_done(answered)
        return text


def _said(phrase: Phrase) -> str:
    return " ".join(phrase.words) or phrase.kind or "one"


def _on_side(one: Known, place: str) -> bool:
    if one.thing is None or one.place:
        return False
    y = one.centre[1]
    return {"left": y > ASIDE_M, "right": y < -ASIDE_M, "centre": abs(y) <= ASIDE_M}.get(place, False)


def _where_said(place: str, ports: Ports) -> str:
    return f"on the {place}" if place in ("left", "right") else in_section(place)


def _without_place(phrase: Phrase) -> Phrase:
    return replace(phrase, place="", beside=None)


def _groups_meant(target: Phrase | None, place: str, groups: Sequence[Group]) -> list[Group]:
    if place and (target is None or not target.kind):
        return [group for group in groups if group.zone == place]
    if target is None or not target.kind:
        return []
    kind = target.kind.casefold()
    by_name = [group for group in groups if singular(group.name.casefold()) == singular(kind)]
    return by_name or [group for group in groups if any(named(kind, one) for one in group.kinds)]


def _canonical(label: str, names: Names) -> str:
    """A name as it is known; what nobody has heard of stays as it was written."""
    known = names.kinds.get(tuple(label.casefold().replace("-", " ").split()))
    return known or label
