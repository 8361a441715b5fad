"""What a mission runs on, read from `config/`: bench, camera, model, arm, person. Checked by pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from vlm_bt.camera_settings import CameraSettings
from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.ros_settings import RosSettings
from vlm_bt.types import Zone
from vlm_bt.vision_settings import Strict, VisionSettings

PATHS = ("script", "weights", "calibration", "cache")
"""Keys of a model's settings that name files and folders."""


class ZoneSettings(Strict):
    """A rectangle of the bench in metres, base frame."""

    x: tuple[float, float]
    y: tuple[float, float]
    container: bool = False


class BenchSettings(Strict):
    zones: dict[str, ZoneSettings]


class SimulationSettings(Strict):
    """The scene is drawn from the seed; `kinds` lays out exactly these instead.

    `fidelity`: "full" is physical, drawn and seen by the configured model; "fast" follows geometry alone and answers
    for the model as it was measured (`vlm_bt.app.fast`).
    """

    fidelity: Literal["full", "fast"] = "full"

    items: int = Field(25, ge=0, le=60)
    kinds: tuple[str, ...] | None = None
    staged_events: bool = True
    late_screws: int = Field(0, ge=0, le=6)
    """So many loose screws turn up while the mission is at work, besides what lies there at first."""


class ArmSettings(Strict):
    robot: str = "built-in"


class HumanSettings(Strict):
    channel: Literal["terminal", "scripted", "silent"] = "terminal"
    script: str = "supervisor.yaml"
    kept_facts: Path | None = None
    """A file that keeps what people say of whole kinds for the next missions; nothing is kept where none is named."""


class MissionSettings(Strict):
    """`time_limit_s`: simulated seconds after which a mission is stopped safely."""

    tick_s: float = Field(0.05, gt=0, le=1)
    time_limit_s: float = Field(1800.0, gt=0)
    verdict_max_age_s: float = Field(60.0, gt=0)


class RecorderSettings(Strict):
    """What a mission's record holds.

    `frames`: all that the cameras take, those that something was decided on, or none. `limit_mb`: from this size on the
    record keeps no more pictures, and says so. `keep_runs`: the newest runs that stay in the folder of runs; older ones
    are deleted when a mission begins. Everything stays where it is not set.
    """

    frames: Literal["all", "evidence", "none"] = "evidence"
    limit_mb: float | None = Field(default=2000.0, gt=0)
    keep_runs: int | None = Field(default=None, ge=1)


class MetricsSettings(Strict):
    """`address`: PORT or HOST:PORT where Prometheus finds figures of running missions; "": nowhere."""

    address: str = ""


class LoggingSettings(Strict):
    """`file`: where lines of JSON are added for each thing worth telling, "-" for standard error; "": nowhere."""

    file: str = ""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Strict):
    bench: BenchSettings
    simulation: SimulationSettings = SimulationSettings()  # type: ignore[call-arg]
    camera: CameraSettings = CameraSettings()
    ros: RosSettings = RosSettings()
    vision: VisionSettings = VisionSettings()  # type: ignore[call-arg]
    arm: ArmSettings = ArmSettings()
    human: HumanSettings = HumanSettings()
    mission: MissionSettings = MissionSettings()  # type: ignore[call-arg]
    recorder: RecorderSettings = RecorderSettings()
    metrics: MetricsSettings = MetricsSettings()
    logging: LoggingSettings = LoggingSettings()
    knowledge: Path | None = None
    """What is known of kinds of things, see `vlm_bt.scene.knowledge`; `config/knowledge.yaml` where none is named."""
    skills: tuple[Path, ...] = ()
    """More folders of skill cards, beside the configuration file."""
    allow: tuple[str, ...] = ()
    """Leaves of other packages that may be used; each counts as moving the arm."""

    def zones(self) -> dict[str, Zone]:
        return {name: Zone(name, z.x, z.y, z.container) for name, z in self.bench.zones.items()}


def load(path: Path | None = None) -> Settings:
    """Read a configuration; `config/embedded.yaml` where none is named.

    `based_on: FILE` takes everything from another file, or from a shipped one by its name such as `embedded`, that is
    not said here. Paths are taken from the folder of the file they stand in.

    Raises:
        ConfigError: It cannot be read, is no YAML, or has wrong keys or values; every one of them is named.
    """
    path = share_dir("config") / "embedded.yaml" if path is None else path
    try:
        return Settings.model_validate(_read(path, ()))
    except ValidationError as error:
        lines = [f"{path}: the configuration does not fit"]
        lines += [f"  {'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error


def _read(path: Path, readers: tuple[Path, ...]) -> dict[str, Any]:
    """A file on top of what it is based on. `readers`: the files that led here."""
    if path.resolve() in readers:
        raise ConfigError(f"{path}: is based on itself, through {', '.join(one.name for one in readers)}")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML\n{error}") from error
    if data is not None and not isinstance(data, dict):
        raise ConfigError(f"{path}: a configuration is a mapping, such as `based_on: embedded`")
    found = _placed(data or {}, path.parent)
    base = found.pop("based_on", None)
    if base is None:
        return found
    shipped = share_dir("config") / f"{base}.yaml"
    near = path.parent / str(base)
    merged: dict[str, Any] = _over(
        _read(near if near.is_file() or not shipped.is_file() else shipped, (*readers, path.resolve())), found
    )
    return merged


def _over(below: Any, above: Any) -> Any:
    """`above` on top of `below`: mappings key by key, anything else as a whole. A model is one thing."""
    if not isinstance(below, dict) or not isinstance(above, dict) or "backend" in above:
        return above
    return below | {key: _over(below.get(key), value) for key, value in above.items()}


def _placed(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of a file, from that file's folder."""
    if isinstance(data.get("skills"), list):
        data["skills"] = [str(folder / str(one)) for one in data["skills"]]
    human = data.get("human")
    if isinstance(data.get("knowledge"), str):
        data["knowledge"] = str(folder / data["knowledge"])
    if isinstance(human, dict) and isinstance(human.get("kept_facts"), str):
        human["kept_facts"] = str(folder / human["kept_facts"])
    vision = data.get("vision")
    models = vision.get("models") if isinstance(vision, dict) else None
    for model in models.values() if isinstance(models, dict) else ():
        for key in PATHS if isinstance(model, dict) else ():
            if isinstance(model.get(key), str):
                model[key] = str(folder / model[key])
    return data
