"""What a look found as a message of the record that Foxglove draws onto its picture: boxes with their labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from vlm_bt.recording.entries import Json
from vlm_bt.recording.writer import Message

ANNOTATION_TOPIC = "annotations/"
LINE_LOOP = 2
"""Of `foxglove.PointsAnnotation`."""
THICKNESS_PX, FONT_PX = 3.0, 18.0
_NUMBER: Json = {"type": "number"}
_POINT: Json = {"type": "object", "properties": {"x": _NUMBER, "y": _NUMBER}}
_COLOUR: Json = {"type": "object", "properties": dict.fromkeys("rgba", _NUMBER)}
_TIME: Json = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}
SCHEMA: Json = {
    "type": "object",
    "title": "foxglove.ImageAnnotations",
    "properties": {
        "circles": {"type": "array", "items": {"type": "object"}},
        "points": {
            "type": "array",
            "items": {
                "type": "object",
                "title": "foxglove.PointsAnnotation",
                "properties": {
                    "timestamp": _TIME,
                    "type": {"type": "integer"},
                    "points": {"type": "array", "items": _POINT},
                    "outline_color": _COLOUR,
                    "outline_colors": {"type": "array", "items": _COLOUR},
                    "fill_color": _COLOUR,
                    "thickness": _NUMBER,
                },
            },
        },
        "texts": {
            "type": "array",
            "items": {
                "type": "object",
                "title": "foxglove.TextAnnotation",
                "properties": {
                    "timestamp": _TIME,
                    "position": _POINT,
                    "text": {"type": "string"},
                    "font_size": _NUMBER,
                    "text_color": _COLOUR,
                    "background_color": _COLOUR,
                },
            },
        },
    },
}
LINE: Json = {"r": 0.9, "g": 0.63, "b": 0.09, "a": 1.0}
PAPER: Json = {"r": 0.0, "g": 0.0, "b": 0.0, "a": 0.6}
CLEAR: Json = {"r": 0.0, "g": 0.0, "b": 0.0, "a": 0.0}


@dataclass(frozen=True)
class Annotations:
    """A look that waits to be written. `stamp_s`: when its picture was taken, which it belongs to by that; `now_s`:
    mission time of the look."""

    camera: str
    frame_id: str
    stamp_s: float
    now_s: float
    items: tuple[Json, ...]

    @property
    def size(self) -> int:
        return 600 * len(self.items)

    def messages(self) -> Iterator[Message]:
        """One, without boxes where nothing was found: those of the look before leave the picture."""
        stamp_ns = round(self.stamp_s * 1e9)
        stamp = {"sec": stamp_ns // 10**9, "nsec": stamp_ns % 10**9}
        boxed = [item for item in self.items if item.get("box")]
        message = {
            "id": self.frame_id,
            "camera": self.camera,
            "t": round(self.now_s, 6),
            "circles": [],
            "points": [_outline(item, stamp) for item in boxed],
            "texts": [_label(item, stamp) for item in boxed],
        }
        data = json.dumps(message, separators=(",", ":"), default=float).encode()
        topic = ANNOTATION_TOPIC + self.camera
        yield Message(topic, "foxglove.ImageAnnotations", SCHEMA, data, max(0, round(self.now_s * 1e9)))


def _outline(item: Json, stamp: Json) -> Json:
    x0, y0, x1, y1 = item["box"]
    return {
        "timestamp": stamp,
        "type": LINE_LOOP,
        "points": [{"x": x, "y": y} for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))],
        "outline_color": LINE,
        "outline_colors": [],
        "fill_color": CLEAR,
        "thickness": THICKNESS_PX,
    }


def _label(item: Json, stamp: Json) -> Json:
    score = item.get("score")
    text = str(item.get("label") or "?") + (f" {score:.2f}" if isinstance(score, float) else "")
    return {
        "timestamp": stamp,
        "position": {"x": item["box"][0], "y": item["box"][1]},
        "text": text,
        "font_size": FONT_PX,
        "text_color": LINE,
        "background_color": PAPER,
    }
