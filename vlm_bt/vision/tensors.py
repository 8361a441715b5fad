"""What safetensors files hold, read from their headers alone: names, types, sizes, and that nothing is cut off."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_bt.errors import ModelError

_BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}
_BITS |= {"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F4": 4}
_LONGEST_HEADER = 100_000_000
FETCH_AGAIN = "fetch it again"


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint. `dtype` as safetensors calls it, such as "BF16"."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        return self.dtype[0] in "FB" and self.dtype != "BOOL"

    @property
    def size_bytes(self) -> int:
        return self.numbers * _BITS.get(self.dtype, 32) // 8


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that hold a checkpoint's weights, as transformers and open_clip choose them.

    Raises:
        ModelError: A file that the index names is missing, or the index cannot be read.
    """
    for name in ("model.safetensors", "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"):
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    return tuple(sorted(folder.glob("*.safetensors")))


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} cannot be read ({error!r}); {FETCH_AGAIN}") from error
    outside = [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]
    if outside:
        raise ModelError(f"{index} names {outside[0]!r}, which is no safetensors file of this folder; {FETCH_AGAIN}")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(f"{index.parent} lacks {missing[0]}{more} of {len(names)} files of weights; fetch them again")
    return tuple(index.parent / name for name in names)


def read_headers(files: Sequence[Path]) -> tuple[Stored, ...]:
    """Every tensor of these files.

    Raises:
        ModelError: A file is no safetensors, or is cut off or longer than its header says.
    """
    return tuple(tensor for file in files for tensor in _header(file))


def _header(file: Path) -> list[Stored]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LONGEST_HEADER:
                pointer = file.read_bytes()[:20] == b"version https://git-" if file.stat().st_size < 1024 else False
                remedy = "it is a pointer of Git LFS: run `git lfs pull`" if pointer else FETCH_AGAIN
                raise ModelError(f"{file} is no safetensors file; {remedy}")
            entries = json.loads(stream.read(length))
        size = file.stat().st_size
        entries.pop("__metadata__", None)
        found = [Stored(name, entry["dtype"], tuple(map(int, entry["shape"]))) for name, entry in entries.items()]
        end = 8 + length + max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}); {FETCH_AGAIN}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{file} has a broken header ({type(error).__name__}); {FETCH_AGAIN}") from error
    if size != end:
        state = "is cut off" if size < end else "is longer than it should be"
        raise ModelError(f"{file} {state}: it has {size:,} bytes, its header says {end:,}; {FETCH_AGAIN}")
    return found
