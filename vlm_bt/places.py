"""Where the folders lie that authors edit: trees, skills, config and launch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from vlm_bt.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent


def share_dir(name: str) -> Path:
    """Find a folder that is installed beside the Python package.

    Args:
        name: "trees", "skills", "config" or "launch".

    Returns:
        The folder in the checkout, where the package runs from one (an editable install does); else that under the
        `share/vlm_bt` nearest above the package; else that of the first ament prefix that has it.

    Raises:
        ConfigError: It is in none of these.
    """
    looked_in = list(dict.fromkeys(_roots()))
    for root in looked_in:
        if (root / name).is_dir():
            return root / name
    places = "".join(f"\n    {root / name}" for root in looked_in)
    raise ConfigError(
        f"vlm_bt's folder {name!r} is missing. It is in none of these places:{places}\n"
        "Install the package again (pip install --force-reinstall --no-deps of the checkout), or on a ROS 2 machine "
        "source the workspace's setup.bash, which sets AMENT_PREFIX_PATH."
    )


def _roots() -> Iterator[Path]:
    """Every folder that may hold the shared ones, best first."""
    if (PACKAGE.parent / "package.xml").is_file():
        yield PACKAGE.parent
    prefixes = [*PACKAGE.parents, Path(sys.prefix)]
    prefixes += [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
    for prefix in prefixes:
        root = prefix / "share" / "vlm_bt"
        if root.is_dir():
            yield root
