"""Faults put into the shipped trees, and documents made to break readers: small versions of the benchmarks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlm_bt.bench.faults import Faults
from vlm_bt.bench.fuzz import BOMBS, documents, thrown
from vlm_bt.bench.load import generated, nodes_of, timed
from vlm_bt.bench.mutants import judged, shipped_faults
from vlm_bt.cli import app
from vlm_bt.leaves.table import LEAVES
from vlm_bt.places import share_dir
from vlm_bt.tree import check_tree, load_tree


def test_every_single_fault_is_told_at_its_place_and_nearly_always_alone() -> None:
    tally = judged(shipped_faults(every=11))
    assert tally.faults > 150 and len(tally.rules) > 20
    assert [(fault.base, fault.rule, fault.line, fault.column, told) for fault, told in tally.missed] == []
    assert len(tally.followed) <= 0.05 * tally.faults


def test_the_faults_are_of_every_class_that_the_shipped_trees_allow() -> None:
    rules = {fault.rule for path in share_dir("trees").glob("*.yaml") for fault in Faults(path)}
    rules |= {fault.rule for path in share_dir("skills").glob("*.yaml") for fault in Faults(path)}
    assert rules >= {
        *("syntax", "unknown-key", "duplicate-key", "type", "trust", "unguarded-motion", "unreachable"),
        *("endless-repeat", "parallel-motion", "parallel-write", "secret", "absolute-path", "read-before-written"),
        *("output-not-set", "dead-branch", "loosened", "insecure-restart", "foreign-leaf", "include", "recursion"),
        *("wait-without-limit", "guard-waits"),
    }  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_one_line_and_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(BOMBS[name]())
    began = time.process_time()
    found = check_tree(path, LEAVES)
    assert time.process_time() - began < 5.0
    if name not in ("equal keys", "many dollars", "many unknown skills", "secrets", "a merge key"):
        assert len(found) == 1 and "\n" not in found[0].message and len(found[0].message) < 200, found[:3]
    assert all(len(str(finding)) < 2_000 for finding in found)
    assert bool(found) == (name != "many dollars")


def test_random_documents_never_crash_the_language() -> None:
    worst = thrown((str(number), data) for number, data in enumerate(documents(400, seed=1)))
    assert (worst.crashed, worst.documents) == ("", 400)
    assert worst.slowest_s < 5.0


def test_nothing_that_a_document_names_is_opened_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins
    import os

    ran: list[object] = []
    monkeypatch.setattr(os, "system", ran.append)
    monkeypatch.setattr(builtins, "eval", ran.append)
    path = tmp_path / "t.yaml"
    for text in (
        "!!python/object/apply:os.system [x]",
        "{'os:system': {}}",
        "{log: '$(x) `x` {{x}} %x'}",
        "!include /etc/hosts",
    ):
        path.write_text(f"tree: t\nroot: {text}\n")
        assert check_tree(path, LEAVES)
    assert ran == []


def test_loading_grows_in_step_with_the_size_of_the_file(tmp_path: Path) -> None:
    small, large = generated(tmp_path / "small", 300), generated(tmp_path / "large", 3_000)
    source = load_tree(small[0], LEAVES, skills_dirs=[share_dir("skills"), small[1]])
    assert nodes_of(source) == 300
    (check_s, build_s), (check_10, build_10) = timed(*small, 3), timed(*large, 3)
    assert check_10 < 25 * check_s and build_10 < 25 * build_s, "ten times the nodes; twice as much for a busy machine"


@pytest.mark.parametrize("name", ["load", "mutants", "fuzz"])
def test_the_benchmarks_of_the_language_give_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import vlm_bt.bench.fuzz
    import vlm_bt.bench.mutants

    monkeypatch.setattr(vlm_bt.bench.fuzz, "QUICK", 20)
    monkeypatch.setattr(vlm_bt.bench.mutants, "QUICK_EVERY", 200)
    monkeypatch.setattr("vlm_bt.bench.load.MANY", 2_000)
    done = CliRunner().invoke(app, ["bench", name, "--quick", "--json"])
    assert done.exit_code in (0, 1), done.output
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert len(figures) == 4 and all(figure["target"] is not None for figure in figures)
