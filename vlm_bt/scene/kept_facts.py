"""What people said of whole kinds, kept from one mission to the next in a small file; off unless a file is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vlm_bt.errors import ConfigError
from vlm_bt.scene.facts import Fact, Facts


def load_kept(path: Path) -> Facts:
    """The facts of a file; none where there is no file yet.

    Raises:
        ConfigError: It cannot be read, or holds something else than facts about kinds.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        facts = Facts(Fact.from_json(row) for row in rows)
    except FileNotFoundError:
        return Facts()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: is no file of facts; it is a JSON list as `vlm-bt facts --json` writes") from error
    if any(fact.scope != "kind" for fact in facts.all()):
        raise ConfigError(f"{path}: only facts about kinds are kept between missions")
    return facts


def keep(facts: Facts, path: Path) -> None:
    """Write the facts about kinds that stand; whoever reads meanwhile finds the old file or the new one.

    Raises:
        ConfigError: It cannot be written.
    """
    rows = [row for row in facts.to_json() if row["scope"] == "kind" and not row["revoked"] and row["by"] == "person"]
    # On the clock of the next mission they were said before it began.
    rows = [{**row, "stamp_s": -1.0} for row in rows]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
