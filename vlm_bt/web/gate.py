"""Stands before everything that the server answers: address, origin, token, and what a browser may do with the page."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlm_bt.web.access import Access, same_origin

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
COOKIE_AGE_S = 12 * 3600


class Gate:
    """ASGI middleware. Who passes has the role that their token gives, as `scope["state"]["role"]`."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refused(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead of what was asked for; None lets it pass."""
        headers, access = Headers(scope=scope), self._access
        host, origin = headers.get("host", ""), headers.get("origin")
        is_socket = scope["type"] == "websocket"
        if not access.is_ours(host):
            return PlainTextResponse("this server has another address\n", 403)
        if (origin is None and is_socket) or (origin is not None and not same_origin(origin, host)):
            return PlainTextResponse("asked for by another site\n", 403)
        if headers.get("sec-fetch-site", "none") == "cross-site" and scope.get("path") != "/":
            return PlainTextResponse("asked for by another site\n", 403)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        role = access.role_of(given or access.token_in(headers.get("cookie", "")))
        if role is None:
            return PlainTextResponse("open the address that was printed where the view was started\n", 401)
        scope.setdefault("state", {})["role"] = role
        if given and access.tokens and not is_socket and scope.get("path") == "/":
            # The token leaves the address bar and the browser's history.
            answer = RedirectResponse("/", 303)
            answer.set_cookie(access.cookie, given, max_age=COOKIE_AGE_S, httponly=True, samesite="strict")
            return answer
        return None
