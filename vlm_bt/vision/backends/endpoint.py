"""Any OpenAI-compatible endpoint: vLLM, SGLang, Ollama, llama.cpp, hosted models."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from vlm_bt.errors import ConfigError, VlmBtError
from vlm_bt.questions import Question, Result
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.answer_token import Token
from vlm_bt.vision.backends.bounded_http import bounded_client
from vlm_bt.vision.backends.dialect import Dialect
from vlm_bt.vision.backends.refusals import Misunderstood, Refused, refusal
from vlm_bt.vision.backends.remote import Errand, Remote, key_of, permit
from vlm_bt.vision.backends.remote_answers import ANSWERS, STATED, Said
from vlm_bt.vision.model import Asked
from vlm_bt.vision.privacy import QUALITY
from vlm_bt.vision.prompts import prompts_hash
from vlm_bt.vision_settings import RemoteModel

log = logging.getLogger(__name__)

_NO_KEY = "none"
"""The client insists on one, and would else take OPENAI_API_KEY, whomever it is for."""


class Endpoint:
    """A remote model behind the `openai` client.

    Probabilities come from the log-probabilities of the token that carries the answer, where the endpoint gives them;
    else a stated answer counts as 0.75 (see `remote_answers.STATED`). A server that refuses `response_format`,
    log-probabilities or another part of the request is asked without it from then on, and the log says so.

    Raises:
        ConfigError: `openai` is not installed; the endpoint is not on this machine and `allow_remote` is not set; the
            key's environment variable is not set; what finds faces is not installed.
    """

    def __init__(self, settings: RemoteModel, surroundings: Surroundings) -> None:
        self._settings = settings
        self._host = permit(settings.base_url, settings.allow_remote, f"model {settings.model!r}")
        self._key = key_of(settings.api_key_env)
        self._client = _client(settings, self._key)
        weakref.finalize(self, self._client.close)
        self._remote = Remote(settings, self._host, self._say, self._key)
        self._dialect = Dialect(settings.structured, 20 if settings.logprobs else 0)
        self._lock = threading.Lock()
        self._said_stated = False

    @property
    def revision(self) -> str:
        """Of what is known here: an endpoint may change its weights without a word."""
        known = self._settings.model_dump_json(
            include={"model", "base_url", "structured", "logprobs", "new_tokens", "privacy"}
        )
        digest = hashlib.sha256(f"{known} {prompts_hash()} {QUALITY}".encode()).hexdigest()[:12]
        return f"{self._settings.model}@{self._host}-{digest}"

    @property
    def answers(self) -> frozenset[type[Question]]:
        return ANSWERS

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        return self._remote.answer(batch)

    def drain_sent(self) -> tuple[Mapping[str, Any], ...]:
        """What left the machine since the last call."""
        return self._remote.drain_sent()

    def _say(self, errand: Errand) -> Said:
        dialect = self._dialect
        while True:
            try:
                said = self._ask(errand, dialect)
            except Misunderstood as refused:
                simpler = dialect.simpler(refused.told)
                if simpler is None:
                    raise
                dialect = simpler
                continue
            self._learn(dialect)
            if dialect.top and errand.form.prompt.answers and not said.tokens:
                self._note_stated()
            return said

    def _ask(self, errand: Errand, dialect: Dialect) -> Said:
        import openai

        errand.leave()
        try:
            reply = self._client.chat.completions.with_raw_response.create(
                model=self._settings.model,
                messages=[{"role": "user", "content": _content(errand, dialect)}],
                timeout=min(self._settings.request_timeout_s, max(0.001, errand.left_s)),
                **dialect.arguments(errand.form, self._settings.new_tokens),
            )
            body = reply.http_response.content
        except openai.APITimeoutError:
            raise Refused(f"no answer within {self._settings.request_timeout_s:g} s", again=True) from None
        except openai.APIConnectionError as error:
            raise Refused(f"no connection, or a broken one ({error.__cause__ or error})", again=True) from None
        except openai.APIStatusError as error:
            raise refusal(
                error.status_code,
                error.response.text,
                error.response.headers,
                api_key_env=self._settings.api_key_env,
                key=self._key,
            ) from None
        return _said(body)

    def _learn(self, dialect: Dialect) -> None:
        with self._lock:
            if dialect == self._dialect:
                return
            left_out = [
                f"{name} {getattr(self._dialect, name)} -> {getattr(dialect, name)}"
                for name in ("structured", "top", "limit", "temperature")
                if getattr(self._dialect, name) != getattr(dialect, name)
            ]
            self._dialect = dialect
        log.warning("%s refused a part of the request; from now on: %s", self._host, ", ".join(left_out))

    def _note_stated(self) -> None:
        with self._lock:
            first, self._said_stated = not self._said_stated, True
        if first:
            log.warning("%s gives no log-probabilities: a stated answer counts as %g", self._host, STATED)


def _client(settings: RemoteModel, key: str) -> Any:
    try:
        import openai
    except ImportError as error:
        raise ConfigError(f"the backend 'openai' needs a package ({error}): pip install 'vlm_bt[remote]'") from None
    client = openai.OpenAI(
        base_url=settings.base_url,
        api_key=key or _NO_KEY,
        max_retries=0,
        timeout=settings.request_timeout_s,
        http_client=bounded_client(settings.request_timeout_s),
    )
    # Else they come from the environment and go to whatever endpoint this is.
    client.organization = client.project = None
    client.admin_api_key = None
    return client


def _content(errand: Errand, dialect: Dialect) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for name, picture in zip(errand.names(), errand.pictures, strict=True):
        if name:
            parts.append({"type": "text", "text": name})
        url = f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    parts.append({"type": "text", "text": errand.text(dialect.structured != "text")})
    return parts


def _said(body: bytes) -> Said:
    """Raises: Refused: The reply does not follow the protocol."""
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        listed = (choice.get("logprobs") or {}).get("content") or ()
        tokens = tuple(_token(entry) for entry in listed)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise Refused(f"the reply does not follow the protocol ({type(error).__name__})") from None
    if refusal:
        raise Refused(f"the model refused: {str(refusal)[:200]}")
    if not isinstance(text, str):
        raise Refused("the reply holds no text")
    if choice.get("finish_reason") == "content_filter":
        raise Refused("the endpoint's content filter stopped the reply")
    return Said(text, tokens)


def _token(entry: Any) -> Token:
    others = {str(other["token"]): float(other["logprob"]) for other in entry.get("top_logprobs") or ()}
    others.setdefault(str(entry["token"]), float(entry["logprob"]))
    return Token(str(entry["token"]), tuple(others.items()))
