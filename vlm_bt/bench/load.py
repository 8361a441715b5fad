"""How long a large tree takes to read, check and build, and whether that grows in step with its size."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.tree.compile import compile_tree
from vlm_bt.tree.load import TreeSource, load_tree

NODES, SUBTREES, MANY = 1_000, 20, 10_000
ROUND = 10
"""Nodes of one round of the generated mission, its subtree's call included."""


def measure_load(plan: Plan, say: Say) -> Sequence[Figure]:
    """Medians over runs that each begin with nothing read; the file of 10,000 nodes is read less often."""
    runs = 7 if plan.quick else 25
    with tempfile.TemporaryDirectory() as folder:
        small = timed(*generated(Path(folder) / "small", NODES), runs)
        large = timed(*generated(Path(folder) / "large", MANY), max(3, runs // 5))
    for name, (check_s, build_s) in (("1,000", small), ("10,000", large)):
        say(f"{name} nodes: parse and check {check_s * 1e3:.1f} ms, build {build_s * 1e3:.1f} ms")
    return [
        Figure("parse and check 1,000 nodes", round(small[0] * 1e3, 1), "ms", 50, "at most"),
        Figure("build 1,000 nodes", round(small[1] * 1e3, 1), "ms", 60, "at most"),
        Figure("parse and check, 10 times the nodes", round(large[0] / small[0], 2), "times", 13, "at most"),
        Figure("build, 10 times the nodes", round(large[1] / small[1], 2), "times", 13, "at most"),
    ]


def timed(tree: Path, skills: Path, runs: int) -> tuple[float, float]:
    """Median seconds to read and check, and to build."""
    checks: list[float] = []
    builds: list[float] = []
    for _ in range(runs):
        gc.collect()  # What the last run left behind.
        began = time.perf_counter()
        source = load_tree(tree, LEAVES, skills_dirs=[share_dir("skills"), skills])
        checked = time.perf_counter()
        compiled = compile_tree(source, Nothing(), namespace="load")
        built = time.perf_counter()
        compiled.close()
        checks.append(checked - began)
        builds.append(built - checked)
    return statistics.median(checks), statistics.median(builds)


def generated(folder: Path, nodes: int, subtrees: int = SUBTREES) -> tuple[Path, Path]:
    """Write a mission of that many nodes and the subtrees it uses in turn; the file and the folder of the cards."""
    skills = folder / "skills"
    skills.mkdir(parents=True)
    for number in range(subtrees):
        (skills / f"bring_{number}.yaml").write_text(_SUBTREE.replace("NUMBER", str(number)), encoding="utf-8")
    # The guard, its two leaves and the sequence are nodes too.
    rounds = "".join(_round(number, subtrees) for number in range((nodes - 4) // ROUND))
    rest = "        - go_home\n" * ((nodes - 4) % ROUND)
    path = folder / "large.yaml"
    path.write_text(_HEAD + rounds + rest, encoding="utf-8")
    return path, skills


def nodes_of(source: TreeSource) -> int:
    """The nodes written in the file itself."""
    from vlm_bt.tree.syntax import walk

    return sum(1 for _ in walk(source.body.root))


def _round(number: int, subtrees: int) -> str:
    return _ROUND.replace("SKILL", f"bring_{number % subtrees}").replace("NUMBER", str(number))


class Nothing(SimpleNamespace):
    """Ports that are enough to build with; nothing is ticked."""

    def __init__(self) -> None:
        arm = SimpleNamespace(hold=lambda: None, resume=lambda: None)
        super().__init__(clock=SimpleNamespace(now_s=0.0), arm=arm, recorder=None)


_HEAD = """tree: large
summary: As large as the benchmark asks.
inputs:
  groups:
    type: groups
    default:
      wrenches: {zone: left, kinds: [adjustable wrench]}
root:
  guard:
    while: workspace_is_clear
    otherwise: hold_still
    do:
      sequence:
"""

_ROUND = """        - sequence:
            - find_next_tool: {groups: $groups, into: $candidate_NUMBER}
            - match:
                do: {verify_grounding: {candidate: $candidate_NUMBER, into: $tool_NUMBER}}
                unsure: {ask_about: {candidate: $candidate_NUMBER, into: $tool_NUMBER}}
            - classify_tool: {tool: $tool_NUMBER, groups: $groups, into: $group_NUMBER}
            - SKILL: {tool: $tool_NUMBER, zone: $group_NUMBER.zone}
            - retry:
                at_most: 2
                do: {describe_scene: {into: $scene_NUMBER}}
            - go_home
"""

_SUBTREE = """skill: bring_NUMBER
summary: Bring a tool to its zone.
inputs:
  tool: {type: verified_object, help: what to bring}
  zone: {type: zone, help: where to}
tree:
  sequence:
    - retry:
        at_most: 3
        do:
          sequence:
            - locate_again: {tool: $tool, into: $tool}
            - pick: {tool: $tool, into: $held}
            - verify_in_hand: {held: $held}
    - place: {held: $held, zone: $zone}
    - go_home
"""
