"""The picture on the bench top: wood, mat or board, with the zones painted on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.scenario import BENCH_X, BENCH_Y, ZONES

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

PIXELS_PER_M = 600
ZONE_COLOURS: dict[str, tuple[int, int, int]] = {
    "left": (70, 130, 235),
    "centre": (60, 190, 95),
    "right": (240, 130, 60),
    "rear": (185, 85, 205),
    "parts_bin": (90, 90, 95),
}
_BASE: dict[str, tuple[int, int, int]] = {
    "pine": (205, 170, 122),
    "oak": (176, 136, 92),
    "walnut": (118, 84, 60),
    "grey mat": (128, 132, 136),
    "green mat": (84, 120, 98),
    "pale board": (206, 202, 194),
}
_WOODEN = ("pine", "oak", "walnut")
_FILL, _BORDER, _BORDER_M = 0.30, 0.75, 0.006


def bench_picture(bench: str, seed: int) -> Picture:
    """(H, W, 3) uint8; columns run along the bench's x from its near edge, rows along its y from its left edge."""
    rng = np.random.default_rng([seed, 3])
    shape = (round((BENCH_Y[1] - BENCH_Y[0]) * PIXELS_PER_M), round((BENCH_X[1] - BENCH_X[0]) * PIXELS_PER_M))
    shade = _wood(shape, rng) if bench in _WOODEN else _speckle(shape, rng)
    colour = np.array(_BASE[bench], np.float32) * np.float32(rng.uniform(0.9, 1.1))
    picture = shade[..., None] * colour
    for zone in ZONES:
        _paint(picture, zone.x, zone.y, np.array(ZONE_COLOURS[zone.name], np.float32))
    return np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8)[::-1])


def _paint(picture: Floats, x: tuple[float, float], y: tuple[float, float], colour: Floats) -> None:
    def blend(inset_m: float, share: float, base: Floats) -> None:
        rows = slice(_pixel(y[0] + inset_m - BENCH_Y[0]), _pixel(y[1] - inset_m - BENCH_Y[0]))
        columns = slice(_pixel(x[0] + inset_m - BENCH_X[0]), _pixel(x[1] - inset_m - BENCH_X[0]))
        picture[rows, columns] = base[rows, columns] * (1 - share) + colour * share

    clean = picture.copy()
    blend(0.0, _BORDER, clean)
    blend(_BORDER_M, _FILL, clean)


def _pixel(distance_m: float) -> int:
    return round(distance_m * PIXELS_PER_M)


def _wood(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Boards along y with a wavy grain; about 1 in brightness."""
    rows, columns = shape
    along = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    across = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    boards = int(rng.integers(5, 9))
    board = np.minimum((across * boards).astype(int), boards - 1)[0]
    phase = rng.uniform(0, 20, boards).astype(np.float32)[board]
    tone = rng.uniform(0.90, 1.08, boards).astype(np.float32)[board]
    wave = 0.35 * np.sin(along * 7 + phase) + 0.12 * np.sin(along * 23 + 2 * phase)
    grain = np.sin((across * boards * 4 + wave + phase) * 6)
    fibre = np.repeat(rng.uniform(0.95, 1.05, (rows // 16 + 1, columns)).astype(np.float32), 16, axis=0)[:rows]
    seam = np.ones(columns, np.float32)
    edges = np.flatnonzero(np.diff(board)) + 1
    seam[edges] = 0.72
    result: Floats = ((1 + 0.045 * grain) * tone * fibre * seam).astype(np.float32)
    return result


def _speckle(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    fine = rng.normal(1.0, 0.025, (shape[0] // 2 + 1, shape[1] // 2 + 1)).astype(np.float32)
    broad = rng.normal(1.0, 0.02, (shape[0] // 60 + 1, shape[1] // 60 + 1)).astype(np.float32)
    fine = np.repeat(np.repeat(fine, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
    broad = np.repeat(np.repeat(broad, 60, axis=0), 60, axis=1)[: shape[0], : shape[1]]
    return fine * (0.5 + 0.5 * broad)
