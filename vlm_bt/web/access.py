"""Who may open the view, and what they may do there."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Literal, get_args
from urllib.parse import urlsplit

Role = Literal["watch", "answer", "control"]
ROLES: tuple[Role, ...] = get_args(Role)
NEEDS: dict[str, Role] = {
    "cameras": "watch",
    "seek": "watch",
    "live": "watch",
    "play": "watch",
    "answer": "answer",
    "say": "answer",
    "point": "answer",
    "revoke": "answer",
    "pause": "control",
    "resume": "control",
    "step": "control",
    "abort": "control",
    "speed": "control",
}
"""What a browser may ask for, and from which role on."""


def may(role: Role, what: str) -> bool:
    needed = NEEDS.get(what)
    return needed is not None and ROLES.index(role) >= ROLES.index(needed)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Tokens and addresses of one server.

    A name in the `Host` header is only believed where it is this machine's own: a page of somebody else, whose name was
    made to point here, is refused. Addresses in numbers cannot be made to point elsewhere.

    Args:
        with_tokens: False lets in everybody who reaches the server, with every role.
        names: Further names of this machine.
        secret: Tokens are derived from it, so that those of a server that is started again stay valid; drawn anew where
            none is given.

    Attributes:
        tokens: By role; empty where none are needed.
    """

    def __init__(self, port: int, *, with_tokens: bool, names: Iterable[str] = (), secret: str = "") -> None:
        self._port = port
        key = secret.encode() or secrets.token_bytes(32)
        self.tokens: dict[Role, str] = (
            {role: hmac.new(key, f"vlm-bt view {role}".encode(), "sha256").hexdigest()[:40] for role in ROLES}
            if with_tokens
            else {}
        )
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(name.lower() for name in names)}
        self.cookie = f"vlm_bt_view_{port}"

    def role_of(self, token: str) -> Role | None:
        """The role that a token gives; None: it is none of ours. Takes as long for a wrong one as for a right one."""
        if not self.tokens:
            return "control"
        found: Role | None = None
        for role, known in self.tokens.items():
            if hmac.compare_digest(token.encode(), known.encode()):
                found = role
        return found

    def token_in(self, cookies: str) -> str:
        """The token in a `Cookie` header; "" where there is none."""
        try:
            morsel = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel is not None else ""

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` header names this server."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self._port or parts.username is not None or parts.path:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def same_origin(origin: str, host: str) -> bool:
    """Whether a page that asks was loaded from the server that it asks."""
    return origin == f"http://{host}"
