"""What the record of a whole mission holds, and which runs stay."""

import fcntl
import os

import pytest

from vlm_bt import app, settings
from vlm_bt.cli.run import changed
from vlm_bt.places import share_dir
from vlm_bt.recording import entries
from vlm_bt.recording.record import Record
from vlm_bt.recording.retention import forget_old_runs


def run(out, **recorder):
    chosen = changed(changed(settings.load(), "simulation.fidelity", "fast"), "simulation.items", 3)
    for name, value in recorder.items():
        chosen = changed(chosen, f"recorder.{name}", value)
    tree = share_dir("trees") / "organise_workbench.yaml"
    with app.build(chosen, tree, human="scripted", out=out) as mission:
        return mission.run(), Record.read(out / "mission.mcap")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "evidence")


def test_a_reader_can_draw_the_tree_of_every_status_change_from_the_record_alone(evidence):
    _, record = evidence
    (written,) = record.of(entries.Nodes)
    names = {tuple(node["path"]): node["name"] for node in written.nodes}
    changes = list(record.of(entries.StatusChange))
    assert changes and all(names[change.path] == change.name for change in changes)
    assert all(path[:-1] in names for path in names if path), "a node without its parent"
    assert record.entries.index(written) < record.entries.index(changes[0])


def test_every_skill_of_a_node_has_its_card_in_the_record(evidence):
    _, record = evidence
    cards = {card.path.removesuffix(".yaml"): card.text for card in record.of(entries.SkillSource)}
    skills = {node["skill"] for node in record.last(entries.Nodes).nodes} - {""}
    assert len(skills) > 5 and skills <= cards.keys()
    for path in (share_dir("skills") / f"{name}.yaml" for name in skills):
        assert cards[path.stem].rstrip() == path.read_text(encoding="utf-8").rstrip()


def test_which_frames_are_kept_changes_nothing_that_the_mission_does(evidence, tmp_path):
    first, some = evidence
    second, none = run(tmp_path / "none", frames="none")
    third, all_ = run(tmp_path / "all", frames="all")
    assert len({first.trace_sha256, second.trace_sha256, third.trace_sha256}) == 1
    assert not none.pictures and not any(True for _ in none.of(entries.KeptDepth))
    assert set(some.pictures) < set(all_.pictures)
    assert {one.why for one in some.of(entries.Kept)} <= {one.why for one in all_.of(entries.Kept)}
    assert (tmp_path / "none" / "report.html").is_file()


def old_run(runs, name, age_s):
    folder = runs / name
    (folder / "pictures").mkdir(parents=True)
    for file in ("mission.mcap", "report.html", "report.md", "before_after.png", "pictures/before.jpg"):
        (folder / file).write_bytes(b"x")
    os.utime(folder / "mission.mcap", (1e9 - age_s, 1e9 - age_s))
    return folder


def test_old_runs_go_and_what_a_person_put_beside_them_stays(tmp_path):
    folders = [old_run(tmp_path, f"run-{age}", age) for age in range(4)]
    (folders[3] / "notes.txt").write_text("mine")
    (tmp_path / "no_run").mkdir()
    assert forget_old_runs(tmp_path, 2) == folders[2:]
    assert [path.name for path in folders[3].iterdir()] == ["notes.txt"]
    assert folders[0].is_dir() and folders[1].is_dir() and not folders[2].exists() and (tmp_path / "no_run").is_dir()


def test_a_mission_that_still_runs_is_not_forgotten(tmp_path):
    folder = old_run(tmp_path, "running", 9)
    with (folder / "mission.mcap").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert forget_old_runs(tmp_path, 0) == [] and (folder / "mission.mcap").is_file()
    assert forget_old_runs(tmp_path, 0) == [folder]


def test_runs_are_forgotten_only_where_the_settings_say_so(tmp_path):
    folders = [old_run(tmp_path, f"run-{age}", age) for age in range(3)]
    run(tmp_path / "first")
    assert all(folder.is_dir() for folder in folders)
    run(tmp_path / "second", keep_runs=2)
    assert (tmp_path / "first").is_dir() and not any(folder.exists() for folder in folders)
