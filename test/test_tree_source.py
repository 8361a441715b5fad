"""YAML with positions."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlm_bt.tree import source
from vlm_bt.tree.source import Many, Mapping, Scalar


def findings(text: str) -> list[str]:
    return [str(finding).split("\n")[0] for finding in source.parse(text, "f.yaml").findings]


def value_of(text: str) -> object:
    parsed = source.parse(f"a: {text}", "f.yaml").value
    assert isinstance(parsed, Mapping)
    value = parsed.entries["a"].value
    assert isinstance(value, Scalar)
    return value.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o10", "0o10"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.5e-3", 0.0015),
        (".inf", ".inf"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("'true'", "true"),
        ("9" * 5000, "9" * 5000),
        ("<<", "<<"),
    ],
)
def test_words_mean_what_the_core_schema_of_yaml_1_2_says(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value and type(found) is type(value)


def test_every_value_knows_its_place() -> None:
    parsed = source.parse("one:\n  - two\n  - {three: 'ä four'}\n", "f.yaml").value
    assert isinstance(parsed, Mapping)
    items = parsed.entries["one"].value
    assert isinstance(items, Many)
    assert items.items[0].mark == (1, 4, 3)
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    assert inner.entries["three"].value.mark == (2, 12, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' stands here twice, first in line 1"),
        ("a: &x 1", "f.yaml:1:4: anchors are not part of the language"),
        ("a: *x", "f.yaml:1:4: aliases are not part of the language: write it out"),
        ("a: !!python/object:os.system ls", "f.yaml:1:4: tags are not part of the language"),
        ("? [a]\n: 1", "f.yaml:1:3: a key is a word, not a list or a mapping"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a file holds one document"),
        ("", "f.yaml:1:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1:1: the file is empty"),
        ("[" * 200 + "]" * 200, "f.yaml:1:82: nested deeper than 80"),
        ("{a: " * 200 + "}" * 200, "f.yaml:1:322: nested deeper than 80"),
    ],
)
def test_what_the_language_leaves_out_is_refused_where_it_stands(text: str, message: str) -> None:
    assert findings(text) == [message]


def test_every_duplicate_key_is_reported_and_the_first_counts() -> None:
    parsed = source.parse("a: 1\na: 2\na: 3\nb: 1\nb: 2\n", "f.yaml")
    assert [finding.line for finding in parsed.findings] == [2, 3, 5]
    assert isinstance(parsed.value, Mapping)
    first = parsed.value.entries["a"].value
    assert isinstance(first, Scalar) and first.value == 1


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "a\x00b", "\ta: 1", "a: 'x", "a: \x01", "{" * 100_000, "- " * 50_000]
)
def test_broken_yaml_is_one_finding_and_never_an_exception(text: str) -> None:
    found = source.parse(text, "f.yaml").findings
    assert len(found) == 1 and found[0].rule in ("syntax", "depth")


def test_a_very_long_line_is_shown_around_the_mistake_only() -> None:
    text = "a: {x: " + "y" * 5000 + ", x: 1}"
    (finding,) = source.parse(text, "f.yaml").findings
    rows = str(finding).split("\n")
    assert all(len(row) < 140 for row in rows)
    assert rows[1][rows[2].index("^")] == "x"


def test_a_file_that_is_missing_not_text_or_too_large_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin, large = tmp_path / "latin.yaml", tmp_path / "large.yaml"
    latin.write_bytes(b"a: 1\nb: \xff\n")
    monkeypatch.setattr(source, "LARGEST_FILE", 1_000)
    large.write_text("#" * 1_001)
    said = [str(source.read(path).findings[0]) for path in (tmp_path / "none.yaml", latin, large)]
    assert said[0].endswith("none.yaml:1:1: cannot be read: No such file or directory")
    assert said[1].endswith("latin.yaml:2:1: is not UTF-8 text")
    assert said[2].endswith("large.yaml:1:1: is larger than 0 MB")


def test_a_byte_order_mark_and_windows_line_ends_do_not_move_positions(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\na: 3\r\n")
    (finding,) = source.read(path).findings
    assert (finding.line, finding.column, finding.source_line) == (3, 1, "a: 3")
