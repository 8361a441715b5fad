"""A campaign's missions run under real faults, and its figures tell what broke."""

import json
from dataclasses import replace

import pytest

from vlm_bt.bench import campaign_crew, campaign_mission
from vlm_bt.bench.campaign import all_cases, measure_campaign, visits
from vlm_bt.bench.campaign_figures import figures
from vlm_bt.bench.campaign_mission import Bench, Case, Hung, decided_by, limited
from vlm_bt.bench.fault_table import Injection, lasting
from vlm_bt.bench.form import Plan
from vlm_bt.bench.injected_arm import Taken
from vlm_bt.bench.injected_site import Stop

SEED = 50_000


@pytest.fixture(scope="module")
def bench():
    with Bench("fast") as opened:
        yield opened


def case(*injections, part="faults", **how):
    return Case(**{"part": part, "seed": SEED, "items": 2, "injections": injections, "fidelity": "fast", **how})


def begins(name, at_s, lasts_s=0.0):
    return Injection(name, at_s, at_s + lasts_s, 1.0)


def test_without_verification_an_error_moves_the_arm_and_with_it_a_person_is_asked(bench):
    # Nearly every answer is wrong, each time in another way: two looks hardly ever agree.
    wrong = lasting("wrong_label", 0.9)
    ours, theirs = (bench.run(case(wrong, part="random", baseline=baseline)) for baseline in (False, True))
    assert theirs["false_unconfirmed"] > ours["false_unconfirmed"]
    assert theirs["misplaced"] + theirs["score"]["unsorted"] > ours["misplaced"]
    assert ours["questions"] > theirs["questions"] == 0


def test_the_same_case_gives_the_same_mission(bench):
    first, second = (bench.run(case(lasting("wrong_label", 0.3), begins("grasp_slips", 5.0))) for _ in range(2))
    assert first["trace_sha256"] == second["trace_sha256"]
    assert first["hits"] == second["hits"]


def test_somebody_who_steps_in_stops_the_arm_in_the_next_tick(bench):
    row = bench.run(case(*visits(SEED, 20.0)))
    assert len(row["stops"]) >= 2
    assert any(stop["moving"] for stop in row["stops"])
    assert all(stop["in_time"] for stop in row["stops"])
    assert row["released_in_reach"] == 0


def test_after_the_word_stop_the_arm_is_told_nothing_more(bench):
    row = bench.run(case(begins("says_stop", 6.0)))
    assert row["outcome"] == "interrupted"
    assert row["after_abort"] == 0
    assert row["hits"] == [["says_stop", 1]]


@pytest.mark.parametrize(
    ("name", "at_s", "lasts_s"),
    [("model_dead", 0.1, 4.0), ("camera_lost", 1.0, 9.0), ("arm_stall", 4.0, 2.0), ("drop", 2.0, 0.0)],
)
def test_a_mission_under_a_fault_ends_with_a_name_and_safe(bench, name, at_s, lasts_s):
    row = bench.run(case(begins(name, at_s, lasts_s)))
    assert row["hits"][0][1] > 0
    assert row["named"]
    assert row["safe"]


def test_a_mission_that_crashes_is_a_row(bench, monkeypatch):
    def fall(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(campaign_mission.InjectedSite, "step", fall)
    assert bench.run(case())["crashed"] == "ValueError: a bug"


def test_a_mission_that_does_not_end_is_a_row(bench, monkeypatch):
    monkeypatch.setattr(campaign_mission, "HUNG_S", 0.05)
    assert bench.run(case())["hung"]


def test_a_limit_of_time_is_kept():
    with pytest.raises(Hung), limited(0.01):
        while True:
            pass


# Who decided


def test_a_renewed_verdict_goes_back_to_the_person_who_gave_it():
    told = {"id": "v1", "object": "a", "label": "pliers", "by": "person"}
    seen = {"id": "v2", "object": "b", "label": "pliers", "by": "model"}
    verdicts = {one["id"]: one for one in (told, seen, told | {"id": "v3", "by": "tracking"})}
    assert decided_by(Taken("pliers", "a", "v3", "screw"), verdicts) == "person"
    assert decided_by(Taken("pliers", "b", "v2", "screw"), verdicts) == "model"


def test_a_thing_that_lost_its_track_is_not_excused_by_what_a_person_said_of_another():
    told = {"id": "v1", "object": "a", "label": "pliers", "by": "person"}
    verdicts = {"v1": told, "v2": told | {"id": "v2", "object": "b", "by": "tracking"}}
    assert decided_by(Taken("pliers", "b", "v2", "screw"), verdicts) == "model"


def test_a_stop_is_in_time_in_the_tick_that_follows_the_frame_and_no_later():
    assert Stop(10, True, 10).in_time
    assert not Stop(10, True, 11).in_time
    assert not Stop(10, True).in_time
    assert Stop(10, False).in_time


# The figures

ROW = {
    "key": "x", "part": "random", "baseline": False, "outcome": "done", "named": True, "safe": True, "success": True,
    "score": {"items": 6, "sorted": 6, "wrong_zone": 0, "on_floor": 0, "unsorted": 0}, "questions": 1, "motions": 12,
    "misplaced": 0,
    "unverified_motions": 0, "false_unconfirmed": 0, "stops": [], "released_in_reach": 0, "after_abort": 0, "hits": [],
}  # fmt: skip
BASE = {**ROW, "baseline": True, "misplaced": 3}
GOOD = [{**row, "part": part} for part in ("random", "sticking") for row in [*[ROW] * 4, *[BASE] * 4]]
LATE = {"shown": 5, "held": 7, "still": 8, "moving": True, "in_time": False}


def missed(*more):
    return {figure.name for figure in figures([*GOOD, *more]) if not figure.holds}


def test_a_good_campaign_holds_every_target():
    assert missed() == set()


@pytest.mark.parametrize(
    ("bad", "figure"),
    [
        ({**ROW, "false_unconfirmed": 1}, "random errors: false, unconfirmed, in 1,000 motions"),
        ({**ROW, "part": "sticking", "false_unconfirmed": 1}, "sticking errors: false, unconfirmed, in 1,000 motions"),
        ({**ROW, "questions": 20}, "random errors: questions an item, two a mission apart"),
        ({**ROW, "success": False}, "random errors: missions that succeed"),
        ({**ROW, "stops": [LATE]}, "told to stop later than one tick after the frame"),
        ({**ROW, "released_in_reach": 1}, "releases while somebody was in reach"),
        ({**ROW, "after_abort": 1}, "motion commands after an abort"),
        ({**ROW, "safe": False}, "ends that are neither done nor safe with a named reason"),
        ({"key": "y", "part": "faults", "crashed": "a bug"}, "crashes"),
        ({"key": "y", "part": "faults", "hung": True}, "hangs"),
    ],
)
def test_each_target_is_missed_by_what_breaks_it(bad, figure):
    assert figure in missed(bad)


def test_errors_that_stick_are_counted_apart_from_random_ones():
    assert missed({**ROW, "part": "sticking", "false_unconfirmed": 1}).isdisjoint(
        {"random errors: false, unconfirmed, in 1,000 motions"}
    )


# The whole


def plan(tmp_path, **how):
    return Plan(**{"seeds": (), "seed": 0, "quick": True, "out": tmp_path, "fidelity": "fast", **how})


def test_the_baseline_meets_the_same_faults_on_the_same_benches(tmp_path):
    cases = [one for one in all_cases(plan(tmp_path)) if one.part in ("random", "sticking")]
    ours = [one for one in cases if not one.baseline]
    assert [replace(one, baseline=False) for one in cases if one.baseline] == ours
    assert len({one.key for one in all_cases(plan(tmp_path))}) == len(all_cases(plan(tmp_path)))


def test_a_campaign_goes_on_where_it_was_interrupted_and_writes_table_and_plots(tmp_path, monkeypatch):
    ran = []

    def some(cases, jobs):
        for one in cases[:5] if not ran else cases:
            ran.append(one.key)
            yield {**ROW, "key": one.key, "part": one.part, "baseline": one.baseline, "wall_s": 1.0}

    monkeypatch.setattr("vlm_bt.bench.campaign.with_processes", some)
    with pytest.raises(KeyError):
        measure_campaign(plan(tmp_path), lambda _: None)
    measure_campaign(plan(tmp_path), lambda _: None)
    assert len(ran) == len(set(ran)) == len(all_cases(plan(tmp_path)))
    assert "| sticking_label | model |" in (tmp_path / "campaign-fast.md").read_text("utf-8")
    assert (tmp_path / "campaign-fast.png").stat().st_size > 10_000


def test_missions_run_on_ray(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'vlm_bt[ray]'")
    row, *more = campaign_crew.with_ray([case(begins("says_stop", 0.5))], campaign_crew.LOCAL)
    assert not more
    assert row["outcome"] == "interrupted"
    json.dumps(row)
