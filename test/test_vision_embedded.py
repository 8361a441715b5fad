"""The model that ships: it loads only as it should be, answers the same every time, and knows what it does not know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlm_bt.errors import ModelError
from vlm_bt.simulation.tools import HELD_OUT
from vlm_bt.training.benches import write_shard
from vlm_bt.training.data import read
from vlm_bt.training.evaluate import mission_candidates
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip, _listed
from vlm_bt.vision.calibration import KIND_SKILL, Calibration, Calibrations, calibration_folder
from vlm_bt.vision.calibration_file import file_name
from vlm_bt.vision.vocabulary import KINDS, OTHER, PROMPTS, names_a_kind
from vlm_bt.vision.weights import CONTENT, SHIPPED, embedded_directory, head_revision

CALIBRATION = calibration_folder() / file_name(SHIPPED, "overhead")


@pytest.fixture(scope="module")
def clip() -> EmbeddedClip:
    return EmbeddedClip()


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Crops of one bench that the model was not trained on."""
    path = tmp_path_factory.mktemp("crops") / "shard.npz"
    write_shard(path, 7000, poses=1, shown=12)
    return read(path)[0]


@pytest.fixture(scope="module")
def bench() -> tuple[np.ndarray, list[str]]:
    """First looks at a mission's bench and what is really there."""
    looks = [look for look in mission_candidates(7001, held_out=True) if look.variant == 0]
    return np.stack([look.pixels for look in looks]), [look.label.source for look in looks]


def test_the_shipped_weights_are_small_and_have_a_card() -> None:
    size = sum((embedded_directory() / name).stat().st_size for name in CONTENT)
    assert size < 10_000_000
    card = (embedded_directory() / "model_card.md").read_text(encoding="utf-8")
    assert "vlm-bt train embedded" in card and "T-handle Allen wrench" in card


def test_the_shipped_calibration_fits_the_shipped_model(clip: EmbeddedClip) -> None:
    loaded = Calibrations.open(None, SHIPPED, clip.revision, head_revision(clip.directory))
    assert loaded.valid and not loaded.note
    classes = loaded.by_camera["overhead"].skills[KIND_SKILL].classes
    assert set(classes) == {*KINDS, OTHER}
    assert all(found.count >= 99 for found in classes.values()), "too few for an error rate of 1%"


def test_most_of_a_mission_bench_is_named_right(clip: EmbeddedClip, bench: tuple[np.ndarray, list[str]]) -> None:
    pixels, truth = bench
    best = [(*KINDS, OTHER)[i] for i in clip.classify(pixels, KINDS).argmax(1)]
    known = [said == real for said, real in zip(best, truth, strict=True) if real in KINDS]
    assert np.mean(known) >= 0.85


def test_what_is_held_out_is_hardly_ever_surely_a_kind(clip: EmbeddedClip, bench: tuple[np.ndarray, list[str]]) -> None:
    pixels, truth = bench
    calibration = Calibration.load(CALIBRATION, clip.revision)
    rows = clip.classify(pixels, KINDS)[[real in HELD_OUT for real in truth]]
    assert len(rows) >= 4
    sure = [len(calibration.plausible(row, KINDS, 0.02)) == 1 for row in rows]
    assert sum(sure) <= 1


def test_embeddings_are_unit_vectors_and_the_same_every_time(clip: EmbeddedClip, crops: np.ndarray) -> None:
    first = clip.image_embeddings(crops[:8])
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(first, clip.image_embeddings(crops[:8]))
    assert np.array_equal(first, EmbeddedClip().image_embeddings(crops[:8]))
    assert np.array_equal(clip.text_embeddings(["screw", "pliers"])[0], clip.text_embeddings(["screw"])[0])


def test_probabilities_add_up_and_what_is_not_asked_is_something_else(clip: EmbeddedClip, crops: np.ndarray) -> None:
    whole = clip.classify(crops, KINDS)
    assert whole.shape == (len(crops), len(KINDS) + 1)
    assert np.allclose(whole.sum(1), 1.0, atol=1e-5)
    some = clip.classify(crops, ("screw", "pliers"))
    assert np.allclose(some[:, 0], whole[:, KINDS.index("screw")], atol=1e-6)
    assert np.allclose(some[:, 2], 1.0 - some[:, 0] - some[:, 1], atol=1e-5)


def test_a_word_it_was_never_calibrated_for_is_answered_but_never_sure(clip: EmbeddedClip, crops: np.ndarray) -> None:
    rows = clip.classify(crops, ("banana", "screw"))
    assert np.allclose(rows.sum(1), 1.0, atol=1e-5) and (rows >= 0).all()
    calibration = Calibration.load(CALIBRATION, clip.revision)
    assert all("banana" in calibration.plausible(row, ("banana", "screw"), 0.02) for row in rows)


def test_another_wording_gives_another_look_of_the_same_thing(clip: EmbeddedClip, crops: np.ndarray) -> None:
    first, second = clip.classify(crops, KINDS, wording=0), clip.classify(crops, KINDS, wording=1)
    assert not np.array_equal(first, second)
    assert np.mean(first.argmax(1) == second.argmax(1)) > 0.8


def test_nothing_to_look_at_gives_no_rows(clip: EmbeddedClip) -> None:
    assert clip.classify(np.zeros((0, 96, 96, 3), np.uint8), KINDS).shape == (0, len(KINDS) + 1)


def test_crops_of_another_size_are_refused(clip: EmbeddedClip) -> None:
    with pytest.raises(ValueError, match=r"crops must be \(N, 96, 96, 3\) uint8, got \(1, 64, 64, 3\)"):
        clip.classify(np.zeros((1, 64, 64, 3), np.uint8), KINDS)


def test_descriptions_never_name_a_kind(clip: EmbeddedClip, crops: np.ndarray) -> None:
    said = [clip.describe(crop) for crop in crops]
    assert not any(names_a_kind(text) for text in said)
    assert all(text.startswith(("a ", "an ")) for text in said)
    assert any(" with " in text for text in said)


def test_lists_read_as_a_person_would_say_them() -> None:
    assert _listed(["T-shaped handle"]) == "a T-shaped handle"
    assert _listed(["two handles", "open jaw", "adjustable jaw"]) == "two handles, an open jaw and an adjustable jaw"


def test_claims_are_probabilities(clip: EmbeddedClip, crops: np.ndarray) -> None:
    assert 0.0 <= clip.is_true(crops[0], "a tool with two handles") <= 1.0
    assert clip.is_true(crops[0], "a banana") < 0.5


def test_what_it_cannot_name_is_described_by_its_parts(clip: EmbeddedClip, bench: tuple[np.ndarray, list[str]]) -> None:
    pixels, truth = bench
    t_handles = [p for p, real in zip(pixels, truth, strict=True) if real == "T-handle Allen wrench"]
    assert sum("T-shaped handle" in clip.describe(crop) for crop in t_handles) >= len(t_handles) / 2
    assert np.mean([clip.is_true(crop, "a tool with a T-shaped handle") for crop in t_handles]) > 0.5
    screws = [p for p, real in zip(pixels, truth, strict=True) if real == "screw"]
    assert np.mean([clip.is_true(crop, "a tool with a T-shaped handle") for crop in screws]) < 0.1


def test_misspelt_names_are_understood(clip: EmbeddedClip, bench: tuple[np.ndarray, list[str]]) -> None:
    pixels, truth = bench
    words = {"Phillips screwdriver": "philips screw driver", "adjustable wrench": "adjustable spanner"}
    for kind, said in words.items():
        fits = clip.logits(pixels, [said])[:, 0] > 0
        named = np.array([real == kind for real in truth])
        assert fits[named].mean() > 0.7 and fits[~named].mean() < 0.1


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded_directory(), tmp_path / "model"))


def test_missing_weights_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model in .*manifest.json is missing; .*vlm-bt train embedded"):
        EmbeddedClip(tmp_path / "nowhere")


def test_corrupt_weights_are_a_clear_error(copy: Path) -> None:
    path = copy / "open_clip_model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"open_clip_model.safetensors is corrupt.*git restore"):
        EmbeddedClip(copy)


def test_the_revision_changes_with_the_prompts(clip: EmbeddedClip, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**PROMPTS, "screw": (("a bolt",), ("bolts",))}
    monkeypatch.setattr("vlm_bt.vision.vocabulary.PROMPTS", changed)
    other = EmbeddedClip()
    assert other.revision != clip.revision
    assert other.revision.split("-")[0] == clip.revision.split("-")[0]
    assert not Calibration.load(CALIBRATION, other.revision).valid


def test_the_shim_hides_no_other_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from vlm_bt.vision.backends import torchvision_shim

    def broken(name: str) -> None:
        raise RuntimeError("something else is wrong")

    monkeypatch.setattr(torchvision_shim.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else is wrong"):
        torchvision_shim.ensure_torchvision()


def test_the_vocabulary_and_the_calibration_need_no_torch() -> None:
    code = (
        "import sys, vlm_bt.vision.vocabulary, vlm_bt.vision.calibration, vlm_bt.vision.weights;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'open_clip', 'mujoco')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
