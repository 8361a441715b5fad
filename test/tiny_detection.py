"""Small random detectors and a segmenter as transformers saves them, for tests: real files, real loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision

ensure_torchvision()
import transformers  # noqa: E402

_TEXT = "a photo of the red hammer and two handles on bench pliers wrench screw driver is there 0 1 2 3 4 5"
OWL_CONTEXT = 16
DINO_CONTEXT = 48


def write_owlv2(folder: Path, seed: int = 0) -> Path:
    special = ["<|unused|>", "<|startoftext|>", "<|endoftext|>"]  # the library takes a first token 0 for padding
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words.train_from_iterator(
        [_TEXT] * 20,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    words.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 1), ("<|endoftext|>", 2)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=OWL_CONTEXT,
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    text = {**small, **ids, "vocab_size": 400, "max_position_embeddings": OWL_CONTEXT}
    torch.manual_seed(seed)
    config = transformers.Owlv2Config(
        text_config=text, vision_config={**small, "image_size": 64, "patch_size": 8}, projection_dim=32
    )
    model = transformers.Owlv2ForObjectDetection(config)
    with torch.no_grad():  # as drawn, every box is the whole picture
        for name, parameter in model.named_parameters():
            if name.startswith(("box_head.dense2", "class_head.logit")):
                parameter.mul_(0.02)
    model.save_pretrained(folder)
    images = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(images, tokenizer).save_pretrained(folder)
    return folder


def write_grounding_dino(folder: Path, family: str = "GroundingDino", seed: int = 0) -> Path:
    """`family`: "GroundingDino" or "MMGroundingDino"."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", ",", *sorted(set(_TEXT.split()))]
    tokenizer = transformers.BertTokenizer(
        vocab={word: index for index, word in enumerate(vocabulary)}, do_lower_case=True, model_max_length=DINO_CONTEXT
    )
    backbone = transformers.SwinConfig(
        image_size=32,
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
        out_indices=[2, 3, 4],
    )
    text = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=DINO_CONTEXT,
    )
    settings: dict[str, Any] = {
        "backbone_config": backbone,
        "text_config": text,
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "num_queries": 12,
        "max_text_len": DINO_CONTEXT,
        "num_feature_levels": 4,
    }
    torch.manual_seed(seed)
    model = getattr(transformers, f"{family}ForObjectDetection")(getattr(transformers, f"{family}Config")(**settings))
    _louder(model)
    model.save_pretrained(folder)
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    transformers.GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def write_sam2(folder: Path, seed: int = 0) -> Path:
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=12,
        num_attention_heads=1,
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[12, 24, 48, 96],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        image_size=[64, 64],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    sight = transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[96, 48, 24, 12],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=32,
    )
    torch.manual_seed(seed)
    config = transformers.Sam2Config(
        vision_config=sight,
        prompt_encoder_config={"hidden_size": 32, "image_size": 64},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32, "num_attention_heads": 2},
    )
    model = transformers.Sam2Model(config)
    _louder(model)
    model.save_pretrained(folder)
    images = transformers.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    transformers.Sam2Processor(images).save_pretrained(folder)
    return folder


def _louder(model: torch.nn.Module) -> None:
    """Random weights as the libraries draw them give nearly the same for everything; tests need differences."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)
