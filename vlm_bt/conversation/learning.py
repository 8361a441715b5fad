"""What a person tells becomes a fact that the mission works by, and can be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_bt.conversation.replies import fact_in_words
from vlm_bt.conversation.things import Known, a, called, in_section, known_things, the
from vlm_bt.leaves.context import SAID_LEAVE, Ports
from vlm_bt.scene.facts import GROUP, IDENTITY, LEAVE, Fact, Scope
from vlm_bt.sentences import named, plural
from vlm_bt.types import Group

TAKE_BACK = "Say 'forget that' to take it back."


class Learning:
    """Writes facts down and makes them felt at once: a motion that they forbid is broken off."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def leave(self, one: Known) -> str:
        """The thing is not touched any more."""
        self._remember("object", one.id, LEAVE, True)
        arm = self._ports.arm
        stopped = arm.withdraw(one.id, SAID_LEAVE)
        if one.place == "hand" or arm.reaches_for(one.id):
            return f"I have {the(one)} in my hand: it goes to its place, and I leave it there from then on. {TAKE_BACK}"
        self._ports.memory.aside[one.id] = SAID_LEAVE
        lies = "they lie" if one.label == plural(one.label, 2) else "it lies"
        return f"{'I stop reaching for it. ' if stopped else ''}I leave {the(one)} where {lies}. {TAKE_BACK}"

    def leave_kind(self, kind: str) -> str:
        """No thing of a kind is touched any more."""
        self._remember("kind", kind, LEAVE, True)
        for one in called(known_things(self._ports), kind):
            if one.thing is not None:
                self._ports.arm.withdraw(one.id, SAID_LEAVE)
        return f"I leave all {plural(kind, 2)} where they lie. {TAKE_BACK}"

    def group_one(self, one: Known, group: Group) -> str:
        self._remember("object", one.id, GROUP, group.name)
        return f"{the(one).capitalize()} goes with the {plural(group.name, 2)}, {in_section(group.zone)}. {TAKE_BACK}"

    def group_kind(self, kind: str, group: Group) -> str:
        self._remember("kind", kind, GROUP, group.name)
        word = plural(kind, 2)
        return (
            f"{word[:1].upper()}{word[1:]} go with the {plural(group.name, 2)}, {in_section(group.zone)}. {TAKE_BACK}"
        )

    def name(self, one: Known, label: str) -> str:
        """A person says what a thing is; that stands over what a model says. Where it lies is for depth to say."""
        ports = self._ports
        self._remember("object", one.id, IDENTITY, label)
        if one.place == "hand":
            return f"I call it {a(label)} from when I have put it down. {TAKE_BACK}"
        ports.arm.withdraw(one.id, f"a person says that it is {a(label)}")
        ports.memory.aside.pop(one.id, None)
        ports.memory.attempts.pop(one.id, None)
        assert one.thing is not None
        ports.memory.verdicts[one.id] = ports.ledger.enter(one.thing, label, "person", 0.0)
        before = f", and no {one.label}" if one.label and one.sure and one.label != label else ""
        return f"Thank you: that is {a(label)}{before}. {TAKE_BACK}"

    def take_back(self, fact_id: str) -> str:
        """Take back one fact by its id; "" where none stands under it."""
        fact = next((one for one in self._ports.memory.facts.all() if one.id == fact_id and not one.revoked), None)
        if fact is None:
            return ""
        self._revoke(fact)
        return f"Forgotten: {self._told(fact)}."

    def forget_last(self) -> str:
        fact = self._ports.memory.facts.last_said()
        if fact is None:
            return "There is nothing to take back."
        self._revoke(fact)
        return f"Forgotten: {self._told(fact)}."

    def forget_about(self, ids: Sequence[str], kind: str) -> str:
        """Everything that people said of some things, or of their kind."""
        facts = [
            fact
            for fact in self._ports.memory.facts.all()
            if fact.by == "person"
            and not fact.revoked
            and (fact.subject in ids if fact.scope == "object" else named(kind, fact.subject))
        ]
        if not facts:
            return f"Nobody has told me anything about the {plural(kind, 2)} that I could forget."
        told = [self._told(fact) for fact in facts]
        for fact in facts:
            self._revoke(fact)
        return f"Forgotten: {'; '.join(told)}."

    def _remember(self, scope: Scope, subject: str, key: str, value: object) -> None:
        self._ports.memory.facts.remember(scope, subject, key, value, "person", self._ports.clock.now_s)

    def _told(self, fact: Fact) -> str:
        things = {one.id: the(one) for one in known_things(self._ports)}
        return fact_in_words(fact, things.get(fact.subject, ""))

    def _revoke(self, fact: Fact) -> None:
        memory = self._ports.memory
        memory.facts.revoke_fact(fact.id)
        if fact.key == LEAVE:
            for name in [name for name, why in memory.aside.items() if why == SAID_LEAVE]:
                if fact.scope == "kind" or name == fact.subject:
                    del memory.aside[name]
        elif fact.key == IDENTITY and fact.scope == "object":
            memory.verdicts.pop(fact.subject, None)
            self._ports.ledger.touched(fact.subject, "a person took back what they said of it")
