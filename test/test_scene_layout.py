from bench_frames import BIN, Block, bench_frame

from vlm_bt.scene.layout import LONGER_M, SHIFT_M, lay_out_sections, lengthened
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


def test_a_section_grows_only_where_what_belongs_there_does_not_fit_side_by_side():
    wide = [Block(0.50, y, 0.10, 0.08, 0.03) for y in (-0.25, -0.05, 0.15, 0.35)]
    few, many = (laid_out(*wide, belong={"centre": which})["centre"].zone for which in ((0,), (0, 1, 2, 3)))
    assert abs((few.y[1] - few.y[0]) - (CENTRE.y[1] - CENTRE.y[0])) < 1e-9
    assert many.y[1] - many.y[0] >= 4 * 0.08


def test_a_section_grows_no_farther_than_it_may_and_not_onto_another():
    grown = lengthened(CENTRE, 2.0, ())
    assert abs((grown.y[1] - grown.y[0]) - (CENTRE.y[1] - CENTRE.y[0]) - LONGER_M) < 1e-9
    near = Zone("near", (0.26, 0.46), (0.20, 0.33)), Zone("far", (0.26, 0.46), (-0.33, -0.20))
    hemmed = lengthened(CENTRE, 2.0, near)
    assert hemmed.y[1] <= 0.19 + 1e-9 and hemmed.y[0] >= -0.19 - 1e-9
