"""`vlm-bt models`: through the real service, the real loading code and the hub's own client."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hub import serve_repository
from PIL import Image
from safetensors.numpy import save_file
from tiny_clip import write_clip
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.cli.trying import meant, simplest, told
from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.questions import NAMES, YES_NO, Caption, Choose, Counted, Describe, Look, ReadOut, name_of
from vlm_bt.types import Answer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOOK = Look("")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)).save(path)
    return path


def configured(tmp_path, vision):
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"bench": {"zones": {}}, "vision": vision}))
    return str(path)


def models(*arguments):
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def refused(*arguments):
    error = models(*arguments).exception
    assert isinstance(error, (ConfigError, ModelError)), repr(error)
    return str(error)


def test_list_says_what_ships_where_it_lies_and_what_it_is_asked():
    said = models("list").stdout
    for words in (
        "shipped: embedded, ships with vlm_bt",
        "MB in ",
        "revision  ",
        "asked     ground, is_true",
        "qwen3_vl",
    ):
        assert words in said


def test_list_tells_what_is_missing_and_what_is_routed_where(tmp_path, clip):
    config = configured(
        tmp_path,
        {
            "models": {
                "clip": {"backend": "open_clip", "checkpoint": f"local-dir:{clip}"},
                "large": {
                    "backend": "chat",
                    "checkpoint": "org/tiny",
                    "model_revision": COMMIT,
                    "cache": str(tmp_path),
                },
                "loose": {"backend": "chat", "checkpoint": "org/tiny"},
                "remote": {"backend": "openai", "model": "big", "base_url": "http://elsewhere"},
            },
            "route": {"choose": ["clip", "large"], "describe": "large", "default": "clip"},
        },
    )
    told_json = json.loads(models("list", "--config", config, "--json").stdout)
    entries = {entry["name"]: entry for entry in told_json["models"]}
    assert entries["clip"]["folders"] == [str(clip)] and entries["clip"]["size_bytes"] > 1000
    assert "describe" not in entries["clip"]["asked"] and entries["large"]["asked"] == ["choose", "describe"]
    assert "is not on this machine" in entries["large"]["missing"]
    assert "40 hex digits" in entries["loose"]["missing"] and entries["loose"]["asked"] == []
    assert entries["remote"]["checkpoint"] == "big at http://elsewhere"
    assert set(told_json["backends"]) >= {"embedded", "open_clip", "detection", "chat", "openai", "langchain"}
    said = models("list", "--config", config).stdout
    assert "MISSING" in said and "nothing: no route leads to it" in said


def test_check_loads_the_shipped_model_and_asks_it():
    said = models("check").stdout
    for words in (
        "warmed up; model ",
        "answers   choose",
        "calibrated yes",
        "choose: ",
        " ms for a picture of 640 x 480",
    ):
        assert words in said


def test_check_tells_hashes_memory_and_what_goes_wrong_for_every_model(tmp_path, clip):
    config = configured(
        tmp_path,
        {
            "models": {
                "clip": {"backend": "open_clip", "checkpoint": f"local-dir:{clip}", "device": "cpu"},
                "gone": {"backend": "chat", "checkpoint": str(tmp_path / "gone"), "device": "cpu"},
            }
        },
    )
    done = models("check", "--config", config)
    for words in (
        "files     ",
        "0 compared with their pinned sha256",
        "memory    about 0.50 GiB",
        "on cpu as float32, quantisation none; free are ",
        "embed: ",
        "FAILED    there is no folder",
    ):
        assert words in done.stdout
    assert str(done.exception) == "1 of 2 models cannot be used: gone"
    assert "no model is called 'clop'; there are: clip, gone" in refused("check", "clop", "--config", config)


def test_try_marks_what_it_found(tmp_path, clip, picture):
    config = configured(tmp_path, {"models": {"clip": {"backend": "open_clip", "checkpoint": f"local-dir:{clip}"}}})
    depth = tmp_path / "depth.npy"
    np.save(depth, np.full((120, 160), 1.15, np.float32))
    out = tmp_path / "marked.png"
    done = models("try", picture, "--ground", "hammer", "--config", config, "--depth", depth, "--out", out, "--json")
    assert done.exception is None, done.exception
    assert json.loads(done.stdout)["result"]["phrase"] == "hammer"
    with Image.open(out) as marked:
        assert marked.size == (160, 120)


def test_try_prints_a_distribution_as_a_table(picture):
    done = models("try", picture, "what is it?", "--options", "hammer, pliers,tape measure")
    rows = [line.split("%")[0].rsplit(maxsplit=1) for line in done.stdout.splitlines()[:4]]
    assert sorted(name for name, _ in rows) == ["(none of these)", "hammer", "pliers", "tape measure"]
    assert sum(float(share) for _, share in rows) == pytest.approx(100, abs=0.3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--describe", "--read"], "ask one thing"),
        ([], "ask something"),
        (["what is it?", "--options", "hammer"], "name at least two"),
        (["what is it?", "--options", "hammer,hammer"], "each once"),
        (["what is it?", "--ground", "hammer"], "goes alone, with --options or with --describe"),
        (["--describe", "--model", "clop"], "no model is called 'clop'; there are: shipped"),
        (["--describe", "--depth", "nowhere.npy"], "nowhere.npy: there is no such file"),
        (["--describe", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_try_refuses_what_makes_no_sense_before_it_loads_a_model(picture, arguments, said):
    assert said in refused("try", picture, *arguments)


def test_try_refuses_files_that_are_no_picture_or_no_depth(tmp_path, picture):
    text = tmp_path / "text.png"
    text.write_text("hello")
    assert "is no picture that can be read" in refused("try", text, "--describe")
    assert "there is no such file" in refused("try", tmp_path / "none.png", "--describe")
    for name, array, said in (
        ("small.npy", np.zeros((2, 2)), "depth must be (120, 160) numbers in metres"),
        ("odd.npy", np.array([{"a": 1}], dtype=object), "is no .npy file of numbers"),
    ):
        np.save(tmp_path / name, array, allow_pickle=True)
        assert said in refused("try", picture, "--describe", "--depth", tmp_path / name)


def test_a_question_that_no_model_answers_ends_with_code_2_and_the_remedy(picture):
    command = [sys.executable, "-m", "vlm_bt.cli", "models", "try", str(picture), "--read"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "does not answer read_text" in done.stderr and "vision.route" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_question_alone_is_answered_by_yes_or_no():
    assert meant(LOOK, "is it rusty?", None) == Choose((LOOK,), "is it rusty?", YES_NO)
    assert meant(LOOK, "its parts", None, describe=True) == Describe((LOOK,), "its parts")


@pytest.mark.parametrize("kind", NAMES)
def test_there_is_a_simple_question_of_every_kind(kind):
    assert name_of(simplest(kind, "x")) == kind


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (
            Answer("q", ("a", "bb"), (0.25, 0.5), ("bb",), calibrated=True, outside=0.25),
            [
                "bb                50.0%  ###############",
                "a                 25.0%  ########",
                "(none of these)   25.0%  ########",
                "sure of: bb",
            ],
        ),
        (Counted("screws", 2, (0.0, 0.25, 0.75)), ["2 of: screws", "1   25.0%  ########", "2   75.0%  " + "#" * 22]),
        (Caption("a red thing"), ["a red thing"]),
        (ReadOut(()), ["nothing is written there"]),
    ],
)
def test_answers_are_told_to_people(result, lines):
    assert told(result) == lines


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "modeling_own.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    save_file({"w": np.ones(4, np.float32)}, folder / "model.safetensors")
    return folder


def pulled(config, endpoint, *options):
    command = [sys.executable, "-m", "vlm_bt.cli", "models", "pull", "large", "--config", config, *options]
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def test_pull_fetches_what_is_pinned_and_prints_hashes_that_then_hold(tmp_path, repository):
    large = {"backend": "chat", "checkpoint": "org/tiny", "model_revision": COMMIT, "cache": str(tmp_path / "hub")}
    config = configured(tmp_path, {"models": {"large": large}})
    with serve_repository(repository, "org/tiny", COMMIT) as (endpoint, asked):
        refusal = pulled(config, endpoint)
        assert refusal.returncode == 2 and "add --online" in refusal.stderr and not asked
        done = pulled(config, endpoint, "--online")
    assert done.returncode == 0, done.stderr
    assert set(asked) == {"config.json", "model.safetensors"}, "programs and pickles are not even fetched"
    hashes = yaml.safe_load(done.stdout)["sha256"]
    assert set(hashes) == set(asked)
    pinned = configured(tmp_path, {"models": {"large": {**large, "sha256": hashes}}})
    entry = json.loads(models("list", "--config", pinned, "--json").stdout)["models"][0]
    assert entry["missing"] == "" and entry["revision"] == COMMIT[:12]
    assert Path(entry["folders"][0]).name == COMMIT


def test_pull_names_a_commit_that_the_hub_lacks_and_a_model_with_nothing_to_fetch(tmp_path, repository):
    large = {"backend": "chat", "checkpoint": "org/tiny", "model_revision": COMMIT, "cache": str(tmp_path / "hub")}
    config = configured(tmp_path, {"models": {"large": large, "shipped": {"backend": "embedded"}}, "offline": False})
    with serve_repository(repository, "org/tiny", "f" * 40) as (endpoint, _):
        done = pulled(config, endpoint)
    assert done.returncode == 2
    assert f"org/tiny at {COMMIT[:12]} cannot be fetched" in done.stderr and "Traceback" not in done.stderr
    assert "has nothing to fetch: its backend is embedded" in refused("pull", "shipped", "--config", config)
