"""A CLIP run by ONNX Runtime or OpenVINO: exported once, kept by revision, compared with torch at every start."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlm_bt.errors import ConfigError, ModelError, VlmBtError
from vlm_bt.vision.backends.towers import TorchTowers, Towers, unit
from vlm_bt.vision_settings import Runtime

OPSET = 17
FURTHEST = 1e-3
"""How far a number of a unit vector may be from torch's."""
IMAGE, TEXT = "image.onnx", "text.onnx"
REMEDY = "pip install 'vlm_bt[export]', or set runtime: torch"

Run = Callable[[NDArray[Any]], NDArray[Any]]


class ExportedTowers:
    """Towers that no longer need torch's model; CPU, float32."""

    def __init__(self, image: Run, text: Run) -> None:
        self._image, self._text = image, text

    def images(self, prepared: Tensor) -> Tensor:
        return unit(torch.from_numpy(self._image(prepared.numpy())))

    def texts(self, ids: Tensor) -> Tensor:
        return unit(torch.from_numpy(self._text(ids.numpy())))


def exported(
    model: Any, pixels: Tensor, ids: Tensor, runtime: Runtime, revision: str, threads: int, folder: Path | None = None
) -> Towers:
    """The towers of a CLIP in another runtime.

    Args:
        model: With `encode_image` and `encode_text`, float32, on the CPU. pixels: (1, 3, H, W). ids: (T, L) int64.
        revision: Of the weights. folder: where exports are kept; in the user's cache if not given.

    Raises:
        ConfigError: The runtime is not installed.
        ModelError: The model cannot be exported, or answers otherwise than torch does.
    """
    kept = (folder or export_folder()) / _key(revision, model)
    opened = _openers(runtime)
    if not (kept / TEXT).is_file():
        _write(model, pixels, ids, kept)
    try:
        towers = ExportedTowers(opened(kept / IMAGE, threads), opened(kept / TEXT, threads))
        _compare(TorchTowers(model, "cpu", torch.float32), towers, pixels, ids)
    except VlmBtError as error:
        raise ModelError(f"{kept}: {error}; delete it, or set runtime: torch") from error
    except Exception as error:  # the runtimes raise errors of their own, which share no parent
        short = " ".join(str(error).split())[:300]
        raise ModelError(f"{kept} does not run in {runtime} ({short}); delete it, or set runtime: torch") from error
    return towers


def export_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlm_bt" / "export"


def _key(revision: str, model: Any) -> str:
    shape = str(model).encode()
    return f"{revision}-{hashlib.sha256(shape + torch.__version__.encode()).hexdigest()[:8]}"


class _Half(nn.Module):
    def __init__(self, model: Any, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, value: Tensor) -> Tensor:
        found: Tensor = getattr(self.model, self.method)(value)
        return found


def _write(model: Any, pixels: Tensor, ids: Tensor, kept: Path) -> None:
    """Export into a draft beside, then put it in its place: a start that is cut off leaves nothing half done."""
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True, exist_ok=True)
        for name, method, example in (
            # Two of each, because an exporter takes a batch of one for a constant.
            (IMAGE, "encode_image", pixels.repeat(2, 1, 1, 1)),
            (TEXT, "encode_text", ids[:1].repeat(2, 1)),
        ):
            _export(_Half(model, method).eval(), example, draft / name)
        draft.replace(kept)
    except OSError as error:
        if not (kept / TEXT).is_file():
            raise ModelError(f"{kept} cannot be written ({error}); set XDG_CACHE_HOME to a folder that can") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _export(half: nn.Module, example: Tensor, file: Path) -> None:
    with warnings.catch_warnings():
        # The exporter that torch recommends needs onnxscript; this one needs nothing and is checked against torch.
        warnings.simplefilter("ignore")
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no operator for torch's fused attention
        try:
            torch.onnx.export(
                half,
                (example,),
                str(file),
                dynamo=False,
                opset_version=OPSET,
                input_names=["value"],
                output_names=["features"],
                dynamic_axes={"value": {0: "n"}, "features": {0: "n"}},
            )
        except ModuleNotFoundError as error:
            raise ConfigError(f"exporting needs {error.name}: {REMEDY}") from error
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"this model cannot be exported to ONNX ({error}); set runtime: torch") from error
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)


def _openers(runtime: Runtime) -> Callable[[Path, int], Run]:
    try:
        if runtime == "onnxruntime":
            import onnxruntime  # noqa: F401

            return _open_onnxruntime
        import openvino  # noqa: F401

        return _open_openvino
    except ImportError as error:
        raise ConfigError(f"runtime: {runtime} is not installed: {REMEDY}") from error


def _open_onnxruntime(file: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between answers would starve the tree's own process on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda value: np.asarray(session.run(None, {"value": value})[0])


def _open_openvino(file: Path, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(str(file)),
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"},
    )
    # The runtime writes the next answer into the same memory.
    return lambda value: np.array(compiled([value])[0])


def _compare(torch_towers: Towers, towers: Towers, pixels: Tensor, ids: Tensor) -> None:
    """Raises: ModelError: A vector is further from torch's than `FURTHEST`."""
    noise = torch.randn((3, *pixels.shape[1:]), generator=torch.Generator().manual_seed(0))
    for what, ours, theirs in (
        ("pictures", towers.images(noise), torch_towers.images(noise)),
        ("texts", towers.texts(ids), torch_towers.texts(ids)),
    ):
        apart = float((ours - theirs).abs().max())
        if not apart <= FURTHEST:
            raise ModelError(f"the exported model's {what} are {apart:.1e} from torch's")
