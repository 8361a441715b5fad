import gc

from vlm_bt.tree import collector


def test_nothing_is_collected_within_and_collecting_goes_on_afterwards():
    with collector.uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_makes_garbage_again_and_again_gets_it_collected(monkeypatch):
    monkeypatch.setattr(collector, "ENOUGH_BLOCKS", 20_000)
    gc.collect()
    before = gc.get_stats()[2]["collections"]
    for _ in range(6):
        with collector.uncollected():
            for _ in range(5_000):
                ring: list[object] = [[]]
                ring.append(ring)
    assert gc.get_stats()[2]["collections"] > before
