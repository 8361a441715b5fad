"""Device, precision, quantisation, attention, compiling and memory: the real libraries on a tiny chat model."""

import importlib.util
import json
import shutil

import pytest
from safetensors.torch import save_file

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision import memory, precision
from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision
from vlm_bt.vision.checkpoints import locate
from vlm_bt.vision.memory import GIB, WORKING_BYTES, check_fits, estimate
from vlm_bt.vision.precision import device_of, devices, dtype_of, finished, loading_options
from vlm_bt.vision_settings import ChatModel

ensure_torchvision()

import torch  # noqa: E402
import transformers  # noqa: E402

IMAGE = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random LLaVA whose layers are wide enough to be quantised."""
    torch.manual_seed(0)
    layers = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(vocab_size=320, num_key_value_heads=2, pad_token_id=0, **layers),
        vision_config=transformers.CLIPVisionConfig(image_size=32, patch_size=8, **layers),
        image_token_id=IMAGE,
        vision_feature_layer=-1,
    )
    made = tmp_path_factory.mktemp("llava")
    transformers.LlavaForConditionalGeneration(config).save_pretrained(made)
    return made


def settings(folder, **changes):
    return ChatModel(backend="chat", checkpoint=str(folder), **{"device": "cpu", **changes})


def loaded(folder, **changes):
    wanted = settings(folder, **changes)
    device = device_of(wanted)
    found = locate(str(folder), model_revision=None)
    model = transformers.AutoModelForImageTextToText.from_pretrained(found.folder, **loading_options(wanted, device))
    return finished(model, wanted, device)


def probabilities(model):
    """Of the next token, after one picture and three words."""
    ids = torch.tensor([[1, *[IMAGE] * 16, 7, 8, 9]])
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(model.dtype)
    with torch.inference_mode():
        return model(input_ids=ids, pixel_values=pixels, logits_to_keep=1).logits[0, -1].float().softmax(-1)


@pytest.fixture(scope="module")
def plain(folder):
    return probabilities(loaded(folder))


def furthest(found, plain):
    """The largest relative change of a probability."""
    return float(((found - plain).abs() / plain).max())


def refused(folder, *said, kind=ConfigError, **changes):
    wanted = settings(folder, **changes)
    with pytest.raises(kind) as caught:
        loading_options(wanted, device_of(wanted))
    for words in said:
        assert words in str(caught.value)


def test_auto_takes_a_device_that_is_here_and_full_precision_on_a_cpu(folder):
    assert device_of(settings(folder, device="auto")) == devices()[0]
    assert dtype_of(settings(folder), "cpu") is torch.float32
    assert dtype_of(settings(folder), "mps") is torch.float16


def test_a_device_that_is_not_here_is_an_error_that_names_those_that_are(folder):
    with pytest.raises(ModelError, match=r"device cuda:63 is not there.*; there are: auto, .*cpu"):
        device_of(settings(folder, device="cuda:63"))


def test_nothing_is_fetched_run_or_unpickled_while_loading(folder):
    options = loading_options(settings(folder), "cpu")
    assert options["local_files_only"] and options["use_safetensors"] and options["trust_remote_code"] is False


@pytest.mark.parametrize(("dtype", "limit"), [("bfloat16", 0.02), ("float16", 0.002)])
def test_half_precision_gives_nearly_the_same_answers(folder, plain, dtype, limit):
    model = loaded(folder, dtype=dtype)
    assert model.dtype is getattr(torch, dtype)
    assert 0 < furthest(probabilities(model), plain) < limit


@pytest.mark.parametrize(
    ("quantisation", "layer", "limit"),
    [
        ("bitsandbytes-8bit", "Int8Params", 0.03),
        ("bitsandbytes-4bit", "Params4bit", 0.25),
        ("torchao-int8", "Int8Tensor", 0.03),
    ],
)
def test_quantised_models_give_close_answers(folder, plain, quantisation, layer, limit):
    model = loaded(folder, quantisation=quantisation)
    linear = model.model.language_model.layers[0].mlp.up_proj
    assert type(linear.weight).__name__ == layer or type(linear.weight.data).__name__ == layer
    assert type(model.lm_head.weight) is torch.nn.Parameter, "the head that answers stays whole"
    assert 0 < furthest(probabilities(model), plain) < limit


def test_a_quantisation_that_the_device_cannot_do_is_refused_with_those_it_can(folder):
    refused(folder, "torchao-int4 does not run on cpu", "bitsandbytes-4bit", quantisation="torchao-int4")


@pytest.mark.parametrize(
    ("quantisation", "package"), [("bitsandbytes-8bit", "bitsandbytes"), ("torchao-int8", "torchao")]
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(folder, monkeypatch, quantisation, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: None if name == package else find(name))
    refused(folder, f"needs {package}", "pip install 'vlm_bt[quantisation]'", quantisation=quantisation)


def test_both_attentions_give_the_same_answers(folder, plain):
    for attention in ("eager", "sdpa"):
        model = loaded(folder, attention=attention)
        assert model.config._attn_implementation == attention
        assert torch.allclose(probabilities(model), plain, atol=1e-6, rtol=1e-4)


def test_flash_attention_is_refused_off_cuda(folder):
    refused(folder, "flash_attention_2 runs on CUDA only", "use sdpa", attention="flash_attention_2")


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="flash_attn is installed here")
def test_flash_attention_that_is_not_installed_is_never_fetched(folder):
    with pytest.raises(ConfigError, match="pip install flash-attn"):
        loading_options(settings(folder, attention="flash_attention_2"), "cuda:0")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: apt-get install g++")
def test_a_compiled_model_gives_the_same_answers(folder, plain, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    wanted = settings(folder, compile=True)
    layer = loaded(folder).model.language_model.layers[0].mlp
    whole = torch.randn(3, 128, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before = layer(whole)
        after = finished(layer, wanted, "cpu")(whole)
    assert layer._compiled_call_impl is not None and list(tmp_path.rglob("*.so"))
    assert torch.allclose(before, after, atol=1e-6)


def test_compiling_without_a_compiler_is_refused(folder, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler.*compile: false"):
        finished(torch.nn.Linear(2, 2), settings(folder, compile=True), "cpu")


def test_the_estimate_is_exact_for_plain_weights(folder):
    for dtype in ("float32", "bfloat16"):
        model = loaded(folder, dtype=dtype)
        stored = {tensor.data_ptr(): tensor.numel() * tensor.itemsize for tensor in model.parameters()}
        assert estimate(folder, settings(folder, dtype=dtype), "cpu").weights == sum(stored.values())


@pytest.mark.parametrize("quantisation", ["bitsandbytes-8bit", "bitsandbytes-4bit"])
def test_the_estimate_is_close_for_quantised_weights(folder, quantisation):
    model = loaded(folder, quantisation=quantisation)
    expected = estimate(folder, settings(folder, quantisation=quantisation), "cpu").weights
    assert expected == pytest.approx(model.get_memory_footprint(), rel=0.1)


def test_quantising_on_a_cpu_needs_room_for_the_whole_model_for_a_moment(folder):
    whole = estimate(folder, settings(folder), "cpu").weights
    quantised = estimate(folder, settings(folder, quantisation="bitsandbytes-8bit"), "cpu")
    assert quantised.loading == quantised.total == whole + WORKING_BYTES > quantised.weights + quantised.working
    assert "while it is quantised" in str(quantised)


def test_too_little_memory_is_told_before_loading_with_figures_and_remedies(folder):
    with pytest.raises(ModelError) as caught:
        check_fits(folder, settings(folder, memory_gb=0.2), "cpu")
    for words in ("takes about 0.50 GiB", "memory_gb: 0.2 allows 0.19 GiB", "dtype: bfloat16 (", "bitsandbytes-4bit ("):
        assert words in str(caught.value)
    assert check_fits(folder, settings(folder, memory_gb=0.6), "cpu").total < 0.6e9


def test_a_model_larger_than_what_is_free_is_refused_without_a_limit(tmp_path):
    """A file of 4 TiB that takes no disk: its header is real, its numbers are a hole."""
    numbers = 1 << 40
    header = json.dumps({"w.weight": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + 4 * numbers)
    with pytest.raises(ModelError, match=r"takes about 4915\.70 GiB \(4096\.00 weights.*free on cpu are .* GiB; try"):
        check_fits(tmp_path, settings(tmp_path), "cpu")


def test_a_generous_limit_does_not_hide_what_is_free(folder, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB // 4)
    with pytest.raises(ModelError, match=r"free on cpu are 0\.25 GiB"):
        check_fits(folder, settings(folder, memory_gb=64), "cpu")


def test_what_is_free_is_known_on_a_cpu():
    assert memory.free_bytes("cpu") > WORKING_BYTES


def test_numbers_that_are_no_weights_keep_their_size(tmp_path):
    save_file({"ids": torch.zeros(10, dtype=torch.int64)}, tmp_path / "model.safetensors")
    assert estimate(tmp_path, settings(tmp_path), "cpu").weights == 80
