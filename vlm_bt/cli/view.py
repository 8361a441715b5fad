"""`vlm-bt view`, and the view of `vlm-bt run --view`."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from vlm_bt.app import Mission
    from vlm_bt.web.server import ViewServer

PORT = 8020
SECRET = "VLM_BT_VIEW_SECRET"
"""The environment variable that keeps tokens the same when a view is started again."""
At = Annotated[
    str | None, typer.Option("--at", metavar="[HOST:]PORT", help=f"Where browsers find it. Default: 127.0.0.1:{PORT}.")
]


def view(
    what: Annotated[
        str, typer.Argument(metavar="[FILE|FOLDER|URL]", help="A record, a mission's folder, or a view's address.")
    ] = "runs",
    at: At = None,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token on this machine too.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser here.")] = False,
) -> None:
    """Look at a mission in a browser: one that is recorded, one that still runs, or one that is served elsewhere.

    \b
    vlm-bt view                                the newest record under runs/
    vlm-bt view runs/organise_workbench-7      follows its record while the mission writes it
    vlm-bt view http://robot:8020/?token=...   what vlm-bt run --view has printed, in a browser here

    Anybody on this machine may look. With a HOST that others reach, a token is asked for; Ctrl-C ends it.
    """
    import threading

    if what.startswith(("http://", "https://")):
        typer.echo(what)
        webbrowser.open(what)
        return
    from vlm_bt.web.record_view import RecordView
    from vlm_bt.web.server import ViewServer

    host, port = address(at)
    with (
        RecordView(record_at(Path(what))) as shown,
        ViewServer(shown, host, port, tokens=token or None, secret=os.environ.get(SECRET, "")) as server,
    ):
        announce(server, lambda line: typer.echo(line))
        if open_:
            webbrowser.open(server.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("", err=True)


class Viewing:
    """What `vlm-bt run` does for browsers, one mission after the other; does nothing where nobody wants a view."""

    def __init__(self, shown: Any = None) -> None:
        self._shown = shown

    def attach(self, mission: Mission) -> None:
        if self._shown is None:
            return
        from vlm_bt.web.live_simulation import LiveSimulation

        world = getattr(mission.site, "world", None)
        self._shown.attach(mission, LiveSimulation(world) if world is not None else None)

    def watching(self, show: Callable[[Any], None]) -> Callable[[Any], None]:
        watching: Callable[[Any], None] = self._shown.watching(show) if self._shown is not None else show
        return watching

    def detach(self) -> None:
        if self._shown is not None:
            self._shown.detach()


@contextmanager
def viewing(wanted: bool, at: str | None, say: Callable[[str], None]) -> Iterator[Viewing]:
    """Serve the view while a mission runs. Raises: ConfigError: the address cannot be had."""
    if not wanted and at is None:
        yield Viewing()
        return
    from vlm_bt.web.server import ViewServer
    from vlm_bt.web.view import View

    host, port = address(at)
    shown = View()
    with ViewServer(shown, host, port, secret=os.environ.get(SECRET, "")) as server:
        announce(server, say)
        try:
            yield Viewing(shown)
        finally:
            shown.detach()


def announce(server: ViewServer, say: Callable[[str], None]) -> None:
    """Tell where it is; with tokens a line for each role, and the one that may only watch as a QR code for a phone."""
    if not server.access.tokens:
        say(f"view: {server.url}")
        return
    import io

    import segno

    for role, url in server.urls.items():
        say(f"view ({role}): {url}")
    drawn = io.StringIO()
    segno.make(server.url_of("answer"), error="l").terminal(drawn, compact=True, border=2)
    say(f"the role 'answer', for a phone:\n{drawn.getvalue()}")
    if server.exposed:
        say("view: it is not encrypted; show it only on a network that you trust")


def address(at: str | None) -> tuple[str, int]:
    """Host and port of "PORT", "HOST:PORT" or "[IPV6]:PORT". Raises: ConfigError."""
    host, colon, port = (at or str(PORT)).rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or (colon and not host):
        raise ConfigError(f"{at}: write a port or HOST:PORT, such as {PORT} or 0.0.0.0:{PORT}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def record_at(path: Path) -> Path:
    """The record that is meant: a file, that of a mission's folder, or the newest below. Raises: ConfigError."""
    if path.is_file():
        return path
    found = sorted(path.rglob("mission.mcap"), key=lambda one: one.stat().st_mtime) if path.is_dir() else []
    inside = path / "mission.mcap"
    if inside in found:
        return inside
    if not found:
        raise ConfigError(f"{path}: no such record; a mission writes mission.mcap into its --out folder")
    return found[-1]
