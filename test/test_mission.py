"""Whole missions on small benches, with the shipped model, and one on a full bench."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from missions import messages, mission, moved_to, visited

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.world import World

PACKAGE = Path(__file__).parent.parent / "vlm_bt"
STORY = ["T-handle Allen wrench", "multi-tool", "hammer", "tape measure", "screw"]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The two tools that nobody trained for, a known one that no group names, and two ordinary things."""
    out = tmp_path_factory.mktemp("story")
    with mission(out, kinds=STORY, seed=31) as built:
        result = built.run()
    return result, out


@pytest.mark.timeout(300)
def test_the_story_ends_with_everything_in_its_place(story):
    result, _ = story
    assert result.outcome == "done", result.detail
    assert result.score == {"items": 5, "sorted": 5, "wrong_zone": 0, "on_floor": 0, "unsorted": 0}
    assert (result.unverified_motions, result.false_motions, result.safe) == (0, 0, True)


@pytest.mark.timeout(300)
def test_the_person_is_asked_about_both_unknown_tools_and_where_they_go(story):
    _, out = story
    asked = messages(out / "mission.mcap", "question")
    said = {reply["id"]: reply["text"] for reply in messages(out / "mission.mcap", "reply")}
    answers = [(question["topic"], said[question["id"]]) for question in asked]
    assert ("identity", "Allen wrench") in answers and ("identity", "multi-tool") in answers
    assert (
        ("group", "wrenches") in answers and ("group", "screwdrivers") in answers and ("group", "leave it") in answers
    )


@pytest.mark.timeout(300)
def test_every_motion_stands_in_the_record_with_a_verdict_that_came_before_it(story):
    _, out = story
    verdicts = {verdict["id"]: verdict for verdict in messages(out / "mission.mcap", "verdict")}
    picks = [motion for motion in messages(out / "mission.mcap", "motion") if motion["verb"] == "pick"]
    assert picks
    for pick in picks:
        verdict = verdicts[pick["verdict"]]
        assert verdict["label"] == pick["label"] and verdict["t"] <= pick["began_s"]


@pytest.mark.timeout(300)
def test_the_report_says_what_lies_where(story):
    result, out = story
    assert "Left section contains 1 Allen wrench." in result.closing
    assert "1 multi-tool" in result.closing and "hammer" in result.closing
    assert result.report == out / "report.html" and "Allen wrench" in result.report.read_text()


@pytest.mark.timeout(300)
def test_a_full_bench_is_sorted(tmp_path):
    with mission(tmp_path, kinds=None, seed=40) as built:
        result = built.run()
    assert result.outcome in ("done", "no"), result.detail
    assert result.score["items"] == 25 and result.score["sorted"] >= 22
    assert result.unverified_motions == 0 and result.false_motions == 0 and result.safe
    assert result.wall_s < 240


@pytest.mark.timeout(120)
def test_an_empty_bench_is_a_mission_done(tmp_path):
    with mission(tmp_path, kinds=None, simulation__items=0) as built:
        result = built.run()
    assert (result.outcome, result.motions, result.questions) == ("done", 0, 0)
    assert result.closing == "Nothing is left over."


@pytest.mark.timeout(120)
def test_where_nobody_answers_what_is_unknown_is_left_alone(tmp_path):
    with mission(tmp_path, kinds=["T-handle Allen wrench"], human="silent") as built:
        result = built.run()
    assert result.motions == 0 and result.safe and result.outcome == "human_silent"
    assert result.score["unsorted"] + result.score["wrong_zone"] == 1


@pytest.mark.timeout(180)
def test_an_answer_that_comes_too_late_is_still_used_and_never_asked_for_again(tmp_path):
    script = tmp_path / "slow.yaml"
    script.write_text(
        "answers_after_s: 32\n"
        "identity: {T-handle Allen wrench: Allen wrench}\n"
        "group: {Allen wrench: wrenches}\n"
        "other: {anything else: 'yes'}\n"
    )
    kinds = ["T-handle Allen wrench", "tape measure", *["needle-nose pliers"] * 2, "combination wrench"]
    with mission(tmp_path / "out", kinds=kinds, human=f"scripted:{script}") as built:
        result = built.run()
    record = tmp_path / "out" / "mission.mcap"
    assert [q["topic"] for q in messages(record, "question")] == ["identity", "group"]
    assert [(r["silent"], r["late"]) for r in messages(record, "reply")] == [(True, False), (False, True)] * 2
    assert result.score["sorted"] == 5 and "1 Allen" in result.closing


@pytest.mark.timeout(120)
def test_a_tool_out_of_reach_is_tried_explained_and_left(tmp_path):
    with mission(tmp_path, kinds=["tape measure"], lay_out=moved_to("tape_measure_1", 0.70, 0.52)) as built:
        result = built.run()
    assert result.safe and result.score["sorted"] == 0
    assert "unreachable" in {motion["outcome"] for motion in messages(tmp_path / "mission.mcap", "motion")}
    (written,) = [event for event in messages(tmp_path / "mission.mcap", "event") if event["what"] == "report"]
    assert "tries" in written["left_over"][0]["why"]


@pytest.mark.timeout(120)
def test_a_person_in_reach_stops_the_arm_and_the_mission_goes_on_afterwards(tmp_path):
    with mission(tmp_path, kinds=["tape measure"], lay_out=visited((3.0, 7.0))) as built:
        moving = {}
        result = built.run(lambda now: moving.__setitem__(round(now.sim_s, 2), built.arm.state.moving))
    seen = [s for s in messages(tmp_path / "mission.mcap", "status") if s["name"] == "workspace is clear"]
    stopped = next(s["t"] for s in seen if s["status"] == "FAILURE")
    cleared = next(s["t"] for s in seen if s["status"] == "SUCCESS" and s["t"] > stopped)
    assert cleared - stopped > 3.0
    still = [is_moving for t, is_moving in moving.items() if stopped + 0.15 <= t < cleared]
    assert still and not any(still)
    assert result.score["sorted"] == 1


@pytest.mark.timeout(120)
def test_an_interrupted_mission_stops_the_arm_and_still_writes_its_report(tmp_path):
    with mission(tmp_path, kinds=["tape measure"]) as built:
        result = built.run(lambda now: built.interrupt() if built.arm.motions else None)
    assert (result.outcome, result.exit_code, result.safe) == ("interrupted", 130, True)
    assert result.report.is_file()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lane", ["shipped", "geometry"])
def test_a_process_that_dies_is_started_again_and_the_mission_goes_on_or_ends_safely_and_says_why(lane, tmp_path):
    with mission(tmp_path, kinds=["tape measure"]) as built:
        built.vision.wait_ready()

        def kill_once(now):
            if now.tick == 3:
                os.kill(built.vision.lanes[lane].pid, signal.SIGKILL)

        result = built.run(kill_once)
    assert built.vision.restarts == 1 and result.safe
    assert result.outcome in ("done", "model_lost")
    events = [event["what"] for event in messages(tmp_path / "mission.mcap", "event")]
    assert "model process restarted" in events


def test_corrupt_weights_are_a_clear_error(tmp_path):
    import shutil

    from vlm_bt.vision.weights import embedded_directory

    copy = shutil.copytree(embedded_directory(), tmp_path / "weights")
    with (copy / "open_clip_model.safetensors").open("r+b") as stream:
        stream.seek(100_000)
        stream.write(b"\x00\x01\x02\x03")
    with (
        mission(tmp_path / "out", kinds=["screw"], vision__models__shipped__weights=str(copy)) as built,
        pytest.raises(ModelError, match=r"is corrupt: its sha256 begins .*vlm-bt train embedded"),
    ):
        built.run()


@pytest.mark.timeout(120)
def test_a_zone_that_the_bench_lacks_is_a_clear_error(tmp_path):
    groups = "measuring tools: {zone: lft, kinds: [tape measure]}"
    text = (PACKAGE.parent / "trees" / "put_one_tool_away.yaml").read_text()
    tree = tmp_path / "tree.yaml"
    tree.write_text(text.replace("measuring tools: {zone: rear, kinds: [tape measure]}", groups))
    with (
        mission(tmp_path / "out", kinds=["tape measure"], tree=tree) as built,
        pytest.raises(ConfigError, match=r"no zone 'lft'; it has: left, .*did you mean 'left'"),
    ):
        built.run()


@pytest.mark.timeout(240)
def test_the_same_seed_gives_the_same_trace_in_another_process_with_another_hash_seed(tmp_path):
    def run(name, hash_seed):
        command = [sys.executable, "-m", "vlm_bt.cli", "run", "organise_workbench", "--items", "3", "--seed", "12"]
        command += ["--human", "scripted", "--json", "--out", str(tmp_path / name)]
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=110, check=False)
        return json.loads(done.stdout.splitlines()[-1])

    first, second = run("first", "1"), run("second", "2")
    assert first["trace_sha256"] == second["trace_sha256"]
    assert first["ticks"] == second["ticks"] > 100


def test_no_public_path_leads_from_a_leafs_ports_to_the_truth(tmp_path):
    import mujoco

    with mission(tmp_path, kinds=["screw"]) as built:
        found = list(reachable(built.compiled.root, 6))
        hidden = (Truth, World, mujoco.MjData)
        assert not [type(value) for value in found if isinstance(value, hidden)]
        assert any(value is built.arm for value in found), "the walk does not even find the ports"


def test_leaves_touch_nothing_private_but_their_own():
    for path in (PACKAGE / "leaves").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                assert isinstance(node.value, ast.Name) and node.value.id == "self", f"{path.name}:{node.lineno}"


def reachable(start, depth):
    """Every object on a path of public attributes, items and elements."""
    seen, waiting = set(), [(start, depth)]
    while waiting:
        value, left = waiting.pop()
        if (
            id(value) in seen
            or isinstance(value, (str, int, float, bytes, type))
            or (callable(value) and not hasattr(value, "__dict__"))
        ):
            continue
        seen.add(id(value))
        yield value
        if left == 0:
            continue
        inner = (
            list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, (list, tuple)) else []
        )
        if type(value).__module__.startswith(("vlm_bt", "py_trees")):
            for name in dir(value):
                if not name.startswith("_"):
                    try:
                        inner.append(getattr(value, name))
                    except Exception:  # a property that cannot be read now leads nowhere
                        continue
        waiting += [(item, left - 1) for item in inner]
