"""Finding a model's files, and refusing what is missing, changed, cut off, or could run a program."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.vision import checkpoints, hashes
from vlm_bt.vision.checkpoints import check_safe, locate
from vlm_bt.vision.tensors import read_headers, weight_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    return checkpoint(tmp_path / "model")


def checkpoint(folder, **config):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("a card")
    save_file({"a.weight": np.ones((4, 8), np.float32), "b": np.ones(3, np.float16)}, folder / "model.safetensors")
    return folder


def sharded(folder):
    checkpoint(folder)
    (folder / "model.safetensors").unlink()
    for number in (1, 2):
        save_file({f"w{number}": np.ones(4, np.float32)}, folder / f"model-0000{number}-of-00002.safetensors")
    weights = {f"w{number}": f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    return folder


def hub_cache(root, name="org/tiny", commit=COMMIT):
    """A repository as the hub's own client lays it out: a snapshot of links to blobs."""
    made = checkpoint(root / "made")
    home = root / f"models--{name.replace('/', '--')}"
    snapshot, blobs = home / "snapshots" / commit, home / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(made.iterdir())):
        shutil.move(path, blobs / str(number))
        (snapshot / path.name).symlink_to(Path("..") / ".." / "blobs" / str(number))
    return snapshot


def refused(*said, **changes):
    with pytest.raises((ModelError, ConfigError)) as caught:
        locate(**{"model_revision": None, **changes})
    for words in said:
        assert words in str(caught.value)
    return caught.value


def test_a_folder_is_found_with_the_hash_of_all_that_answers_depend_on(folder):
    found = locate(str(folder), model_revision=None)
    assert found.folder == folder and found.name == str(folder)
    assert sorted(found.hashes) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert len(found.revision) == 16


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_the_revision_changes_with_any_content_and_not_with_the_card(folder, name):
    before = locate(str(folder), model_revision=None).revision
    (folder / "README.md").write_text("another card")
    assert locate(str(folder), model_revision=None).revision == before
    if name == "model.safetensors":
        save_file({"a.weight": np.zeros((4, 8), np.float32)}, folder / name)
    else:
        (folder / name).write_text('{"other": 1}')
    assert locate(str(folder), model_revision=None).revision != before


def test_a_folder_moved_elsewhere_has_the_same_revision(folder, tmp_path):
    before = locate(str(folder), model_revision=None).revision
    assert locate(f"local-dir:{folder.rename(tmp_path / 'moved')}", model_revision=None).revision == before


def test_a_missing_folder_is_named(tmp_path):
    refused("there is no folder", "nowhere", "ORG/NAME", name=str(tmp_path / "nowhere"))


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    refused("holds no weights", name=str(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt", "model.pth"])
def test_a_folder_with_only_pickles_is_refused(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    refused(name, "can run any program", "safetensors", name=str(folder))


def test_pickles_and_python_beside_the_weights_are_named_and_never_read(folder):
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    (folder / "modeling_own.py").write_text("raise SystemExit")
    found = locate(str(folder), model_revision=None)
    assert found.ignored == ("modeling_own.py", "pytorch_model.bin")
    assert not set(found.ignored) & set(found.hashes)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"auto_map": {"AutoModel": "own.Model"}}, "auto_map"),
        ({"text_config": {"deeper": [{"auto_map": {"AutoModel": "org/other--own.Model"}}]}}, "auto_map"),
        ({"keypoint_detector_config": {"trust_remote_code": True}}, "trust_remote_code"),
        ({"custom_pipelines": {"ask": {"impl": "own.Pipeline"}}}, "custom_pipelines"),
        ({"attn_implementation": "someone/kernels"}, "attn_implementation"),
        ({"vision_config": {"_attn_implementation": "someone/kernels"}}, "_attn_implementation"),
    ],
)
@pytest.mark.parametrize("file", ["config.json", "processor_config.json"])
def test_a_configuration_that_asks_for_code_is_refused_at_any_depth(folder, config, key, file):
    (folder / file).write_text(json.dumps(config))
    refused(str(folder / file), key, "never run", name=str(folder))


def test_a_configuration_that_names_a_known_attention_is_fine(folder):
    (folder / "config.json").write_text('{"_attn_implementation": "sdpa", "trust_remote_code": false, "auto_map": {}}')
    assert check_safe(folder) == ()


def test_an_adapter_is_refused_because_it_names_another_model(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    refused("adapter", name=str(folder))


def test_a_configuration_that_is_no_json_is_named(folder):
    (folder / "config.json").write_text("{")
    refused("config.json cannot be read", name=str(folder))


def test_a_pinned_hash_is_compared(folder):
    good = locate(str(folder), model_revision=None).hashes
    assert locate(str(folder), model_revision=None, sha256={k: v.upper() for k, v in good.items()}).hashes == good
    wrong = {"model.safetensors": "f" * 64}
    refused("model.safetensors", "begins " + good["model.safetensors"][:12], "f" * 12, name=str(folder), sha256=wrong)


def test_a_pinned_file_that_is_not_there_is_named(folder):
    refused("lacks vocab.txt", name=str(folder), sha256={"vocab.txt": "0" * 64})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-4], "is cut off"),
        (lambda data: data + b"more", "is longer than it should be"),
        (lambda data: data[:20], "has a broken header"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "git lfs pull"),
        (lambda _: b"", "has a broken header"),
    ],
)
def test_weights_that_were_not_fetched_whole_are_refused(folder, change, said):
    file = folder / "model.safetensors"
    file.write_bytes(change(file.read_bytes()))
    refused(str(file), said, name=str(folder))


def test_shards_are_all_needed(tmp_path):
    folder = sharded(tmp_path / "shards")
    assert [tensor.name for tensor in read_headers(weight_files(folder))] == ["w1", "w2"]
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused("lacks model-00002-of-00002.safetensors of 2 files", name=str(folder))


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "weights.bin"])
def test_an_index_names_only_safetensors_of_its_own_folder(tmp_path, name):
    folder = sharded(tmp_path / "shards")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w1": name}}))
    refused("is no safetensors file of this folder", name=str(folder))


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12], COMMIT.upper()])
def test_a_hubs_name_needs_a_commit(tmp_path, revision):
    error = refused("org/tiny", "40 hex digits", name="org/tiny", model_revision=revision, cache=tmp_path)
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize("prefix", ["", "hf-hub:"])
def test_a_pinned_name_is_found_in_the_hubs_cache(tmp_path, prefix):
    snapshot = hub_cache(tmp_path)
    found = locate(prefix + "org/tiny", model_revision=COMMIT, cache=tmp_path)
    assert found.folder == snapshot and "model.safetensors" in found.hashes


def test_what_is_not_in_the_cache_is_an_error_while_offline(tmp_path):
    hub_cache(tmp_path)
    other = "f" * 40
    refused(
        other[:12],
        "is not on this machine",
        "vlm-bt models pull",
        name="org/tiny",
        model_revision=other,
        cache=tmp_path,
    )


def test_the_hash_of_a_large_file_is_remembered_until_the_file_changes(folder, monkeypatch):
    monkeypatch.setattr(hashes, "REMEMBERED_FROM_BYTES", 1)
    first = locate(str(folder), model_revision=None)
    read = []
    monkeypatch.setattr(
        hashes.hashlib, "file_digest", lambda stream, kind: read.append(stream.name) or SAME(stream, kind)
    )
    assert locate(str(folder), model_revision=None) == first and not read
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert locate(str(folder), model_revision=None).revision != first.revision
    assert [Path(name).name for name in read] == ["model.safetensors"]


SAME = hashes.hashlib.file_digest


def test_nothing_is_refused_by_memory_alone(folder, monkeypatch):
    monkeypatch.setattr(hashes, "REMEMBERED_FROM_BYTES", 1)
    good = locate(str(folder), model_revision=None).hashes
    for note in (folder.parent / "cache" / "vlm_bt" / "sha256").iterdir():
        note.write_text("e" * 64)
    assert locate(str(folder), model_revision=None, sha256=good).hashes == good


def test_a_cache_that_cannot_be_written_only_costs_time(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "REMEMBERED_FROM_BYTES", 1)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert locate(str(folder), model_revision=None).revision


def test_copies_of_the_weights_in_other_forms_are_left_out(folder):
    before = locate(str(folder), model_revision=None).revision
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    assert locate(str(folder), model_revision=None).revision == before
    assert "onnx/*" in checkpoints.ELSEWHERE


def test_what_is_here_is_not_asked_of_a_hub(tmp_path, monkeypatch):
    import huggingface_hub

    fetch, offline = huggingface_hub.snapshot_download, []
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *names, **how: offline.append(how["local_files_only"]) or fetch(*names, **how),
    )
    snapshot = hub_cache(tmp_path)
    assert locate("org/tiny", model_revision=COMMIT, cache=tmp_path, offline=False).folder == snapshot
    assert offline == [True]
