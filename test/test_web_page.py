"""The page of the browser view, in a real browser against running missions."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from missions import visited

from vlm_bt import app, settings
from vlm_bt.cli.run import changed
from vlm_bt.places import share_dir
from vlm_bt.web.server import ViewServer
from vlm_bt.web.source import done
from vlm_bt.web.view import View

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install '.[dev]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

ORGANISING = share_dir("trees") / "organise_workbench.yaml"
MOST_BYTES = 1_500_000
FIRST_VIEW_S = 1.0
WAIT_MS = 15_000
LOOKS = (("light", "light", 1440, 900), ("dark", "dark", 1440, 900), ("phone", "light", 390, 844))
HOSTILE = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"
ASKING = """
tree: asking
root:
  sequence:
    - describe_scene: {into: $seen}
    - ask_human: {question: "Is <b>it</b> dark?", options: ["yes", "no"], expect: "no", into: $answer}
    - guard: {while: workspace_is_clear, otherwise: hold_still, do: go_home}
"""


class Running:
    """A mission in a thread of its own, with a view."""

    def __init__(self, out: Path, tree: Path, *, speed: str = "max", human: str = "browser") -> None:
        self.view = View()
        self.result: app.Result | None = None
        self.mission: app.Mission | None = None
        self._arguments = (out, tree, speed, human)
        self._is_ready = threading.Event()
        self._may_run = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._is_ready.wait(60) and self.mission is not None, "the mission was not built"

    def go(self) -> None:
        self._may_run.set()

    def ended(self) -> app.Result:
        self._thread.join(60)
        assert self.result is not None, "the mission did not end"
        return self.result

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        """A mission that a failed test left running would be in the way of the next one."""
        self.mission.interrupt("the test is over")
        self._may_run.set()
        self._thread.join(60)

    def _run(self) -> None:
        out, tree, speed, human = self._arguments
        chosen = changed(changed(settings.load(), "simulation.fidelity", "fast"), "simulation.items", 3)
        try:
            with app.build(chosen, tree, human=human, out=out, speed=speed, lay_out=visited()) as mission:
                self.mission = mission
                self.view.attach(mission)
                self._is_ready.set()
                self._may_run.wait(60)
                self.result = mission.run(self.view.watching(None))
                self.view.detach()
        finally:
            self._is_ready.set()


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, request, tmp_path_factory):
    """A page whose script has had no error when the test ends; its last picture is kept."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.screenshot(path=str(tmp_path_factory.getbasetemp() / f"{request.node.name[:80]}.png"))
    page.close()
    assert not errors


@pytest.fixture
def view():
    """A view of a mission that only tells what a test appends."""
    view = View()
    view.name = "made_up"
    return view


def nodes(view: View, parts: int, steps: int) -> None:
    told = [{"path": [], "name": "the whole", "type": "InOrder", "skill": ""}]
    for part in range(parts):
        told.append({"path": [part], "name": f"part {part}", "type": "InOrder", "skill": ""})
        for step in range(steps):
            told.append({"path": [part, step], "name": f"step {part}.{step}", "type": "Pick", "skill": "pick"})
    view.log.append("nodes", {"t": 0.0, "nodes": told})


def until(condition, what: str) -> None:
    limit_s = time.monotonic() + WAIT_MS / 1e3
    while not condition():
        assert time.monotonic() < limit_s, what
        time.sleep(0.02)


def test_the_tree_lights_up_and_the_mission_goes_on_when_its_question_is_answered_by_a_click(page, tmp_path):
    tree = tmp_path / "asking.yaml"
    tree.write_text(ASKING, encoding="utf-8")
    with Running(tmp_path / "run", tree) as running, ViewServer(running.view) as server:
        page.goto(server.url)
        row = page.get_by_role("treeitem", name="describe scene")
        assert "not ticked" in row.inner_text()
        running.go()
        sync_api.expect(row).to_have_attribute("data-status", "SUCCESS")
        asked = page.locator(".question")
        sync_api.expect(asked.locator(".text")).to_have_text("Is <b>it</b> dark?")
        assert running.result is None
        asked.get_by_role("button", name="no", exact=True).click()
        assert running.ended().outcome == "done"
        sync_api.expect(page.locator("#state")).to_have_text("Ended: done")
        sync_api.expect(asked).to_have_count(0)
        sync_api.expect(page.get_by_role("treeitem", name="go home")).to_have_attribute("data-status", "SUCCESS")


def test_escape_alone_stops_the_arm(page, tmp_path):
    with Running(tmp_path, ORGANISING, speed="realtime") as running, ViewServer(running.view) as server:
        page.goto(server.url)
        running.go()
        sync_api.expect(page.locator("#abort")).to_be_enabled()
        until(lambda: running.mission.arm.state.moving and running.mission.clock.now_s > 1.0, "the arm never moved")
        page.keyboard.press("Escape")
        result = running.ended()
        assert result.outcome == "interrupted" and result.safe
        assert not running.mission.arm.state.moving
        sync_api.expect(page.locator("#state")).to_have_text("Ended: interrupted")


def test_a_pause_a_step_and_going_on_need_no_mouse(page, tmp_path):
    with Running(tmp_path, ORGANISING, speed="realtime") as running, ViewServer(running.view) as server:
        page.goto(server.url)
        running.go()
        sync_api.expect(page.locator("#pause")).to_be_enabled()
        page.keyboard.press("Alt+p")
        sync_api.expect(page.locator("#state")).to_have_text("Paused")
        until(lambda: running.mission.executive.paused, "it went on")
        ticks = len(running.mission.executive.tick_s)
        page.keyboard.press("Alt+s")
        until(lambda: len(running.mission.executive.tick_s) == ticks + 1, "it did not step")
        page.keyboard.press("Alt+p")
        sync_api.expect(page.locator("#state")).to_have_text("Running")
        until(lambda: len(running.mission.executive.tick_s) > ticks + 2, "it did not go on")
        page.keyboard.press("Escape")
        running.ended()


def test_markup_in_a_label_a_question_or_a_sentence_stays_text(page, view):
    nodes(view, 1, 1)
    item = {"object": "object-1", "label": HOSTILE, "score": 0.9, "box": [10, 10, 90, 90], "centre": [0.4, 0.1]}
    view.log.append("detections", {"t": 1.0, "frame": "overhead-1", "camera": "overhead", "items": [item]})
    view.log.append("question", {"t": 1.0, "id": "q", "text": HOSTILE, "options": [HOSTILE], "timeout_s": 9.0})
    view.log.append("said", {"t": 1.0, "text": HOSTILE, "by": HOSTILE, "reply": HOSTILE})
    view.log.append("fact", {"t": 1.0, "id": "f", "subject": HOSTILE, "key": HOSTILE, "value": HOSTILE, "by": ""})
    view.log.append("status", {"t": 1.0, "path": [0, 0], "status": "FAILURE", "outcome": HOSTILE, "detail": HOSTILE})
    with ViewServer(view) as server:
        page.goto(server.url)
        sync_api.expect(page.locator(".question .text")).to_have_text(HOSTILE)
        page.get_by_role("treeitem", name="step 0.0").click()
        sync_api.expect(page.locator("#node")).to_contain_text(HOSTILE)
        for places in ("#talk", "#facts", ".overlay", ".question .options"):
            assert HOSTILE in page.locator(places).text_content(), places
        assert page.locator("main img[onerror], main script").count() == 0
        assert "hit" not in page.title()


def test_a_wrong_token_gets_nothing(page, view):
    nodes(view, 1, 1)
    with ViewServer(view, tokens=True) as server:
        right = server.url
        answer = page.goto(right.partition("?")[0] + "?token=wrong")
        assert answer.status in (401, 403)
        assert page.locator("main").count() == 0 and "part 0" not in page.content()
        page.goto(right)
        sync_api.expect(page.get_by_role("treeitem", name="part 0")).to_be_visible()
        assert "token" not in page.url


def test_a_thousand_nodes_scroll_and_are_found(page, view, record_property):
    nodes(view, 100, 10)
    with ViewServer(view) as server:
        page.goto(server.url)
        page.locator("#unfold").click()
        tree = page.get_by_role("tree")
        sync_api.expect(page.get_by_role("treeitem", name="the whole")).to_be_visible()
        slowest_ms = page.evaluate(
            """async () => {
                const box = document.getElementById("tree");
                let slowest = 0;
                for (let number = 0; number < 60; number += 1) {
                    const began = performance.now();
                    box.scrollTop = (number / 59) * box.scrollHeight;
                    box.dispatchEvent(new Event("scroll"));
                    box.getBoundingClientRect();
                    slowest = Math.max(slowest, performance.now() - began);
                    await new Promise(requestAnimationFrame);
                }
                return slowest;
            }"""
        )
        record_property("slowest_redraw_ms", slowest_ms)
        assert page.get_by_role("treeitem").count() < 120, "rows out of sight are in the page"
        tree.focus()
        page.keyboard.press("End")
        sync_api.expect(page.get_by_role("treeitem", name="step 99.9")).to_have_attribute("aria-selected", "true")
        assert tree.get_attribute("aria-activedescendant") == "node-99.9"
        page.keyboard.press("Home")
        page.keyboard.type("part 5")
        sync_api.expect(page.locator("[aria-selected=true]")).to_contain_text("part 5")
        page.locator("#search").fill("step 42.7")
        sync_api.expect(page.locator("#found")).to_have_text("1 node found")
        assert page.get_by_role("treeitem").count() == 3
        assert slowest_ms < 100


def test_the_page_says_that_it_is_cut_off_and_comes_back_after_a_server_restart(page, view):
    nodes(view, 1, 1)
    first = ViewServer(view, tokens=True, secret="of a test")
    page.goto(first.url)
    sync_api.expect(page.get_by_role("treeitem", name="part 0")).to_be_visible()
    first.close()
    sync_api.expect(page.locator("#banner")).to_contain_text("nothing here is live")
    sync_api.expect(page.locator("#state")).to_have_text("Not connected")
    view.log.append("status", {"t": 2.0, "path": [0], "status": "SUCCESS"})
    with ViewServer(view, port=first.port, tokens=True, secret="of a test"):
        sync_api.expect(page.locator("#banner")).to_contain_text("Connected again")
        sync_api.expect(page.get_by_role("treeitem", name="part 0")).to_have_attribute("data-status", "SUCCESS")


def test_the_past_is_shown_while_the_mission_runs_and_the_way_back_is_one_key(page, view):
    nodes(view, 2, 0)
    view.log.append("status", {"t": 1.0, "path": [0], "status": "SUCCESS"})
    view.log.append("status", {"t": 5.0, "path": [0], "status": "FAILURE", "outcome": "no"})
    with ViewServer(view) as server:
        page.goto(server.url)
        row = page.get_by_role("treeitem", name="part 0")
        sync_api.expect(row).to_have_attribute("data-status", "FAILURE")
        page.locator("#scrub").fill("2")
        sync_api.expect(row).to_have_attribute("data-status", "SUCCESS")
        sync_api.expect(page.locator("#shown")).to_have_text("shows 2.0 s")
        page.keyboard.press("Alt+l")
        sync_api.expect(row).to_have_attribute("data-status", "FAILURE")


def test_axe_finds_no_fault_in_light_dark_and_on_a_phone(page, tmp_path, tmp_path_factory):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install '.[dev]'")
    tree = tmp_path / "asking.yaml"
    tree.write_text(ASKING, encoding="utf-8")
    with Running(tmp_path / "run", tree) as running, ViewServer(running.view) as server:
        page.goto(server.url)
        running.go()
        page.locator(".question").wait_for()
        page.get_by_role("treeitem", name="describe scene").click()
        page.locator("#node h3").wait_for()
        page.locator("#line").fill("what do you see?")
        page.locator("#line").press("Enter")
        page.locator("#talk .reply").wait_for()
        for look, scheme, width, height in LOOKS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = axe.Axe().run(page)
            page.screenshot(path=str(tmp_path_factory.getbasetemp() / f"page_{look}.png"), full_page=True)
            assert not found.response["violations"], f"{look}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, look


def test_what_is_verified_claimed_and_refuted_differs_by_line_and_sign(page, view):
    nodes(view, 1, 1)
    items = [
        {"object": f"object-{n}", "label": "pliers", "score": 0.9, "box": [200 * n, 90, 200 * n + 90, 200]}
        for n in range(3)
    ]
    view.log.append("detections", {"t": 1.0, "frame": "overhead-1", "camera": "overhead", "items": items})
    view.log.append("verdict", {"t": 1.5, "id": "v", "object": "object-1", "label": "pliers", "by": "model"})
    refuted = {"path": [0, 0], "status": "FAILURE", "outcome": "refuted", "object": "object-2"}
    view.log.append("status", {"t": 2.0, **refuted})
    with ViewServer(view) as server:
        page.goto(server.url)
        page.locator("#things").locator("..").locator("summary").click()
        sync_api.expect(page.locator("#things li")).to_have_text(
            [
                f"{sign} pliers, {word}, score 0.90"
                for sign, word in (("?", "claimed"), ("✓", "verified"), ("✗", "refuted"))
            ]
        )
        lines = [
            page.locator(f".overlay rect.{word}").evaluate("(one) => getComputedStyle(one).strokeDasharray")
            for word in ("verified", "claimed", "refuted")
        ]
        assert len(set(lines)) == 3 and lines[0] == "none"


def test_a_thing_is_pointed_out_with_the_keyboard(page, tmp_path):
    tree = tmp_path / "asking.yaml"
    tree.write_text(ASKING, encoding="utf-8")
    with Running(tmp_path / "run", tree) as running, ViewServer(running.view) as server:
        page.goto(server.url)
        running.go()
        page.locator(".question").wait_for()
        until(lambda: page.locator(".pane img").first.evaluate("(one) => one.naturalWidth") > 0, "no picture")
        shown = page.locator(".overlay rect:not(.halo):not(.mark)").first
        x, y, width, height = (float(shown.get_attribute(one)) for one in ("x", "y", "width", "height"))
        name = page.locator("#things li").first.text_content().split(" ", 1)[1].partition(",")[0]
        stage = page.locator(".stage").first
        stage.focus()
        page.keyboard.press("ArrowRight")
        size = [float(one) for one in page.locator(".overlay").first.get_attribute("viewBox").split()[2:]]
        across = x + width / 2 - size[0] / 2 - 8
        down = y + height / 2 - size[1] / 2
        for key, way in (
            ("ArrowRight" if across > 0 else "ArrowLeft", across),
            ("ArrowDown" if down > 0 else "ArrowUp", down),
        ):
            for _ in range(int(abs(way) // 40)):
                page.keyboard.press(f"Shift+{key}")
            for _ in range(round(abs(way) % 40 / 8)):
                page.keyboard.press(key)
        said = page.locator(".pane .note").first
        sync_api.expect(said).to_contain_text(name)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Point it out to the robot").press("Enter")
        sync_api.expect(said).to_contain_text(name)
        sync_api.expect(said).not_to_contain_text("Not taken")
        sync_api.expect(said.get_by_role("button")).to_have_count(0)


def test_what_the_arm_has_moved_keeps_no_box(page, view):
    nodes(view, 1, 1)
    items = [{"object": f"object-{n}", "label": "pliers", "score": 0.9, "box": [9, 9, 90, 90 * n]} for n in (1, 2)]
    view.log.append("detections", {"t": 1.0, "frame": "overhead-1", "camera": "overhead", "items": items})
    with ViewServer(view) as server:
        page.goto(server.url)
        sync_api.expect(page.locator(".overlay rect.claimed")).to_have_count(2)
        view.log.append("motion", {"t": 2.0, "id": "m-1", "verb": "pick", "object": "object-1", "outcome": "slipped"})
        view.log.append("motion", {"t": 3.0, "id": "m-2", "verb": "pick", "object": "object-2", "outcome": "done"})
        sync_api.expect(page.locator(".overlay rect.claimed")).to_have_count(1)
        assert page.locator(".overlay rect.claimed").get_attribute("height") == "81"


def test_what_it_remembers_is_taken_back_by_a_button(page, tmp_path):
    tree = tmp_path / "asking.yaml"
    tree.write_text(ASKING, encoding="utf-8")
    with Running(tmp_path / "run", tree) as running, ViewServer(running.view) as server:
        page.goto(server.url)
        running.go()
        page.locator(".question").wait_for()
        name = page.locator("#things li").first.text_content().split(" ", 1)[1].partition(",")[0]
        page.locator("#line").fill(f"leave the {name} where it is")
        page.locator("#line").press("Enter")
        fact = page.locator("#facts .fact").first
        sync_api.expect(fact).to_contain_text("stays where it lies")
        fact.get_by_role("button", name="Revoke").click()
        sync_api.expect(page.locator("#facts .fact")).to_have_count(0)
        assert all(one.revoked for one in running.mission.memory.facts.all())


def test_pointing_at_one_of_several_answers_the_question_about_them(page, view, monkeypatch):
    nodes(view, 1, 1)
    items = [
        {"object": f"object-{n}", "label": "pliers", "score": 0.9, "box": [300 * n, 90, 300 * n + 200, 300]}
        for n in (1, 2)
    ]
    look = {"frame": "overhead-1", "camera": "overhead", "width": 1280, "height": 720, "items": items}
    view.log.append("detections", {"t": 1.0, **look})
    marks = [one["box"] for one in items]
    asked = {
        "id": "q",
        "text": "Which one?",
        "options": ["1", "2"],
        "frame": "overhead-1",
        "marks": marks,
        "timeout_s": 9.0,
    }
    view.log.append("question", {"t": 1.0, **asked})
    heard = []
    monkeypatch.setattr(view, "do", lambda command, role: heard.append(command) or done(True, "that one"))
    monkeypatch.setattr(View, "commands", frozenset({"point"}))
    with ViewServer(view) as server:
        page.goto(server.url)
        page.locator(".pane").evaluate("(one) => one.classList.remove('empty')")
        page.locator(".stage").click(position={"x": 10, "y": 10})
        place = page.locator(".overlay rect.claimed").nth(1).bounding_box()
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        page.get_by_role("button", name="Point it out to the robot").click()
        sync_api.expect(page.locator(".pane .note")).to_have_text("that one")
    (command,) = [one for one in heard if one["do"] == "point"]
    assert command["question"] == "q" and abs(command["u"] - 700) < 8 and abs(command["v"] - 195) < 8


def test_who_may_only_watch_finds_nothing_to_press(page, tmp_path):
    tree = tmp_path / "asking.yaml"
    tree.write_text(ASKING, encoding="utf-8")
    with Running(tmp_path / "run", tree) as running, ViewServer(running.view, tokens=True) as server:
        page.goto(server.url_of("watch"))
        running.go()
        page.locator(".question").wait_for()
        for name in ("#abort", "#pause", "#step", "#line", ".question .options button >> nth=0"):
            sync_api.expect(page.locator(name)).to_be_disabled()
        page.keyboard.press("Escape")
        sync_api.expect(page.locator("#summary")).to_contain_text("watching only")
        assert running.result is None


def test_the_page_is_light_and_there_within_a_second(chromium, view, record_property):
    nodes(view, 20, 5)
    with ViewServer(view) as server:
        page = chromium.new_page()
        sizes: list[int] = []
        page.on("response", lambda response: sizes.append(len(response.body())))
        page.goto(server.url)
        page.get_by_role("treeitem", name="part 0").wait_for()
        took_s = page.evaluate("performance.now() / 1e3")
        hosts = page.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).host)")
        record_property("first_view_s", took_s)
        record_property("bytes", sum(sizes))
        assert set(hosts) == {f"127.0.0.1:{server.port}"}
        assert 10_000 < sum(sizes) < MOST_BYTES
        assert took_s < FIRST_VIEW_S
        page.close()
