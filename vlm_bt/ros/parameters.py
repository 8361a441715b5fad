"""The configuration as ROS parameters: every setting by its dotted name, and the few that may change while it runs.

Numbers, truth values, texts and lists of one of these are parameters of their own type; what is deeper (zones, models,
tools) is one text of JSON. All are read-only, except:

- `mission.verdict_max_age_s`: only downwards, for a mission under way must not get laxer; at once;
- `mission.time_limit_s`: at once;
- `vision.error_rate`: only downwards; from the next mission on, so that one mission asks on one set of terms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlm_bt.errors import ConfigError
from vlm_bt.settings import Settings

ONLY_DOWN = ("vision.error_rate", "mission.verdict_max_age_s")
AT_ONCE = ("mission.verdict_max_age_s", "mission.time_limit_s")
LIVE = ("vision.error_rate", *AT_ONCE)
WHOLE = ("bench.zones", "tools", "ros.cameras", "vision.models", "vision.route", "skills", "allow")
"""Settings with names of the author's own: one text of JSON each."""


class MirroredSettings:
    """Declares the settings on a node, takes what ROS was given instead, and keeps what is in force.

    Args:
        changed: Told the settings in force after each change, in a thread of ROS.

    Raises:
        ConfigError: A parameter that was given does not fit.
    """

    def __init__(
        self, node: Node, settings: Settings, changed: Callable[[Settings], None] = lambda settings: None
    ) -> None:
        self._changed = changed
        data = settings.model_dump(mode="json")
        for name, value in _flat(data):
            descriptor = ParameterDescriptor(read_only=name not in LIVE, description=_described(name))
            try:
                given = node.declare_parameter(name, _shown(name, value), descriptor).value
            except ParameterException as error:
                raise ConfigError(f"parameter {name}: {error}") from error
            if given != _shown(name, value):
                _put(data, name, _read(name, given))
        self.settings = _validated(data)
        node.add_on_set_parameters_callback(self._change)

    def _change(self, parameters: list[Parameter]) -> SetParametersResult:
        data = self.settings.model_dump(mode="json")
        names = [parameter.name for parameter in parameters if parameter.name in LIVE]
        for parameter in parameters:
            if parameter.name not in LIVE:
                continue
            now = _got(data, parameter.name)
            if parameter.name in ONLY_DOWN and not _no_more(parameter.value, now):
                told = f"{parameter.name} may only be lowered while it runs, from {now:g}; start anew to raise it"
                return SetParametersResult(successful=False, reason=told)
            _put(data, parameter.name, parameter.value)
        try:
            self.settings = _validated(data) if names else self.settings
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if names:
            self._changed(self.settings)
        return SetParametersResult(successful=True)


def _flat(data: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """What is None has no type that ROS knows, and is left out."""
    for key, value in data.items():
        name = f"{under}{key}"
        if isinstance(value, dict) and name not in WHOLE:
            yield from _flat(value, f"{name}.")
        elif value is not None:
            yield name, value


def _shown(name: str, value: Any) -> Any:
    return json.dumps(value) if name in WHOLE or isinstance(value, list | dict) else value


def _read(name: str, given: Any) -> Any:
    if not isinstance(given, str) or given[:1] not in ("[", "{", '"'):
        return given
    try:
        return json.loads(given)
    except ValueError as error:
        raise ConfigError(f"parameter {name}: {given[:80]!r} is not JSON ({error})") from error


def _described(name: str) -> str:
    if name not in LIVE:
        return "Read when the node starts."
    since = "at once" if name in AT_ONCE else "from the next mission on"
    return f"May {'be lowered' if name in ONLY_DOWN else 'change'} while it runs; holds {since}."


def _got(data: Mapping[str, Any], name: str) -> Any:
    for part in name.split("."):
        data = data[part]
    return data


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        data = data[section]
    data[last] = value


def _no_more(value: Any, now: float) -> bool:
    return isinstance(value, float) and value <= now


def _validated(data: Mapping[str, Any]) -> Settings:
    """Raises: ConfigError."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise ConfigError(f"parameter {where}: {wrong['msg']}, got {wrong.get('input')!r}") from error
