"""What the vision node does to answer: images in, typed questions to the models, claims out."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Header
from vlm_bt_interfaces import msg

from vlm_bt.errors import PictureError
from vlm_bt.leaves.grounding import shared
from vlm_bt.ports import Ticket
from vlm_bt.questions import Found, Ground, Grounded, Look, Question
from vlm_bt.ros.enquiry import EnquiryDesk, Steps
from vlm_bt.ros.messages import box_of, grounded_message, located_message
from vlm_bt.ros.pictures import (
    colour_of,
    compressed_colour_of,
    depth_of,
    intrinsics_of,
)
from vlm_bt.scene.tracking import Tracker
from vlm_bt.types import Box, Frame, Intrinsics, LocatedObject, Outcome, Pose
from vlm_bt.vision.geometry import SeenRegion, Segment, Segmented

FITS_FROM = 0.3
LEAST_PIXELS = 8
"""Height and width below which there is nothing to be seen."""
OVERHEAD = Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0))
"""Where an image is said to have been taken that comes without a pose; nothing in it can be located then."""


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """An image that came with a question, or the camera whose latest is meant. `part`: pixels, None: all of it.

    `max_age_s`: how old a camera's may be; 0: a new one; negative: any age.
    """

    camera: str = ""
    max_age_s: float = -1.0
    frame: Frame | None = None
    part: Box | None = None


@dataclasses.dataclass(frozen=True)
class Seen:
    """One place of a phrase; `thing` where depth has something there."""

    found: Found
    thing: LocatedObject | None = None


def given(source: Any, cameras: Sequence[str]) -> Given:
    """Read an ImageSource. In a thread of ROS: reading a picture takes milliseconds.

    Raises:
        PictureError: The image cannot be read, or what belongs together does not; also for a camera that is not there.
    """
    part = box_of(source.part[0]) if source.part else None
    if not source.image and not source.compressed:
        camera = source.camera or (cameras[0] if cameras else "")
        if camera not in cameras:
            raise PictureError(f"there is no camera {camera!r}; there are: {', '.join(cameras) or 'none'}")
        return Given(camera, float(source.max_age_s), None, part)
    rgb = colour_of(source.image[0]) if source.image else compressed_colour_of(source.compressed[0])
    height, width = rgb.shape[:2]
    if height < LEAST_PIXELS or width < LEAST_PIXELS:
        raise PictureError(f"an image of {width}x{height} is too small to see anything")
    depth = depth_of(source.depth[0]) if source.depth else np.zeros((height, width), np.float32)
    if depth.shape != (height, width):
        raise PictureError(f"depth of {depth.shape[1]}x{depth.shape[0]} is not aligned to colour of {width}x{height}")
    if source.camera_info:
        lens = intrinsics_of(source.camera_info[0])
        if (lens.width, lens.height) != (width, height):
            raise PictureError(f"the calibration is for {lens.width}x{lens.height}, the image is {width}x{height}")
    else:
        lens = Intrinsics(width, height, float(width), float(width), width / 2, height / 2)
    if part is not None:
        part = inside(part, width, height)
    frame = Frame("", "given", np.ascontiguousarray(rgb), depth, lens, OVERHEAD, 0.0)
    return Given(frame=frame, part=part)


def inside(part: Box, width: int, height: int) -> Box:
    """The part of a box that lies in the image. Raises: PictureError: nothing does."""
    cut = Box(max(0, part.x0), max(0, part.y0), min(width, part.x1), min(height, part.y1))
    if cut.x1 - cut.x0 < 1 or cut.y1 - cut.y0 < 1:
        raise PictureError(f"the part {part} lies outside the image of {width}x{height}")
    return cut


class Sight:
    """Steps for the desk's thread. Remembers the latest frame of each camera."""

    def __init__(self, desk: EnquiryDesk) -> None:
        self._desk = desk
        self._latest: dict[str, str] = {}

    def ask(self, question: Question, images: Sequence[Given]) -> Steps:
        """The answer to a question about these images."""
        looks = []
        for image in images:
            taken, look = yield from self._look(image)
            if look is None:
                return taken, None
            looks.append(look)
        ticket = self._desk.vision.submit(dataclasses.replace(question, looks=tuple(looks)))
        answered = yield ticket
        return answered, ticket.value if answered.ok else None

    def ground(self, phrase: str, least: float, masks: bool, locate: bool, image: Given, tracks: Tracks) -> Steps:
        """Where it is: (`Grounded`, places as `Seen`, how old the image is, seconds)."""
        taken, look = yield from self._look(image)
        if look is None:
            return taken, None
        stamp_s = self._desk.frames.handle(look.frame_id).stamp_s
        ticket: Ticket[Grounded] = self._desk.vision.submit(Ground((look,), phrase, least, masks))
        answered = yield ticket
        if not answered.ok:
            return answered, None
        things: list[LocatedObject] = []
        if locate and (image.frame is None or image.frame.depth_m.any()):
            depth: Ticket[Segmented] = self._desk.vision.submit(Segment(look.frame_id))
            segmented = yield depth
            if not segmented.ok:
                return segmented, None
            things = tracks.update(depth.value.regions, look.frame_id, stamp_s)
        places = tuple(Seen(found, thing_at(found, things)) for found in ticket.value.found)
        return Outcome(), (ticket.value, places, max(0.0, self._desk.clock.now_s - stamp_s))

    def _look(self, image: Given) -> Generator[Ticket[Any], Outcome, tuple[Outcome, Look | None]]:
        frames = self._desk.frames
        if image.frame is not None:
            name = frames.put(
                dataclasses.replace(image.frame, id=frames.new_id("given"), stamp_s=self._desk.clock.now_s)
            )
            return Outcome(), Look(name, image.part)
        known = self._latest.get(image.camera, "")
        age_s = self._desk.clock.now_s - frames.handle(known).stamp_s if known in frames else float("inf")
        if known not in frames or (image.max_age_s >= 0 and age_s > image.max_age_s):
            shot = self._desk.camera.request(image.camera)
            taken = yield shot
            if not taken.ok:
                return taken, None
            known = self._latest[image.camera] = shot.value
        part = image.part
        if part is not None:
            lens = frames.handle(known).intrinsics
            try:
                part = inside(part, lens.width, lens.height)
            except PictureError as error:
                return Outcome("unsupported", str(error)), None
        return Outcome(), Look(known, part)


class Tracks:
    """Names for what is seen again: those of located things come from depth, the others from their boxes."""

    def __init__(self) -> None:
        self._located = Tracker()
        self._boxes: dict[str, Box] = {}
        self._count = 0

    def update(self, regions: Sequence[SeenRegion], frame_id: str, stamp_s: float) -> list[LocatedObject]:
        on_bench = [region for region in regions if not region.container]
        return list(self._located.update(on_bench, frame_id, stamp_s))

    def name(self, seen: Sequence[Seen]) -> list[str]:
        """One name for each place; a box that lies mostly on an earlier one keeps its name."""
        before, self._boxes, names = dict(self._boxes), {}, list[str]()
        for place in seen:
            box = place.found.box
            name = place.thing.id if place.thing is not None else self._again(box, before)
            before.pop(name, None)
            self._boxes[name] = box
            names.append(name)
        return names

    def _again(self, box: Box, before: dict[str, Box]) -> str:
        name = max(before, key=lambda known: shared(box, before[known]), default="")
        if name and shared(box, before[name]) >= FITS_FROM:
            return name
        self._count += 1
        return f"seen-{self._count}"


def thing_at(found: Found, things: Sequence[LocatedObject]) -> LocatedObject | None:
    if found.part is not None:
        return next((thing for thing in things if thing.region == found.part), None)
    nearest = max(things, key=lambda thing: shared(found.box, thing.box), default=None)
    return nearest if nearest is not None and shared(found.box, nearest.box) >= FITS_FROM else None


def detections_message(
    grounded: Grounded, places: Sequence[Seen], names: Sequence[str], head: Header, camera: str, base_frame: str
) -> msg.Detections:
    """`names` are the ids of the detections, one for each place."""
    message = grounded_message(grounded, camera, head)
    for detection, place, name in zip(message.detections, places, names, strict=True):
        detection.id = name
        detection.located = [located_message(place.thing, base_frame)] if place.thing is not None else []
    return message


def image_header(node: Node, age_s: float, frame: str) -> Header:
    """Of an image that was taken so many seconds ago."""
    return Header(stamp=(node.get_clock().now() - Duration(seconds=age_s)).to_msg(), frame_id=frame)
