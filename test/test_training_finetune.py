"""Fine-tuning a CLIP of open_clip on labelled pictures: it learns, goes on, loads again, and refuses with a remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_clip import write_clip
from typer.testing import CliRunner

from vlm_bt.cli.train import app
from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.training.finetune import Tuning, finetune
from vlm_bt.training.labelled import Labelled, read_labelled
from vlm_bt.vision.backends.clip_loading import load_clip
from vlm_bt.vision_settings import OpenClipModel

WEIGHTS = "open_clip_model.safetensors"
QUICK = Tuning(steps=120, batch=8, threads=1, rate=3e-3, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Dark and bright pictures, fifteen of each, with names that say nothing of it."""
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    lines = ["file,label"]
    for n in range(30):
        low = 10 if n % 2 else 170
        Image.fromarray(rng.integers(low, low + 60, (40, 40, 3), np.uint8)).save(folder / f"{n}.png")
        lines.append(f"{n}.png,{'torque wrench' if n % 2 else 'feeler gauge'}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return read_labelled(folder)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_what_was_not_told_apart_is_told_apart_and_the_result_loads(
    own: Labelled, tmp_path: Path, sigmoid: bool
) -> None:
    base = write_clip(tmp_path / "base", sigmoid)
    figures = finetune(f"local-dir:{base}", own, QUICK, tmp_path / "mine", lambda line: None)
    assert figures["before"] <= 0.7 and figures["after"] == 1.0
    made = OpenClipModel.model_validate({"backend": "open_clip", "checkpoint": f"local-dir:{tmp_path / 'mine'}"})
    assert load_clip(made).size == (32, 32)
    card = (tmp_path / "mine" / "model_card.md").read_text()
    assert "| after | 1.000 |" in card and "no probabilities until it is calibrated" in card


def test_only_what_is_unlocked_changes(own: Labelled, tmp_path: Path) -> None:
    base = write_clip(tmp_path / "base")
    before = load_file(base / WEIGHTS)
    changed = {}
    for tune in ("projection", "last", "all"):
        plan = Tuning(steps=1, batch=4, threads=1, tune=tune, device="cpu", precision="fp32", rate=0.1)
        finetune(f"local-dir:{base}", own, plan, tmp_path / tune, lambda line: None)
        after = load_file(tmp_path / tune / WEIGHTS)
        changed[tune] = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed["projection"] <= {"visual.proj", "logit_scale"}
    assert changed["projection"] < changed["last"] < changed["all"]
    assert not any(name.startswith("text.") for name in changed["last"])
    assert any(name.startswith("text.") for name in changed["all"])


def test_a_stopped_tuning_goes_on_to_the_same_weights(own: Labelled, tmp_path: Path) -> None:
    base, said = f"local-dir:{write_clip(tmp_path / 'base')}", list[str]()
    plan = Tuning(steps=3, batch=4, threads=1, device="cpu", precision="fp32")
    finetune(base, own, plan, tmp_path / "whole", said.append)
    finetune(base, own, replace(plan, minutes=0.0), tmp_path / "halves", said.append)
    finetune(base, own, plan, tmp_path / "halves", said.append)
    assert "going on from finetune.pt: step 0 of 3" in said
    whole, halves = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    with pytest.raises(ConfigError, match=r"finetune.pt is of another training \(batch was 4, is 5"):
        finetune(base, own, replace(plan, batch=5), tmp_path / "halves", said.append)


def test_what_cannot_be_learnt_from_is_refused(own: Labelled, tmp_path: Path) -> None:
    base = f"local-dir:{write_clip(tmp_path / 'base')}"
    one = Labelled(tuple(item for item in own.items if item.label == "feeler gauge"))
    with pytest.raises(ConfigError, match=r"all 15 pictures are 'feeler gauge'; a CLIP learns to tell things apart"):
        finetune(base, one, QUICK, tmp_path / "out", print)
    few = Labelled((*one.items, next(item for item in own.items if item.label == "torque wrench")))
    with pytest.raises(ConfigError, match=r"fewer than 3 pictures of 'torque wrench' \(1\); take more, or leave"):
        finetune(base, few, QUICK, tmp_path / "out", print)
    with pytest.raises(ModelError, match="nowhere"):
        finetune(f"local-dir:{tmp_path / 'nowhere'}", own, QUICK, tmp_path / "out", print)


def test_the_command_tells_mistakes_without_a_traceback(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["clip", str(tmp_path / "gone"), "--checkpoint", "local-dir:x"])
    assert done.exit_code == 2 and "there is no such folder" in done.output and "Traceback" not in done.output
