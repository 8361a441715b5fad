"""A mission of four tools, written down by hand: what the tests of records and reports read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt.frames import FrameStore
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.types import Frame, Intrinsics, Pose

Place = tuple[float, float]
LENS = Intrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)
CONFIGURATION = {"seed": 3, "settings": {"bench": {"zones": {"left": {}, "right": {}, "parts_bin": {}}}}}


class SmallMission:
    """Writes messages at times that the test sets."""

    def __init__(self, path: Path) -> None:
        self.now_s = 0.0
        self.frames = FrameStore()
        self.recorder = McapRecorder(path, self.frames, lambda: self.now_s)

    def write(self, channel: str, **data: Any) -> None:
        self.recorder.write(channel, {"tick": round(self.now_s / 0.05), **data})

    def picture(self, why: str) -> str:
        """Take a grey picture and keep it."""
        frame_id = self.frames.new_id("overhead")
        rgb = np.full((LENS.height, LENS.width, 3), 120, np.uint8)
        depth = np.ones((LENS.height, LENS.width), np.float32)
        self.frames.put(Frame(frame_id, "overhead", rgb, depth, LENS, Pose((0.3, 0.0, 1.0)), self.now_s))
        self.recorder.keep_frame(frame_id, why)
        return frame_id

    def look(self, why: str, *things: tuple[str, str, Place]) -> str:
        frame_id = self.picture(why)
        items = [
            {"object": name, "label": label, "score": 0.9, "box": [4, 4, 30, 20], "centre": place, "plausible": [label]}
            for name, label, place in things
        ]
        self.write("detections", frame=frame_id, items=items)
        return frame_id

    def move(
        self, verb: str, name: str, label: str, at: tuple[float, float], outcome: str = "done", **more: Any
    ) -> None:
        self.now_s += 5.0
        more |= {"from": at, "to": None} if verb == "pick" else {"from": None, "to": at}
        self.write("motion", id=f"motion-{name}-{verb}", verb=verb, object=name, label=label, outcome=outcome, **more)

    def ask(self, number: int, text: str, answer: str | None, about: str, frame: str, silent: bool = False) -> None:
        options = ["wrench", "hammer", "leave it"]
        self.write(
            "question",
            id=f"question-{number}",
            text=text,
            options=options,
            default="leave it",
            about=about,
            frame=frame,
            mark=[4, 4, 30, 20],
        )
        if answer is not None:
            self.now_s += 2.0
            self.write("reply", id=f"question-{number}", text=answer, silent=silent, late=False)

    def close(self) -> None:
        self.recorder.close()
        self.frames.close()


def write_small_mission(path: Path, *, said: str = "wrench", ends: bool = True) -> Path:
    """Two tools and a screw are put away, one of them named by a person; a hammer stays because a grasp fails."""
    mission = SmallMission(path)
    mission.write("configuration", **CONFIGURATION)
    mission.write("tree", path="tidy_up.yaml", text="tree: tidy_up\nroot: go_home\n")
    things = (
        ("object-1", "combination wrench", (0.1, 0.1)),
        ("object-2", "pliers", (0.2, 0.1)),
        ("object-3", "screw", (0.3, 0.1)),
        ("object-4", "hammer", (0.5, 0.0)),
    )
    first = mission.look("before", *things)
    mission.recorder.flush()
    mission.ask(1, "What is it?", said, "object-1", first)
    mission.write("verdict", id="v1", object="object-1", label="combination wrench", by="person", error_rate=0.0)
    mission.write("verdict", id="v2", object="object-1", label="combination wrench", by="tracking", error_rate=0.0)
    mission.write("verdict", id="v3", object="object-2", label="pliers", by="model", error_rate=0.02)
    for name, label, start, zone, goal, verdict in (
        ("object-1", "combination wrench", (0.1, 0.1), "left", (0.2, 0.4), "v2"),
        ("object-2", "pliers", (0.2, 0.1), "right", (0.2, -0.4), "v3"),
        ("object-3", "screw", (0.3, 0.1), "parts_bin", (0.46, -0.46), "v9"),
    ):
        mission.move("pick", name, label, start, verdict=verdict)
        mission.move("place", name, label, goal, verdict=verdict, zone=zone)
    mission.move("pick", "object-4", "hammer", (0.5, 0.0), "grasp_failed", detail="closed on nothing", verdict="v4")
    mission.look(
        "after",
        ("object-5", "combination wrench", (0.2, 0.4)),
        ("object-6", "pliers", (0.2, -0.4)),
        ("object-4", "hammer", (0.5, 0.0)),
    )
    if ends:
        mission.write("result", outcome="done", **RESULT)
        mission.close()
    else:
        mission.recorder.flush()
    return path


RESULT = {
    "score": {"items": 4, "sorted": 3, "wrong_zone": 0, "on_floor": 0, "unsorted": 1},
    "questions": 1,
    "motions": 7,
    "unverified_motions": 0,
    "false_motions": 0,
    "ticks": 900,
    "tick_ms": {"p50": 0.2, "p99": 3.0, "p999": 5.0},
    "sim_s": 45.0,
    "wall_s": 12.5,
    "model_queries": 9,
    "model_wait_s": 0.7,
    "trace_sha256": "ab" * 32,
}
