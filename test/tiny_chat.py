"""Tiny random checkpoints of the chat model families, written as the real ones are: weights, tokenizer, processor.

Each is `save_pretrained` of the library's own classes, so that what reads them is the real loading path.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from vlm_bt.questions import Choose, Describe, Embed, Ground, HowMany, IsTrue, Look, Question, ReadText
from vlm_bt.types import Box, Frame, Intrinsics, Pose
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture

ensure_torchvision()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers as hf  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

WORDS = [
    "Yes No yes no YES NO A B C D E F G H I J K L M N O P Q R S T U V W X Y Z none of these",
    "is it true of the picture answer with one word letter number digits only which how many bolts are there",
    "0 1 2 3 4 5 6 7 8 9 user assistant system a red hammer and pliers wrench screwdriver on the bench before after",
] * 50
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DECODER: dict[str, Any] = {
    "vocab_size": 700,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}
EYE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
LOUDER = 6.0
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN = [*CHATML, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
IDEFICS = [*CHATML, "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
GEMMA = ["<pad>", "<eos>", "<bos>"]


def byte_pairs(special: list[str], image: str = "", **kwargs: Any) -> Any:
    """A byte-level tokenizer with single digits, as Qwen and SmolLM have."""
    pairs = Tokenizer(models.BPE(unk_token=None))
    pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    pairs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pairs.train_from_iterator(
        WORDS,
        trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=pairs, **kwargs)
    if image:
        fast.chat_template = CHAT.replace("IMAGE", image)
    return fast


def chatml(special: list[str], image: str, **kwargs: Any) -> Any:
    return byte_pairs(special, image, eos_token="<|im_end|>", pad_token="<|endoftext|>", **kwargs)


def word_pieces() -> Any:
    words = sorted(set(" ".join(WORDS).lower().split()) | set("?.,:;'\"<>/‹›|_()") | set("abcdefghijklmnopqrstuvwxyz"))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *(f"##{w}" for w in "abcdefghijklmnopqrstuvwxyz")]
    return hf.BertTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, do_lower_case=True)


def _save(folder: Path, model: Any, processor: Any) -> None:
    # Fresh weights are so small that every answer is about as likely as any other, whatever is asked and shown.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(weight * LOUDER if weight.any() else torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _qwen(folder: Path, three: bool) -> None:
    words = chatml(QWEN, "<|vision_start|><|image_pad|><|vision_end|>")
    of = words.convert_tokens_to_ids
    ids = {
        "image_token_id": of("<|image_pad|>"),
        "video_token_id": of("<|video_pad|>"),
        "vision_start_token_id": of("<|vision_start|>"),
        "vision_end_token_id": of("<|vision_end|>"),
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    text = DECODER | {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
    eye = {"hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32, "spatial_merge_size": 2}
    eye["temporal_patch_size"] = 2
    if three:
        text |= {"num_hidden_layers": 3, "head_dim": 16, "rope_parameters": rope | {"mrope_interleaved": True}}
        eye |= {"depth": 3, "patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
        model = hf.Qwen3VLForConditionalGeneration(hf.Qwen3VLConfig(text_config=text, vision_config=eye, **ids))
        size = {"shortest_edge": 32 * 32 * 4, "longest_edge": 32 * 32 * 16}
        see = hf.Qwen2VLImageProcessor(patch_size=16, size=size)
        processor = hf.Qwen3VLProcessor(see, words, hf.Qwen3VLVideoProcessor(), chat_template=words.chat_template)
    else:
        text |= {"rope_parameters": rope}
        eye |= {"depth": 2, "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]}
        model = hf.Qwen2_5_VLForConditionalGeneration(hf.Qwen2_5_VLConfig(text_config=text, vision_config=eye, **ids))
        see = hf.Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 16})
        processor = hf.Qwen2_5_VLProcessor(see, words, hf.Qwen2VLVideoProcessor(), chat_template=words.chat_template)
    _save(folder, model, processor)


def qwen3_vl(folder: Path) -> None:
    _qwen(folder, three=True)


def qwen2_5_vl(folder: Path) -> None:
    _qwen(folder, three=False)


def _idefics(folder: Path, small: bool) -> None:
    words = chatml([*IDEFICS, *(f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5))], "<image>")
    config = (hf.SmolVLMConfig if small else hf.Idefics3Config)(
        text_config=DECODER | {"model_type": "llama", "pad_token_id": 0},
        vision_config=EYE | {"image_size": 64},
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    edges = {"size": {"longest_edge": 128 if small else 64}, "max_image_size": {"longest_edge": 64}}
    if small:
        see, film = hf.SmolVLMImageProcessor(**edges, do_image_splitting=True), hf.SmolVLMVideoProcessor()
        processor = hf.SmolVLMProcessor(see, words, film, image_seq_len=16, chat_template=words.chat_template)
        _save(folder, hf.SmolVLMForConditionalGeneration(config), processor)
        return
    see = hf.Idefics3ImageProcessor(**edges, do_image_splitting=False)
    processor = hf.Idefics3Processor(see, words, image_seq_len=16, chat_template=words.chat_template)
    _save(folder, hf.Idefics3ForConditionalGeneration(config), processor)


def smolvlm(folder: Path) -> None:
    _idefics(folder, small=True)


def idefics3(folder: Path) -> None:
    _idefics(folder, small=False)


def llava_onevision(folder: Path) -> None:
    words = chatml([*CHATML, "<image>", "<video>"], "<image>")
    pins = [[32, 32], [64, 64]]
    config = hf.LlavaOnevisionConfig(
        text_config=DECODER | {"model_type": "qwen2"},
        vision_config=EYE | {"model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pins,
        vision_feature_layer=-1,
    )
    see = hf.LlavaOnevisionImageProcessor(size={"height": 32, "width": 32}, image_grid_pinpoints=pins)
    processor = hf.LlavaOnevisionProcessor(
        see,
        words,
        hf.LlavaOnevisionVideoProcessor(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=words.chat_template,
    )
    _save(folder, hf.LlavaOnevisionForConditionalGeneration(config), processor)


def llava(folder: Path) -> None:
    words = chatml([*CHATML, "<image>"], "<image>")
    config = hf.LlavaConfig(
        text_config=DECODER | {"model_type": "llama"},
        vision_config=EYE | {"model_type": "clip_vision_model", "projection_dim": 32},
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=words.chat_template,
    )
    _save(folder, hf.LlavaForConditionalGeneration(config), processor)


def internvl(folder: Path) -> None:
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = chatml([*CHATML, *names.values()], "<IMG_CONTEXT>\n", extra_special_tokens=names)
    config = hf.InternVLConfig(
        text_config=DECODER | {"model_type": "qwen2"},
        vision_config=EYE | {"image_size": [32, 32], "patch_size": [4, 4]},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        downsample_ratio=0.5,
    )
    see = hf.GotOcr2ImageProcessor(size={"height": 32, "width": 32}, crop_to_patches=False)
    processor = hf.InternVLProcessor(
        see, words, hf.InternVLVideoProcessor(), image_seq_length=16, chat_template=words.chat_template
    )
    _save(folder, hf.InternVLForConditionalGeneration(config), processor)


def gemma3(folder: Path) -> None:
    names = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = byte_pairs(
        [*GEMMA, *names.values(), *CHATML[1:]],
        "<start_of_image>",
        eos_token="<eos>",
        bos_token="<bos>",
        pad_token="<pad>",
        extra_special_tokens=names,
    )
    of = words.convert_tokens_to_ids
    config = hf.Gemma3Config(
        text_config=DECODER | {"head_dim": 16, "pad_token_id": 0},
        vision_config=EYE | {"patch_size": 4},
        mm_tokens_per_image=16,
        image_token_index=of("<image_soft_token>"),
        boi_token_index=of("<start_of_image>"),
        eoi_token_index=of("<end_of_image>"),
    )
    see = hf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    processor = hf.Gemma3Processor(see, words, image_seq_length=16, chat_template=words.chat_template)
    _save(folder, hf.Gemma3ForConditionalGeneration(config), processor)


def paligemma(folder: Path) -> None:
    words = byte_pairs([*GEMMA, "<image>"], eos_token="<eos>", bos_token="<bos>", pad_token="<pad>")
    words.add_tokens([f"<loc{n:04}>" for n in range(1024)])
    config = hf.PaliGemmaConfig(
        text_config=DECODER | {"model_type": "gemma", "vocab_size": 2048, "head_dim": 16, "pad_token_id": 0},
        vision_config=EYE | {"model_type": "siglip_vision_model", "projection_dim": 32},
        projection_dim=32,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        hidden_size=32,
    )
    see = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    see.image_seq_length = 16
    _save(folder, hf.PaliGemmaForConditionalGeneration(config), hf.PaliGemmaProcessor(see, words))


FLORENCE_TAGS = ["od", "ocr", "cap", "ncap", "dcap", "grounding", "seg", "region_cap", "region_to_desciption"]
FLORENCE_PARSING: dict[str, Any] = {
    "ocr": {"pattern": r"(.+?)" + r"<loc_(\d+)>" * 8, "area_threshold": 0.0},
    "phrase_grounding": {"banned_grounding_tokens": []},
    "pure_text": {},
    "description_with_bboxes": {},
    "description_with_polygons": {},
    "polygons": {},
    "bboxes": {},
    "description_with_bboxes_or_polygons": {},
}


def florence2(folder: Path) -> None:
    words = byte_pairs(
        ["<s>", "<pad>", "</s>", "<unk>", "<image>"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    tags = [form.format(tag) for tag in [*FLORENCE_TAGS, "proposal", "poly"] for form in ("<{}>", "</{}>")]
    words.add_tokens([*(f"<loc_{n}>" for n in range(1000)), *tags, "<sep>", "<and>"])
    layers = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("layers", 1), ("ffn_dim", 64))}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_start_token_id": 2}
    marks = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    text = {"model_type": "bart", "vocab_size": len(words), "d_model": 32, "max_position_embeddings": 512}
    four = {"depths": [1] * 4, "embed_dim": [16] * 4, "num_heads": [2] * 4, "num_groups": [2] * 4}
    shape = {"patch_size": [7, 3, 3, 3], "patch_stride": [4, 2, 2, 2], "projection_dim": 32, "window_size": 4}
    config = hf.Florence2Config(
        text_config=text | layers | heads | marks,
        vision_config=four | shape,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        **marks,
    )
    square = {"height": 64, "width": 64}
    see = hf.CLIPImageProcessor(size=square, do_center_crop=False, crop_size=square)
    see.image_seq_length = 5
    processor = hf.Florence2Processor(image_processor=see, tokenizer=words, post_processor_config=FLORENCE_PARSING)
    _save(folder, hf.Florence2ForConditionalGeneration(config), processor)


def _blip(folder: Path, kind: str) -> None:
    words = word_pieces()
    text = {"vocab_size": len(words) + 10, "encoder_hidden_size": 32, "max_position_embeddings": 512, "sep_token_id": 3}
    marks = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    shared = {name: EYE[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")}
    config = hf.BlipConfig(
        text_config=text | marks | shared | {"num_attention_heads": 2},
        vision_config=EYE,
        image_text_hidden_size=32,
        projection_dim=32,
    )
    processor = hf.BlipProcessor(hf.BlipImageProcessor(size={"height": 32, "width": 32}), words)
    _save(folder, getattr(hf, kind)(config), processor)


def blip_vqa(folder: Path) -> None:
    _blip(folder, "BlipForQuestionAnswering")


def blip_itm(folder: Path) -> None:
    _blip(folder, "BlipForImageTextRetrieval")


def blip_caption(folder: Path) -> None:
    _blip(folder, "BlipForConditionalGeneration")


def blip2(folder: Path) -> None:
    words = byte_pairs(["<pad>", "</s>"], eos_token="</s>", pad_token="<pad>", bos_token="</s>")
    words.add_tokens([AddedToken("<image>", special=True)])
    former = {"vocab_size": 600, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    former |= {"intermediate_size": 64, "encoder_hidden_size": 32, "cross_attention_frequency": 1}
    text = {"model_type": "opt", "vocab_size": 700, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 2, "word_embed_proj_dim": 32, "max_position_embeddings": 1024}
    config = hf.Blip2Config(
        vision_config=EYE,
        qformer_config=former,
        text_config=text | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = hf.Blip2Processor(hf.BlipImageProcessor(size={"height": 32, "width": 32}), words, num_query_tokens=4)
    _save(folder, hf.Blip2ForConditionalGeneration(config), processor)


FAMILIES: dict[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (
        qwen3_vl,
        smolvlm,
        llava_onevision,
        internvl,
        florence2,
        qwen2_5_vl,
        llava,
        idefics3,
        paligemma,
        gemma3,
        blip_vqa,
        blip_itm,
        blip_caption,
        blip2,
    )
}


def write(family: str, folder: Path, seed: int = 0) -> Path:
    """Write the family's tiny checkpoint into `folder`, the same for the same seed; returns the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        FAMILIES[family](folder)
    return folder


def as_model_type(folder: Path, model_type: str) -> None:
    """Call the checkpoint by another name, as a family is that nobody has heard of."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": model_type}))


QUESTIONS: tuple[Question, ...] = (
    IsTrue((), "a red hammer"),
    Choose((), "which tool is it?", ("pliers", "hammer", "wrench")),
    HowMany((), "bolts"),
    Ground((), "hammer", least_score=0.0),
    Describe((), "its colour"),
    ReadText(()),
    Embed(()),
)
"""One of each type."""


def picture_of(seed: int, width: int = 160, height: int = 120, part: Box | None = None) -> Picture:
    """Patches of colour, other ones for another seed."""
    patches = np.random.default_rng(seed).integers(0, 255, (height // 20, width // 20, 3), dtype=np.uint8)
    rgb = patches.repeat(20, 0).repeat(20, 1)
    lens = Intrinsics(width, height, 100.0, 100.0, width / 2, height / 2)
    here = Pose((0.0, 0.0, 0.0))
    frame = Frame(f"seen{seed}", "overhead", rgb, np.zeros((height, width), np.float32), lens, here, 0.0)
    return Picture(frame, Look(frame.id, part))


def as_image(picture: Picture) -> Image.Image:
    """The whole picture as a program of one's own would hand it to the library."""
    return Image.fromarray(picture.frame.rgb)


def asked(question: Question, *pictures: Picture) -> Asked:
    return Asked(replace(question, looks=tuple(picture.look for picture in pictures)), pictures)
