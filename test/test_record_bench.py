import random
import time

import pytest
from small_record import write_small_mission

from vlm_bt.bench import record as bench
from vlm_bt.bench import record_kill
from vlm_bt.recording.indexed import IndexedRecord
from vlm_bt.recording.record import Record


def test_a_record_drawn_out_to_ten_minutes_holds_the_mission_again_and_again(tmp_path):
    short = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    bench.stretched(short.path, tmp_path / "long.mcap")
    with IndexedRecord(tmp_path / "long.mcap") as long:
        assert long.complete and bench.LONG_S - short.entries[-1].t <= long.end_s <= bench.LONG_S
        assert long.counts["motion"] > 7 * (bench.LONG_S // short.entries[-1].t - 1)
    open_s, seeks_s = bench.opened(tmp_path / "long.mcap", random.Random(1))
    assert open_s > 0 and len(seeks_s) == bench.SEEKS


def test_the_stopwatch_counts_an_entry_once_and_a_tick_as_a_whole(tmp_path, monkeypatch):
    from py_trees.behaviours import Success
    from small_record import SmallMission

    from vlm_bt.executive import Snapshot
    from vlm_bt.recording.recorder import McapRecorder
    from vlm_bt.recording.subscriber import RecordingSubscriber

    write = McapRecorder.write
    monkeypatch.setattr(McapRecorder, "write", lambda *given: (time.sleep(0.02), write(*given)))
    mission = SmallMission(tmp_path / "mission.mcap")
    with bench.stopwatch() as costs:
        subscriber, leaf = RecordingSubscriber(mission.recorder), Success("leaf")
        mission.write("event", what="from a leaf")
        subscriber.after_tick(Snapshot(1, 0.05, leaf, (((), leaf),)))
        subscriber.after_tick(Snapshot(2, 0.10, leaf, ()))
    mission.close()
    assert 0.04 <= costs[0] < 0.06 and costs[1] < 0.02


@pytest.mark.parametrize(("keep", "lag"), [(1.0, 2.0), (0.0, None)])
def test_what_a_kill_left_is_read_from_the_record_itself(tmp_path, keep, lag):
    from small_record import SmallMission

    mission = SmallMission(tmp_path / "mission.mcap")
    mission.write("event", what=record_kill.BEAT, monotonic_s=8.0)
    mission.close()
    path = tmp_path / "mission.mcap"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    assert record_kill._lag(path, 10.0) == lag
