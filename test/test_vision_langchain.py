"""The backend for LangChain's chat models, through langchain-openai, against real servers on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from remote_questions import CHOICE, CLAIM, KEY, LOOK, OPEN, YES, asked, slow
from serving import Reply, Request, Script, refusing, saying, scripted

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.questions import Caption, Counted, Describe, Grounded, HowMany, IsTrue, Question, ReadOut, ReadText
from vlm_bt.questions import Ground as GroundIt
from vlm_bt.types import Answer, Box
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.langchain_chat import LangchainChat
from vlm_bt.vision.backends.remote_answers import STATED
from vlm_bt.vision_settings import LangchainModel


def settings(base_url: str | None, **more: Any) -> LangchainModel:
    given = {"model": "openai:m", "base_url": base_url, "privacy": OPEN, "tries": 1, **more}
    return LangchainModel(backend="langchain", **given)


def answer(reply: Reply | Script, question: Question, **more: Any) -> Any:
    with scripted(reply if callable(reply) else lambda _: reply) as server:
        (entry,) = LangchainChat(settings(server.base_url, **more), Surroundings()).answer([asked(question)])
    return entry


def test_every_question_comes_back_as_its_type() -> None:
    found = answer(saying(YES), CLAIM)
    assert isinstance(found, Answer)
    assert found.probabilities == pytest.approx((STATED, (1 - STATED) / 2))
    assert answer(saying('{"answer": "B"}'), CHOICE).best == "pliers"
    assert answer(saying('{"answer": 3}'), HowMany((LOOK,), "bolt")) == Counted("bolt", 3)
    assert answer(saying('{"answer": "Two bolts."}'), Describe((LOOK,))) == Caption("Two bolts.")
    assert isinstance(answer(saying('{"answer": ["M8"]}'), ReadText((LOOK,))), ReadOut)
    place = answer(saying('{"answer": [{"bbox_2d": [0, 250, 500, 750], "label": "b"}]}'), GroundIt((LOOK,), "b"))
    assert isinstance(place, Grounded) and place.found[0].box == Box(0, 30, 80, 90)


def test_the_form_is_asked_for_by_structured_output_and_pictures_arrive_as_pictures() -> None:
    with scripted(lambda _: saying(YES)) as server:
        model = LangchainChat(settings(server.base_url, options={"temperature": 0}), Surroundings())
        model.answer([asked(IsTrue((LOOK, LOOK), "cleared"), 10, 240)])
        (request,) = server.requests
        (first, second) = model.drain_sent()
    form = request.body["response_format"]["json_schema"]
    assert form["schema"]["properties"]["answer"]["enum"] == ["Yes", "No"]
    assert [int(picture[..., 0].mean()) // 100 for picture in request.pictures] == [0, 2]
    assert request.body["temperature"] == 0
    assert first["sha256"] != second["sha256"] and first["question"] == "is_true"


def test_an_endpoint_without_structured_output_is_asked_in_words_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(request: Request) -> Reply:
        return refusing(400, "no response_format") if "response_format" in request.body else saying(YES)

    with scripted(script) as server:
        model = LangchainChat(settings(server.base_url), Surroundings())
        assert isinstance(model.answer([asked(CLAIM)])[0], Answer)
        assert isinstance(model.answer([asked(CLAIM)])[0], Answer)
        assert len(server.requests) == 3
    assert caplog.text.count("takes no structured output") == 1


@pytest.mark.parametrize(
    "text",
    ["", "Perhaps", '{"answer": "Perhaps"}', '{"answer": "Yes", "and": 1}', '{"answer": "Yes"', "[" * 20000],
)
def test_a_malformed_or_hostile_answer_is_an_error(text: str) -> None:
    entry = answer(saying(text), CLAIM)
    assert type(entry) is ModelError and len(str(entry)) < 500


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"choices": []}', b'{"choices": [{"message": null}]}', b" " * (3 << 20)]
)
def test_a_reply_that_breaks_the_protocol_is_an_error(body: bytes) -> None:
    assert type(answer(Reply(body), CLAIM)) is ModelError


def test_a_refused_key_names_the_variable_and_never_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_KEY", KEY)
    with scripted(lambda _: refusing(401, f"Incorrect API key provided: {KEY}")) as server:
        model = LangchainChat(settings(server.base_url, api_key_env="BENCH_KEY", tries=3), Surroundings())
        (error,) = model.answer([asked(CLAIM)])
        (request,) = server.requests
        sent = json.dumps(model.drain_sent())
    assert request.headers["authorization"] == f"Bearer {KEY}" and KEY.encode() not in request.raw
    assert type(error) is ModelError and "BENCH_KEY" in str(error)
    assert KEY not in repr(error) + repr(error.__cause__) + repr(error.__context__) + sent + model.revision


def test_a_key_of_another_endpoint_is_not_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with scripted(lambda _: saying(YES)) as server:
        LangchainChat(settings(server.base_url), Surroundings()).answer([asked(CLAIM)])
        (request,) = server.requests
    assert KEY not in str(request.headers)


def test_a_busy_endpoint_is_asked_again_and_a_slow_one_is_not_waited_for() -> None:
    replies = iter([refusing(429, Retry_After="0"), saying(YES)])
    assert isinstance(answer(lambda _: next(replies), CLAIM, tries=2), Answer)
    assert type(answer(slow(after_s=2.0), CLAIM, request_timeout_s=0.4)) is ModelError


@pytest.mark.parametrize("base_url", [None, "https://api.example.com/v1", "http://192.168.1.20:8000/v1"])
def test_a_provider_elsewhere_needs_to_be_allowed(base_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ConfigError, match="allow_remote: true"):
        LangchainChat(settings(base_url), Surroundings())
    LangchainChat(settings(base_url, allow_remote=True), Surroundings())


@pytest.mark.parametrize("name", ["base_url", "api_key", "openai_api_base", "openai_proxy", "default_headers"])
def test_an_option_can_neither_move_the_endpoint_nor_hold_a_key(name: str) -> None:
    with pytest.raises(ConfigError, match="not allowed here; allowed: frequency_penalty"):
        LangchainChat(settings("http://127.0.0.1:9/v1", options={name: "x"}), Surroundings())


def test_a_provider_whose_package_is_missing_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="langchain-ollama"):
        LangchainChat(settings("http://127.0.0.1:9", model="ollama:llava"), Surroundings())


def test_no_trace_with_pictures_goes_to_langsmith(tmp_path: Path) -> None:
    """In a process of its own: whether tracing is on is read from the environment once."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_vision_langchain import LangchainChat, Surroundings, asked, settings, CLAIM\n"
        "print(LangchainChat(settings(sys.argv[2]), Surroundings()).answer([asked(CLAIM)])[0])\n"
        "from langchain_core.tracers.langchain import wait_for_all_tracers; wait_for_all_tracers()\n"
    )
    with scripted(lambda _: saying(YES)) as server, scripted(lambda _: Reply(b"{}")) as langsmith:
        here = str(Path(__file__).parent)
        tracing = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "x", "LANGSMITH_ENDPOINT": langsmith.base_url}
        run = [sys.executable, "-c", code, here, server.base_url]
        said = subprocess.run(run, env={**os.environ, **tracing}, capture_output=True, text=True, timeout=60)
        assert said.stdout.strip() == "yes (0.75)", said.stderr[-2000:]
        assert len(server.requests) == 1
        assert langsmith.requests == []
