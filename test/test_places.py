from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vlm_bt import places
from vlm_bt.errors import ConfigError

CHECKOUT = Path(__file__).parent.parent
ASK = "import site, sys; site.addsitedir(sys.argv[1]); from vlm_bt import places, __version__; "


def say(code: str, site: Path, cwd: Path) -> str:
    """What a Python that sees only the standard library and `site` prints; none of this environment leaks in."""
    command = [sys.executable, "-I", "-S", "-c", ASK + code, str(site)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={"PATH": os.environ["PATH"]})
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def pip(*arguments: str | Path) -> None:
    """Run pip. With `install`, --ignore-installed is a must: pip would first remove the vlm_bt that runs this test."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def site_of(prefix: Path) -> Path:
    return next(path.parent for path in prefix.rglob("vlm_bt-*.dist-info"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own to build from, with at least one file in each folder."""
    target = tmp_path_factory.mktemp("source") / "vlm bt"
    not_code = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "work", "test")
    shutil.copytree(CHECKOUT, target, ignore=not_code)
    for name in ("trees/one", "skills", "config", "launch"):
        (target / name).mkdir(parents=True, exist_ok=True)
        (target / name / "made_for_a_test.yaml").write_text("{}\n")
    weights = target / "vlm_bt/vision/weights/made_for_a_test"
    weights.mkdir(parents=True)
    for name in ("model.safetensors", "card.md", "manifest.json", "not_shipped.bin"):
        (weights / name).write_text("")
    return target


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, copy)
    return next(folder.glob("vlm_bt-*.whl"))


@pytest.mark.parametrize("how", ["--prefix", "--target"])
def test_an_installed_wheel_finds_its_shared_folders(how: str, wheel: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "installed"
    pip("install", "--ignore-installed", "--no-deps", "-q", how, prefix, wheel)
    for name in ("trees", "skills", "config", "launch"):
        found = Path(say(f"print(places.share_dir({name!r}))", site_of(prefix), tmp_path))
        assert found == prefix / "share" / "vlm_bt" / name
        assert next(found.rglob("made_for_a_test.yaml")).is_file()


def test_the_wheel_holds_weights_marker_manifest_and_version_but_no_stray_file(wheel: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "installed"
    pip("install", "--ignore-installed", "--no-deps", "-q", "--prefix", prefix, wheel)
    site = site_of(prefix)
    weights = site / "vlm_bt/vision/weights/made_for_a_test"
    assert sorted(path.name for path in weights.iterdir()) == ["card.md", "manifest.json", "model.safetensors"]
    assert (prefix / "share/ament_index/resource_index/packages/vlm_bt").is_file()
    assert (prefix / "share/vlm_bt/package.xml").is_file()
    assert (site / "vlm_bt/py.typed").is_file()
    top_level = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert top_level == {"vlm_bt"}, "a folder of ours would shadow a package of that name"
    assert say("print(__version__)", site, tmp_path) == wheel.name.split("-")[1]


def test_an_editable_install_finds_the_folders_of_the_checkout(copy: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "installed"
    pip("install", "--ignore-installed", "--no-deps", "--no-build-isolation", "-q", "--prefix", prefix, "-e", copy)
    found = say("print(places.share_dir('trees'))", site_of(prefix), tmp_path)
    assert Path(found) == copy / "trees"


def test_this_checkout_is_found() -> None:
    assert places.share_dir("launch") == CHECKOUT / "launch"


def package_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = folder / "lib/python3/site-packages/vlm_bt"
    package.mkdir(parents=True)
    monkeypatch.setattr(places, "PACKAGE", package)
    monkeypatch.setattr(sys, "prefix", str(folder / "nowhere"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return package


def test_the_ament_prefix_path_is_asked_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package_in(tmp_path / "venv", monkeypatch)
    for prefix in ("first", "second", "venv"):
        (tmp_path / prefix / "share/vlm_bt").mkdir(parents=True)
    (tmp_path / "second/share/vlm_bt/trees").mkdir()
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(str(tmp_path / name) for name in ("first", "second")))
    assert places.share_dir("trees") == tmp_path / "second/share/vlm_bt/trees"
    (tmp_path / "venv/share/vlm_bt/trees").mkdir()
    assert places.share_dir("trees") == tmp_path / "venv/share/vlm_bt/trees"


def test_another_packages_manifest_beside_ours_does_not_make_it_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_in(tmp_path, monkeypatch)
    (package.parent / "package.xml").touch()
    (tmp_path / "share/vlm_bt/trees").mkdir(parents=True)
    assert places.share_dir("trees") == tmp_path / "share/vlm_bt/trees"


def test_a_missing_folder_is_named_with_the_places_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package_in(tmp_path, monkeypatch)
    (tmp_path / "share/vlm_bt").mkdir(parents=True)
    with pytest.raises(ConfigError) as caught:
        places.share_dir("trees")
    text = str(caught.value)
    assert "'trees' is missing" in text
    assert str(tmp_path / "share/vlm_bt/trees") in text
    assert "AMENT_PREFIX_PATH" in text
