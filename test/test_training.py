"""Training from nothing: what is said, what is drawn, what is refused, and a model of a few seconds that loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vlm_bt.errors import ModelError
from vlm_bt.simulation.odd_tools import resembles_held_out
from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.training import data, evaluate
from vlm_bt.training.captions import ABSENT, CATEGORIES, SYNONYMS, Caption, Captions, matches
from vlm_bt.training.data import FRAGMENT, SEVERAL
from vlm_bt.training.held_out import HELD_OUT_PAIRS
from vlm_bt.training.odd_tools import composite_tool
from vlm_bt.vision.vocabulary import KINDS, PROMPTS
from vlm_bt.vision.weights import CONTENT, verify, write_manifest

FORBIDDEN = ("allen", "hex key", "t-handle", "multi-tool", "multitool", "leatherman", "pocket knife")


def test_no_sentence_ever_names_what_is_held_out() -> None:
    captions = Captions(("red", "blue"), ("two handles", "open jaw"), np.random.default_rng(0))
    said = [caption.text for caption in captions.draw_many(3000)]
    listed = [word for words in (*SYNONYMS.values(), *CATEGORIES.values(), ABSENT) for word in words]
    prompted = [text for some in PROMPTS.values() for wording in some for text in wording]
    for text in said + listed + prompted:
        assert not any(word in text.lower() for word in FORBIDDEN), text


def test_no_training_bench_carries_what_is_held_out() -> None:
    for seed in range(12):
        things = data.training_things(np.random.default_rng(seed))
        assert not {source for _, _, source in things} & set(HELD_OUT)
        assert {source for _, _, source in things} == {*KINDS, data.ODD}
        for _, tool, source in things:
            assert source != data.ODD or not resembles_held_out(tool.parts)
            assert (tool.colour, source) not in HELD_OUT_PAIRS


def test_every_colour_of_a_held_out_pair_is_shown_on_something_else() -> None:
    things = [thing for seed in range(12) for thing in data.training_things(np.random.default_rng(seed))]
    assert {colour for colour, _ in HELD_OUT_PAIRS} <= {tool.colour for _, tool, _ in things}


def test_no_sentence_names_a_held_out_pair() -> None:
    colours = tuple(sorted({colour for colour, _ in HELD_OUT_PAIRS}))
    captions = Captions(colours, ("two handles",), np.random.default_rng(0)).draw_many(6000)
    coloured = [(colours[c.colour], KINDS[c.kinds[0]]) for c in captions if c.colour is not None and len(c.kinds) == 1]
    assert len(coloured) > 500
    assert not set(coloured) & set(HELD_OUT_PAIRS)


def test_composites_are_the_same_for_the_same_seed_and_never_a_held_out_kind() -> None:
    for seed in range(150):
        tool = composite_tool(seed)
        assert not resembles_held_out(tool.parts), tool.parts
        assert tool.kind == "odd"
    assert composite_tool(4).parts == composite_tool(4).parts
    assert np.array_equal(composite_tool(4).visuals[0].vertices, composite_tool(4).visuals[0].vertices)


def test_a_sentence_is_true_of_exactly_the_crops_it_fits() -> None:
    kind, colour = np.array([0, 0, 1, len(KINDS)]), np.array([1, 0, 1, -1])
    parts = np.array([[True, False], [False, True], [True, True], [True, False]])
    captions = [
        Caption("a red wrench", (0, 1), colour=1),
        Caption("banana", never=True),
        Caption("thing with a handle", part=0),
        Caption("thing"),
        Caption("kind 0", (0,)),
    ]
    assert matches(captions, kind, colour, parts).tolist() == [
        [True, False, True, True, True],
        [False, False, False, True, True],
        [True, False, True, True, False],
        [False, False, True, True, False],
    ]


def test_every_kind_has_two_wordings_and_synonyms() -> None:
    assert tuple(PROMPTS) == KINDS and tuple(SYNONYMS) == KINDS
    for kind in KINDS:
        assert len(PROMPTS[kind]) >= 2
        assert not set(PROMPTS[kind][0]) & set(PROMPTS[kind][1])
    assert "philips screw driver" in SYNONYMS["Phillips screwdriver"]
    assert "adjustable spanner" in SYNONYMS["adjustable wrench"]


class _Thing:
    colour, parts = "red", ("two handles",)


@pytest.mark.parametrize(
    ("seen", "whole", "pixels", "source"),
    [
        ({1: 95, 2: 3}, {1: 100, 2: 100}, 110, "pliers"),
        ({1: 60, 2: 50}, {1: 100, 2: 100}, 120, SEVERAL),
        ({1: 30}, {1: 100}, 40, FRAGMENT),
        ({1: 60}, {1: 100}, 70, None),
        ({}, {}, 50, FRAGMENT),
        ({1: 10}, {1: 10}, 100, FRAGMENT),
    ],
)
def test_a_region_is_named_by_what_most_of_it_shows(
    seen: dict[int, int], whole: dict[int, int], pixels: int, source: str | None
) -> None:
    counts, full = np.zeros(4, int), np.zeros(4, int)
    for body, count in seen.items():
        counts[body] = count
    for body, count in whole.items():
        full[body] = count
    label = data._label(counts, full, pixels, {1: ("pliers", _Thing()), 2: ("screw", _Thing())})  # type: ignore[dict-item]
    assert (label.source if label else None) == source
    assert label is None or bool(label.colour) == (source == "pliers")


def test_mission_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="belongs to missions"):
        evaluate.mission_candidates(1005, held_out=True)


def test_missing_and_changed_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest.json is missing.*vlm-bt train embedded"):
        verify(tmp_path)
    for name in CONTENT:
        (tmp_path / name).write_bytes(name.encode())
    first = write_manifest(tmp_path)
    assert verify(tmp_path) == first
    (tmp_path / "heads.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"heads.safetensors is corrupt"):
        verify(tmp_path)
    assert write_manifest(tmp_path) != first
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"lacks tokenizer.json"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match=r"cannot be read"):
        verify(tmp_path)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three looks at one small bench, made twice."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / "shard-100000.npz", folder / "again.npz"]
    for path in paths:
        data.write_shard(path, 100000, poses=1, shown=10)
    return paths


def test_a_training_scene_is_the_same_for_the_same_seed(shards: list[Path]) -> None:
    first, again = (data.read(path) for path in shards)
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[0].shape[1:] == (96, 96, 3) and len(first[0]) >= 15


def test_a_model_of_a_few_steps_is_exported_loads_and_goes_on(shards: list[Path], tmp_path: Path) -> None:
    from vlm_bt.training.clip import Recipe, train
    from vlm_bt.training.embedded import export, fit_mix
    from vlm_bt.vision.backends.embedded import EmbeddedClip

    crops = data.gather(shards)
    recipe = Recipe(minutes=0.03, batch=8, sentences=8, save_every_s=0.0)
    said: list[str] = []
    checkpoint = tmp_path / "checkpoint.pt"
    model = train(crops, tmp_path / "model", recipe, said.append, checkpoint)
    again = train(crops, tmp_path / "model", Recipe(minutes=0.05, batch=8, sentences=8), said.append, checkpoint)
    assert any("going on from checkpoint.pt" in line for line in said)
    assert again is not model
    export(model, crops, tmp_path / "model", tmp_path / "out")
    fit_mix(tmp_path / "out", crops.colours, crops.part_names, crops, said.append)
    clip = EmbeddedClip(tmp_path / "out")
    assert clip.colours == crops.colours and clip.parts == crops.part_names
    chances = clip.classify(crops.pixels[:4], KINDS)
    assert np.allclose(chances.sum(1), 1.0, atol=1e-5)
    assert (tmp_path / "out" / "open_clip_model.safetensors").stat().st_size < 10_000_000
    config = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == "local"
