import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


def vlm_bt(*arguments, cwd=HERE, timeout=100):
    return subprocess.run(
        [sys.executable, "-m", "vlm_bt.cli", *arguments], capture_output=True, text=True, cwd=cwd, timeout=timeout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "organise_workbnch"], "did you mean 'organise_workbench'?"),
        (["run", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["run", "organise_workbench", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["run", "organise_workbench", "--speed", "warp"], "--speed is 'max' or 'realtime'"),
        (["run", "organise_workbench", "--set", "items"], "write key=value"),
        (["run", "organise_workbench", "--set", "simulation.itms=3"], "there is no such setting"),
        (["run", "organise_workbench", "--set", "simulation.items=many"], "valid integer"),
        (["run", "organise_workbench", "--set", "group=3"], "has no input 'group'"),
        (["run", "organise_workbench", "--human", "parrot", "--items", "0"], "nobody answers by 'parrot'"),
        (
            ["run", "organise_workbench", "--human", "scripted:nowhere.yaml", "--items", "0"],
            "nowhere.yaml: cannot be read",
        ),
        (["run", "organise_workbench", "--set", "vision.models.shipped.weights=nowhere"], "no model in nowhere"),
        (["run", "organise_workbench", "--set", "arm.robot=r2d2"], "robot 'r2d2' is not known"),
        (["run", "organise_workbench", "--items", "many"], "valid integer"),
        (["skills", "pik"], "did you mean 'pick'?"),
        (["show", "organise_workbench", "--as", "cubism"], "--as is text, mermaid, dot"),
        (["bench", "speed"], "there are: mission, story, trace, import"),
        (["bench", "mission", "--seeds", "9-1"], "names no seed"),
        (["report", "nowhere"], "no such record"),
        (["schema", "--skills", "nowhere"], "nowhere: there is no such folder of skill cards"),
        (["check", "trees", "--skills", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_bad_input_ends_in_a_clear_message_and_code_2(arguments, said, tmp_path):
    out = ["--out", str(tmp_path / "out")] if arguments[0] in ("run", "bench") else []
    done = vlm_bt(*arguments, *out)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_with_wrong_keys_names_each_of_them(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("bench: {zones: {left: {x: [0, 1]}}}\nmodle: {}\n")
    done = vlm_bt("run", "organise_workbench", "--config", str(wrong))
    assert done.returncode == 2
    assert "bench.zones.left.y: Field required" in done.stderr and "modle: Extra inputs" in done.stderr


def test_the_shipped_trees_pass_the_check():
    done = vlm_bt("check", "trees")
    assert done.returncode == 0 and "no findings" in done.stdout


def test_findings_come_as_json_with_their_place(tmp_path):
    tree = tmp_path / "wrong.yaml"
    tree.write_text("tree: wrong\nroot:\n  find_next_tol: {}\n")
    done = vlm_bt("check", str(tree), "--json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)
    assert (finding["line"], finding["column"]) == (3, 3)


def test_skills_lists_every_card_and_explains_one():
    listed = vlm_bt("skills").stdout
    assert all(path.stem in listed for path in (HERE / "skills").glob("*.yaml"))
    assert "takes tool (verified_object)" in vlm_bt("skills", "pick").stdout


def test_a_run_ends_with_one_json_object_with_the_promised_keys(tmp_path):
    done = vlm_bt(
        "run", "organise this workbench", "--items", "1", "--human", "scripted", "--json", "--out", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    promised = (
        "outcome score questions motions unverified_motions false_motions ticks tick_ms sim_s wall_s model_queries"
    )
    assert {*promised.split(), "model_wait_s", "trace_sha256", "report"} <= result.keys()
    assert set(result["score"]) == {"items", "sorted", "wrong_zone", "on_floor", "unsorted"}
    assert set(result["tick_ms"]) == {"p50", "p99", "p999"}
    assert Path(result["report"]).is_file()


def test_help_comes_at_once_and_teaches():
    done = vlm_bt("run", "--help", timeout=10)
    assert "vlm-bt run organise_workbench --human scripted" in done.stdout
