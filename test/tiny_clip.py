"""Small random CLIPs in open_clip's own file format, for tests: real files, real loading, no download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

CONTEXT = 24
_WORDS = ["a photo of a red hammer on the bench", "two handles pliers wrench 0 1 2 3 4 5 6 7 8 9"] * 10


def write_clip(
    folder: Path, sigmoid: bool = False, resize_mode: str = "shortest", seed: int = 0, **config: Any
) -> Path:
    """Write a CLIP of two layers, 32 px.

    Args:
        sigmoid: With a bias on its logits, as SigLIP has. config: changes of `model_cfg`.
    """
    ensure_torchvision()
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    words = _write_tokenizer(folder)
    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": words,
            "width": 32,
            "heads": 2,
            "layers": 2,
            "hf_tokenizer_name": "local",
            "pool_type": "eos",
            "eos_id": 2,
            "pad_id": 0,
        },
        "custom_text": True,
        **({"init_logit_bias": -1.0, "init_logit_scale": 1.5} if sigmoid else {}),
        **config,
    }
    preprocess_cfg = {
        "mean": [0.5, 0.4, 0.3],
        "std": [0.25, 0.26, 0.27],
        "interpolation": "bicubic",
        "resize_mode": resize_mode,
    }
    stored = json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg})
    (folder / "open_clip_config.json").write_text(stored, encoding="utf-8")
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    with torch.no_grad():  # random towers give nearly the same vector for everything; tests need differences
        for parameter in model.visual.parameters():
            parameter.mul_(2.0)
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def _write_tokenizer(folder: Path) -> int:
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    words.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words.train_from_iterator(
        _WORDS,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=CONTEXT
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)
