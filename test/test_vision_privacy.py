"""What leaves the machine: the bytes that a real server received, of benches with and without somebody at them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import ScriptedServer, saying, scripted

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.frames import FrameStore
from vlm_bt.questions import WHAT_IS_IT, Choose, Describe, Ground, Grounded, HowMany, IsTrue, Look, ReadText
from vlm_bt.scene.crops import FILL
from vlm_bt.scene.tabletop import segment
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.world import World
from vlm_bt.types import Box, Frame, Intrinsics, Pose
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.endpoint import Endpoint
from vlm_bt.vision.bystanders import bystanders
from vlm_bt.vision.faces import Faces
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.privacy import Censor
from vlm_bt.vision_settings import Privacy, RemoteModel


@pytest.fixture(scope="module")
def frames() -> Iterator[tuple[Frame, Frame]]:
    """The same bench without anybody, and with somebody's arms over it."""
    store = FrameStore()
    scenario = Scenario.from_seed(5, kinds=["tape measure", "hammer", "pliers"])
    world = World(replace(scenario, person_visits=((1.6, 9.0),)), store)
    taken = []
    for tick in range(60):
        ticket = world.cameras.request("overhead") if tick in (0, 59) else None
        world.advance(0.05)
        if ticket is not None:
            taken.append(own(store.get(ticket.value)))
    world.close()
    store.close()
    yield taken[0], taken[1]


def own(frame: Frame) -> Frame:
    return replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy())


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(lambda request: saying('{"answer": []}' if "bbox_2d" in request.words else "Yes")) as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ScriptedServer) -> None:
    server.requests.clear()


def model(server: ScriptedServer, **rules: Any) -> Endpoint:
    asked_for = Privacy(**{"longest_edge": 4096, **rules})
    settings = RemoteModel(backend="openai", model="m", base_url=server.base_url, privacy=asked_for)
    return Endpoint(settings, Surroundings())


def asked(frame: Frame, part: Box | int | None = None, **more: Any) -> Asked:
    look = Look(frame.id, part)
    return Asked(IsTrue((look,), "a hammer"), (Picture(frame, look, **more),))


def arms(frames: tuple[Frame, Frame]) -> np.ndarray:
    """What is nearer to the camera by a hand's width than it was before somebody came."""
    empty, visited = frames
    return (visited.depth_m > 0) & (empty.depth_m - visited.depth_m > 0.12)


def flat(rows: int, columns: int, rgb: np.ndarray | None = None) -> Frame:
    """A frame without depth."""
    colour = np.full((rows, columns, 3), (40, 70, 90), np.uint8) if rgb is None else rgb
    lens = Intrinsics(columns, rows, 500.0, 500.0, columns / 2, rows / 2)
    return Frame("flat-1", "still", colour, np.zeros((rows, columns), np.float32), lens, Pose((0, 0, 1)), 0.0)


def drawn_face(side: int) -> Image.Image:
    """A face in grey: bright skin, dark brows, eyes, nostrils and mouth, soft as in a photograph."""
    big = 8 * side
    image = Image.new("L", (big, big), 60)
    draw = ImageDraw.Draw(image)

    def oval(x: float, y: float, w: float, h: float, value: int) -> None:
        draw.ellipse(((x - w) * big, (y - h) * big, (x + w) * big, (y + h) * big), fill=value)

    oval(0.5, 0.48, 0.40, 0.50, 35)
    oval(0.5, 0.55, 0.33, 0.43, 190)
    for x in (0.36, 0.64):
        oval(x, 0.44, 0.10, 0.022, 70)
        oval(x, 0.51, 0.085, 0.045, 110)
        oval(x, 0.51, 0.04, 0.035, 30)
    oval(0.5, 0.62, 0.045, 0.10, 210)
    oval(0.46, 0.70, 0.022, 0.014, 90)
    oval(0.54, 0.70, 0.022, 0.014, 90)
    oval(0.5, 0.81, 0.13, 0.035, 95)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def with_face(side: int = 120, at: tuple[int, int] = (300, 180), turns: int = 0) -> tuple[Frame, Box]:
    picture = Image.new("RGB", (640, 480), (40, 70, 90))
    face = drawn_face(side).convert("RGB").rotate(90 * turns)
    picture.paste(face, at)
    frame = flat(480, 640, np.asarray(picture).copy())
    return frame, Box(at[0], at[1], at[0] + side, at[1] + side)


def test_a_person_at_the_bench_is_grey_in_the_bytes_that_arrive(
    frames: tuple[Frame, Frame], server: ScriptedServer
) -> None:
    visited = frames[1]
    assert arms(frames).mean() > 0.03, "the person must be in the picture, or this test shows nothing"
    endpoint = model(server)
    assert not isinstance(endpoint.answer([asked(visited)])[0], Exception)
    (seen,) = server.requests[0].pictures
    assert seen.shape == visited.rgb.shape
    hidden = arms(frames)
    assert np.abs(seen[hidden].astype(int) - FILL).max() <= 12
    assert endpoint.drain_sent()[0]["masked"] > hidden.mean()


def test_with_masks_off_the_same_person_is_seen(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    model(server, mask_people=False, mask_faces=False).answer([asked(frames[1])])
    (seen,) = server.requests[0].pictures
    assert np.abs(seen[arms(frames)].astype(int) - FILL).mean() > 30


def test_what_lies_on_an_empty_bench_is_not_masked(frames: tuple[Frame, Frame]) -> None:
    empty = frames[0]
    mask = bystanders(empty)
    found = segment(empty)
    assert len(found.regions) >= 3
    for region in found.regions:
        box = region.box
        assert not mask[box.y0 : box.y1, box.x0 : box.x1][region.mask].any()


def test_a_hand_flat_on_the_bench_is_masked_with_the_arm_it_belongs_to(frames: tuple[Frame, Frame]) -> None:
    empty = frames[0]
    depth, rgb = empty.depth_m.copy(), empty.rgb.copy()
    bench = float(np.median(depth[depth > 0]))
    # A forearm that slopes from 0.30 m down to a hand 30 mm above the bench.
    rows = np.arange(100, 400)
    heights = np.interp(rows, [100, 330], [0.30, 0.03])
    depth[100:400, 560:620] = (bench - heights)[:, None]
    hand = np.s_[340:400, 560:620]
    mask = bystanders(replace(empty, depth_m=depth, rgb=rgb))
    assert mask[hand].all()
    assert not bystanders(empty)[hand].all()


def test_a_wide_patch_without_depth_is_masked_and_a_speck_is_not(frames: tuple[Frame, Frame]) -> None:
    empty = frames[0]
    depth = empty.depth_m.copy()
    depth[300:420, 500:620] = 0.0
    depth[300:310, 760:770] = 0.0
    mask = bystanders(replace(empty, depth_m=depth))
    assert mask[300:420, 500:620].all()
    assert not mask[300:310, 760:770].any()


def test_only_the_part_that_is_asked_about_is_sent(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    empty = frames[0]
    box = Box(500, 300, 700, 420)
    model(server).answer([asked(empty, box)])
    (seen,) = server.requests[0].pictures
    assert seen.shape == (120, 200, 3)
    shown = empty.rgb[300:420, 500:700].astype(int)
    assert np.abs(seen.astype(int) - shown).mean() < 4


def test_everything_around_a_thing_is_grey_in_its_cut_out(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    empty = frames[0]
    thing = segment(empty).regions[0]
    model(server).answer([asked(empty, thing.index, thing=thing)])
    (seen,) = server.requests[0].pictures
    rim = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]]).astype(int)
    assert np.abs(rim - FILL).max() <= 12
    assert (np.abs(seen.astype(int) - FILL).max(-1) > 25).mean() > 0.03


def test_the_whole_picture_is_sent_with_the_part_framed_only_where_the_settings_say_so(
    frames: tuple[Frame, Frame], server: ScriptedServer
) -> None:
    empty = frames[0]
    model(server, send="frame").answer([asked(empty, Box(500, 300, 700, 420))])
    (request,) = server.requests
    (seen,) = request.pictures
    assert seen.shape == empty.rgb.shape
    assert "magenta frame" in request.words
    red, green, blue = seen[296:299, 520:680].reshape(-1, 3).mean(0)
    assert red > 180 and blue > 180 and green < 90


def test_boxes_of_a_part_come_back_in_pixels_of_the_whole_frame(frames: tuple[Frame, Frame]) -> None:
    box = Box(500, 300, 700, 420)
    look = Look(frames[0].id, box)
    place = '{"answer": [{"bbox_2d": [0, 500, 500, 1000], "label": "x"}]}'
    with scripted(lambda _: saying(place)) as running:
        (found,) = model(running).answer([Asked(Ground((look,), "hammer"), (Picture(frames[0], look),))])
    assert isinstance(found, Grounded)
    assert [place.box for place in found.found] == [Box(500, 360, 600, 420)]


def test_a_picture_is_shrunk_and_carries_no_metadata(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    model(server, longest_edge=320).answer([asked(frames[0])])
    (jpeg,) = server.requests[0].jpegs
    image = Image.open(io.BytesIO(jpeg))
    assert image.size == (320, 180)
    assert not image.getexif()
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"Exif" not in jpeg and b"ICC_PROFILE" not in jpeg


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_is_masked_whichever_way_the_camera_is_turned(server: ScriptedServer, turns: int) -> None:
    frame, box = with_face(turns=turns)
    model(server, mask_people=False).answer([asked(frame)])
    (seen,) = server.requests[0].pictures
    middle = seen[box.y0 + 30 : box.y1 - 30, box.x0 + 30 : box.x1 - 30].astype(int)
    assert np.abs(middle - FILL).max() <= 12


def test_a_face_that_only_reaches_into_the_part_is_masked_there(server: ScriptedServer) -> None:
    frame, box = with_face()
    left_half = Box(100, 100, (box.x0 + box.x1) // 2, 400)
    model(server, mask_people=False).answer([asked(frame, left_half)])
    (seen,) = server.requests[0].pictures
    cheek = seen[box.y0 + 30 - 100 : box.y1 - 30 - 100, box.x0 + 30 - 100 :].astype(int)
    assert cheek.size and np.abs(cheek - FILL).max() <= 12


def test_without_a_face_nothing_is_masked_as_one() -> None:
    assert Faces().find(flat(480, 640).rgb) == ()


def test_without_depth_bare_skin_is_masked(server: ScriptedServer) -> None:
    frame = flat(240, 320)
    frame.rgb[60:180, 100:150] = (219, 168, 133)
    model(server).answer([asked(frame)])
    (seen,) = server.requests[0].pictures
    assert np.abs(seen[60:180, 100:150].astype(int) - FILL).max() <= 12
    assert np.abs(seen[:, 200:].astype(int) - (40, 70, 90)).max() <= 12


def test_a_part_that_would_be_all_grey_is_not_sent(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    rows, columns = np.nonzero(arms(frames))
    middle = np.argsort(rows)[len(rows) // 2]
    x, y = int(columns[middle]), int(rows[middle])
    (refused,) = model(server).answer([asked(frames[1], Box(x - 5, y - 5, x + 5, y + 5))])
    assert isinstance(refused, Unsupported)
    assert "nothing was sent" in str(refused)
    assert server.requests == []


def test_where_the_bench_is_not_found_in_the_depth_nothing_is_sent(
    frames: tuple[Frame, Frame], server: ScriptedServer
) -> None:
    lifted = replace(frames[0], depth_m=frames[0].depth_m * np.float32(0.6))
    endpoint = model(server)
    (error,) = endpoint.answer([asked(lifted)])
    assert "people cannot be told from the bench" in str(error)
    assert server.requests == [] and endpoint.drain_sent() == ()


def test_where_masking_breaks_nothing_is_sent_and_the_others_of_the_batch_are(
    frames: tuple[Frame, Frame], server: ScriptedServer
) -> None:
    broken = replace(frames[0], depth_m=frames[0].depth_m[:100])
    first, second = model(server).answer([asked(broken), asked(frames[0], Box(500, 300, 700, 420))])
    assert isinstance(first, ModelError) and "nothing was sent" in str(first)
    assert not isinstance(second, Exception)
    assert len(server.requests) == 1


def test_several_questions_about_one_frame_are_masked_once(frames: tuple[Frame, Frame]) -> None:
    censor = Censor(Privacy(mask_faces=False))
    look = Look(frames[1].id)
    released = [censor.release(Picture(frames[1], look)) for _ in range(3)]
    assert len({picture.jpeg for picture in released}) == 1
    assert len(censor._people) == 1


def test_another_frame_of_the_same_name_gets_masks_of_its_own(frames: tuple[Frame, Frame]) -> None:
    censor = Censor(Privacy(mask_faces=False))
    empty, visited = (censor.release(Picture(replace(frame, id="same"), Look("same"))) for frame in frames)
    assert visited.masked > empty.masked + 0.03


def test_free_text_stays_here_where_the_settings_say_so(frames: tuple[Frame, Frame], server: ScriptedServer) -> None:
    look = Look(frames[0].id, Box(500, 300, 700, 420))
    picture = (Picture(frames[0], look),)
    private = (
        IsTrue((look,), "Anna's hammer"),
        HowMany((look,), "what Anna lost"),
        Ground((look,), "the thing Anna wants"),
        Describe((look,), "is it Anna's?"),
        Choose((look,), "whose is it?", ("hammer", "pliers")),
    )
    public = (ReadText((look,)), Describe((look,)), Choose((look,), WHAT_IS_IT, ("hammer", "pliers")))
    endpoint = model(server, allow_text=False)
    entries = endpoint.answer([Asked(question, picture) for question in (*private, *public)])
    assert all(isinstance(entry, Unsupported) and "allow_text" in str(entry) for entry in entries[: len(private)])
    assert not any(isinstance(entry, Unsupported) for entry in entries[len(private) :])
    assert len(server.requests) == len(public)
    assert not any("Anna" in request.words for request in server.requests)


def test_without_opencv_a_model_that_must_mask_is_not_made(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for rules in ({"mask_people": False}, {"mask_faces": False}):
        with pytest.raises(ConfigError, match=r"vlm_bt\[privacy\]"):
            model(server, **rules)
    model(server, mask_people=False, mask_faces=False)
