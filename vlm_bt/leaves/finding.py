"""Leaves that look for things by what they are called and by their size."""

from __future__ import annotations

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, left_alone, look_and_claim
from vlm_bt.leaves.seeing import GIVE_UP_AFTER, as_detection
from vlm_bt.questions import Choose
from vlm_bt.sentences import article, listed, named
from vlm_bt.types import Detection, LocatedObject, Outcome, VerifiedObject

SIZES = ("largest", "smallest", "any")


class FindTools(Leaf):
    """Everything that is, or may be, of a kind: a list of claims, the nearest first.

    What was set aside or tried too often is left out, and what lies in `outside` already.
    """

    takes = {
        "of": Input("text", "a kind, or a word of its name such as wrench", required=False),
        "outside": Input("zone", "leave out what lies in this zone", required=False),
    }
    gives = {
        "into": Output("detections", "what a model says each of them is", required=False),
        "first": Output("detection", "the first of them", required=False),
    }
    reasons = ("not_found", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports)
        if not seen.ok:
            return seen
        of, ports = self.input("of"), self.ports
        zone = ports.zone(self.input("outside")) if self.input("outside") else None
        found = [
            thing
            for thing in sorted(ports.memory.objects.values(), key=_distance)
            if may_be(ports, thing, of)
            and not left_alone(ports, thing)
            and ports.memory.attempts.get(thing.id, 0) < GIVE_UP_AFTER
            and not (zone and zone.holds(thing.footprint.centre, margin_m=0.005))
        ]
        if not found:
            return Outcome("not_found", f"no {of or 'tool'} is left to look after")
        claims = tuple(as_detection(ports, thing) for thing in found)
        self.output("into", claims)
        self.output("first", claims[0])
        return Outcome("done", _told(claims))


class ChooseBySize(Leaf):
    """Of the verified tools of a kind that lie on the bench, the one with the greatest or the least length.

    Lengths are those that depth measured. What nobody has verified is not compared.
    """

    takes = {
        "of": Input("text", "a kind, or a word of its name such as wrench"),
        "size": Input("text", "largest, smallest, or any: then the nearest one", required=False, default="any"),
    }
    gives = {"into": Output("verified_object", "the chosen tool")}
    reasons = ("not_found", "stale", "camera_lost", "model_lost", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports)
        if not seen.ok:
            return seen
        of, size, memory = self.input("of"), self.input("size"), self.ports.memory
        if size not in SIZES:
            return Outcome("not_found", f"{size!r} is no size that is known; there are: {', '.join(SIZES)}")
        tools = [
            tool
            for tool in memory.verdicts.values()
            if tool.object.id in memory.objects
            and named(of, tool.label)
            and not memory.objection(tool.object.id, tool.label)
        ]
        if not tools:
            return Outcome("not_found", f"no {of} was verified")
        tools.sort(key=lambda tool: order(tool, size))
        self.output("into", tools[0])
        lengths = [f"{tool.object.footprint.length_m * 1e3:.0f} mm" for tool in tools]
        others = f"; the others: {listed(lengths[1:])}" if len(tools) > 1 else ""
        return Outcome("done", f"{article(tools[0].label)} {tools[0].label} of {lengths[0]}{others}")


def order(tool: VerifiedObject, size: str) -> tuple[float, float]:
    """What sorts tools so that the one that was asked for comes first."""
    length_m = tool.object.footprint.length_m
    return ({"largest": -length_m, "smallest": length_m}.get(size, 0.0), _distance(tool.object))


def may_be(ports: Ports, thing: LocatedObject, of: str | None) -> bool:
    """Whether a thing is called that, or a model cannot rule it out."""
    if not of:
        return True
    verdict, answer = ports.memory.verdicts.get(thing.id), ports.memory.claims.get(thing.id)
    if verdict is not None:
        return named(of, verdict.label)
    return any(named(of, kind) for kind in (answer.plausible if answer else ())) or named(of, label_of(ports, thing))


def _distance(thing: LocatedObject) -> float:
    x, y = thing.footprint.centre
    return round(x * x + y * y, 4)


def _told(claims: tuple[Detection, ...]) -> str:
    return listed([f"{claim.label}?" for claim in claims[:4]]) + (" ..." if len(claims) > 4 else "")
