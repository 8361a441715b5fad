"""The RealSense SDK: whether it is here, which devices it sees, and what their sensors can be told."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_bt.errors import ConfigError

INSTALL = "pip install -e '.[realsense]', and on Debian or Ubuntu: apt-get install libusb-1.0-0"
CONNECT = (
    "plug it into a USB 3 port with its own cable; on Linux its udev rules must be installed once: copy "
    "99-realsense-libusb.rules of github.com/IntelRealSense/librealsense (folder config) to /etc/udev/rules.d, then "
    "udevadm control --reload-rules && udevadm trigger"
)


class DeviceLost(Exception):
    """A device is not there, or not any more. Ends in the outcome `camera_lost`, never outside its thread."""


@dataclass(frozen=True)
class SeenDevice:
    """A device that is connected now. `usb`: "3.2", "2.1"..., empty where the SDK does not say."""

    name: str
    serial: str
    usb: str
    firmware: str

    @property
    def slow(self) -> bool:
        """On a USB 2 port, where most modes do not exist."""
        return self.usb.startswith(("1", "2"))

    def __str__(self) -> str:
        return f"{self.name} {self.serial}" + (f" on USB {self.usb}" if self.usb else "")


def sdk() -> Any:
    """The module `pyrealsense2`. Raises: ConfigError: it is not installed or cannot be loaded."""
    try:
        import pyrealsense2
    except ImportError as error:
        raise ConfigError(f"pyrealsense2 cannot be imported ({error}); {INSTALL}") from error
    return pyrealsense2


def seen_devices() -> list[SeenDevice]:
    """What is connected now; takes a fraction of a second. Raises: ConfigError: no SDK."""
    rs = sdk()
    return [_seen(rs, device) for device in rs.context().query_devices()]


def choose(seen: list[SeenDevice], serial: str | None) -> SeenDevice:
    """The device that the configuration means.

    Raises:
        ConfigError: It is not there, or there are several and none was named.
    """
    if not seen:
        raise ConfigError(f"no RealSense is connected; {CONNECT}")
    listed = ", ".join(map(str, seen))
    if serial is None:
        if len(seen) > 1:
            raise ConfigError(f"several RealSense devices are connected; name one by its serial: {listed}")
        return seen[0]
    for device in seen:
        if device.serial == serial:
            return device
    raise ConfigError(f"no RealSense with the serial {serial!r} is connected; there are: {listed}. If it is: {CONNECT}")


def set_options(sensor: Any, options: Mapping[str, float]) -> None:
    """Set a sensor's options by their names in the SDK, in the order given.

    Raises:
        ConfigError: It has no such option, it cannot be set, or the value is out of its range; all are named.
    """
    rs = sdk()
    wrong = []
    for name, value in options.items():
        option = rs.option.__members__.get(name)
        if option is None or not sensor.supports(option):
            wrong.append(_unknown(sensor, name))
        elif sensor.is_option_read_only(option):
            wrong.append(f"{name} can only be read; it is {sensor.get_option(option):g}")
        else:
            limits = sensor.get_option_range(option)
            if not limits.min <= value <= limits.max:
                wrong.append(f"{name} = {value:g} is outside {limits.min:g} to {limits.max:g}")
            else:
                try:
                    sensor.set_option(option, value)
                except RuntimeError as error:
                    wrong.append(f"{name} = {value:g} was refused: {error}")
    if wrong:
        raise ConfigError(f"RealSense {_info(sensor, rs.camera_info.name)}: " + "; ".join(wrong))


def option_names(sensor: Any) -> list[str]:
    """Names of the options that a sensor lets be set."""
    return sorted(option.name for option in sensor.get_supported_options() if not sensor.is_option_read_only(option))


def _unknown(sensor: Any, name: str) -> str:
    known = option_names(sensor)
    near = difflib.get_close_matches(name, known, 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no option {name!r}; this sensor has: {', '.join(known) or 'none'}.{meant}"


def _seen(rs: Any, device: Any) -> SeenDevice:
    info = rs.camera_info
    fields = (info.name, info.serial_number, info.usb_type_descriptor, info.firmware_version)
    return SeenDevice(*(_info(device, field) for field in fields))


def _info(of: Any, field: Any) -> str:
    try:
        return str(of.get_info(field)) if of.supports(field) else ""
    except RuntimeError:
        return ""
