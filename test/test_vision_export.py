"""A CLIP run by ONNX Runtime and OpenVINO: the same vectors as torch's, kept by revision, checked at every start."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from seeing import eyes, noise, picture_frame
from tiny_clip import write_clip

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.questions import Choose, Counted, Embed, Embedding, HowMany, IsTrue, Look
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings, export, open_model
from vlm_bt.vision.backends.openclip import OpenClip
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import OpenClipModel

LOOK = Look("overhead-1")
RUNTIMES = ("onnxruntime", "openvino")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vlm_bt" / "export"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"), sigmoid=True)


def opened(checkpoint: Path | str, runtime: str, **changes: Any) -> OpenClip:
    name = f"local-dir:{checkpoint}" if isinstance(checkpoint, Path) else checkpoint
    settings = {"backend": "open_clip", "checkpoint": name, "runtime": runtime, **changes}
    model = open_model(OpenClipModel.model_validate(settings), Surroundings())
    assert isinstance(model, OpenClip)
    return model


def answers(model: OpenClip, seeds: tuple[int, ...] = (0, 1, 2)) -> list[float]:
    batch = [Asked(Embed((), "a red hammer"), ())]
    for seed in seeds:
        picture = Picture(picture_frame("overhead-1", noise(seed)), LOOK)
        batch += [Asked(Embed((LOOK,)), (picture,)), Asked(Choose((LOOK,), "?", ("hammer", "pliers")), (picture,))]
    numbers: list[float] = []
    for result in model.answer(batch):
        assert isinstance(result, Embedding | Answer), result
        numbers += result.vector if isinstance(result, Embedding) else (*result.probabilities, result.outside)
    return numbers


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_another_runtime_answers_as_torch_does(folder: Path, runtime: str) -> None:
    plain, other = opened(folder, "torch"), opened(folder, runtime)
    assert answers(other) == pytest.approx(answers(plain), abs=1e-3)
    assert answers(other, (1,)) == pytest.approx(answers(plain, (1,)), abs=1e-3), "a batch of another size"
    assert other.revision != plain.revision
    assert other.answers == plain.answers
    assert other._clip.model is None, "torch's weights are still in memory"


def test_an_export_is_written_once_and_another_model_gets_its_own(
    folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(folder, "onnxruntime")
    (kept,) = cache.iterdir()
    assert sorted(path.name for path in kept.iterdir()) == [export.IMAGE, export.TEXT]
    monkeypatch.setattr(export, "_export", None)  # nothing is left to call
    opened(folder, "openvino")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    opened(write_clip(tmp_path / "other", sigmoid=True, seed=5), "onnxruntime")
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_export_that_answers_otherwise_is_refused(folder: Path, cache: Path, tmp_path: Path, runtime: str) -> None:
    opened(folder, runtime)
    (kept,) = cache.iterdir()
    opened(write_clip(tmp_path / "other", sigmoid=True, seed=5), runtime)
    other = next(path for path in cache.iterdir() if path != kept)
    (other / export.IMAGE).replace(kept / export.IMAGE)
    with pytest.raises(ModelError, match=r"pictures are .* from torch's; delete it, or set runtime: torch"):
        opened(folder, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_broken_export_is_a_clear_error(folder: Path, cache: Path, runtime: str) -> None:
    opened(folder, runtime)
    (kept,) = cache.iterdir()
    (kept / export.TEXT).write_bytes(b"broken")
    with pytest.raises(ModelError, match=rf"does not run in {runtime} .*delete it, or set runtime: torch"):
        opened(folder, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_that_is_not_installed_names_its_remedy(
    folder: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == runtime:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=rf"{runtime} is not installed: pip install 'vlm_bt\[export\]'"):
        opened(folder, runtime)


def test_an_exported_model_is_for_the_cpu_in_full_precision(folder: Path) -> None:
    for changes in ({"device": "cuda"}, {"dtype": "bfloat16"}):
        with pytest.raises(ConfigError, match="runs here on the CPU in float32"):
            opened(folder, "onnxruntime", **changes)


def test_a_clip_answers_through_the_whole_service(folder: Path) -> None:
    settings = {"backend": "open_clip", "checkpoint": f"local-dir:{folder}", "runtime": "openvino", "proposals": "grid"}
    direct = opened(folder, "torch", proposals="grid")
    picture = Picture(picture_frame("overhead-1", noise(0)), LOOK)
    (wanted,) = direct.answer([Asked(IsTrue((LOOK,), "a red hammer"), (picture,))])
    with eyes(settings) as through:
        look = Look(through.show(noise(0)))
        claim = through.ask(IsTrue((look,), "a red hammer"))
        choice = through.ask(Choose((look,), "which?", ("hammer", "pliers")))
        counted = through.ask(HowMany((look,), "hammer"))
        vector = through.ask(Embed((), "hammer"))
    assert isinstance(claim, Answer) and isinstance(wanted, Answer)
    assert claim.probabilities == pytest.approx(wanted.probabilities, abs=1e-3)
    assert sum(choice.probabilities) + choice.outside == pytest.approx(1.0, abs=1e-4)
    assert isinstance(counted, Counted) and np.linalg.norm(vector.vector) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vit_b_32_in_every_runtime_and_eight_questions_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights of the real size. Also the issue's number: eight questions cost at most a fifth of eight calls."""
    ensure_torchvision()
    import open_clip

    torch.manual_seed(0)
    state = open_clip.create_model("ViT-B-32").state_dict()
    (tmp_path / "vit").mkdir()
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "vit" / "random.safetensors")
    del state
    name = f"ViT-B-32/{tmp_path}/vit/random.safetensors"
    wanted: list[float] = []
    for runtime in ("torch", *RUNTIMES):
        model = opened(name, runtime)
        given = answers(model)
        wanted = wanted or given
        assert given == pytest.approx(wanted, abs=1e-3)
        for size in (1, 16):
            pixels = torch.randn(size, 3, 224, 224)
            took = least(lambda pixels=pixels, model=model: model._towers.images(pixels))
            with capsys.disabled():
                print(f"ViT-B-32 {runtime} batch {size}: {took * 1e3:.1f} ms")
        if runtime == "torch":
            faster = _eight_at_once(model)
            with capsys.disabled():
                print(f"ViT-B-32 eight questions on one picture: {faster:.1f} times faster than eight calls")
            assert faster >= 5


def _eight_at_once(model: OpenClip) -> float:
    """Eight questions about a new picture against eight calls of the library, texts of both already known or not."""
    clip = model._clip
    tools = [f"a red hammer number {n}" for n in range(8)]

    def library() -> list[np.ndarray]:
        from PIL import Image

        found = []
        with torch.inference_mode():
            for tool in tools:
                image = clip.model.encode_image(clip.prepare(Image.fromarray(pixels))[None], normalize=True)
                text = clip.model.encode_text(clip.tokenize([tool, "a bench"]), normalize=True)
                found.append((clip.model.logit_scale.exp() * image @ text.T).softmax(-1)[0].numpy())
        return found

    seeds = iter(range(100, 200))

    def ours() -> Any:
        picture = Picture(picture_frame("overhead-1", noise(next(seeds), 480, 640)), LOOK)
        return model.answer([Asked(Choose((LOOK,), "?", (tool, "a bench")), (picture,)) for tool in tools])

    pixels = noise(99, 480, 640)
    model.answer([Asked(Embed((), "warm"), ())])
    ours()
    return least(library, 2) / least(ours, 4)


def least(work: Callable[[], Any], times: int = 8) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)
