"""What an author sees while typing, from the real yaml-language-server and the schemas that come along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from language_server import Editor, MissingError, install

CHECKOUT = Path(__file__).parent.parent
TREES = sorted((CHECKOUT / "trees").glob("*.yaml"))
HEAD = f"# yaml-language-server: $schema={CHECKOUT.as_uri()}/schema/vlm_bt_tree.schema.json\ntree: t\nroot:\n"
CARD_HEAD = HEAD.split("\n")[0].replace("vlm_bt_tree", "vlm_bt_skill") + "\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    try:
        command = install()
    except MissingError as missing:
        pytest.skip(str(missing))
    editor = Editor(command, tmp_path_factory.mktemp("authored"))
    yield editor
    editor.close()


def test_skills_and_nodes_are_completed_with_what_their_cards_say(editor: Editor) -> None:
    found = editor.completions(HEAD + "  sequence:\n    - pi|\n")
    assert {"pick", "verify_grounding", "go_home", "sequence", "match"} <= set(found)
    told = found["pick"]["documentation"]["value"]
    assert "Grasp a verified object from above" in told and "`grasp_failed`" in told


def test_a_skill_comes_with_the_arguments_that_it_needs(editor: Editor) -> None:
    found = editor.completions(HEAD + "  sequence:\n    - |\n")
    assert "tool: $1" in found["pick"]["insertText"] and "into: $2" in found["pick"]["insertText"]


@pytest.mark.parametrize("text", ["    - pick:\n        |\n", "    - pick: {t|}\n"])
def test_arguments_are_completed(editor: Editor, text: str) -> None:
    found = editor.completions(HEAD + "  sequence:\n" + text)
    assert {"tool", "into", "timeout_s", "name"} <= set(found)
    assert "verified_object - what to pick up" in found["tool"]["documentation"]["value"]


def test_arguments_that_stand_there_already_are_not_offered_again(editor: Editor) -> None:
    found = editor.completions(HEAD + "  sequence:\n    - pick: {tool: $tool, i|}\n")
    assert "into" in found and "tool" not in found


def test_defaults_choices_and_outcomes_are_offered(editor: Editor) -> None:
    assert "30" in editor.completions(HEAD + "  ask_human:\n    answer_within_s: |\n")
    assert {"resume", "restart"} == set(editor.completions(HEAD + "  guard:\n    on_clear: |\n"))
    assert {"unsure", "mishap", "else"} <= set(editor.completions(HEAD + "  match:\n    do: go_home\n    |\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("  pi|ck: {tool: $tool, into: $held}\n", "Grasp a verified object from above"),
        ("  pick: {to|ol: $tool, into: $held}\n", "verified_object - what to pick up"),
        ("  go_h|ome\n", "Fold the arm back"),
        ("  gua|rd: {while: workspace_is_clear, do: go_home}\n", "goes on only while a condition holds"),
    ],
)
def test_hovering_tells_what_the_card_says(editor: Editor, text: str, told: str) -> None:
    assert told.casefold() in editor.hover(HEAD + text).casefold()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("  pick: {tool: $tool, into: $held, tol: 4}\n", (3, 35), "Property tol is not allowed."),
        ("  sequence:\n    - retry: {at_most: 3, tries: 3, do: go_home}\n", (4, 26), "Property tries is not allowed."),
        ("  sequence:\n    - pik: {tool: $tool}\n", (4, 6), "This is no skill"),
        ("  sequence:\n    - go_hom\n", (4, 6), "This is no skill"),
        ("  pick: {tool: wrench, into: $held}\n", (3, 15), "Expected a variable: what to pick up."),
        ("  verify_count: {into: $c, timeout_s: soon}\n", (3, 38), 'Incorrect type. Expected "number".'),
        ("  match: {do: go_home, unsue: go_home}\n", (3, 23), "Property unsue is not allowed."),
    ],
)
def test_a_mistake_is_marked_at_its_place(editor: Editor, text: str, place: tuple[int, int], message: str) -> None:
    found = editor.diagnostics(HEAD + text)
    assert [(f["range"]["start"]["line"], f["range"]["start"]["character"]) for f in found] == [place]
    assert found[0]["message"].startswith(message)


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_nothing_is_marked_in_a_tree_that_comes_along(editor: Editor, path: Path) -> None:
    assert editor.diagnostics(HEAD.split("\n")[0] + "\n" + path.read_text()) == []


def test_cards_are_completed_and_checked_too(editor: Editor) -> None:
    card = CARD_HEAD + "skill: grab\nsummary: Grab it.\nleaf: Pick\ntimeout_s: 5\ninputs:\n"
    assert "tool" in editor.completions(card + "  t|\n")
    assert [found["message"] for found in editor.diagnostics(card + "  tol: it\n")] == ["Property tol is not allowed."]
