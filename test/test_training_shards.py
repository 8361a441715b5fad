"""`vlm-bt train data`: the shards read as WebDataset, come again byte by byte, and hold nothing that is held out."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlm_bt.errors import ConfigError
from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.training.held_out import HELD_OUT_PAIRS
from vlm_bt.training.scene_words import SceneQuestions
from vlm_bt.training.shards import DataPlan, make_data, order_of
from vlm_bt.training.staged import Staged, Truth
from vlm_bt.types import Box

pytest.importorskip("webdataset", reason="pip install 'vlm_bt[training]' brings webdataset")

PLAN = DataPlan(scenes=14, size=(640, 360))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    make_data(PLAN, out, 2, lambda count: None)
    return out


def samples(out: Path, kind: str) -> Iterator[dict[str, Any]]:
    import webdataset

    for path in sorted(out.glob(f"{kind}-*.tar")):
        yield from webdataset.WebDataset(str(path), shardshuffle=False)


def test_the_same_seed_gives_the_same_bytes_also_after_a_stop(made: Path, tmp_path: Path) -> None:
    told: list[int] = []
    # One block is there already, the other half done: as after Ctrl-C.
    for name in ("dataset.json", "scenes-000000.tar", "crops-000000.tar", "scenes-000001.tar"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    make_data(PLAN, tmp_path, 1, told.append)
    assert told == [12, 2]
    first, again = ({path.name: path.read_bytes() for path in out.iterdir()} for out in (made, tmp_path))
    assert first == again and len(first) == 5


def test_shards_of_another_plan_are_not_mixed_in(made: Path) -> None:
    with pytest.raises(ConfigError, match="holds shards of another plan"):
        make_data(DataPlan(scenes=14, seed=1, size=(640, 360)), made, 1, lambda count: None)


def test_every_sample_has_its_picture_and_what_is_known_of_it(made: Path) -> None:
    scenes = list(samples(made, "scenes"))
    assert len(scenes) == PLAN.scenes and len({sample["__key__"] for sample in scenes}) == PLAN.scenes
    for sample in scenes:
        known = json.loads(sample["json"])
        picture, depth = (Image.open(io.BytesIO(sample[name])) for name in ("jpg", "depth.png"))
        assert picture.size == depth.size == PLAN.size
        assert 900 < np.median(np.asarray(depth)) < 1300
        assert (("before.jpg" in sample) == bool(known["things_before"])) or known["event"] == "added"
        assert len(known["questions"]) >= 4
    crops = list(samples(made, "crops"))
    assert len(crops) > 3 * PLAN.scenes
    named = [json.loads(sample["json"]) for sample in crops]
    assert all(not set(one["captions"]) & set(one["not"]) for one in named)
    assert sum(bool(one["captions"]) for one in named) > 0.5 * len(named)


def test_nothing_held_out_is_shown(made: Path) -> None:
    for sample in samples(made, "scenes"):
        for thing in json.loads(sample["json"])["things"]:
            assert thing["kind"] not in HELD_OUT
            assert (thing["colour"], thing["kind"]) not in HELD_OUT_PAIRS
    orders = [order_of(seed) for seed in range(150_000, 150_300)]
    assert {order.camera for order in orders} == {"bench"} and {order.pairs for order in orders} == {"seen"}
    assert not any(order.held_out_kinds for order in orders)
    assert len({order.event for order in orders}) == 9 and len({order.hazards for order in orders}) == 5


def test_shards_are_plain_tar_files_without_the_time_of_day(made: Path) -> None:
    with tarfile.open(made / "crops-000000.tar") as shard:
        assert {member.mtime for member in shard} == {0}


def thing(name: str, kind: str, colour: str, x: int, **known: Any) -> Truth:
    values: dict[str, Any] = {
        "parts": (), "length_m": 0.1, "position": (0.36, 0.0, 0.0), "yaw_rad": 0.0, "box": Box(x, 0, x + 40, 40),
        "visible": 1.0, "zone": "centre", "touching": (), "written": "", **known,
    }  # fmt: skip
    return Truth(name, kind, colour, **values)


def test_answers_about_a_scene_are_right() -> None:
    truths = (
        thing("a", "screw", "silver", 0),
        thing("b", "hammer", "red", 100, written="HAMMER", touching=("c",)),
        thing("c", "pliers", "green", 200, touching=("b",)),
    )
    staged = Staged(1, (), (truths,), "nothing", None, None, ("spill",), ("bench empty",))
    drawn = SceneQuestions(np.random.default_rng(3)).draw(staged, 9000)
    said = {one.question: one.answer for one in drawn}
    assert said["how many hammers are there?"] == "1" and said["how many pliers are there?"] == "1"
    assert said["there are 2 hammers"] == said["there are no hammers"] == "no" and said["there is 1 hammer"] == "yes"
    assert said["the silver screw is left of the red hammer"] == "yes"
    assert said["the silver screw is right of the red hammer"] == "no"
    assert said["the green pliers are touching the red hammer"] == "yes"
    assert said["the silver screw is touching the red hammer"] == "no"
    assert said["the red hammer is in the green zone"] == "yes"
    answers = {topic: {one.answer for one in drawn if one.topic == topic} for topic in ("clear", "written")}
    assert answers == {"clear": {"no"}, "written": {"HAMMER"}}
    assert {one.answer for one in drawn if one.topic == "hazard"} == {"yes", "no"}
    for topic in ("count claim", "side", "touching", "in zone", "present"):
        answers_yes = [one.answer == "yes" for one in drawn if one.topic == topic]
        assert 0.3 < np.mean(answers_yes) < 0.7, topic
