"""What a mission runs on, read from `config/`: bench, camera, model, arm, person. Checked by pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.ros_settings import RosSettings
from vlm_bt.types import Zone
from vlm_bt.vision_settings import Strict, VisionSettings


class ZoneSettings(Strict):
    """A rectangle of the bench in metres, base frame."""

    x: tuple[float, float]
    y: tuple[float, float]
    container: bool = False


class BenchSettings(Strict):
    zones: dict[str, ZoneSettings]


class SimulationSettings(Strict):
    """The scene is drawn from the seed; `kinds` lays out exactly these instead."""

    items: int = Field(25, ge=0, le=60)
    kinds: tuple[str, ...] | None = None
    staged_events: bool = True


class ArmSettings(Strict):
    robot: str = "built-in"


class HumanSettings(Strict):
    channel: Literal["terminal", "scripted", "silent"] = "terminal"
    script: str = "supervisor.yaml"


class MissionSettings(Strict):
    """`time_limit_s`: simulated seconds after which a mission is stopped safely."""

    tick_s: float = Field(0.05, gt=0, le=1)
    time_limit_s: float = Field(1800.0, gt=0)
    verdict_max_age_s: float = Field(60.0, gt=0)


class KnownTool(Strict):
    """Plausible sizes in metres, (least, most)."""

    length_m: tuple[float, float]
    width_m: tuple[float, float]
    height_m: tuple[float, float]


class Settings(Strict):
    bench: BenchSettings
    simulation: SimulationSettings = SimulationSettings()  # type: ignore[call-arg]
    ros: RosSettings = RosSettings()
    vision: VisionSettings = VisionSettings()  # type: ignore[call-arg]
    arm: ArmSettings = ArmSettings()
    human: HumanSettings = HumanSettings()
    mission: MissionSettings = MissionSettings()  # type: ignore[call-arg]
    tools: dict[str, KnownTool] = {}
    skills: tuple[Path, ...] = ()
    """More folders of skill cards, beside the configuration file."""
    allow: tuple[str, ...] = ()
    """Leaves of other packages that may be used; each counts as moving the arm."""

    def zones(self) -> dict[str, Zone]:
        return {name: Zone(name, z.x, z.y, z.container) for name, z in self.bench.zones.items()}


def load(path: Path | None = None) -> Settings:
    """Read a configuration; `config/embedded.yaml` where none is named.

    Raises:
        ConfigError: It cannot be read, is no YAML, or has wrong keys or values; every one of them is named.
    """
    path = share_dir("config") / "embedded.yaml" if path is None else path
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML\n{error}") from error
    try:
        settings = Settings.model_validate(data if data is not None else {})
        return settings.model_copy(update={"skills": tuple(path.parent / folder for folder in settings.skills)})
    except ValidationError as error:
        lines = [f"{path}: the configuration does not fit"]
        lines += [f"  {'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error
