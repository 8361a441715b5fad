"""Sensor noise, keyed by (seed, camera, simulation step): the same key gives the same noise, in any order of calls.

Range noise follows what stereo depth cameras show (Intel, "Best-Known-Methods for Tuning RealSense D400 Series Depth
Cameras"): the error grows with the square of the distance, neighbours err together, edges and odd spots give nothing.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Key = tuple[int, str, int]

SIGMA_AT_1M_M = 0.0008
DEPTH_UNIT_M = 0.001
EDGE_STEP_M = 0.020
EDGE_LOSS = 0.5
HOLES_PER_MEGAPIXEL = 40
COLOUR_SIGMA = 2.5
NEAREST_M = 0.10


def generator(key: Key, purpose: str) -> np.random.Generator:
    """A generator of its own for each key and purpose."""
    seed, camera, step = key
    words = [seed, zlib.crc32(camera.encode()), step, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def noisy_depth(depth_m: NDArray[np.float32], key: Key) -> NDArray[np.float32]:
    """A sensor's version of a clean depth image (H, W): metres, 0 where it has no return."""
    rng = generator(key, "depth")
    height, width = depth_m.shape
    noise = _correlated(rng, height, width)
    noise *= depth_m
    noise *= depth_m
    noise += depth_m
    noise *= np.float32(1 / DEPTH_UNIT_M)
    measured: NDArray[np.float32] = np.rint(noise, out=noise)
    measured *= np.float32(DEPTH_UNIT_M)
    measured[_lost(depth_m, rng)] = 0.0
    return measured


def noisy_colour(rgb: NDArray[np.uint8], key: Key) -> NDArray[np.uint8]:
    """Gaussian noise of a few grey levels on every channel of (H, W, 3) uint8."""
    draws = np.frombuffer(generator(key, "colour").bytes(rgb.size), np.uint8)
    noise = _colour_table()[draws].reshape(rgb.shape)
    noise += rgb
    return noise.clip(0, 255, out=noise).astype(np.uint8)


def _correlated(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Noise of 1 m in metres: half of its power in blocks of 2 x 2 pixels, half in each pixel alone."""
    table = _depth_table()
    rows, columns = (height + 1) // 2, (width + 1) // 2
    coarse = table[np.frombuffer(rng.bytes(2 * rows * columns), np.uint16)].reshape(rows, columns)
    fine = table[np.frombuffer(rng.bytes(2 * height * width), np.uint16)].reshape(height, width)
    for down in range(2):
        for right in range(2):
            part = fine[down::2, right::2]
            part += coarse[: part.shape[0], : part.shape[1]]
    return fine


def _lost(depth_m: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where there is no return: beyond range, a share of the pixels at edges, and a few round spots."""
    height, width = depth_m.shape
    lost = depth_m < NEAREST_M
    down = np.abs(depth_m[1:] - depth_m[:-1]) > EDGE_STEP_M
    right = np.abs(depth_m[:, 1:] - depth_m[:, :-1]) > EDGE_STEP_M
    edge = np.zeros_like(lost)
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    rows, columns = np.nonzero(edge)
    gone = rng.random(len(rows)) < EDGE_LOSS
    lost[rows[gone], columns[gone]] = True
    for _ in range(int(rng.poisson(HOLES_PER_MEGAPIXEL * height * width / 1e6))):
        row, column, radius = int(rng.integers(height)), int(rng.integers(width)), int(rng.integers(1, 4))
        top, left = max(0, row - radius), max(0, column - radius)
        lost[top : row + radius, left : column + radius] = True
    return lost


@lru_cache(maxsize=1)
def _depth_table() -> NDArray[np.float32]:
    """Normal deviates for every 16-bit draw, so scaled that two of them add up to the sensor's sigma at 1 m."""
    return _deviates(1 << 16, SIGMA_AT_1M_M / 2**0.5).astype(np.float32)


@lru_cache(maxsize=1)
def _colour_table() -> NDArray[np.int16]:
    return np.rint(_deviates(256, COLOUR_SIGMA)).astype(np.int16)


def _deviates(count: int, sigma: float) -> NDArray[np.float64]:
    normal = NormalDist(0.0, sigma)
    return np.array([normal.inv_cdf((index + 0.5) / count) for index in range(count)])
