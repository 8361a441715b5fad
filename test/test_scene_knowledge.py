"""What is known of kinds: sizes, widths, reach and care, and what a wrong file says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.scene.knowledge import Knowledge, load_knowledge
from vlm_bt.types import Footprint
from vlm_bt.vision.vocabulary import KINDS


def shape(length_m: float, width_m: float, height_m: float = 0.015, at: tuple[float, float] = (0.4, 0.1)) -> Footprint:
    return Footprint(at, length_m, width_m, 0.0, height_m, length_m * width_m)


@pytest.fixture(scope="module")
def known() -> Knowledge:
    return load_knowledge(share_dir("config") / "knowledge.yaml")


def test_every_kind_that_the_model_names_is_known(known: Knowledge) -> None:
    assert set(KINDS) <= set(known.kinds)


@pytest.mark.parametrize(
    ("label", "seen", "weighs"),
    [
        ("pliers", shape(0.15, 0.05), "for"),
        ("pliers", shape(0.22, 0.05), "against"),
        ("pliers", shape(0.35, 0.05), "against"),
        ("screw", shape(0.15, 0.03), "against"),
        ("marble cake", shape(0.15, 0.03), "neutral"),
    ],
)
def test_a_size_that_does_not_fit_speaks_against_a_name(known, label, seen, weighs) -> None:
    assert known.size(label, seen).weighs == weighs


def test_the_evidence_names_what_was_measured_and_what_is_known(known: Knowledge) -> None:
    assert known.size("pliers", shape(0.22, 0.05)).says == "it is 220 mm long, a pliers is 100 to 200 mm"


def test_what_lies_out_of_reach_is_told(known: Knowledge) -> None:
    assert known.reach(shape(0.1, 0.1, at=(0.4, 0.0))).weighs == "for"
    assert known.reach(shape(0.1, 0.1, at=(0.9, 0.9))).weighs == "against"


def test_a_width_between_the_fingers_may_deny_a_name(known: Knowledge) -> None:
    assert known.grasp("screw", 0.008).weighs == "for"
    assert known.grasp("screw", 0.045).weighs == "against"
    assert known.grasp("bottle", 0.045).weighs == "neutral"


def test_what_is_sharp_fragile_heavy_or_full_of_liquid_asks_for_care(known: Knowledge) -> None:
    assert known.care("utility knife") == "an utility knife is sharp"
    assert "liquid" in known.care("bottle") and "fragile" in known.care("glass")
    assert known.care("pliers") == known.care("marble cake") == ""
    anvil = {"length_m": [0.1, 0.3], "width_m": [0.1, 0.2], "height_m": [0.1, 0.3], "weight": "heavy", "sharp": True}
    assert Knowledge.model_validate({"kinds": {"anvil": anvil}}).care("anvil") == "an anvil is sharp and heavy"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("kinds:\n  pliers: {length_m: [0.2, 0.1], width_m: [0, 1], height_m: [0, 1]}\n", 2, "is no range"),
        ("kinds:\n  pliers:\n    length_m: [0.1, 0.2]\n    width_m: [0, 1]\n", 2, "height_m: Field required"),
        ("reach_m: [0, 1]\nkinds:\n  pliers:\n    lenght_m: [0.1, 0.2]\n", 4, "lenght_m: Extra inputs"),
        ("kinds:\n  a: {length_m: [0, 1], width_m: [0, 1], height_m: [0, 1], weight: huge}\n", 2, "weight"),
        ("kinds: {}\nreach_m: [0, 1]\nkinds: {}\n", 3, "'kinds' stands there twice"),
        ("reach_m: [0, .inf]\n", 1, "finite"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        load_knowledge(path)
    assert any(one.startswith(f"{path}:{line}:") and said in one for one in str(told.value).splitlines())


def test_a_file_that_is_not_there_or_no_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_knowledge(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_text("kinds: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_knowledge(tmp_path / "odd.yaml")
