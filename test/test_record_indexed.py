import pytest
from small_record import SmallMission, write_small_mission

from vlm_bt.errors import ConfigError
from vlm_bt.recording.indexed import IndexedRecord
from vlm_bt.recording.record import Record


def test_all_of_a_record_by_its_index_is_all_of_it_in_order(tmp_path):
    record = Record.read(write_small_mission(tmp_path / "mission.mcap"))
    with IndexedRecord(record.path) as indexed:
        assert tuple(indexed.between(0.0, indexed.end_s + 1.0)) == record.entries
        assert indexed.complete and indexed.counts["motion"] == 7
        assert (indexed.start_s, indexed.end_s) == (record.entries[0].t, record.entries[-1].t)


@pytest.mark.parametrize("share", [1.0, 0.999])
def test_a_stretch_of_time_holds_what_was_written_in_it_also_of_a_record_that_was_cut_off(tmp_path, share):
    mission = SmallMission(tmp_path / "whole.mcap")
    for number in range(100):
        mission.now_s = float(number)
        mission.write("event", what=str(number))
        mission.picture(str(number))
        mission.recorder.flush()
    mission.close()
    data = (tmp_path / "whole.mcap").read_bytes()
    (tmp_path / "mission.mcap").write_bytes(data[: int(len(data) * share)])
    with IndexedRecord(tmp_path / "mission.mcap") as indexed:
        assert indexed.complete is (share == 1.0)
        assert [one.data["what"] for one in indexed.between(41.0, 44.0, ("event",))] == ["41", "42", "43"]
        assert [one.why for one in indexed.between(7.0, 8.0, ("frame/overhead",))] == ["7"]
        assert len(list(indexed.between(7.0, 8.0))) == 5


def test_opening_by_the_index_reads_little_of_the_file(tmp_path, monkeypatch):
    path = write_small_mission(tmp_path / "mission.mcap")
    monkeypatch.setattr(Record, "read", lambda path: pytest.fail("read as a whole"))
    with IndexedRecord(path) as indexed:
        assert list(indexed.between(0.0, 0.1))


def test_what_is_no_record_is_said_so_by_the_index_too(tmp_path):
    with pytest.raises(ConfigError, match="no record"):
        IndexedRecord(tmp_path / "none.mcap")
    (tmp_path / "other.mcap").write_bytes(b"no mcap at all")
    with pytest.raises(ConfigError, match="no MCAP"):
        IndexedRecord(tmp_path / "other.mcap")
