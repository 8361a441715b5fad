"""A tiny vocabulary for tests of the language: scripted leaves and the cards that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from fakes import CrankClock, TicketArm, thing

from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.ports import Ticket
from vlm_bt.tree import Compiled, Finding, TreeSource, check_tree, compile_tree, load_tree
from vlm_bt.types import Answer, Count, Detection, Group, HeldObject, Outcome, Scene, VerifiedObject

CLAIM = Detection(thing(), "pliers", 0.7, Answer("what", ("pliers",), (1.0,), ("pliers",), "overhead-1", "model"))
TOOL = VerifiedObject(thing(), "pliers", "verdict-1")
HELD = HeldObject(TOOL, "verdict-1", 0.02, 0.012, (0.0, 0.0), 0.0)
SCENE = Scene("overhead-1", "a bench", (CLAIM,))


@dataclass
class Script:
    """What leaves do, by class name: 'done', another reason, 'wait' (a ticket), one entry for each activation."""

    plan: dict[str, list[str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    tickets: dict[str, Ticket[Any]] = field(default_factory=dict)


class Scripted(Leaf):
    __module__ = "vlm_bt.leaves.scripted"
    gift: ClassVar[Any] = None

    def act(self) -> Steps:
        script: Script = self.ports.script
        word = type(self).__name__
        said = ", ".join(f"{name}={self.input(name)}" for name in self.takes if name in self._binding.given)
        script.log.append(f"{word}({said})")
        todo = script.plan.get(word, [])
        step = todo.pop(0) if len(todo) > 1 else (todo[0] if todo else "done")
        if step == "wait":
            ticket: Ticket[Any] = Ticket(word, lambda: script.log.append(f"{word} cancelled"))
            script.tickets[word] = ticket
            ended = yield ticket
            if not ended.ok:
                return ended
        elif step != "done":
            return Outcome(step, f"{word} says so")
        for name in self.gives:
            self.output(name, self.gift)
        return Outcome()


def word(name: str, gift: Any = None, **declared: Any) -> type[Leaf]:
    return type(name, (Scripted,), {"gift": gift, "__module__": "vlm_bt.leaves.scripted", **declared})


TOOLS = {"tool": Input("verified_object")}
LEAVES: Mapping[str, type[Leaf]] = {
    leaf.__name__: leaf
    for leaf in (
        word("Look", SCENE, gives={"into": Output("scene")}),
        word("Find", CLAIM, gives={"into": Output("detection")}, reasons=("not_found",)),
        word(
            "Verify",
            TOOL,
            takes={"candidate": Input("detection"), "error_rate": Input("number", default=0.05)},
            gives={"into": Output("verified_object")},
            reasons=("unsure", "refuted"),
        ),
        word(
            "Ask",
            TOOL,
            takes={"candidate": Input("detection")},
            gives={"into": Output("verified_object")},
            safety="asks",
        ),
        word("Say", "yes", takes={"text": Input("text")}, gives={"into": Output("text", required=False)}),
        word(
            "Sort",
            Group("a", "left", ("x",)),
            takes={**TOOLS, "groups": Input("groups")},
            gives={"into": Output("group")},
        ),
        word("Count", Count((), 0, "f"), takes={"of": Input("texts", required=False)}, gives={"into": Output("count")}),
        word(
            "Pick", HELD, takes=TOOLS, gives={"into": Output("held_object")}, safety="moves", reasons=("grasp_failed",)
        ),
        word(
            "Place",
            takes={"held": Input("held_object"), "zone": Input("text")},
            safety="moves",
            reasons=("dropped", "no_space"),
        ),
        word("Clear", instant=True, reasons=("no",)),
        word("Hold", instant=True),
        word("Note", instant=True, takes={"text": Input("text", required=False, default="noted")}),
        word("Sure", takes={"prompts": Input("texts", required=False), "rate": Input("number", default=1.0)}),
    )
}


def write_cards(folder: Path, **bodies: str) -> Path:
    """One card for each leaf (`Look` becomes `look`), and those given by name."""
    folder.mkdir(exist_ok=True)
    for name, leaf in LEAVES.items():
        limit = "" if leaf.instant else "timeout_s: 10\n"
        (folder / f"{name.lower()}.yaml").write_text(f"skill: {name.lower()}\nsummary: test\nleaf: {name}\n{limit}")
    for name, body in bodies.items():
        (folder / f"{name}.yaml").write_text(f"skill: {name}\nsummary: test\n{body}")
    return folder


class Bench:
    """Loads and runs tree text against the tiny vocabulary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.skills = write_cards(folder / "skills")
        self.clock = CrankClock()
        self.arm = TicketArm()
        self.script = Script()
        self.ports = SimpleNamespace(clock=self.clock, arm=self.arm, script=self.script)
        self.path = folder / "t.yaml"
        self.leaves: dict[str, type[Leaf]] = dict(LEAVES)
        self.open: list[Compiled] = []

    def card(self, name: str, body: str) -> None:
        (self.skills / f"{name}.yaml").write_text(f"skill: {name}\nsummary: test\n{body}")

    def check(self, text: str) -> list[Finding]:
        self.path.write_text(text)
        return check_tree(self.path, self.leaves, skills_dirs=[self.skills])

    def load(self, text: str) -> TreeSource:
        self.path.write_text(text)
        return load_tree(self.path, self.leaves, skills_dirs=[self.skills])

    def errors(self, text: str) -> str:
        """Every finding of a tree, its path shortened."""
        return "\n".join(str(finding) for finding in self.check(text)).replace(str(self.folder) + "/", "")

    def build(self, text: str, inputs: dict[str, Any] | None = None, **plan: list[str]) -> Compiled:
        self.script.plan = plan
        built = compile_tree(self.load(text), self.ports, inputs, namespace=f"test{len(self.open)}")
        self.open.append(built)
        return built

    def tick(self, built: Compiled, times: int = 1) -> str:
        """Tick, letting a period pass after each; what the root is then."""
        for _ in range(times):
            built.root.tick_once()
            self.clock.advance()
        return str(built.root.status.value)

    def run(self, built: Compiled, at_most: int = 50) -> Outcome:
        for _ in range(at_most):
            if self.tick(built) != "RUNNING":
                break
        return built.root.outcome  # type: ignore[attr-defined,no-any-return]

    def ticks_to_the_end(self, built: Compiled, at_most: int = 1000) -> int:
        for count in range(1, at_most + 1):
            if self.tick(built) != "RUNNING":
                return count
        raise AssertionError(f"still running after {at_most} ticks")

    def end(self, word: str, reason: str = "done") -> None:
        ticket = self.script.tickets[word]
        if reason == "done":
            ticket.resolve(None)
        else:
            ticket.fail(Outcome(reason))

    def close(self) -> None:
        for built in self.open:
            built.close()


def under_guard(node: str) -> str:
    """A tree whose root is a guard over this node (block style, any indentation)."""
    lines = "\n".join("      " + line for line in node.strip("\n").splitlines())
    return f"tree: t\nroot:\n  guard:\n    while: clear\n    otherwise: hold\n    do:\n{lines}\n"


def plain(node: str) -> str:
    """A tree with this node as its root."""
    return "tree: t\nroot:\n" + "\n".join("  " + line for line in node.strip("\n").splitlines()) + "\n"
