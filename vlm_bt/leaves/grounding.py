"""Finding things on the bench by a phrase: what a model points at, where depth has something there."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import look
from vlm_bt.leaves.showing import SEES_NOTHING, part_of
from vlm_bt.leaves.untrusted import plain
from vlm_bt.ports import Ticket
from vlm_bt.questions import Found, Ground, Grounded
from vlm_bt.types import Box, Detection, LocatedObject, Outcome

FITS_FROM = 0.3
"""Share of their union that a model's box and the box of a located thing have in common where they are the same."""


class GroundPhrase(Leaf):
    """Everything on the bench that a phrase such as "the red tool" may mean: a list of claims, the best first.

    A place where depth has located nothing is no thing that could be handled, and is left out.
    """

    takes = {
        "phrase": Input("text", "what to look for"),
        "zone": Input("zone", "look only in this zone", required=False),
        "least_score": Input("fraction", "what a model finds below it is left out", required=False, default=0.2),
    }
    gives = {
        "into": Output("detections", "what a model takes for it", required=False),
        "first": Output("detection", "the best of them", required=False),
    }
    reasons = SEES_NOTHING
    asks = (Ground,)
    ports: Ports

    def act(self) -> Steps:
        ports, phrase, zone = self.ports, self.input("phrase"), self.input("zone")
        seen = yield from look(ports)
        if not seen.ok:
            return seen
        shown = part_of(ports, ports.memory.frame_id, zone)
        if isinstance(shown, Outcome):
            return shown
        ticket: Ticket[Grounded] = ports.vision.submit(Ground((shown,), phrase, self.input("least_score")))
        answered = yield ticket
        if not answered.ok:
            return answered
        found = ticket.value.found
        things = list(ports.memory.objects.values())
        if zone:
            here = ports.zone(zone)
            things = [thing for thing in things if here.holds(thing.footprint.centre, margin_m=0.005)]
        claims = tuple(Detection(thing, plain(phrase), score) for thing, score in located(found, things))
        evidence = {
            "frame": ticket.value.frame_id,
            "model": ticket.value.model,
            "phrase": plain(phrase),
            "scores": [round(place.score, 4) for place in found],
        }
        if not claims:
            where = f"; depth has nothing at {len(found)} places that a model means" if found else ""
            return Outcome("not_found", f"no {plain(phrase)} is seen{where}", evidence)
        self.output("into", claims)
        self.output("first", claims[0])
        return Outcome("done", f"{len(claims)} x {plain(phrase)}, the best {claims[0].score:.2f}", evidence)


def located(found: Sequence[Found], things: Sequence[LocatedObject]) -> list[tuple[LocatedObject, float]]:
    """The things that places stand for, each once, with its best score, the best first."""
    best: dict[str, tuple[LocatedObject, float]] = {}
    for place in sorted(found, key=lambda place: -place.score):
        thing = _thing_at(place, things)
        if thing is not None:
            best.setdefault(thing.id, (thing, place.score))
    return list(best.values())


def _thing_at(place: Found, things: Sequence[LocatedObject]) -> LocatedObject | None:
    if place.part is not None:
        return next((thing for thing in things if thing.region == place.part), None)
    nearest = max(things, key=lambda thing: shared(place.box, thing.box), default=None)
    return nearest if nearest is not None and shared(place.box, nearest.box) >= FITS_FROM else None


def shared(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    common = max(0, width) * max(0, height)
    union = (a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - common
    return common / union if union > 0 else 0.0
