"""Lets a torchvision built for CUDA be imported beside a CPU-only torch.

PyPI's torchvision then fails with `operator torchvision::nms does not exist`, and open_clip with it. On exactly that
error the missing operators are declared (never implemented) and pictures are decoded by Pillow. `torchvision.ops.nms`
and `roi_align` stay unusable; nothing here runs where torchvision imports normally.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_MISSING = "torchvision::nms"
_declared: list[Any] = []
"""torch forgets an operator when its library object is collected."""


def ensure_torchvision() -> bool:
    """Make `import torchvision` work. Returns True where the shim was needed.

    Raises:
        RuntimeError, OSError, ImportError: torchvision cannot be imported for any other reason.
    """
    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    else:
        return bool(_declared)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
    image_io = importlib.import_module("torchvision.io.image")
    for module in (importlib.import_module("torchvision.io"), image_io):
        setattr(module, "decode_image", _decode_image)  # noqa: B010
    return True


def _decode_image(data: Any, mode: Any = None, apply_exif_orientation: bool = False) -> Any:
    """`torchvision.io.decode_image` by Pillow: (C, H, W) uint8."""
    import io

    import numpy as np
    import torch
    from PIL import Image, ImageOps

    source = data if isinstance(data, str) else io.BytesIO(bytes(data.cpu().numpy().tobytes()))
    picture: Image.Image = Image.open(source)
    if apply_exif_orientation:
        picture = ImageOps.exif_transpose(picture)
    wanted = {"RGB": "RGB", "RGBA": "RGBA", "GRAY": "L", "GRAY_ALPHA": "LA"}.get(
        str(getattr(mode, "name", mode) or "").upper()
    )
    if wanted is not None:
        picture = picture.convert(wanted)
    pixels = np.array(picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
