"""Requests that came to nothing, and what their status says of trying again."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping

from vlm_bt.errors import ModelError

_BUSY = (408, 409, 425, 429, 500, 502, 503, 504)
_UNCLEAR = (400, 422, 501)
_LONGEST_TOLD = 200


class Refused(ModelError):
    """A request that came to nothing.

    Attributes:
        again: Whether the same request may succeed later. after_s: how long to wait, if the endpoint said so.
    """

    def __init__(self, text: str, *, again: bool = False, after_s: float | None = None) -> None:
        super().__init__(text)
        self.again = again
        self.after_s = after_s


class Misunderstood(Refused):
    """The server does not take the request as it is; a simpler one may do. `told`: all that it says of it."""

    def __init__(self, text: str, told: str) -> None:
        super().__init__(text)
        self.told = told


def refusal(
    status: int, told: str, headers: Mapping[str, str] | None = None, *, api_key_env: str | None = None, key: str = ""
) -> Refused:
    """What a status of HTTP means.

    Args:
        told: What the server says of it; repeated in part and without the key.
    """
    # What the server says of a key may hold a part of it.
    if status in (401, 403):
        remedy = "set api_key_env to the name of the environment variable that holds the key"
        if api_key_env:
            remedy = f"check the key in the environment variable {api_key_env}"
        return Refused(f"{status}: access refused; {remedy}")
    if status in _BUSY:
        return Refused(f"{status}: the endpoint is busy or broken", again=True, after_s=pause_s(headers or {}))
    if 300 <= status < 400:
        return Refused(f"{status}: it redirects elsewhere, which is not followed; set base_url to the final address")
    text = f"{status}: {scrubbed(told, key)[:_LONGEST_TOLD].strip() or 'no reason is given'}"
    return Misunderstood(text, told) if status in _UNCLEAR else Refused(text)


def pause_s(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` asks for, in seconds or as a date."""
    given = headers.get("retry-after", "")
    try:
        wait_s = float(given)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def scrubbed(text: str, key: str) -> str:
    """Printable text without the key."""
    if key:
        text = text.replace(key, "[key]")
    return "".join(sign if sign.isprintable() else " " for sign in text)
