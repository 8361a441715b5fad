from bench_frames import BIN, Block, bench_frame

from vlm_bt.scene.layout import SHIFT_M, lay_out_sections
from vlm_bt.scene.tabletop import segment
from vlm_bt.types import Zone

LEFT = Zone("left", (0.06, 0.38), (0.34, 0.58))
CENTRE = Zone("centre", (0.26, 0.46), (-0.17, 0.17))
ZONES = (LEFT, CENTRE, BIN)


def laid_out(*blocks, belong=None):
    found = segment(bench_frame(list(blocks)), [BIN])
    return {one.zone.name: one for one in lay_out_sections(found, ZONES, belong or {})}


def test_on_a_clear_bench_every_section_stays_where_it_usually_is():
    assert [one.zone for one in laid_out().values()] == list(ZONES)


def test_a_section_moves_away_from_what_stands_on_it_and_keeps_its_size():
    got = laid_out(Block(0.30, -0.10, 0.06, 0.16, 0.03))["centre"]
    assert got.zone != CENTRE and got.room > got.usual_room
    for now, usual in ((got.zone.x, CENTRE.x), (got.zone.y, CENTRE.y)):
        assert abs((now[1] - now[0]) - (usual[1] - usual[0])) < 1e-9
        assert abs(now[0] - usual[0]) <= SHIFT_M + 1e-9


def test_what_belongs_there_is_in_nobodys_way():
    block = Block(0.30, -0.10, 0.06, 0.16, 0.03)
    assert laid_out(block, belong={"centre": (0,)})["centre"].zone == CENTRE


def test_sections_never_overlap_and_a_container_is_not_moved():
    near = Zone("near", (0.26, 0.46), (0.18, 0.33))
    found = segment(bench_frame([Block(0.36, -0.16, 0.20, 0.06, 0.03)]), [BIN])
    centre, beside, box = (one.zone for one in lay_out_sections(found, (CENTRE, near, BIN), {}))
    assert centre.y[1] < beside.y[0] or centre.x[1] < beside.x[0] or beside.x[1] < centre.x[0]
    assert box == BIN
