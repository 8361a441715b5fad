"""A user's own labelled pictures: a folder with a CSV or a COCO file, or a RealSense recording with a CSV.

What is wrong is told all together, before anything is trained, calibrated or measured on it.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vlm_bt.errors import ConfigError
from vlm_bt.types import Box

FILE_COLUMNS = ("file", "filepath", "image", "picture")
LABEL_COLUMNS = ("label", "caption", "title")
"""open_clip's own CSVs say `filepath` and `title`."""
BOX_COLUMNS = ("x0", "y0", "x1", "y1")
RECORDINGS = (".db3", ".bag")
FORM = (
    "a CSV has a first line file,label (or file,caption) and then a line for each picture, such as "
    "0001.png,torque wrench; columns x0,y0,x1,y1 may give the thing's box in pixels"
)
SHOWN = 8


@dataclass(frozen=True)
class LabelledPicture:
    """One thing in one picture, and what it is called.

    Attributes:
        label: A name such as "torque wrench", or a sentence where the labels are captions.
        box: Where it is; None: the picture is of it.
    """

    path: Path
    label: str
    box: Box | None = None

    def pixels(self, margin: float = 0.08) -> NDArray[np.uint8]:
        """(H, W, 3) RGB, cut out around its box with a margin of that share of the longer side.

        Raises:
            ConfigError: The file cannot be read to its end.
        """
        try:
            with Image.open(self.path) as opened:
                whole = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise ConfigError(f"{self.path}: cannot be read as a picture ({error}); save it again") from error
        if self.box is None:
            return whole
        more = round(margin * max(self.box.x1 - self.box.x0, self.box.y1 - self.box.y0))
        rows = slice(max(0, self.box.y0 - more), self.box.y1 + more)
        return whole[rows, max(0, self.box.x0 - more) : self.box.x1 + more]


@dataclass(frozen=True)
class Labelled:
    """Labelled pictures in the order of their file."""

    items: tuple[LabelledPicture, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label once, by the alphabet."""
        return tuple(sorted({item.label for item in self.items}))

    def __len__(self) -> int:
        return len(self.items)

    def split(self, shares: Sequence[float], seed: int = 0) -> list[Labelled]:
        """Parts of about these shares, each label in the same proportion; one picture's things stay together."""
        rng = np.random.default_rng([seed, 31])
        pictures: dict[Path, list[LabelledPicture]] = {}
        for item in self.items:
            pictures.setdefault(item.path, []).append(item)
        of_label: dict[str, list[Path]] = {}
        for path, items in pictures.items():
            of_label.setdefault(items[0].label, []).append(path)
        part_of: dict[Path, int] = {}
        wanted = np.array(shares, float) / sum(shares)
        for label in sorted(of_label):
            paths = [of_label[label][i] for i in rng.permutation(len(of_label[label]))]
            # The part that lacks most gets the next one, so that even a label with few pictures is in every part.
            given = np.zeros(len(wanted))
            for n, path in enumerate(paths, start=1):
                part = int(np.argmax(wanted * n - given))
                given[part] += 1
                part_of[path] = part
        return [Labelled(tuple(i for i in self.items if part_of[i.path] == n)) for n in range(len(wanted))]


def read_labelled(path: Path, labels: Path | None = None) -> Labelled:
    """Read a folder of pictures or a recording, with what is in each.

    Args:
        path: Folder, or a `.db3` / `.bag` of the RealSense SDK, whose pictures are then written to `NAME.frames`
            beside it. labels: CSV or COCO file; if not given, the only one in the folder. The pictures' names in it
            are relative to the folder.

    Raises:
        ConfigError: Everything that is wrong with the files, with the remedy.
    """
    if path.suffix in RECORDINGS and not path.is_dir():
        path = _frames_of(path)
    if not path.is_dir():
        raise ConfigError(f"{path}: there is no such folder; give the folder that the pictures lie in")
    found = labels if labels is not None else _only_file(path)
    if not found.is_file():
        raise ConfigError(f"{found}: there is no such file; {FORM}")
    if found.suffix == ".json":
        from vlm_bt.training.coco import read_coco

        rows = read_coco(found)
    else:
        rows = _read_csv(found)
    return Labelled(_checked(path, found, rows))


@dataclass(frozen=True)
class Row:
    """One line of a CSV or one annotation: `where` for messages, `box` with its corners in pixels."""

    where: str
    file: str
    label: str
    box: tuple[float, float, float, float] | None = None


def _frames_of(recording: Path) -> Path:
    from vlm_bt.devices.realsense_pictures import unpacked

    folder = recording.with_name(f"{recording.name}.frames")
    unpacked(recording, folder)
    return folder


def _only_file(folder: Path) -> Path:
    found = sorted(p for p in (*folder.glob("*.csv"), *folder.glob("*.json")) if p.name != "camera.json")
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(p.name for p in found[:SHOWN])
        raise ConfigError(f"{folder}: which of these says what is in the pictures? Give one with --labels: {names}")
    raise ConfigError(f"{folder}: no file says what is in the pictures; write labels.csv there: {FORM}")


def _read_csv(path: Path) -> list[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError(f"{path}: is empty; {FORM}")
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    file, label = _column(path, columns, FILE_COLUMNS), _column(path, columns, LABEL_COLUMNS)
    boxed = [name for name in BOX_COLUMNS if name in columns]
    if boxed and len(boxed) < len(BOX_COLUMNS):
        raise ConfigError(f"{path}: has {', '.join(boxed)} but a box needs x0,y0,x1,y1; {FORM}")
    rows, wrong = [], []
    for row in reader:
        where = f"{path.name}:{reader.line_num}"
        if row.get(file) is None or row.get(label) is None or None in row:
            wrong.append(
                f"{where}: has {_width(row)} columns, the first line has {len(columns)}; quote commas in texts"
            )
            continue
        box = None
        given = [(row.get(name) or "").strip() for name in boxed]
        if any(given):
            try:
                x0, y0, x1, y1 = (float(value) for value in given)
                box = (x0, y0, x1, y1)
            except ValueError:
                wrong.append(f"{where}: the box {','.join(given)!r} is not four numbers in pixels")
                continue
        rows.append(Row(where, row[file].strip(), row[label].strip(), box))
    _tell(path, wrong)
    return rows


def _width(row: dict[str, object]) -> int:
    extra = row.get(None)  # type: ignore[call-overload]
    return sum(value is not None for name, value in row.items() if name is not None) + len(extra or ())


def _column(path: Path, columns: Sequence[str], known: Sequence[str]) -> str:
    found = [name for name in columns if name in known]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{path}: has the columns {' and '.join(found)}, which mean the same; leave one of them out")
    near = [near for name in columns for near in difflib.get_close_matches(name, known, 1, 0.7)]
    meant = f" Did you mean {near[0]!r}?" if near else ""
    said = ", ".join(filter(None, columns)) or "nothing"
    raise ConfigError(f"{path}: its first line has no column {known[0]!r}, only: {said}.{meant} {FORM}")


def _checked(folder: Path, source: Path, rows: Sequence[Row]) -> tuple[LabelledPicture, ...]:
    """Raises: ConfigError: pictures that are missing or none, labels and boxes that cannot be."""
    if not rows:
        raise ConfigError(f"{source}: names no picture; {FORM}")
    wrong: list[str] = []
    sizes: dict[Path, tuple[int, int] | None] = {}
    said: dict[tuple[Path, Box | None], str] = {}
    items = []
    for row in rows:
        path = folder / row.file
        if not row.file or not row.label:
            wrong.append(f"{row.where}: the {'label' if row.file else 'name of the picture'} is empty")
            continue
        if path not in sizes:
            sizes[path] = _size(path, row.where, wrong)
        size = sizes[path]
        if size is None:
            continue
        box = _box(row, size, wrong)
        other = said.setdefault((path, box), row.label)
        if other != row.label:
            wrong.append(f"{row.where}: {row.file} is {row.label!r} here and {other!r} above; give boxes or keep one")
        items.append(LabelledPicture(path, row.label, box))
    _tell(source, wrong)
    return tuple(items)


def _size(path: Path, where: str, wrong: list[str]) -> tuple[int, int] | None:
    if not path.is_file():
        wrong.append(f"{where}: there is no picture {path}")
        return None
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            turned = opened.getexif().get(0x0112, 1) >= 5
            return (height, width) if turned else (width, height)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        wrong.append(f"{where}: {path} cannot be read as a picture ({type(error).__name__}); save it as PNG or JPEG")
        return None


def _box(row: Row, size: tuple[int, int], wrong: list[str]) -> Box | None:
    if row.box is None:
        return None
    x0, y0, x1, y1 = (round(value) for value in row.box)
    # Tools that label round: a pixel over the edge is none of the user's mistakes.
    if not (-1 <= x0 < x1 <= size[0] + 1 and -1 <= y0 < y1 <= size[1] + 1):
        wrong.append(
            f"{row.where}: the box ({x0}, {y0}, {x1}, {y1}) does not lie in {row.file}, which is {size[0]}x{size[1]}; "
            "corners are x0,y0 (upper left) and x1,y1 in pixels"
        )
        return None
    return Box(max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1))


def _tell(path: Path, wrong: Sequence[str]) -> None:
    """Raises: ConfigError: if anything is wrong."""
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN} more like these" if len(wrong) > SHOWN else ""
        raise ConfigError(f"{path}: {len(wrong)} wrong\n  " + "\n  ".join(wrong[:SHOWN]) + more)
