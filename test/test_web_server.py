"""The view's server on a real mission: who gets in, who may do what, and that nobody slows it."""

import asyncio
import contextlib
import itertools
import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
import websockets
from missions import mission
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vlm_bt.web.access import ROLES, Access
from vlm_bt.web.live_simulation import LiveSimulation
from vlm_bt.web.server import ViewServer
from vlm_bt.web.view import View

KINDS = ("hammer", "pliers")
WITHIN_S = 20.0


@contextlib.contextmanager
def viewed(out, *, tokens=None, **how):
    """A server and a mission that it shows, in a thread of its own from its building to its end."""
    with ViewServer(View(), tokens=tokens) as server:
        running = Running(server, out, how)
        try:
            yield running
        finally:
            running.end()


class Running:
    """A mission belongs to one thread, as its drawing does."""

    def __init__(self, server: ViewServer, out, how) -> None:
        self.server, self.view = server, server._source
        self.result, self.mission = None, None
        self._begin, self._finish = threading.Event(), threading.Event()
        built = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(out, how, built))
        self._thread.start()
        assert built.wait(60)
        assert self.mission is not None

    def start(self) -> None:
        self._begin.set()

    def join(self):
        """The result, as soon as it is there; the mission's memory stays until `end`."""
        limit_s = time.monotonic() + 60
        while self.result is None and self._thread.is_alive() and time.monotonic() < limit_s:
            time.sleep(0.01)
        return self.result

    def end(self) -> None:
        self.mission.interrupt()
        self._finish.set()
        self._begin.set()
        self._thread.join(60)

    def _run(self, out, how, built) -> None:
        how = {"kinds": KINDS, "simulation__fidelity": "fast"} | how
        with mission(out, **how) as self.mission:
            try:
                self.view.attach(self.mission, LiveSimulation(self.mission.site.world))
            finally:
                built.set()
            self._begin.wait()
            self.result = self.mission.run(self.view.watching(None))
            self._finish.wait()
            self.view.detach()


class Page:
    """What a browser's page does: it takes in messages and sends commands."""

    def __init__(self, wire) -> None:
        self.wire = wire
        self.messages: list[dict] = []
        self.pictures: list[tuple[dict, bytes]] = []
        self._seen = 0
        self._number = 1000

    async def until(self, fits, since=None):
        """The first message that fits, of those that came after the one that was waited for before."""
        at = self._seen if since is None else since
        async with asyncio.timeout(WITHIN_S):
            while True:
                while at < len(self.messages):
                    at += 1
                    if fits(self.messages[at - 1]):
                        self._seen = at if since is None else self._seen
                        return self.messages[at - 1]
                await self.receive()

    async def receive(self) -> None:
        raw = await self.wire.recv()
        if isinstance(raw, bytes):
            size = int.from_bytes(raw[:4], "big")
            self.pictures.append((json.loads(raw[4 : 4 + size]), raw[4 + size :]))
        else:
            self.messages.append(json.loads(raw))

    async def entry(self, channel, **fields):
        """The first entry of a channel with these values, whenever it came."""

        def among(message):
            return [
                one
                for one in message.get("entries", [])
                if one["channel"] == channel and all(one.get(name) == value for name, value in fields.items())
            ]

        return among(await self.until(among, since=0))[0]

    async def do(self, what, **more):
        """What came of a command."""
        self._number += 1
        number = self._number
        await self.wire.send(json.dumps({"do": what, "id": number, **more}))
        return await self.until(lambda message: message.get("id") == number, since=0)


@contextlib.asynccontextmanager
async def page(server, role="control", **options):
    base = f"127.0.0.1:{server.port}"
    token = server.access.tokens.get(role)
    headers = {"Cookie": f"{server.access.cookie}={token}"} if token else {}
    options = {"origin": f"http://{base}", "additional_headers": headers, "max_size": None} | options
    async with websockets.connect(f"ws://{base}/live", **options) as wire:
        yield Page(wire)


def fetched(server, path="/", **headers):
    """(status, headers, body)"""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@pytest.fixture
def idle():
    """A server with tokens and no mission."""
    with ViewServer(View(), tokens=True) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/picture/overhead-1", "/nothing", "/?token=" + "0" * 40])
def test_without_the_right_token_nothing_is_told(idle, path) -> None:
    status, headers, body = fetched(idle, path)
    assert status == 401
    assert b"<" not in body
    assert "set-cookie" not in headers


def test_a_token_in_the_address_becomes_a_cookie_that_no_script_reads(idle) -> None:
    status, headers, _ = fetched(idle, "/?token=" + idle.access.tokens["watch"])
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    status, _, _ = fetched(idle, "/page/nothing.js", Cookie=headers["set-cookie"].split(";")[0])
    assert status == 404, "it is let in, and there is no such file"


def test_a_wrong_token_opens_no_socket(idle) -> None:
    async def knock() -> None:
        with pytest.raises(InvalidStatus):
            async with page(idle, additional_headers={"Cookie": f"{idle.access.cookie}={'0' * 40}"}):
                pass

    asyncio.run(knock())


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", None])
def test_a_page_of_another_site_opens_no_socket(idle, origin) -> None:
    async def knock() -> None:
        with pytest.raises(InvalidStatus):
            async with page(idle, origin=origin):
                pass

    asyncio.run(knock())


def test_a_name_that_was_made_to_point_here_is_refused() -> None:
    with ViewServer(View()) as server:
        assert fetched(server, Host=f"evil.example:{server.port}")[0] == 403
        assert fetched(server, "/picture/x", Host=f"localhost:{server.port}")[0] == 404


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("192.168.1.5:8020", True),
        ("[::1]:8020", True),
        ("robot.lab:8020", True),
        ("robot.lab:80", False),
        ("robot.lab.evil.example:8020", False),
        ("user@localhost:8020", False),
        ("localhost:8020/x", False),
        ("localhost:x", False),
        ("[::1:8020", False),
        ("", False),
    ],
)
def test_only_own_names_and_numbers_are_addresses(host, ours) -> None:
    assert Access(8020, with_tokens=True, names=["robot.lab"]).is_ours(host) is ours


def test_other_machines_are_always_asked_for_a_token() -> None:
    with ViewServer(View(), "0.0.0.0", tokens=False) as server:
        assert set(server.access.tokens) == set(ROLES)
        assert fetched(server)[0] == 401


def test_the_same_secret_gives_the_same_tokens_and_each_role_its_own() -> None:
    one, again, other = (Access(1, with_tokens=True, secret=secret).tokens for secret in ("a", "a", "b"))
    assert one == again
    assert not set(one.values()) & set(other.values())
    assert len(set(one.values())) == 3


def test_every_answer_forbids_scripts_of_others_and_frames() -> None:
    with ViewServer(View()) as server:
        for path in ("/", "/nothing"):
            _, headers, _ = fetched(server, path)
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
        for path in ("/page/..%2fserver.py", "/page/../server.py", "/page/%2e%2e/server.py"):
            assert fetched(server, path)[0] == 404


def test_whoever_may_only_watch_changes_nothing(tmp_path) -> None:
    with viewed(tmp_path, tokens=True) as running:

        async def look() -> None:
            async with page(running.server, "watch") as watcher, page(running.server, "answer") as speaker:
                hello = await watcher.until(lambda message: message["type"] == "hello")
                assert hello["can"] == ["cameras", "seek", "live", "play"]
                for what in ("abort", "pause", "say", "answer", "revoke", "point", "speed", "step", "exit"):
                    assert not (await watcher.do(what, text="stop"))["ok"]
                assert not (await speaker.do("abort"))["ok"]
                assert not (await speaker.do("say", text="pause"))["ok"], "in words neither"

        asyncio.run(look())
        running.start()
        result = running.join()
    assert result.outcome == "done"


def test_an_answer_from_the_browser_makes_the_mission_go_on(tmp_path) -> None:
    kinds = ("hammer", "tape measure")
    with viewed(tmp_path, kinds=kinds, human="browser") as running:

        async def answer() -> tuple[dict, dict, bytes]:
            async with page(running.server) as person:
                running.start()
                asked = await person.entry("question")
                assert not (await person.do("answer", question=asked["id"], text="none of these words"))["ok"]
                picture = await asyncio.to_thread(kept, running.server, asked["frame"])
                assert (await person.do("answer", question=asked["id"], text=asked["options"][0]))["ok"]
                reply = await person.entry("reply", id=asked["id"])
                while running.mission.executive.running:
                    asks = running.mission.human.pending
                    if asks:
                        await person.do("answer", question=asks[0].id, text=asks[0].default)
                    await asyncio.sleep(0.02)
                return asked, reply, picture

        asked, reply, picture = asyncio.run(answer())
        result = running.join()
    assert (reply["text"], reply["silent"]) == (asked["options"][0], False)
    assert asked["limit_t"] > asked["t"]
    assert picture.startswith(b"\xff\xd8")
    assert result.outcome == "done"


def kept(server, frame: str) -> bytes:
    """The picture of a question, as soon as it is compressed."""
    limit_s = time.monotonic() + WITHIN_S
    while time.monotonic() < limit_s:
        status, _, body = fetched(server, f"/picture/{frame}")
        if status == 200:
            return body
        time.sleep(0.02)
    raise AssertionError("no picture of the question")


def test_abort_in_the_browser_stops_the_arm(tmp_path) -> None:
    with viewed(tmp_path) as running:

        async def abort() -> None:
            async with page(running.server) as person:
                running.start()
                await person.entry("motion")
                await person.do("abort")
                await person.until(lambda message: message["type"] == "ended")
                assert not (await person.do("say", text="where is the hammer?"))["ok"], "nobody is there any more"

        asyncio.run(abort())
        result = running.join()
    assert (result.outcome, result.safe) == ("interrupted", True)


def test_paused_nothing_is_ticked_but_what_a_step_asks_for(tmp_path) -> None:
    with viewed(tmp_path) as running:
        ticked = running.mission.executive.tick_s

        async def hold() -> None:
            async with page(running.server) as person:
                running.start()
                await person.entry("status")
                await person.do("pause")
                await person.until(lambda message: message["type"] == "now" and message["paused"])
                before = len(ticked)
                await asyncio.sleep(0.5)
                assert len(ticked) == before
                await person.do("step")
                await asyncio.sleep(0.5)
                assert len(ticked) == before + 1
                assert running.mission.executive.paused
                await person.do("resume")
                await person.until(lambda message: message["type"] == "ended")

        asyncio.run(hold())
        result = running.join()
    assert result.outcome == "done"
    assert result.sim_s < 300, "time stands almost still in a pause"


def test_a_script_in_a_label_stays_text(tmp_path) -> None:
    evil = "<script>alert(1)</script>"
    with viewed(tmp_path) as running:
        running.mission.recorder.write("said", {"text": evil, "by": evil, "intent": "", "reply": "", "options": []})

        async def read() -> dict:
            async with page(running.server) as person:
                return await person.entry("said")

        assert asyncio.run(read())["text"] == evil
        assert "html" not in fetched(running.server, f"/picture/{urllib.request.quote(evil, '')}")[1].get_content_type()


def test_what_is_pointed_at_is_what_that_one_means(tmp_path) -> None:
    with viewed(tmp_path) as running:

        async def point() -> tuple[dict, dict, dict]:
            async with page(running.server) as person:
                running.start()
                seen = await person.entry("detections")
                await person.do("pause")
                thing = seen["items"][0]
                x0, y0, x1, y1 = thing["box"]
                where = {"frame": seen["frame"], "u": (x0 + x1) / 2, "v": (y0 + y1) / 2}
                nowhere = await person.do("point", frame=seen["frame"], u=1, v=1)
                assert not nowhere["ok"]
                told = await person.do("point", **where, text="leave that one")
                fact = await person.entry("fact", subject=thing["object"])
                taken_back = await person.do("revoke", fact=fact["id"])
                again = await person.entry("fact", id=fact["id"], revoked=True)
                return told, taken_back, again

        told, taken_back, again = asyncio.run(point())
    assert told["ok"]
    assert taken_back["text"].startswith("Forgotten")
    assert again["key"] == "leave"


NONSENSE = (
    "[]",
    "{",
    '{"do": "seek", "t": NaN, "id": 1}',
    '{"do": "seek", "t": 1' + "0" * 3000 + ', "id": 2}',
    '{"do": "point", "frame": "overhead-1", "u": 1' + "0" * 3000 + ', "v": 1, "id": 3}',
    '{"do": "speed", "speed": -1, "id": 4}',
    '{"do": {"do": []}, "id": 5}',
    '{"do": "answer", "question": ["x"], "text": {}, "id": 6}',
    '{"do": "play", "rate": "fast", "id": 7}',
    "[" * 4000,
)


def test_nonsense_is_refused_and_the_connection_stays(tmp_path) -> None:
    with viewed(tmp_path) as running:
        running.mission.executive.pause()
        running.start()

        async def send() -> None:
            async with page(running.server) as person:
                for raw in NONSENSE:
                    await person.wire.send(raw)
                for number in range(1, 8):
                    answer = await person.until(lambda message, number=number: message.get("id") == number, since=0)
                    assert not answer["ok"]
                assert (await person.do("live"))["ok"]

        asyncio.run(send())
        assert running.mission.executive.running


def test_too_many_commands_and_too_long_ones_are_refused(tmp_path) -> None:
    with viewed(tmp_path) as running:

        async def flood() -> tuple[list[bool], dict]:
            async with page(running.server) as person:
                for number in range(60):
                    await person.wire.send(json.dumps({"do": "live", "id": number}))
                await person.wire.send(json.dumps({"do": "nothing"}) + "[" * 2000)
                await person.until(lambda message: message.get("id") == 59)
                told = [message["ok"] for message in person.messages if message["type"] == "done"]
                abort = await person.do("abort")
                with pytest.raises(ConnectionClosed):
                    await person.wire.send("x" * 10_000)
                    await person.until(lambda message: False)
                return told, abort

        told, abort = asyncio.run(flood())
    assert 5 < sum(told) < 20
    assert abort["ok"], "a stop is never too much"


def test_a_reader_that_stops_reading_is_given_no_more_and_holds_nobody_up(tmp_path) -> None:
    with viewed(tmp_path, kinds=("hammer", "pliers", "combination wrench")) as running:
        for _ in range(900):
            told = {"by": "", "intent": "", "reply": "", "options": []}
            running.mission.recorder.write("said", {"text": "a" * 4000, **told})
        port = running.server.port
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        deaf.sendall(
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        wanted = json.dumps({"do": "cameras", "want": ["overhead", "wrist"], "depth": ["overhead"]}).encode()
        deaf.sendall(bytes([0x81, 0x80 | 126]) + len(wanted).to_bytes(2, "big") + bytes(4) + wanted)

        async def watch() -> None:
            async with page(running.server) as person:
                await person.do("cameras", want=["overhead"])
                while not person.pictures:
                    await person.receive()
                running.start()
                await person.until(lambda message: message["type"] == "ended")
                assert len(person.pictures) > 3

        asyncio.run(watch())
        result = running.join()
        browsers = {browser._count for browser in running.server._browsers}
        deaf.close()
    assert result.outcome == "done"
    assert min(browsers, default=0) < running.view.log.count, "the deaf one did fall behind"


def test_pictures_come_at_the_rate_of_a_camera_and_only_where_they_are_wanted(tmp_path) -> None:
    with viewed(tmp_path) as running:
        running.mission.clock.speed = 4.0

        async def watch() -> list[dict]:
            async with page(running.server) as person, page(running.server) as other:
                await person.do("cameras", want=["overhead", "nothing"], depth=["wrist"])
                while len(person.pictures) < 2:
                    await person.receive()
                running.start()
                while len(person.pictures) < 16:
                    await person.receive()
                await other.until(lambda message: message["type"] == "now")
                assert not other.pictures
                return [header for header, image in person.pictures if image.startswith(b"\xff\xd8")]

        headers = asyncio.run(watch())
    assert {(one["camera"], one["kind"]) for one in headers} == {("overhead", "colour"), ("wrist", "depth")}
    times = [one["at_ms"] for one in headers if one["camera"] == "overhead"]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 10
    assert (headers[0]["width"], headers[0]["height"]) == (1280, 720)


def test_one_can_look_back_while_it_runs(tmp_path) -> None:
    with viewed(tmp_path) as running:

        async def scrub() -> tuple[dict, dict]:
            async with page(running.server) as person:
                running.start()
                await person.until(lambda message: message["type"] == "ended")
                await person.do("seek", t=2.0)
                past = await person.until(lambda message: message["type"] == "snapshot" and not message["live"])
                await person.do("live")
                present = await person.until(lambda message: message["type"] == "snapshot" and message["live"])
                return past, present

        past, present = asyncio.run(scrub())
        running.join()
    assert past["t"] == 2.0
    assert max(one["t"] for one in past["entries"]) <= 2.0
    assert "result" in {one["channel"] for one in present["entries"]}
    assert past["to_t"] == present["t"] > 2.0


def test_a_missions_entries_are_the_ones_of_its_record(tmp_path) -> None:
    from missions import messages

    with viewed(tmp_path) as running:
        running.start()
        running.join()
        _, entries = running.view.log.since(0)
        assert entries is not None
        for channel in ("status", "motion", "verdict", "question", "fact"):
            shown = [one.data for one in entries if one.channel == channel]
            written = messages(tmp_path / "mission.mcap", channel)
            assert len(shown) == len(written)
            for one, other in zip(shown, written, strict=True):
                assert other.items() <= json.loads(json.dumps(one)).items()
