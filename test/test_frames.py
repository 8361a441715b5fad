import multiprocessing as mp

import numpy as np
import pytest

from vlm_bt.errors import FrameGone
from vlm_bt.frames import FrameReader, FrameStore
from vlm_bt.types import Frame, Intrinsics, Pose

LENS = Intrinsics(8, 6, 10.0, 10.0, 4.0, 3.0)


@pytest.fixture
def store():
    frames = FrameStore(capacity=2)
    yield frames
    frames.close()


def put(store, value):
    rgb = np.full((6, 8, 3), value, np.uint8)
    depth = np.full((6, 8), value / 10, np.float32)
    return store.put(Frame(store.new_id("overhead"), "overhead", rgb, depth, LENS, Pose((0, 0, 1)), 0.0))


def test_a_frame_comes_back_as_it_was_put_in(store):
    frame = store.get(put(store, 7))
    assert (frame.rgb == 7).all() and np.allclose(frame.depth_m, 0.7) and frame.camera == "overhead"


def test_a_frame_cannot_be_written_to(store):
    frame = store.get(put(store, 7))
    with pytest.raises(ValueError, match="read-only"):
        frame.rgb[0, 0, 0] = 1


def test_the_oldest_frame_makes_room_and_is_missed_by_name(store):
    first = put(store, 1)
    put(store, 2)
    put(store, 3)
    with pytest.raises(FrameGone, match=first):
        store.get(first)


def test_a_pinned_frame_stays_until_it_is_let_go(store):
    first = put(store, 1)
    store.pin(first)
    for value in range(2, 8):
        put(store, value)
    assert (store.get(first).rgb == 1).all()
    store.unpin(first)
    put(store, 9)
    assert first not in store


def see(handle, answers):
    reader = FrameReader()
    answers.put(int(reader.get(handle).rgb.sum()))
    reader.close()


def test_another_process_sees_a_frame_by_its_handle(store):
    context = mp.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=see, args=(store.handle(put(store, 5)), answers))
    process.start()
    assert answers.get(timeout=30) == 5 * 6 * 8 * 3
    process.join(10)
    assert (store.get("overhead-1").rgb == 5).all()
