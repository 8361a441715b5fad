"""Every family of chat models loads from a folder and answers what its row says; one without a row is tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_chat
import torch
from tiny_chat import asked, picture_of

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.questions import NAMES, Counted, Describe, Ground, IsTrue, Question, name_of
from vlm_bt.types import Answer
from vlm_bt.vision.backends import Surroundings, quirks
from vlm_bt.vision.backends.chat import Chat
from vlm_bt.vision.model import Unsupported, VisionModel
from vlm_bt.vision_settings import ChatModel

SCENE = picture_of(0)
ROW_OF = {"blip_vqa": "blip", "blip_itm": "blip", "blip_caption": "blip", "blip2": "blip-2"}
EVERYTHING = tuple(tiny_chat.QUESTIONS)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def opened(folder: Path, **settings: object) -> Chat:
    chosen = ChatModel.model_validate(
        {"backend": "chat", "checkpoint": str(folder), "device": "cpu", "new_tokens": 8} | settings
    )
    return Chat(chosen, Surroundings())


@pytest.mark.parametrize("family", tiny_chat.FAMILIES)
def test_a_family_loads_and_answers_what_its_row_says(family: str, tmp_path: Path) -> None:
    model = opened(tiny_chat.write(family, tmp_path))
    assert isinstance(model, VisionModel) and len(model.revision) == 16
    assert model.quirks is quirks.ROWS[ROW_OF.get(family, family)]
    assert model.answers <= model.quirks.answers
    replies = model.answer([asked(question, SCENE) for question in EVERYTHING])
    for question, reply in zip(EVERYTHING, replies, strict=True):
        if type(question) not in model.answers:
            assert isinstance(reply, Unsupported) and name_of(question) in str(reply)
            continue
        assert not isinstance(reply, Exception), f"{name_of(question)}: {reply}"
        if isinstance(reply, Answer):
            assert sum(reply.probabilities) + reply.outside == pytest.approx(1.0, abs=1e-6)
            assert all(0.0 <= chance <= 1.0 for chance in (*reply.probabilities, reply.outside))
        if isinstance(reply, Counted):
            assert len(reply.probabilities) == 21 and 0 < sum(reply.probabilities) <= 1.0 + 1e-6


def test_every_row_names_questions_that_exist() -> None:
    for row in quirks.ROWS.values():
        assert row.answers <= set(NAMES.values())


def test_a_family_without_a_row_is_asked_by_its_own_chat_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_chat.write("llava_onevision", tmp_path)
    known = opened(folder)
    monkeypatch.setattr(quirks, "ROWS", {})
    unknown = opened(folder)
    assert unknown.quirks is quirks.UNKNOWN and Ground not in unknown.answers
    question = [asked(IsTrue((), "a red hammer"), SCENE)]
    one, two = known.answer(question)[0], unknown.answer(question)[0]
    assert isinstance(one, Answer) and isinstance(two, Answer)
    assert two.probabilities == pytest.approx(one.probabilities, rel=1e-4)


def test_a_checkpoint_that_transformers_does_not_know_is_refused(tmp_path: Path) -> None:
    tiny_chat.as_model_type(tiny_chat.write("smolvlm", tmp_path), "from_the_future")
    with pytest.raises(ModelError, match=r"is of type 'from_the_future'; .* knows no chat model of that type"):
        opened(tmp_path)


def test_a_checkpoint_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    tiny_chat.write("smolvlm", tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template"):
        opened(tmp_path)


def test_a_blip_that_is_none_of_the_three_is_refused(tmp_path: Path) -> None:
    tiny_chat.write("blip_caption", tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("BlipForConditionalGeneration", "BlipModel"))
    with pytest.raises(ModelError, match="does not say which kind of BLIP"):
        opened(tmp_path)


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_chat.write("smolvlm", tmp_path)
    monkeypatch.setattr(quirks, "ROWS", {"smolvlm": quirks.Quirks(needs={"no_such_package": "chat"})})
    with pytest.raises(ConfigError, match=r"smolvlm needs no_such_package: pip install 'vlm_bt\[chat\]'"):
        opened(tmp_path)


@pytest.mark.parametrize("change", [{"new_tokens": 9}, {"longest_edge": 64}, {"dtype": "bfloat16"}])
def test_the_revision_changes_with_what_answers_depend_on(change: dict[str, object], tmp_path: Path) -> None:
    tiny_chat.write("smolvlm", tmp_path)
    assert opened(tmp_path).revision == opened(tmp_path).revision != opened(tmp_path, **change).revision


def test_a_longest_edge_keeps_a_processor_from_cutting_tiles(tmp_path: Path) -> None:
    tiny_chat.write("smolvlm", tmp_path)
    assert _tokens(opened(tmp_path, longest_edge=64)) < _tokens(opened(tmp_path)) / 2


def _tokens(model: Chat) -> int:
    talker = model._talker
    image = talker._turns.image(SCENE)  # type: ignore[attr-defined]
    return int(talker._turns.inputs([("what?", (image,))])["input_ids"].shape[1])  # type: ignore[attr-defined]


def test_one_that_describes_only_still_answers_beside_what_it_refuses(tmp_path: Path) -> None:
    model = opened(tiny_chat.write("blip_caption", tmp_path))
    kinds: list[type[Question]] = [Describe]
    assert model.answers == frozenset(kinds)
