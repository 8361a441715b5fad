"""Small blocks (once, wait, set, log, parallels of a number), includes, silenced rules, text that may not be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import ListRecorder
from tree_words import Bench, plain, under_guard

from vlm_bt.tree import compile_tree


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.ports.recorder = ListRecorder()
    yield bench
    bench.close()


def rules(bench: Bench, text: str) -> list[str]:
    return [f"{f.rule} {f.line}:{f.column}" for f in bench.check(text)]


# Blocks


def test_what_is_done_once_is_not_done_again(bench: Bench) -> None:
    built = bench.build(
        plain("repeat: {until: clear, at_most: 5, do: {once: {say: {text: hello}}}}"),
        Clear=["no", "no", "no", "done"],
        Say=["no", "done"],
    )
    assert bench.run(built).ok
    assert bench.script.log.count("Say(text=hello)") == 2, "a failure does not count"


def test_a_subtree_that_begins_anew_has_done_nothing_yet(bench: Bench) -> None:
    bench.card(
        "greet", "outputs: {into: {from: $x}}\ntree: {sequence: [once: {say: {text: hi, into: $x}}, say: {text: $x}]}\n"
    )
    built = bench.build(plain("sequence: [greet, greet: {into: $y}, for_each: {item: $i, in: [a, b], do: greet}]"))
    assert bench.run(built).ok
    assert bench.script.log.count("Say(text=hi)") == 4


def test_a_wait_counts_on_the_clock_of_the_mission_and_not_while_suspended(bench: Bench) -> None:
    built = bench.build(plain("wait: {for_s: 0.5}"))
    assert bench.ticks_to_the_end(built) == 11
    suspended = bench.build(under_guard("wait: {for_s: 0.5}"), Clear=["done"] * 3 + ["no"] * 20 + ["done"])
    assert bench.ticks_to_the_end(suspended) == 31


@pytest.mark.parametrize(
    ("node", "given"),
    [
        ("set: {variable: $x, to: left}", "left"),
        ("set: {variable: $x, to: 5}", 5),
        ("set: {variable: $x, to: true}", True),
        ("set: {variable: $x, to: [a, b]}", ("a", "b")),
        ("set: {variable: $x, to: left, type: zone}", "left"),
        ("sequence: [say: {text: a, into: $y}, set: {variable: $x, to: $y}]", "yes"),
    ],
)
def test_a_variable_is_set_to_a_constant_or_another(bench: Bench, node: str, given: object) -> None:
    built = bench.build(plain(node))
    assert bench.run(built).ok and built.scope.values()["x"] == given


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ("set: {variable: $x, to: {}}", ["type 3:27"]),
        ("set: {variable: $x, to: }", ["type 3:27"]),
        ("set: {variable: $x, to: a, type: zoen}", ["type 3:36"]),
        ("set: {variable: $x, to: a, type: number}", ["type 3:27"]),
        ("set: {variable: $x, to: a, type: held_object}", ["type 3:27"]),
        ("set: {variable: $x, to: $y}", ["unknown-variable 3:27"]),
        ("sequence: [set: {variable: $x, to: 5}, set: {variable: $x, to: a}]", ["type 3:58"]),
        ("sequence: [set: {variable: $x, to: 5}, say: {text: $x}]", ["type 3:54"]),
        ("sequence: [find: {into: $c}, set: {variable: $x, to: $c, type: text}]", ["type 3:56"]),
        ("wait", ["block 3:3"]),
        ("wait: {for_s: 0}", ["type 3:17"]),
        ("wait: {do: clear, for_s: 1}", ["unknown-key 3:10"]),
        ("log: 'so $who went'", ["unknown-variable 3:12"]),
        ("sequence: [find: {into: $c}, log: 'saw $c']", ["type 3:42"]),
        ("sequence: [find: {into: $c}, log: 'saw $c.label, $5']", ["variable 3:52"]),
        ("log: {}", ["missing-key 3:3"]),
        ("parallel: {success: 3, do: [clear, hold]}", ["type 3:23"]),
    ],
)
def test_what_is_wrong_with_a_small_leaf_is_found_at_its_place(bench: Bench, node: str, found: list[str]) -> None:
    assert rules(bench, plain(node)) == found


def test_a_claim_stays_a_claim_when_a_variable_is_set_to_it(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - verify: {candidate: $c, into: $tool}
  - set: {variable: $where, to: $c.label, type: text}
  - pick: {tool: $tool, into: $held}
  - place: {held: $held, zone: $where}
"""
    )
    assert rules(bench, text) == ["trust 12:38"]


def test_a_line_of_the_record_is_filled_in_with_plain_data(bench: Bench) -> None:
    text = "tree: t\ninputs: {who: {type: text, default: '$x <b>'}}\n"
    text += "root: {sequence: [find: {into: $c}, log: 'saw $c.label ($c.score) for $who, 5 $$']}\n"
    assert bench.run(bench.build(text)).ok
    (event,) = bench.ports.recorder.on("event")
    assert (event["what"], event["text"]) == ("log", "saw pliers (0.7) for $x <b>, 5 $")


@pytest.mark.parametrize(
    ("success", "plan", "outcome"),
    [
        ("any", ["no", "done", "no"], "done"),
        ("any", ["no", "unsure", "no"], "no"),
        ("2", ["done", "no", "done"], "done"),
        ("2", ["done", "no", "refuted"], "refuted"),
        ("2", ["done", "camera_lost", "done"], "done"),
        ("2", ["done", "camera_lost", "wait"], "camera_lost"),
        ("all", ["done", "no", "done"], "no"),
    ],
)
def test_a_parallel_is_done_when_so_many_of_it_are(bench: Bench, success: str, plan: list[str], outcome: str) -> None:
    node = f"parallel: {{success: {success}, do: [find: {{into: $a}}, look: {{into: $b}}, count: {{into: $c}}]}}"
    built = bench.build(plain(node), Find=[plan[0]], Look=[plan[1]], Count=[plan[2]])
    assert bench.run(built).reason == outcome
    assert all(child.status.value != "RUNNING" for child in built.root.children)


def test_what_a_parallel_of_two_out_of_three_surely_wrote(bench: Bench) -> None:
    def node(third: str) -> str:
        says = "say: {text: a, into: $x}, say: {text: a, into: $y}"
        return plain(f"sequence: [parallel: {{success: 2, do: [{says}, {third}]}}, say: {{text: $x}}]")

    assert [rule.split()[0] for rule in rules(bench, node("clear"))] == ["read-before-written"]
    assert [rule.split()[0] for rule in rules(bench, node("always_fail"))] == []


# Rules


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (plain("parallel: [say: {text: a, into: $x}, say: {text: b, into: $x}]"), ["parallel-write 3:40"]),
        (plain("parallel: [say: {text: a, into: $x}, {retry: {at_most: 2, do: {set: {variable: $x, to: a}}}}]"),
         ["parallel-write 3:41"]),
        (plain("repeat: {until: always_fail, at_most: 9, do: clear}"), ["endless-repeat 3:19"]),
        (plain("repeat: {until: {always_fail: clear}, at_most: 9, do: clear}"), ["endless-repeat 3:20"]),
        (plain("repeat: {until: always_succeed, at_most: 9, do: clear}"), ["unreachable 3:51"]),
        (plain("for_each: {item: $x, in: [], do: clear}"), ["unreachable 3:28"]),
        (plain("sequence: [always_fail, clear]"), ["unreachable 3:27"]),
        (plain("say: {text: /home/anna/x}"), ["absolute-path 3:15"]),
        (plain("say: {text: 'see C:\\x'}"), ["absolute-path 3:20"]),
        (plain("clear # as in ~/notes"), ["absolute-path 3:17"]),
        (plain("say: {text: file:///etc/passwd}"), ["absolute-path 3:15"]),
        (plain("say: {text: /camera/color and https://example.org/home/x and a/b}"), []),
        (plain("say: {text: hf_abcdefghijklmnopqrstuvwxyzABCDEFGH}"), ["secret 3:15"]),
        (plain("say: {text: 'https://me:hunter2@example.org'}"), ["secret 3:16"]),
        (plain("say: {text: 'password: hunter2'}"), ["secret 3:16"]),
        (plain("clear # api_key = 12345"), ["secret 3:11"]),
        (plain("say: {text: what is the secret of this bench}"), []),
    ],
)  # fmt: skip
def test_dead_parts_races_secrets_and_paths_are_found(bench: Bench, text: str, found: list[str]) -> None:
    assert rules(bench, text) == found


def test_a_rule_is_silenced_on_one_line_with_a_reason(bench: Bench) -> None:
    line = "say: {text: /home/anna/x} # check: allow absolute-path because it is an example"
    assert rules(bench, plain(line)) == []
    assert rules(bench, plain(f"sequence:\n  - {line}\n  - say: {{text: /home/x/y}}")) == ["absolute-path 5:19"]
    assert bench.load(plain(line)).name == "t"


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("allow absolute-path", ["absolute-path 3:15", "silence 3:29"]),
        ("allow absolute-path because", ["absolute-path 3:15", "silence 3:29"]),
        ("allow absolute-paths because x", ["absolute-path 3:15", "silence 3:29"]),
        ("allow secret because x", ["absolute-path 3:15", "silence 3:29"]),
        ("allow", ["absolute-path 3:15", "silence 3:29"]),
        ("no", ["absolute-path 3:15", "silence 3:29"]),
    ],
)
def test_a_silencing_comment_must_be_right(bench: Bench, comment: str, found: list[str]) -> None:
    assert rules(bench, plain(f"say: {{text: /home/anna/x}} # check: {comment}")) == found


def test_what_keeps_a_claim_from_the_arm_can_not_be_silenced(bench: Bench) -> None:
    text = under_guard("pick: {tool: pliers, into: $h} # check: allow trust because I know").rstrip("\n")
    assert rules(bench, text) == ["trust 7:20", "silence 7:38"]


def test_every_rule_that_is_reported_is_listed_and_every_listed_one_is_reported() -> None:
    import re

    import vlm_bt.tree
    from vlm_bt.tree.rules import FOLLOWING, RULES

    text = "".join(path.read_text() for path in Path(vlm_bt.tree.__file__).parent.glob("*.py") if path.stem != "rules")
    told = set(re.findall(r'(?:Problem|wrong|_unreadable|reject)\(\s*(?:shown, )?"([a-z-]+)"', text))
    told |= {"trust", "file", "encoding"}
    assert told == set(RULES)
    assert set(RULES) >= FOLLOWING


# Includes


def test_a_tree_includes_folders_beside_it(bench: Bench) -> None:
    more = bench.folder / "more"
    more.mkdir()
    (more / "twice.yaml").write_text("skill: twice\nsummary: x\ntree: {sequence: [clear, clear]}\n")
    text = "tree: t\ninclude: [more]\nroot: twice\n"
    assert rules(bench, text) == []
    assert bench.run(bench.build(text)).ok
    assert rules(bench, "tree: t\nroot: twice\n") == ["unknown-skill 2:7"]
    assert rules(bench, "tree: t\ninclude: [more, skills, more]\nroot: twice\n") == []


@pytest.mark.parametrize(
    "folder", ["..", "../..", "/etc", "/", "more/../../elsewhere", "'more\\0'", "nothing", "~", "link"]
)
def test_nothing_outside_is_included(bench: Bench, folder: str) -> None:
    (bench.folder / "more").mkdir()
    (bench.folder / "link").symlink_to("/etc")
    found = bench.check(f"tree: t\ninclude: [{folder}]\nroot: clear\n")
    assert {f.line for f in found} == {2} and {f.rule for f in found} <= {"include", "type", "absolute-path"}


def test_a_card_that_is_a_link_to_elsewhere_is_not_followed(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "twice.yaml"
    elsewhere.write_text("skill: twice\nsummary: x\ntree: clear\n")
    (bench.folder / "more").mkdir()
    (bench.folder / "more" / "twice.yaml").symlink_to(elsewhere)
    assert rules(bench, "tree: t\ninclude: [more]\nroot: clear\n") == ["include 2:11"]


def test_an_older_name_of_a_block_says_what_it_is_called_here(bench: Bench) -> None:
    assert "That is written 'selector' here" in bench.errors(plain("fallback: [clear, hold]"))


def test_the_file_of_a_card_is_checked_as_a_card(bench: Bench) -> None:
    from vlm_bt.tree import check_tree

    bench.card("broken", "tree: {say: {txt: a}}\n")
    found = check_tree(bench.skills / "broken.yaml", bench.leaves, skills_dirs=[])
    assert [(Path(f.path).name, f.rule) for f in found] == [("broken.yaml", "unknown-input")]
    assert check_tree(bench.skills / "say.yaml", bench.leaves, skills_dirs=[bench.skills]) == []
    assert compile_tree(bench.load(plain("clear")), bench.ports, namespace="card").root.name == "clear"
