"""Configuration files: what they may hold, what they are based on, and what is said of wrong ones."""

from pathlib import Path

import pytest

from vlm_bt import settings
from vlm_bt.errors import ConfigError

GPU = """
based_on: embedded
vision:
  models:
    big: {backend: chat, checkpoint: models/big, device: cpu}
  route: {default: shipped, describe: big, is_true: [shipped, big]}
"""


def written(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_says_only_what_differs_from_the_one_it_is_based_on(tmp_path):
    mine = settings.load(written(tmp_path, GPU))
    assert mine.bench == settings.load().bench and list(mine.vision.models) == ["shipped", "big"]
    assert mine.vision.route_of("describe") == ("big",)
    assert mine.vision.route_of("is_true") == ("shipped", "big")
    assert mine.vision.route_of("choose") == ("shipped",)


def test_a_model_is_replaced_as_a_whole(tmp_path):
    written(tmp_path, GPU, "base.yaml")
    text = "based_on: base.yaml\nvision: {models: {big: {backend: embedded}}}"
    assert settings.load(written(tmp_path, text)).vision.models["big"].backend == "embedded"


def test_paths_are_taken_from_the_folder_of_their_file(tmp_path):
    text = "based_on: embedded\nskills: [my_skills]\nvision: {models: {told: {backend: scripted, script: told.yaml}}}"
    base = written(tmp_path, text, "site/base.yaml")
    mine = settings.load(written(tmp_path, "based_on: site/base.yaml"))
    assert mine.vision.models["told"].script == base.parent / "told.yaml"
    assert mine.skills == (base.parent / "my_skills",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("based_on: mine.yaml", "is based on itself, through mine.yaml"),
        ("based_on: nowhere.yaml", "nowhere.yaml: cannot be read"),
        ("- a\n- b", "a configuration is a mapping"),
        ("based_on: embedded\nvision: {route: {guess: shipped}}", "no question is called 'guess'; there are: ground"),
        ("based_on: embedded\nvision: {route: nobody}", "no model is called 'nobody'; there are: shipped"),
        ("based_on: embedded\nvision: {models: {big: {backend: magic}}}", "vision.models.big"),
        (
            "based_on: embedded\nvision: {models: {big: {backend: chat, checkpoint: x, dtype: int3}}}",
            "vision.models.big.chat.dtype",
        ),
        ("based_on: embedded\nros: {cameras: {wrist: {colour: a, depth: b, info: c}}}", "one is called 'overhead'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        settings.load(written(tmp_path, text))
    assert said in str(caught.value)
