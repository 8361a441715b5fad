"""Browsers in a process of their own, whose figures end as one line of JSON:

python -m vlm_bt.bench.view_browsers PORT COUNT SECONDS ASSET,ASSET [deaf]
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
import urllib.request
from typing import Any

import websockets

WANTED = {"do": "cameras", "want": ["overhead", "wrist"]}
RECEIVES_BYTES = 4096


async def watch(base: str, until_s: float) -> dict[str, Any]:
    """How long the pictures of a browser that reads took to come, and how many came a second from each camera."""
    came: dict[str, list[float]] = {}
    late_ms: list[float] = []
    async with websockets.connect(f"ws://{base}/live", origin=f"http://{base}", max_size=None) as wire:  # type: ignore[arg-type]
        await wire.send(json.dumps(WANTED))
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(wire.recv(), left_s)
            except TimeoutError:
                break
            except websockets.ConnectionClosed:
                break
            if isinstance(message, bytes):
                about = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
                late_ms.append(time.time() * 1e3 - about["at_ms"])
                came.setdefault(about["camera"], []).append(time.monotonic())
    rates = {name: (len(at) - 1) / (at[-1] - at[0]) for name, at in came.items() if len(at) > 1}
    return {"late_ms": late_ms, "rates": rates}


def deaf(base: str) -> socket.socket:
    """A browser that asks for everything and reads nothing."""
    host, _, port = base.partition(":")
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVES_BYTES)
    made.connect((host, int(port)))
    made.sendall(
        f"GET /live HTTP/1.1\r\nHost: {base}\r\nOrigin: http://{base}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    wanted = json.dumps(WANTED).encode()
    made.sendall(bytes([0x81, 0x80 | len(wanted)]) + bytes(4) + wanted)
    return made


async def first_view(base: str, assets: list[str]) -> float:
    """Seconds until the page, what it is made of and the first snapshot are there."""
    began = time.perf_counter()
    for asset in ["", *(f"page/{name}" for name in assets)]:
        await asyncio.to_thread(_fetch, f"http://{base}/{asset}")
    async with websockets.connect(f"ws://{base}/live", origin=f"http://{base}", max_size=None) as wire:  # type: ignore[arg-type]
        while json.loads(await wire.recv()).get("type") != "snapshot":
            pass
    return time.perf_counter() - began


def _fetch(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as answer:
        answer.read()


async def main(port: str, count: str, seconds: str, assets: str, *more: str) -> None:
    base = f"127.0.0.1:{port}"
    shown_s = await first_view(base, assets.split(",") if assets else [])
    mute = [deaf(base) for one in more if one == "deaf"]
    until_s = time.monotonic() + float(seconds)
    told = await asyncio.gather(*(watch(base, until_s) for _ in range(int(count))))
    for one in mute:
        one.close()
    print(json.dumps({"first_s": shown_s, "browsers": told}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
