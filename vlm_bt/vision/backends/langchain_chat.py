"""Any LangChain chat model by name, such as "openai:gpt-4o", "anthropic:..." or "ollama:llava"."""

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
from vlm_bt.vision.backends.bounded_http import bounded_client
from vlm_bt.vision.backends.refusals import Misunderstood, Refused, refusal, scrubbed
from vlm_bt.vision.backends.remote import Errand, Remote, key_of, permit
from vlm_bt.vision.backends.remote_answers import ANSWERS, Said
from vlm_bt.vision.model import Asked
from vlm_bt.vision.privacy import QUALITY
from vlm_bt.vision.prompts import prompts_hash
from vlm_bt.vision_settings import LangchainModel

log = logging.getLogger(__name__)

OPTIONS = frozenset(
    {
        "frequency_penalty",
        "keep_alive",
        "max_output_tokens",
        "max_tokens",
        "model_provider",
        "num_ctx",
        "num_gpu",
        "num_predict",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "seed",
        "temperature",
        "thinking_budget",
        "top_k",
        "top_p",
        "use_responses_api",
    }
)
"""What `options` may hold: how a model answers, never where it is or what the key is."""
_REMEDY = "pip install 'vlm_bt[remote]'"


class LangchainChat:
    """A remote model behind LangChain: structured output where the provider has it, else JSON in words.

    LangChain hands log-probabilities on for few providers and each in its own way, so that a stated answer counts as
    0.75 here (see `remote_answers.STATED`): the backend `openai` is the one for probabilities. LangSmith's tracing,
    which would send pictures on, is off for these calls whatever the environment says.

    Raises:
        ConfigError: LangChain or the provider's package is not installed; the endpoint is not on this machine and
            `allow_remote` is not set; the key's environment variable is not set; an option is not known; what finds
            faces is not installed.
    """

    def __init__(self, settings: LangchainModel, surroundings: Surroundings) -> None:
        self._settings = settings
        self._host = permit(settings.base_url, settings.allow_remote, f"model {settings.model!r}")
        self._key = key_of(settings.api_key_env)
        self._model, client = _open(settings, self._key)
        if client is not None:
            weakref.finalize(self, client.close)
        self._structured = True
        self._lock = threading.Lock()
        self._remote = Remote(settings, self._host, self._say, self._key)

    @property
    def revision(self) -> str:
        """Of what is known here: a provider may change its weights without a word."""
        known = self._settings.model_dump_json(include={"model", "base_url", "options", "privacy"})
        digest = hashlib.sha256(f"{known} {prompts_hash()} {QUALITY}".encode()).hexdigest()[:12]
        return f"langchain:{self._settings.model}-{digest}"

    @property
    def answers(self) -> frozenset[type[Question]]:
        return ANSWERS

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        return self._remote.answer(batch)

    def drain_sent(self) -> tuple[Mapping[str, Any], ...]:
        """What left the machine since the last call."""
        return self._remote.drain_sent()

    def _say(self, errand: Errand) -> Said:
        structured = self._structured
        try:
            return self._ask(errand, structured)
        except Misunderstood as refused:
            if not structured:
                raise
            said = self._ask(errand, False)
            with self._lock:
                first, self._structured = self._structured, False
            if first:
                log.warning("%s takes no structured output (%s): it is asked for JSON in words", self._host, refused)
            return said

    def _ask(self, errand: Errand, structured: bool) -> Said:
        from langchain_core.messages import HumanMessage
        from langsmith import tracing_context

        try:
            model = self._model.with_structured_output(dict(errand.form.schema), include_raw=True)
        except (NotImplementedError, ValueError, TypeError):
            structured = False
        message = HumanMessage(content=_content(errand))
        errand.leave()
        try:
            with tracing_context(enabled=False):
                said = (model if structured else self._model).invoke([message])
        # Every provider has exceptions of its own.
        except Exception as error:
            raise self._refusal(error) from None
        # LangChain repairs JSON that is cut off; what was really said is read strictly. Some providers answer by a
        # call of a tool instead, without any text.
        text = _text(said["raw"] if structured else said)
        if structured and not text.strip() and said.get("parsed") is not None:
            text = json.dumps(said["parsed"])
        return Said(text)

    def _refusal(self, error: Exception) -> Refused:
        response = getattr(error, "response", None)
        status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
        if isinstance(status, int) and status >= 300:
            name = self._settings.api_key_env
            headers = getattr(response, "headers", None)
            return refusal(status, _told(response, error), headers, api_key_env=name, key=self._key)
        kinds = {kind.__name__ for kind in type(error).__mro__}
        text = f"{type(error).__name__}: {scrubbed(str(error), self._key)[:200]}"
        lost = kinds & {"APIConnectionError", "TimeoutError", "TimeoutException", "ConnectionError", "TransportError"}
        return Refused(text, again=bool(lost))


def _told(response: Any, error: Exception) -> str:
    text = getattr(response, "text", None)
    return text if isinstance(text, str) and text else str(error)


def _open(settings: LangchainModel, key: str) -> tuple[Any, Any]:
    """The model, and the HTTP client that is ours to close, if there is one."""
    for name in settings.options:
        if name not in OPTIONS:
            raise ConfigError(f"options: {name!r} is not allowed here; allowed: {', '.join(sorted(OPTIONS))}")
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ConfigError(f"the backend 'langchain' needs a package ({error}): {_REMEDY}") from None
    # A temperature is left to `options`: some models refuse any.
    arguments: dict[str, Any] = {"timeout": settings.request_timeout_s, "max_retries": 0, **settings.options}
    if settings.base_url is not None:
        arguments["base_url"] = settings.base_url
    if key:
        arguments["api_key"] = key
    if "openai" in (settings.model.partition(":")[0], settings.options.get("model_provider")):
        try:
            arguments["http_client"] = bounded_client(settings.request_timeout_s)
        except ImportError as error:
            raise ConfigError(f"model {settings.model!r} needs a package ({error}): {_REMEDY}") from None
        if settings.base_url is not None:
            # Else the provider's own key would be taken from the environment and go to another's endpoint.
            arguments["api_key"] = key or "none"
    try:
        return init_chat_model(settings.model, **arguments), arguments.get("http_client")
    except ImportError as error:
        raise ConfigError(f"model {settings.model!r} needs its provider's package: {error}") from None
    except Exception as error:
        text = scrubbed(str(error), key)[:400]
        raise ConfigError(f"LangChain cannot make the model {settings.model!r}: {text}") from None


def _content(errand: Errand) -> list[str | dict[Any, Any]]:
    parts: list[str | dict[Any, Any]] = []
    for name, picture in zip(errand.names(), errand.pictures, strict=True):
        if name:
            parts.append({"type": "text", "text": name})
        data = base64.b64encode(picture.jpeg).decode()
        parts.append({"type": "image", "base64": data, "mime_type": "image/jpeg"})
    return [*parts, {"type": "text", "text": errand.text(as_json=True)}]


def _text(message: Any) -> str:
    """The text of a message, whose content may be a text or a list of parts."""
    content = getattr(message, "content", None)
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))
