"""Answers that were given before."""

import numpy as np
import pytest
from seeing import noise, picture_frame

from vlm_bt.questions import Caption, Choose, Describe, Embed, IsTrue, Look, Mask
from vlm_bt.types import Box
from vlm_bt.vision.cache import Cache, Key, content_of
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture, letterbox


def shown(rgb, part=None, depth=None, camera="overhead"):
    frame = picture_frame("f", rgb, depth, camera)
    return Picture(frame, Look("f", part))


def asked(picture, question=None):
    return Asked(question or Describe((picture.look,)), (picture,))


def bench(seed=0, level=1.0):
    """A calm picture with sensor noise: 640x480, grey, one dark thing of 60 x 12 pixels."""
    rng = np.random.default_rng(seed)
    rgb = np.full((480, 640, 3), 120.0)
    rgb[200:212, 300:360] = 40
    return np.clip(rgb + rng.normal(0, 2 * level, rgb.shape), 0, 255).astype(np.uint8)


def kept(picture, caption="a bench"):
    cache, key = Cache(8), Key.of(asked(picture), "model-1")
    cache.keep(key, content_of((picture,)), (picture,), Caption(caption), for_similar=True)
    return cache, key


def test_the_same_pixels_have_the_same_answer_and_one_changed_pixel_has_none():
    picture = shown(bench())
    cache, key = kept(picture)
    assert cache.exact(key, content_of((shown(bench()),))) == Caption("a bench")
    changed = bench()
    changed[5, 5, 0] ^= 1
    assert cache.exact(key, content_of((shown(changed),))) is None


def test_another_question_region_depth_or_model_is_another_answer():
    picture = shown(bench())
    cache, key = kept(picture)
    content = content_of((picture,))
    assert cache.exact(Key.of(asked(picture, Describe((), "parts")), "model-1"), content) is None
    assert cache.exact(Key.of(asked(picture), "model-2"), content) is None
    assert cache.exact(key, content_of((shown(bench(), Box(0, 0, 600, 480)),))) is None
    assert cache.exact(key, content_of((shown(bench(), depth=np.ones((480, 640))),))) is None


def test_a_stricter_error_rate_asks_the_model_nothing_new():
    one, other = (Choose((Look("f"),), "?", ("a", "b"), error_rate=rate) for rate in (0.01, 0.001))
    picture = shown(bench())
    assert Key.of(asked(picture, one), "m") == Key.of(asked(picture, other), "m")


def test_noise_is_similar_and_a_thing_taken_away_is_not():
    cache, key = kept(shown(bench(0)))
    assert cache.similar(key, (shown(bench(1)),)) == Caption("a bench")
    without = bench(2)
    without[200:212, 300:360] = 120
    assert cache.similar(key, (shown(without),)) is None


@pytest.mark.parametrize("pixels", [6, 8, 12])
def test_a_small_thing_put_down_anywhere_is_not_similar(pixels):
    cache, key = kept(shown(bench(0)))
    rng = np.random.default_rng(3)
    for _ in range(20):
        y, x = rng.integers(0, 480 - pixels), rng.integers(0, 640 - 3 * pixels)
        more = bench(4)
        more[y : y + pixels, x : x + 3 * pixels] = 30
        assert cache.similar(key, (shown(more),)) is None, (x, y)


def test_another_camera_is_never_similar():
    cache, key = kept(shown(bench(0)))
    assert cache.similar(key, (shown(bench(0), camera="wrist"),)) is None


def test_only_the_latest_answers_are_kept():
    cache = Cache(3)
    for number in range(5):
        picture = shown(noise(number))
        cache.keep(
            Key.of(asked(picture), "m"), content_of((picture,)), (picture,), Caption(str(number)), for_similar=True
        )
    known = [cache.exact(Key.of(asked(shown(noise(n))), "m"), content_of((shown(noise(n)),))) for n in range(5)]
    assert [caption is not None for caption in known] == [False, False, True, True, True] and len(cache) == 3


def test_a_cache_of_nothing_keeps_nothing():
    cache, picture = Cache(0), shown(noise())
    cache.keep(Key.of(asked(picture), "m"), content_of((picture,)), (picture,), Caption("x"), for_similar=True)
    assert len(cache) == 0 and cache.similar(Key.of(asked(picture), "m"), (picture,)) is None


def test_text_alone_can_be_remembered():
    cache, question = Cache(2), Embed((), "a hammer")
    key = Key.of(Asked(question, ()), "m")
    cache.keep(key, content_of(()), (), Caption("vector"), for_similar=False)
    assert (
        cache.exact(key, content_of(()))
        and cache.exact(Key.of(Asked(Embed((), "pliers"), ()), "m"), content_of(())) is None
    )


def test_a_mask_comes_back_as_it_was_packed():
    pixels = noise(1, 13, 21)[..., 0] > 100
    mask = Mask.of(Box(3, 4, 24, 17), pixels)
    assert (mask.pixels() == pixels).all()
    with pytest.raises(ValueError, match="the mask is"):
        Mask.of(Box(0, 0, 5, 5), pixels)


def test_a_letterboxed_picture_is_scaled_evenly_on_grey():
    boxed = letterbox(np.full((60, 120, 3), 255, np.uint8), 96)
    assert boxed.shape == (96, 96, 3)
    assert (boxed[48, 48] == 255).all() and (boxed[2, 48] == 127).all() and (boxed[93, 48] == 127).all()


def test_a_part_beyond_the_picture_is_cut_at_its_edge():
    picture = shown(bench(), Box(-20, 400, 100, 700))
    assert picture.at == Box(0, 400, 100, 480) and picture.pixels().shape == (80, 100, 3)


def test_a_claim_and_its_wording_are_part_of_the_question():
    picture = shown(bench())
    one, other = (Key.of(asked(picture, IsTrue((), "a tool", wording)), "m") for wording in (0, 1))
    assert one != other
