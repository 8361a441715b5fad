"""How a drawing library is chosen, and what is said where there is none."""

from __future__ import annotations

import pytest

from vlm_bt.errors import DrawingError
from vlm_bt.simulation import drawing


@pytest.fixture
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(drawing, "_route", None)
    for name in ("MUJOCO_GL", "VLM_BT_DRAWING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(drawing, "_missing", lambda route: f"no {route} here")
    return monkeypatch


def test_without_any_library_one_line_says_what_to_install(nothing_chosen: pytest.MonkeyPatch) -> None:
    with pytest.raises(DrawingError) as said:
        drawing.enable()
    text = str(said.value)
    assert "libegl1" in text and "libosmesa6" in text and "lavavu-osmesa" in text and "\n" not in text


def test_physics_may_go_on_where_nothing_can_draw(nothing_chosen: pytest.MonkeyPatch) -> None:
    drawing.prefer()
    with pytest.raises(DrawingError):
        drawing.context_class()


def test_the_first_route_that_works_is_taken(nothing_chosen: pytest.MonkeyPatch) -> None:
    nothing_chosen.setattr(drawing, "_missing", lambda route: "" if route == "osmesa" else "missing")
    assert drawing.enable() == "osmesa"
    assert drawing.enable() == "osmesa"


def test_what_the_environment_asks_for_is_taken_or_refused(nothing_chosen: pytest.MonkeyPatch) -> None:
    nothing_chosen.setenv("MUJOCO_GL", "egl")
    with pytest.raises(DrawingError, match="MUJOCO_GL='egl' does not work here: no egl here"):
        drawing.enable()
    nothing_chosen.setenv("MUJOCO_GL", "crayon")
    with pytest.raises(DrawingError, match="use one of: egl, osmesa"):
        drawing.enable()


def test_asking_for_osmesa_takes_the_wheel_where_the_system_has_none(nothing_chosen: pytest.MonkeyPatch) -> None:
    nothing_chosen.setenv("MUJOCO_GL", "osmesa")
    nothing_chosen.setattr(drawing, "_missing", lambda route: "" if route == "osmesa-wheel" else "missing")
    nothing_chosen.setattr(drawing, "_load_wheel", lambda: None)
    assert drawing.enable() == "osmesa-wheel"


def test_the_probe_tells_of_every_route_and_how_to_get_what_is_missing() -> None:
    found = drawing.probe()
    assert [route for route, _, _ in found] == list(drawing.ROUTES)
    assert any(works for _, works, _ in found)
    assert all("to get it:" in missing for _, works, missing in found if not works)
