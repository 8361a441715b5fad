"""Questions for the tests of remote models, about small plain pictures without depth, and answers to them."""

from __future__ import annotations

import numpy as np
from serving import Reply, saying

from vlm_bt.questions import Choose, IsTrue, Look, Question
from vlm_bt.types import Frame, Intrinsics, Pose
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import Privacy

KEY = "sk-test-3f8a91c27d"
LOOK = Look("f-1")
YES = '{"answer": "Yes"}'
OPEN = Privacy(mask_people=False, mask_faces=False)
CLAIM = IsTrue((LOOK,), "a hammer")
CHOICE = Choose((LOOK,), "what is it?", ("hammer", "pliers"))


def frame(shade: int = 90) -> Frame:
    rgb = np.full((120, 160, 3), (shade, 120, 60), np.uint8)
    lens = Intrinsics(160, 120, 150.0, 150.0, 80.0, 60.0)
    return Frame("f-1", "still", rgb, np.zeros((120, 160), np.float32), lens, Pose((0, 0, 1)), 0.0)


def asked(question: Question, *shades: int) -> Asked:
    pictures = [Picture(frame(shade), LOOK) for shade in shades or (90,)]
    return Asked(question, tuple(pictures))


def slow(after_s: float = 0.0, drip_s: float = 0.0) -> Reply:
    reply = saying(YES)
    reply.after_s, reply.drip_s = after_s, drip_s
    return reply
