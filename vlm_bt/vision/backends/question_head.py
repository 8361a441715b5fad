"""A language model of a million parameters on the frozen trunk of the shipped CLIP: questions and captions.

The trunk's pooled vector, its nine places and a word for each sort of evidence (kind, colour, parts, shades) are the
beginning of a sentence that the question follows; the answer is read from the logits, never parsed. It was trained on
the answer's words only (`vlm_bt.training.head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlm_bt.errors import ModelError
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

HEAD_FILE, HEAD_MANIFEST = "question_head.safetensors", "question_head.json"
PLACES, CHANNELS, POOLED = 9, 768, 128
PAD, BEGIN, END = 0, 1, 2
LONGEST_QUESTION, LONGEST_ANSWER = 160, 32


HEAD_REMEDY = "reinstall vlm_bt, or train it again with `vlm-bt train head`"


@dataclass(frozen=True)
class HeadShape:
    """Sizes of the language model. `evidence`: numbers in each sort of evidence that the trunk gives, one word each."""

    vocabulary: int
    width: int = 160
    inner: int = 400
    layers: int = 3
    heads: int = 4
    evidence: tuple[int, ...] = ()

    @property
    def picture(self) -> int:
        """Words of a picture: the pooled vector, the places, the evidence."""
        return 1 + PLACES + len(self.evidence)


class QuestionHead(nn.Module):
    """Some words of picture, a question, an answer."""

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        ensure_torchvision()
        from transformers import LlamaConfig, LlamaForCausalLM

        self.shape = shape
        self.places = nn.Sequential(
            nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, shape.width), nn.GELU(), nn.Linear(shape.width, shape.width)
        )
        self.whole = nn.Sequential(nn.LayerNorm(POOLED), nn.Linear(POOLED, shape.width))
        # A word of its own for each: what colour it is can then be read without what kind it is, also of pairs of the
        # two that were never seen together.
        self.evidence = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(size), nn.Linear(size, shape.width)) for size in shape.evidence
        )
        self.position = nn.Parameter(torch.randn(1, shape.picture, shape.width) * 0.02)
        self.words: Any = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.width,
                intermediate_size=shape.inner,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.heads,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                pad_token_id=PAD,
                bos_token_id=BEGIN,
                eos_token_id=END,
                attn_implementation="sdpa",  # type: ignore[call-arg]
            )
        )

    def picture(self, pooled: Tensor, grid: Tensor, evidence: Tensor) -> Tensor:
        """(N, P, W) words of picture from pooled vectors (N, 128), places (N, 9, 768) and evidence (N, E), all sorts
        of it one after the other; a head that was trained without leaves it out."""
        words = [self.whole(pooled)[:, None], self.places(grid)]
        if self.shape.evidence:
            sorts = torch.split(evidence, list(self.shape.evidence), 1)
            words += [read(some)[:, None] for read, some in zip(self.evidence, sorts, strict=True)]
        seen: Tensor = torch.cat(words, 1) + self.position
        return seen

    def hidden(self, picture: Tensor, tokens: Tensor, mask: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        """(N, L, W) state at each token (N, L), of which row n follows row n of the pictures.

        Args:
            mask: (N, 1, P + L, P + L) additive; what comes before is seen if not given.
            at: (N, P + L) positions.
        """
        states = torch.cat([picture, self.words.model.embed_tokens(tokens)], 1)
        out = self.words.model(inputs_embeds=states, attention_mask=mask, position_ids=at, use_cache=False)
        after: Tensor = out.last_hidden_state[:, picture.shape[1] :]
        return after

    def logits(self, states: Tensor) -> Tensor:
        """(..., V) of states (..., W)."""
        scores: Tensor = self.words.lm_head(states)
        return scores

    def save(self, directory: Path, words: Words, trunk_revision: str) -> str:
        """Write the head in half precision, with its tokenizer, and its manifest. Returns its revision."""
        from safetensors.torch import save_file

        state = {name: value for name, value in self.state_dict().items() if name != "words.lm_head.weight"}
        path = directory / HEAD_FILE
        save_file(
            {name: value.detach().half().contiguous().clone() for name, value in state.items()},
            str(path),
            metadata={"shape": json.dumps(asdict(self.shape)), "words": words.text, "trunk": trunk_revision},
        )
        path.chmod(0o644)
        digest = _sha256(path)
        manifest = {"sha256": {HEAD_FILE: digest}, "trunk": trunk_revision}
        (directory / HEAD_MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        return digest[:16]


class Words:
    """The head's own tokenizer: byte-level pairs without case, so that no word is unknown to it.

    Args:
        text: As `tokenizers` writes it.
    """

    def __init__(self, text: str) -> None:
        from tokenizers import Tokenizer

        self.text = text
        self._tokenizer: Any = Tokenizer.from_str(text)

    @staticmethod
    def of_corpus(corpus: Sequence[str], size: int) -> Words:
        """Learn the most useful `size` pieces of the corpus."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        words = Tokenizer(models.BPE())
        words.normalizer = normalizers.Lowercase()
        words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        words.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=["<pad>", "<s>", "</s>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        words.train_from_iterator(corpus, trainer)
        return Words(words.to_str())

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def question(self, text: str) -> list[int]:
        """Cut at the end where it is too long."""
        return [BEGIN, *self._pieces(text)[: LONGEST_QUESTION - 2], END]

    def answer(self, text: str) -> list[int]:
        return [*self._pieces(text)[: LONGEST_ANSWER - 1], END]

    def read(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()

    def _pieces(self, text: str) -> list[int]:
        # The names of the special tokens are text like any other here: what a person says must not end a question.
        clean = text.replace("<", " ").replace(">", " ")
        return list(self._tokenizer.encode(clean, add_special_tokens=False).ids)


def own_question_only(part: Tensor) -> Tensor:
    """(N, 1, T, T) additive mask of (N, T): every position sees part 0 and what precedes it in its own part."""
    size = part.shape[1]
    before = torch.ones(size, size, dtype=torch.bool).tril()
    seen = before & ((part[:, None] == 0) | (part[:, None] == part[:, :, None]))
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.bfloat16).min)[:, None]


def load_head(directory: Path, trunk_revision: str) -> tuple[QuestionHead, Words, str]:
    """The head of the model in a folder, its words and its revision.

    Raises:
        ModelError: It is missing, corrupt, or was trained on another trunk.
    """
    from safetensors import SafetensorError, safe_open

    path, manifest = directory / HEAD_FILE, directory / HEAD_MANIFEST
    if not path.is_file() or not manifest.is_file():
        raise ModelError(f"the model in {directory} has no question head ({HEAD_FILE}); {HEAD_REMEDY}")
    try:
        stated = json.loads(manifest.read_text(encoding="utf-8"))
        digest = _sha256(path)
        if digest != stated["sha256"][HEAD_FILE]:
            raise ModelError(
                f"{path} is corrupt: its sha256 begins {digest[:12]}, the manifest says "
                f"{str(stated['sha256'][HEAD_FILE])[:12]}; {HEAD_REMEDY}"
            )
        with safe_open(str(path), framework="pt") as stored:
            about = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        if about["trunk"] != trunk_revision:
            raise ModelError(
                f"the question head in {directory} was trained on {about['trunk']}, the model there is "
                f"{trunk_revision}; {HEAD_REMEDY}"
            )
        shape = json.loads(about["shape"])
        head = QuestionHead(HeadShape(**{**shape, "evidence": tuple(shape.get("evidence", ()))}))
        missing, unknown = head.load_state_dict(tensors, strict=False)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"the question head in {directory} does not load ({error}); {HEAD_REMEDY}") from error
    if unknown or set(missing) != {"words.lm_head.weight"}:
        raise ModelError(f"the question head in {directory} has other tensors than it should; {HEAD_REMEDY}")
    return head.eval(), Words(about["words"]), digest[:16]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
