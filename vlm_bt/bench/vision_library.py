"""The same questions asked by the plain libraries, as their documentation has it: what the service is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlm_bt.questions import Choose, IsTrue, Question

Pixels = NDArray[np.uint8]


class Library(Protocol):
    """Probabilities of a question's options, by one call of its own; the last one is what lies outside them."""

    def __call__(self, rgb: Pixels, question: Question) -> Sequence[float]: ...


class PlainClip:
    """open_clip: the picture is encoded for every question; captions are remembered, as any user of it would do."""

    def __init__(self, folder: Path) -> None:
        from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

        ensure_torchvision()
        import open_clip
        import torch

        torch.set_num_threads(1)
        self._model, _, self._prepare = open_clip.create_model_and_transforms(
            "ViT-B-32", pretrained=str(folder / "open_clip_model.safetensors")
        )
        self._model.eval()
        self._tokenizer = open_clip.get_tokenizer("ViT-B-32")
        self._read: dict[str, Any] = {}

    def picture(self, rgb: Pixels) -> Any:
        """(1, D) unit vector: the bare forward pass."""
        import torch
        from PIL import Image

        with torch.inference_mode():
            prepared = self._prepare(Image.fromarray(rgb)).unsqueeze(0)
            return torch.nn.functional.normalize(self._model.encode_image(prepared), dim=-1)

    def __call__(self, rgb: Pixels, question: Question) -> Sequence[float]:
        import torch

        from vlm_bt.vision.clip_words import BACKGROUND, phrasings

        assert isinstance(question, Choose)
        captions = [phrasings(option, question.wording) for option in question.options]
        picture = self.picture(rgb)
        with torch.inference_mode():
            options = [torch.nn.functional.normalize(self._texts(some).mean(0), dim=-1) for some in captions]
            scale = self._model.logit_scale.exp()
            fit = scale * picture @ torch.stack(options).T
            none = torch.logsumexp(scale * picture @ self._texts(BACKGROUND).T, 1, keepdim=True)
            shares: list[float] = torch.cat([fit, none - float(np.log(len(BACKGROUND)))], 1).softmax(-1)[0].tolist()
        return shares

    def _texts(self, texts: Sequence[str]) -> Any:
        """(N, D) unit vectors."""
        import torch

        new = [text for text in texts if text not in self._read]
        if new:
            vectors = torch.nn.functional.normalize(self._model.encode_text(self._tokenizer(new)), dim=-1)
            self._read.update(zip(new, vectors, strict=True))
        return torch.stack([self._read[text] for text in texts])


class PlainChat:
    """transformers: a chat model's next token after the picture and the question.

    Args:
        longest_edge: The processor's own setting of how large pictures are made.
    """

    def __init__(self, folder: Path, longest_edge: int) -> None:
        from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

        ensure_torchvision()
        import torch
        import transformers

        torch.set_num_threads(1)
        loads: Any = transformers.AutoModelForImageTextToText
        self._model = loads.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
        processors: Any = transformers.AutoProcessor
        self._processor = processors.from_pretrained(folder, local_files_only=True)
        self._processor.image_processor.size = {"longest_edge": longest_edge}
        self._longest_edge = longest_edge

    def __call__(self, rgb: Pixels, question: Question) -> Sequence[float]:
        import torch
        from PIL import Image

        from vlm_bt.vision.backends.answer_tokens import AnswerTokens
        from vlm_bt.vision.prompts import yes_no

        assert isinstance(question, IsTrue)
        prompt = yes_no(question.claim, question.wording)
        image = Image.fromarray(rgb)
        scale = min(1.0, self._longest_edge / max(image.size))
        # As the service shrinks it: the processor's own filter would show the model another picture.
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC) if scale < 1.0 else image
        content = [{"type": "image", "image": image}, {"type": "text", "text": prompt.text}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            row = self._model(**inputs, logits_to_keep=1).logits[0, -1].float().softmax(-1)
        shares = AnswerTokens(self._processor.tokenizer).shares(row, prompt.answers)
        return [*shares, 1.0 - sum(shares)]

    def bare(self, question: Question) -> Callable[[Pixels], Sequence[float]]:
        """The forward pass of one question for any picture."""
        return lambda rgb: self(rgb, question)


def vit_b_32(folder: Path, seed: int = 0) -> Path:
    """A CLIP ViT-B/32 of 151 million parameters with random weights, in open_clip's format; returns the folder."""
    from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.create_model("ViT-B-32", load_weights=False)
    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": model.visual.preprocess_cfg}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder
