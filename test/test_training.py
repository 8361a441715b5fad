"""Training from nothing: what is said, what is drawn, what is refused, and a model of a few seconds that loads."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.simulation.odd_tools import resembles_held_out
from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.training import benches, data, evaluate
from vlm_bt.training.captions import ABSENT, CATEGORIES, SYNONYMS, Caption, Captions, matches
from vlm_bt.training.casting import LABEL_WORDS
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
        things = benches.training_things(np.random.default_rng(seed))
        assert not {source for _, _, source in things} & set(HELD_OUT)
        assert {source for _, _, source in things} == {*KINDS, data.ODD}
        for _, tool, source in things:
            assert source != data.ODD or not resembles_held_out(tool.parts)
            assert (tool.colour, source) not in HELD_OUT_PAIRS


def test_every_colour_of_a_held_out_pair_is_shown_on_something_else() -> None:
    things = [thing for seed in range(12) for thing in benches.training_things(np.random.default_rng(seed))]
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
        benches.write_shard(path, 100000, poses=1, shown=10)
    return paths


def test_a_training_scene_is_the_same_for_the_same_seed(shards: list[Path]) -> None:
    first, again = (data.read(path) for path in shards)
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[0].shape[1:] == (96, 96, 3) and len(first[0]) >= 15


def test_a_stopped_training_goes_on_to_the_very_same_weights(shards: list[Path], tmp_path: Path) -> None:
    from vlm_bt.training.clip import Recipe, train

    crops, said = data.gather(shards), list[str]()
    recipe = Recipe(steps=3, batch=8, sentences=8, threads=1)
    whole = train(crops, tmp_path / "whole", recipe, said.append)
    checkpoint = tmp_path / "clip.pt"
    hurried = replace(recipe, minutes=0.0)
    # No time at all: it stops before the first step, whatever the machine is busy with.
    train(crops, tmp_path / "halves", hurried, said.append, checkpoint)
    interrupted(crops, tmp_path / "halves", recipe, checkpoint, after=2)
    again = train(crops, tmp_path / "halves", recipe, said.append, checkpoint, held_out=crops)
    assert "going on from clip.pt: step 2 of 3" in said
    assert any("minutes are over at step 0 of 3" in line for line in said)
    assert any(line.startswith("step 3 of 3, held out: kind ") for line in said)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def interrupted(crops: Any, folder: Path, recipe: Any, checkpoint: Path, after: int) -> None:
    """A training that is killed when so many steps are done and kept."""
    from vlm_bt.training import clip
    from vlm_bt.training.course import Course

    class Killed(Exception): ...

    class Short(Course):
        def learn(self, loss: Any, told: Any) -> None:
            super().learn(loss, told)
            if self.step + 1 == after:
                self.step = after
                self._save()
                raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(clip, "Course", Short)
        clip.train(crops, folder, recipe, lambda line: None, checkpoint)


def test_a_checkpoint_of_another_training_is_refused(shards: list[Path], tmp_path: Path) -> None:
    from vlm_bt.training.clip import Recipe, train

    crops, checkpoint = data.gather(shards), tmp_path / "clip.pt"
    recipe = Recipe(steps=1, batch=8, sentences=8, threads=1)
    train(crops, tmp_path, recipe, lambda line: None, checkpoint)
    with pytest.raises(ConfigError, match=r"clip.pt is of another training \(steps was 1, is 2\); give another --out"):
        train(crops, tmp_path, replace(recipe, steps=2), lambda line: None, checkpoint)
    checkpoint.write_bytes(b"half a file")
    with pytest.raises(ConfigError, match=r"clip.pt cannot be read .*delete it and train from the beginning"):
        train(crops, tmp_path, recipe, lambda line: None, checkpoint)


def test_shapes_are_learnt_without_colour_too(shards: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from vlm_bt.training import crops

    monkeypatch.setattr(crops, "augmented", lambda pixels, rng: pixels)
    sampler = crops.Sampler(data.gather(shards), size=10, unknown=0.0, chimeras=0.2, grey=0.3)
    batch = sampler.batch(np.random.default_rng(0))
    grey = [bool((some[0] == some[1]).all() and (some[1] == some[2]).all()) for some in batch.pixels]
    assert grey == [False] * 2 + [True] * 3 + [False] * 5
    assert (batch.colour[2:5] == -1).all() and (batch.colour[5:] >= 0).all()


@pytest.mark.parametrize(
    ("device", "precision", "says"),
    [("cuda", "auto", "torch sees no GPU here"), ("cpu", "fp16", "on a CPU take bf16 or fp32")],
)
def test_what_a_machine_cannot_do_is_refused_with_a_remedy(device: Any, precision: Any, says: str) -> None:
    from vlm_bt.training.precision import arithmetic

    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match=says):
        arithmetic(device, precision)


def test_a_machine_without_tensorboard_is_told_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlm_bt.training.board import Board

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said: list[str] = []
    board = Board(tmp_path / "curves", said.append)
    for step in range(3):
        board.add({"loss": 1.0}, step)
    board.close()
    assert len(said) == 1 and "pip install 'vlm_bt[training]'" in said[0] and not (tmp_path / "curves").exists()


def test_curves_are_there_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="no tensorboard: pip install -e '.[training]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from vlm_bt.training.board import Board

    board = Board(tmp_path, print)
    for step in range(3):
        board.add({"held out/kind": step / 4}, step)
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("held out/kind")] == [(0, 0.0), (1, 0.25), (2, 0.5)]


def test_a_model_of_a_few_steps_is_exported_and_loads(shards: list[Path], tmp_path: Path) -> None:
    from vlm_bt.training.clip import Recipe, train
    from vlm_bt.training.embedded import export, fit_mix
    from vlm_bt.vision.backends.embedded import EmbeddedClip

    crops = data.gather(shards)
    said: list[str] = []
    model = train(crops, tmp_path / "model", Recipe(steps=2, batch=8, sentences=8, threads=1), said.append)
    export(model, crops, tmp_path / "model", tmp_path / "out")
    fit_mix(tmp_path / "out", crops.colours, crops.part_names, crops, said.append)
    clip = EmbeddedClip(tmp_path / "out")
    assert clip.colours == crops.colours and clip.parts == crops.part_names
    chances = clip.classify(crops.pixels[:4], KINDS)
    assert np.allclose(chances.sum(1), 1.0, atol=1e-5)
    assert (tmp_path / "out" / "open_clip_model.safetensors").stat().st_size < 10_000_000
    config = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == "local"


def test_some_things_of_a_training_bench_carry_a_label_whose_words_may_be_true_or_not() -> None:
    rng = np.random.default_rng(3)
    fits, shares = set(), []
    for _ in range(12):
        things = benches.training_things(rng)
        labels = benches.labels_for(things, rng)
        shares.append(len(labels) / len(things))
        sources = {name: source for name, _, source in things}
        fits |= {label.text.lower() in map(str.lower, LABEL_WORDS.get(sources[n], ())) for n, label in labels.items()}
    assert 0.1 < np.mean(shares) < 0.3
    assert fits == {True, False}


def test_evidence_of_a_model_that_has_learnt_nothing_is_still_mixed_with_numbers() -> None:
    from vlm_bt.training.embedded import _weigh

    # As a CLIP of four steps has it: all alike, and the words far from fitting anything.
    for seed in range(8):
        rng = np.random.default_rng(seed)
        head = 0.12 + 0.1 * rng.normal(size=(1, len(KINDS) + 1)) + 0.01 * rng.normal(size=(187, len(KINDS) + 1))
        text = -7.5 + 0.05 * rng.normal(size=(187, len(KINDS)))
        kind = np.where(rng.random(187) < 0.4, len(KINDS), rng.integers(0, len(KINDS), 187))
        far = 1.35 + 0.86 * rng.normal(size=187)
        mix = _weigh(head.astype(np.float32), text.astype(np.float32), far.astype(np.float32), kind)
        assert all(np.isfinite(value) for value in mix.values()), mix
