"""What every remote model has in common: who may be asked, what leaves the machine, how long, and what is recorded."""

from __future__ import annotations

import ipaddress
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from vlm_bt.errors import ConfigError, ModelError, VlmBtError
from vlm_bt.questions import Result, name_of
from vlm_bt.vision.backends.refusals import Refused, scrubbed
from vlm_bt.vision.backends.remote_answers import Form, Said, form_of, read
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision.privacy import FRAMED_TEXT, Censor, Released, Sent
from vlm_bt.vision.prompts import picture_names
from vlm_bt.vision_settings import LangchainModel, RemoteModel

log = logging.getLogger(__name__)

SHARE_OF_PATIENCE = 0.8
"""A batch ends before the service takes the process for hung."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0


@dataclass(eq=False)
class Errand:
    """One question on its way. Whoever sends its pictures says so first, by `leave`."""

    form: Form
    name: str
    pictures: tuple[Released, ...]
    frame_ids: tuple[str, ...]
    deadline_s: float
    attempts: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def left_s(self) -> float:
        """Wall time until its deadline."""
        return self.deadline_s - time.monotonic()

    def leave(self) -> None:
        """The pictures leave the machine now. Raises: Refused: It is too late."""
        with self._lock:
            if self.closed or self.left_s <= 0:
                raise Refused("the time of this batch was used up")
            self.attempts += 1

    def close(self) -> int:
        """Nothing leaves any more; how often it did."""
        with self._lock:
            self.closed = True
            return self.attempts

    def text(self, as_json: bool) -> str:
        framed = any(picture.framed for picture in self.pictures)
        return self.form.text(as_json) + (f"\n{FRAMED_TEXT}" if framed else "")

    def names(self) -> tuple[str, ...]:
        return picture_names(len(self.pictures))


class Remote:
    """Answers batches through `say`, which sends one errand and gives back what was said, or raises `Refused`.

    Args:
        secret: The key; it is cut out of every error.

    Raises:
        ConfigError: Something is to be masked and what finds it is not installed.
    """

    def __init__(
        self, settings: RemoteModel | LangchainModel, host: str, say: Callable[[Errand], Said], secret: str = ""
    ) -> None:
        self._settings = settings
        self._host = host
        self._say = say
        self._secret = secret
        self._censor = Censor(settings.privacy, settings.threads)
        self._sent: list[Sent] = []

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        """One entry per question; several are under way at once, and all end within 80% of `patience_s`."""
        deadline_s = time.monotonic() + SHARE_OF_PATIENCE * self._settings.patience_s
        packed = [self._pack(asked, deadline_s) for asked in batch]
        errands = [(n, errand) for n, errand in enumerate(packed) if isinstance(errand, Errand)]
        done: dict[int, Result | VlmBtError] = {
            n: error for n, error in enumerate(packed) if isinstance(error, VlmBtError)
        }
        self._run(errands, done, deadline_s)
        for n, errand in errands:
            attempts = errand.close()
            for picture, frame_id in zip(errand.pictures, errand.frame_ids, strict=True) if attempts else ():
                self._sent.append(Sent.of(picture, self._host, errand.name, frame_id, attempts))
            done.setdefault(n, ModelError(f"{self._host}: no answer within the time of the batch"))
        return [done[n] for n in range(len(batch))]

    def drain_sent(self) -> tuple[Mapping[str, Any], ...]:
        """What left the machine since the last call, one entry per picture; for the mission's record."""
        sent, self._sent = self._sent, []
        return tuple({"what": "picture sent", **asdict(entry)} for entry in sent)

    def _pack(self, asked: Asked, deadline_s: float) -> Errand | VlmBtError:
        """Everything that leaves the machine for one question, masked; or why it does not."""
        try:
            self._censor.check_words(asked.question)
            form = form_of(asked.question, len(asked.pictures))
            if not asked.pictures:
                raise Unsupported("a remote chat model is asked about pictures, this question has none")
            pictures = tuple(self._censor.release(picture) for picture in asked.pictures)
        except VlmBtError as error:
            return error
        except MemoryError:
            raise
        # A frame that the masks fail on in whatever way must not be sent, and must not end the process.
        except Exception as error:
            log.exception("a picture could not be masked; it was not sent")
            return ModelError(f"the picture could not be masked ({type(error).__name__}: {error}); nothing was sent")
        if name_of(asked.question) == "ground" and pictures[-1].turned:
            return Unsupported("places cannot be told in a thing's cut-out: ask about a box of the picture")
        frame_ids = tuple(picture.frame.id for picture in asked.pictures)
        return Errand(form, name_of(asked.question), pictures, frame_ids, deadline_s)

    def _run(
        self, errands: Sequence[tuple[int, Errand]], done: dict[int, Result | VlmBtError], deadline_s: float
    ) -> None:
        """Carry out the errands in `at_once` threads of their own; who is late is left behind."""
        waiting: queue.SimpleQueue[tuple[int, Errand]] = queue.SimpleQueue()
        finished: queue.SimpleQueue[tuple[int, Result | VlmBtError]] = queue.SimpleQueue()
        for entry in errands:
            waiting.put(entry)

        def work() -> None:
            while True:
                try:
                    n, errand = waiting.get_nowait()
                except queue.Empty:
                    return
                finished.put((n, self._carry_out(errand)))

        for number in range(min(self._settings.at_once, len(errands))):
            threading.Thread(target=work, name=f"vlm_bt-remote-{number}", daemon=True).start()
        for _ in errands:
            try:
                n, result = finished.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                return
            done[n] = result

    def _carry_out(self, errand: Errand) -> Result | VlmBtError:
        try:
            return read(errand.form, self._persist(errand), errand.pictures[-1].area)
        except VlmBtError as error:
            return ModelError(f"{self._host}: {scrubbed(str(error), self._secret)}")
        # The boundary of a thread, and of what a client library may do with a hostile reply.
        except Exception as error:
            return ModelError(f"{self._host}: {type(error).__name__}: {scrubbed(str(error), self._secret)[:200]}")

    def _persist(self, errand: Errand) -> Said:
        pause_s = _FIRST_PAUSE_S
        for tried in range(1, self._settings.tries + 1):
            try:
                return self._say(errand)
            except Refused as refused:
                if not refused.again:
                    raise
                if tried == self._settings.tries:
                    raise Refused(f"{refused} ({tried} tries)") from None
                wait_s = pause_s if refused.after_s is None else refused.after_s
                if wait_s >= errand.left_s:
                    raise Refused(f"{refused} (it asks to wait {wait_s:g} s, longer than this batch has)") from None
                time.sleep(wait_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise Refused("no try is allowed")


def permit(base_url: str | None, allow_remote: bool, entry: str) -> str:
    """Name and port of the endpoint, if the settings allow to ask it.

    Args:
        base_url: None: the provider's own address, which is not this machine.
        entry: What the error calls the model.

    Raises:
        ConfigError: It is not on this machine and `allow_remote` is not set, or is no address.
    """
    if base_url is None:
        host, local = entry, False
    else:
        try:
            parts = urlsplit(base_url)
            name, port = parts.hostname, f":{parts.port}" if parts.port else ""
        except ValueError:
            name = None
        if not name or parts.scheme not in ("http", "https"):
            raise ConfigError("base_url is no address such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("base_url holds credentials or a query: name an environment variable in api_key_env")
        host, local = f"{name}{port}", _is_loopback(name)
    if not local and not allow_remote:
        raise ConfigError(
            f"{entry} would send pictures to {host}, which is not this machine. If that is wanted, add to its entry "
            "in vision.models:\n    allow_remote: true\nand see its `privacy` for what is masked before"
        )
    if not local and base_url is not None and base_url.startswith("http:"):
        log.warning("pictures are sent to %s unencrypted: use https", host)
    return host


def key_of(api_key_env: str | None) -> str:
    """The key; empty where none is needed. Raises: ConfigError: The variable is not set."""
    if api_key_env is None:
        return ""
    key = os.environ.get(api_key_env, "").strip()
    if not key:
        raise ConfigError(f"api_key_env: the environment variable {api_key_env} is not set; put the API key in it")
    return key


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
