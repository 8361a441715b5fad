"""A user's own labelled pictures: what is read, and what is refused with which remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlm_bt.errors import ConfigError
from vlm_bt.training.labelled import LabelledPicture, read_labelled
from vlm_bt.types import Box

GREYS = Path(__file__).parent / "recordings" / "six_greys.bag"


def photograph(path: Path, grey: int = 90, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), grey, np.uint8)).save(path)
    return path


def coco(**changes: Any) -> str:
    whole = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 7, "bbox": [2, 3, 10, 20]}],
        "categories": [{"id": 7, "name": "torque wrench"}],
    }
    return json.dumps({**whole, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.png,torque wrench\nb/c.jpg,feeler gauge\n",
        "filepath\ttitle\na.png\ttorque wrench\nb/c.jpg\tfeeler gauge\n",
        "\ufefffile;caption;x0;y0;x1;y1\na.png;torque wrench;1;2;20;25\nb/c.jpg;feeler gauge;;;;\n",
    ],
)
def test_a_csv_is_read_however_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    photograph(tmp_path / "a.png"), photograph(tmp_path / "b" / "c.jpg")
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    read = read_labelled(tmp_path)
    assert read.labels == ("feeler gauge", "torque wrench")
    assert [item.path.name for item in read.items] == ["a.png", "c.jpg"]
    assert read.items[0].box == (Box(1, 2, 20, 25) if "x0" in text else None)
    assert read.items[1].pixels().shape == (30, 40, 3)


def test_a_coco_file_gives_one_picture_for_each_box(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    (tmp_path / "instances.json").write_text(coco())
    (item,) = read_labelled(tmp_path).items
    assert item == LabelledPicture(tmp_path / "a.png", "torque wrench", Box(2, 3, 12, 23))
    assert item.pixels(margin=0.1).shape == (24, 14, 3)


def test_pictures_are_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    picture, exif = Image.new("RGB", (40, 30)), Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "labels.csv").write_text("file,label,x0,y0,x1,y1\na.jpg,screw,0,0,30,40\n")
    assert read_labelled(tmp_path).items[0].pixels().shape == (40, 30, 3)


def test_a_recording_is_unpacked_once_and_labelled_by_the_names_of_its_pictures(tmp_path: Path) -> None:
    pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")
    bag = tmp_path / "cell.bag"
    bag.write_bytes(GREYS.read_bytes())
    with pytest.raises(ConfigError, match=r"cell.bag.frames: no file says what is in the pictures; write labels.csv"):
        read_labelled(bag)
    frames = tmp_path / "cell.bag.frames"
    (frames / "labels.csv").write_text("file,label\n0002_colour.png,grey 80\n0006_colour.png,grey 240\n")
    made = (frames / "0001_colour.png").stat().st_mtime_ns
    items = read_labelled(bag).items
    assert [int(item.pixels()[0, 0, 0]) for item in items] == [80, 240]
    assert (frames / "0001_colour.png").stat().st_mtime_ns == made


def test_parts_have_every_label_and_never_share_a_picture(tmp_path: Path) -> None:
    lines = ["file,label,x0,y0,x1,y1"]
    for n in range(60):
        photograph(tmp_path / f"{n}.png")
        lines += [f"{n}.png,{'abc'[n % 3]},0,0,9,9", f"{n}.png,other,10,10,20,20"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    read = read_labelled(tmp_path)
    parts = read.split((0.6, 0.2, 0.2), seed=1)
    assert [len(part) for part in parts] == [72, 24, 24]
    assert all(part.labels == read.labels for part in parts)
    seen = [{item.path for item in part.items} for part in parts]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert read.split((0.6, 0.2, 0.2), seed=1)[0] == parts[0] != read.split((0.6, 0.2, 0.2), seed=2)[0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("labels.csv", "", r"labels.csv: is empty; a CSV has a first line file,label"),
        ("labels.csv", "file,label\n", r"names no picture"),
        ("labels.csv", "a.png,wrench\n", r"no column 'file', only: a.png, wrench"),
        ("labels.csv", "file,lable\na.png,wrench\n", r"no column 'label', only: file, lable. Did you mean 'label'\?"),
        ("labels.csv", "file,label,caption\na.png,x,y\n", r"label and caption, which mean the same; leave one"),
        ("labels.csv", "file,label\na.png,wrench\ngone.png,wrench\n", r"labels.csv:3: there is no picture .*gone.png"),
        ("labels.csv", "file,label\na.png,\n", r"labels.csv:2: the label is empty"),
        ("labels.csv", "file,label\na.png,a wrench, adjustable\n", r"labels.csv:2: has 3 columns.*quote commas"),
        ("labels.csv", "file,label\nlabels.csv,wrench\n", r"cannot be read as a picture .*save it as PNG or JPEG"),
        ("labels.csv", "file,label\na.png,wrench\na.png,screw\n", r"'screw' here and 'wrench' above; give boxes"),
        ("labels.csv", "file,label,x0,y0\na.png,wrench,1,1\n", r"has x0, y0 but a box needs x0,y0,x1,y1"),
        ("labels.csv", "file,label,x0,y0,x1,y1\na.png,w,9,9,90,20\n", r"does not lie in a.png, which is 40x30"),
        ("labels.csv", "file,label,x0,y0,x1,y1\na.png,w,9,9,ten,20\n", r"labels.csv:2: the box '9,9,ten,20' is not"),
        ("coco.json", "{", r"coco.json: the file: Invalid JSON.*a COCO file is"),
        ("coco.json", "[]", r"coco.json: .*a COCO file is"),
        ("coco.json", coco(annotations=[{"image_id": 1, "category_id": 8}]), r"no category 8; there are: 7"),
        ("coco.json", coco(annotations=[{"image_id": 2, "category_id": 7}]), r"annotations\[0\]: there is no image"),
        ("coco.json", coco(images=[{"id": 1, "file_name": "b.png"}]), r"there is no picture .*b.png"),
        ("coco.json", coco(annotations=[{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3]}]), r"annotations.0.bbox"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_remedy(tmp_path: Path, name: str, text: str, says: str) -> None:
    photograph(tmp_path / "a.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        read_labelled(tmp_path)


def test_folders_and_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: there is no such folder"):
        read_labelled(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"no file says what is in the pictures; write labels.csv there"):
        read_labelled(tmp_path)
    with pytest.raises(ConfigError, match=r"mine.csv: there is no such file"):
        read_labelled(tmp_path, tmp_path / "mine.csv")
    for name in ("a.csv", "b.json"):
        (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=r"which of these .* --labels: a.csv, b.json"):
        read_labelled(tmp_path)
    with pytest.raises(ConfigError, match=r"recording .*gone.db3: there is no such file"):
        read_labelled(tmp_path / "gone.db3")
    (tmp_path / "a.csv").write_bytes("file,label\nä.png,x\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"a.csv: is not UTF-8 .*save it as UTF-8"):
        read_labelled(tmp_path, tmp_path / "a.csv")


def test_many_mistakes_come_together(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{n}.png,x\n" for n in range(20)))
    with pytest.raises(ConfigError, match=r"(?s)20 wrong.*0.png.*7.png.*and 12 more like these"):
        read_labelled(tmp_path)
