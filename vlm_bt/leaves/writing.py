"""Leaves that write down what happened."""

from __future__ import annotations

from collections import Counter

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, look_and_claim, shown
from vlm_bt.questions import Choose
from vlm_bt.sentences import closing_sentence
from vlm_bt.types import Outcome


class WriteReport(Leaf):
    """Take the last picture and say what lies where now; the pages are made of the record when the mission ends."""

    takes = {"before": Input("scene", "what the bench looked like at the start", required=False)}
    gives = {"into": Output("report", "the closing sentence")}
    reasons = ("camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        ports, memory = self.ports, self.ports.memory
        seen = yield from look_and_claim(ports, fresh=True)
        if not seen.ok:
            return seen
        ports.recorder.keep_frame(memory.frame_id, "after")
        things = list(memory.objects.values())
        ports.recorder.write("detections", {"frame": memory.frame_id, "items": shown(ports, things)})
        sections: dict[str, Counter[str]] = {name: Counter() for name in ports.zones}
        left: list[dict[str, str]] = []
        for thing in things:
            zone = next((z.name for z in ports.zones.values() if z.holds(thing.footprint.centre, 0.005)), None)
            label = label_of(ports, thing)
            if zone is None or thing.id in memory.aside:
                left.append({"object": thing.id, "label": label, "why": memory.aside.get(thing.id, "not sorted")})
            else:
                sections[zone][label.rstrip("?")] += 1
        for put in memory.placed:
            if ports.zones[put.zone].container:
                sections[put.zone][put.label] += 1
        text = closing_sentence(sections, [row["label"] for row in left])
        ports.recorder.write(
            "event",
            {
                "what": "report",
                "text": text,
                "sections": {zone: dict(sorted(found.items())) for zone, found in sections.items()},
                "left_over": left,
                "frame": memory.frame_id,
            },
        )
        self.output("into", text)
        return Outcome("done", text)
