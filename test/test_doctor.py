from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from vlm_bt import doctor, places
from vlm_bt.doctor import Finding
from vlm_bt.simulation import drawing
from vlm_bt.vision import weights


def only(check: doctor.Check) -> Finding:
    (finding,) = check()
    return finding


def test_everything_that_is_not_in_order_has_a_remedy_and_nothing_else_has() -> None:
    findings = doctor.examine()
    assert {"python", "memory", "disk", "vlm_bt", "torch", "mujoco", "drawing", "model weights", "ROS 2"} <= {
        finding.name for finding in findings
    }
    assert all(finding.value for finding in findings)
    assert [finding for finding in findings if finding.ok == bool(finding.remedy)] == []


def test_looking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vlm_bt import doctor; from vlm_bt.simulation import drawing; drawing.probe = lambda: []; "
        "doctor.examine(); print(sorted({'torch', 'mujoco', 'rclpy', 'pyrealsense2'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "mink":
            raise metadata.PackageNotFoundError(name)
        return "99"

    monkeypatch.setattr(metadata, "version", version)
    assert [finding.name for finding in doctor.packages() if not finding.ok] == ["mink"]


def test_a_package_that_is_too_old_is_told_apart_from_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["torch>=2.13", "numpy>=2.0", "ruff>=99; extra == 'dev'"])
    monkeypatch.setattr(metadata, "version", {"vlm_bt": "1", "torch": "2.9.1+cpu", "numpy": "2.10"}.__getitem__)
    _, torch, numpy = doctor.packages()
    assert not torch.ok and torch.value == "2.9.1+cpu is older than 2.13"
    assert numpy.ok


def test_a_machine_that_cannot_draw_is_told_each_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "probe", lambda: [("egl", False, "get egl"), ("osmesa", False, "get osmesa")])
    assert only(doctor.drawing) == Finding("drawing", False, "no library can draw here", "get egl; or get osmesa")
    monkeypatch.setattr(drawing, "probe", lambda: [("egl", False, "get egl"), ("osmesa", True, "")])
    assert only(doctor.drawing) == Finding("drawing", True, "by osmesa")


def test_missing_weights_are_a_finding_not_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "embedded_directory", lambda: tmp_path)
    finding = only(doctor.model)
    assert not finding.ok and finding.needed
    assert str(tmp_path) in finding.value and weights.REMEDY not in finding.value
    assert finding.remedy == weights.REMEDY


def test_a_calibration_of_another_model_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "embedded_directory", lambda: tmp_path)
    monkeypatch.setattr(weights, "verify", lambda _: "0123456789abcdef")
    model, calibration = doctor.model()
    assert model.ok and "0123456789abcdef" in model.value
    assert not calibration.ok and "unsure" in calibration.remedy


def test_missing_folders_are_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "vlm_bt")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    finding = only(doctor.folders)
    assert not finding.ok and "'trees' is missing" in finding.value


@pytest.mark.parametrize(
    ("version_file", "ok", "words"),
    [
        (
            "cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n",
            True,
            "NVIDIA Test 1; torch is built for CUDA 13.0",
        ),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.1'\n", False, "NVIDIA Test 1; this torch cannot use it"),
    ],
)
def test_a_gpu_counts_only_with_a_torch_that_can_use_it(
    version_file: str, ok: bool, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA Test 1 (UUID: GPU-0)'\n")
    smi.chmod(0o755)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").touch()
    (tmp_path / "torch/version.py").write_text(version_file)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    importlib.invalidate_caches()
    finding = only(doctor.gpu)
    assert (finding.ok, finding.value, finding.needed) == (ok, words, False)
