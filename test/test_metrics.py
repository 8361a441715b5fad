"""Figures for Prometheus: what is counted, where it is served, and what happens where it cannot be."""

from __future__ import annotations

import socket
import urllib.request
from types import SimpleNamespace

import pytest
from fakes import CrankClock
from prometheus_client.parser import text_string_to_metric_families
from py_trees.behaviours import Failure, Running, Success
from typer.testing import CliRunner

from vlm_bt import app
from vlm_bt.cli import app as command_line
from vlm_bt.cli.run import changed
from vlm_bt.cli.serving import _watched
from vlm_bt.errors import ConfigError
from vlm_bt.executive import Executive, Snapshot
from vlm_bt.operations.attached import operations
from vlm_bt.operations.metrics import MissionMetrics
from vlm_bt.operations.metrics_server import MetricsServer, listening
from vlm_bt.places import share_dir
from vlm_bt.ros.request import Attachments, Request
from vlm_bt.settings import load
from vlm_bt.tree.guard import Brake, Guard


def scraped(url: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values, in these labels' alphabetical order."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name.removeprefix("vlm_bt_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: MissionMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"vlm_bt_{name}", labels)


def test_a_mission_is_counted_as_its_record_and_its_result_have_it(tmp_path):
    chosen = changed(changed(load(), "simulation.fidelity", "fast"), "simulation.kinds", ("hammer", "pliers"))
    seen: dict[str, list] = {}

    with operations(changed(chosen, "metrics.address", "0"), (said := []).append) as watching:
        attached = watching.attached("one")

        def both(channel, entry):
            seen.setdefault(channel, []).append(entry)
            attached.onlooker(channel, entry)

        url = said[0].removeprefix("metrics: ")
        tree = share_dir("trees") / "organise_workbench.yaml"
        subscribers = attached.subscribers
        with app.build(
            chosen, tree, seed=11, human="scripted", out=tmp_path, subscribers=subscribers, onlooker=both
        ) as mission:
            watching.follow(lambda: mission.vision.waiting)
            before = scraped(url)
            result = mission.run()
            after = scraped(url)
        ticks = mission.executive.tick_s

    def total(name: str) -> float:
        return sum(count for key, count in after.items() if key[0] == name)

    assert len(said) == 1 and said[0].startswith("metrics: http://127.0.0.1:")
    assert (before[("mission_running",)], after[("mission_running",)]) == (1, 0)
    assert after["missions_total", result.outcome, "organise_workbench"] == 1
    assert after[("tick_seconds_count",)] == len(ticks)
    assert after[("tick_seconds_sum",)] == pytest.approx(sum(ticks))
    assert total("motions_total") == len(seen["motion"]) > 0
    answered = [entry for entry in seen["answer"] if "ms" in entry]
    assert total("vision_query_seconds_count") == len(answered) > 0
    assert total("vision_query_seconds_sum") == pytest.approx(sum(entry["ms"] for entry in answered) / 1e3)
    judged = [row for row in seen["looking"][0]["rows"] if row["model"] == "shipped"]
    assert sum(n for key, n in after.items() if key[0] == "vision_answers_total" and "shipped" in key) == sum(
        row["answered"] for row in judged
    )
    assert after["vision_open", "shipped"] == 0
    assert total("questions_total") == len(seen.get("question", ()))


def test_people_caches_failures_and_stops_are_counted():
    metrics = MissionMetrics()
    metrics.note("query", {"id": 4, "kind": "IsTrue", "model": "small"})
    metrics.note("answer", {"id": 4, "kind": "IsTrue", "model": "large", "ms": 30.0, "answers": 3, "hits": 2})
    metrics.note("query", {"id": 7, "kind": "IsTrue", "model": "small"})
    metrics.note("answer", {"id": 7, "kind": "IsTrue", "model": "small", "result": {"failed": "timed_out"}})
    assert value(metrics, "vision_query_seconds_count", question="IsTrue", model="large") == 1
    assert value(metrics, "vision_answers_total", question="IsTrue", model="large") == 3
    assert value(metrics, "vision_cache_hits_total", question="IsTrue", model="large") == 2
    assert value(metrics, "vision_failures_total", question="IsTrue", model="small", reason="timed_out") == 1
    for name, t in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        metrics.note("question", {"id": name, "topic": "kind", "t": t})
    metrics.note("reply", {"id": "a", "silent": False, "late": False, "t": 5.0})
    metrics.note("reply", {"id": "b", "silent": True, "late": False, "t": 62.0})
    metrics.note("reply", {"id": "b", "silent": False, "late": True, "t": 72.0})
    assert value(metrics, "questions_total", topic="kind") == 3
    assert [value(metrics, "replies_total", how=how) for how in ("answered", "silent", "late")] == [1, 1, 1]
    assert value(metrics, "reply_seconds_sum") == 4.0 + 70.0
    metrics.note("motion", {"verb": "pick", "outcome": "grasp_failed", "began_s": 3.0, "t": 9.5})
    assert value(metrics, "motions_total", verb="pick", outcome="grasp_failed") == 1
    assert value(metrics, "motion_seconds_sum", verb="pick") == 6.5


def test_a_guard_that_holds_the_arm_is_one_stop_until_it_lets_go():
    clear, work, clock = Success("clear"), Running("work"), CrankClock()
    guard = Guard("nobody in reach", clear, work, None, brake=Brake(lambda: None, lambda: None), clock=clock)
    metrics = MissionMetrics()

    def tick() -> None:
        guard.tick_once()
        metrics.after_tick(Snapshot(clock.tick, clock.now_s, guard, (), 0.001))
        clock.advance()

    tick()
    assert value(metrics, "guard_stops_total", guard="nobody in reach") is None
    for expected in (1, 2):
        guard.condition = guard.children[0] = Failure("somebody")
        tick(), tick()
        assert value(metrics, "guard_stops_total", guard="nobody in reach") == expected
        guard.condition = guard.children[0] = clear
        tick()


def test_a_tick_longer_than_the_period_is_an_overrun_and_a_pause_is_no_tick():
    metrics = MissionMetrics()
    metrics.note("configuration", {"settings": {"mission": {"tick_s": 0.05}}})
    leaf = Success("leaf")
    for took_s in (0.01, 0.06, None):
        metrics.after_tick(Snapshot(1, 0.05, leaf, (), took_s))
    assert value(metrics, "tick_seconds_count") == 2
    assert value(metrics, "tick_overruns_total") == 1


def test_the_executive_says_how_long_each_tick_took_and_nothing_of_a_pause():
    class Arm:
        def hold(self, by): ...
        def resume(self, by): ...
        def stop(self): ...

    class Ticks:
        took: list[float | None] = []

        def after_tick(self, snapshot):
            self.took.append(snapshot.took_s)
            executive.pause() if len(self.took) == 1 else executive.resume()
            if len(self.took) == 3:
                executive.time_limit_s = 0.0

    executive = Executive(Running("work"), CrankClock(), Arm(), [Ticks()])
    executive._arm.disable = lambda: None
    executive.run()
    first, paused, last = Ticks.took
    assert paused is None and [first, last] == executive.tick_s


def test_nothing_is_counted_or_served_unless_it_is_asked_for():
    with operations(load(), (said := []).append) as watching:
        assert watching.attached("one").subscribers == () and said == []


def test_missions_that_are_asked_for_over_ros_are_counted_beside_what_the_node_sees():
    heard: list[str] = []
    attached = Attachments((ours := object(),), people=None, onlooker=lambda channel, entry: heard.append(channel))

    def start(request, given):
        given.onlooker("event", {"what": "model ready"})
        return SimpleNamespace(vision=SimpleNamespace(waiting={"shipped": 3}), subscribers=given.subscribers)

    with operations(changed(load(), "metrics.address", "0"), (said := []).append) as watching:
        begin = _watched(start, watching)
        missions = [begin(Request(mission=name), attached) for name in ("one", "two")]
        figures = scraped(said[0].removeprefix("metrics: "))
    assert heard == ["event", "event"] and figures["events_total", "model ready"] == 2
    assert figures["vision_open", "shipped"] == 3
    assert all(mission.subscribers[0] is ours and len(mission.subscribers) == 2 for mission in missions)


def test_a_port_in_use_is_told_with_the_remedy(tmp_path):
    with MetricsServer(MissionMetrics(), "0") as server:
        port = server.url.rsplit(":")[-1].removesuffix("/metrics")
        with pytest.raises(ConfigError, match=f"--metrics {port}: port {port} of 127.0.0.1 is in use; name another"):
            MetricsServer(MissionMetrics(), port)
        arguments = ["run", "organise_workbench", "--metrics", port, "--out", str(tmp_path)]
        result = CliRunner().invoke(command_line, arguments)
        assert isinstance(result.exception, ConfigError) and "is in use" in str(result.exception)
    MetricsServer(MissionMetrics(), port).close()


@pytest.mark.parametrize("address", ["", "nine", "host:", ":9400", "9400:", "70000", "host:-1", "٣"])
def test_what_is_no_address_is_told_with_an_example(address):
    with pytest.raises(ConfigError, match=r"write a port or HOST:PORT, such as 9400"):
        listening(address)


def test_only_this_machine_is_answered_where_no_host_is_named():
    assert listening("9400") == ("127.0.0.1", 9400)
    assert listening("0.0.0.0:9400") == ("0.0.0.0", 9400)
    assert listening("[::1]:9400") == ("::1", 9400)
    with MetricsServer(MissionMetrics(), "0") as server:
        assert server._server.socket.getsockname()[0] == "127.0.0.1" and not server.exposed


def test_whoever_lets_other_machines_read_is_told_so():
    with operations(changed(load(), "metrics.address", "0.0.0.0:0"), (said := []).append):
        assert said[-1] == "metrics: other machines may read them, without a password"


def test_a_server_that_was_closed_leaves_its_port():
    with MetricsServer(MissionMetrics(), "0") as server:
        port = server._server.server_port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
