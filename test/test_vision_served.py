"""Both remote backends against the server that transformers ships, with a tiny random Qwen3-VL behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_questions import CHOICE, CLAIM, LOOK, OPEN, asked
from serving import transformers_serving
from tiny_chat import write

from vlm_bt.errors import ModelError
from vlm_bt.questions import Caption, Counted, Describe, Ground, Grounded, HowMany, ReadOut, ReadText
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings, open_model
from vlm_bt.vision.model import VisionModel
from vlm_bt.vision_settings import LangchainModel, RemoteModel


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("served")
    checkpoint = write("qwen3_vl", folder / "model")
    with transformers_serving(checkpoint, folder) as base_url:
        yield base_url, checkpoint


def models(base_url: str, checkpoint: Path | str) -> tuple[RemoteModel, LangchainModel]:
    more = {"base_url": base_url, "tries": 1, "privacy": OPEN}
    return (
        RemoteModel(backend="openai", model=str(checkpoint), new_tokens=4, **more),
        LangchainModel(backend="langchain", model=f"openai:{checkpoint}", options={"max_tokens": 4}, **more),
    )


@pytest.mark.parametrize("which", [0, 1], ids=["openai", "langchain"])
def test_every_question_is_answered_in_its_type_or_refused(served: tuple[str, Path], which: int) -> None:
    model = open_model(models(*served)[which], Surroundings())
    assert isinstance(model, VisionModel)
    questions = (CLAIM, CHOICE, HowMany((LOOK,), "b"), Ground((LOOK,), "b"), Describe((LOOK,)), ReadText((LOOK,)))
    entries = model.answer([asked(question) for question in questions])
    # Random weights say anything: it is read as what was asked for, or refused; a caption may be anything.
    for kind, entry in zip((Answer, Answer, Counted, Grounded, Caption, ReadOut), entries, strict=True):
        assert isinstance(entry, kind) or "the reply" in str(entry) or "length limit" in str(entry)
    # The server ignores the schema, and LangChain takes no structured answer that was cut off.
    assert which == 1 or (isinstance(entries[4], Caption) and entries[4].text)


@pytest.mark.parametrize("which", [0, 1], ids=["openai", "langchain"])
def test_a_model_that_the_server_does_not_have_is_an_error(served: tuple[str, Path], which: int) -> None:
    model = open_model(models(served[0], "nobody/nothing")[which], Surroundings())
    (entry,) = model.answer([asked(Describe((LOOK,)))])
    assert isinstance(entry, ModelError)
    assert "400: " in str(entry) and str(served[1]) in str(entry)
