"""What the RealSense SDK is asked and told: devices, options, time stamps."""

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("pyrealsense2", reason="no pyrealsense2 for this platform: pip install -e '.[realsense]'")

from software_bench import LENSES, hung, until

from vlm_bt import doctor
from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices import realsense, realsense_feed, realsense_sdk
from vlm_bt.devices.realsense import RealSense
from vlm_bt.devices.realsense_feed import FrameTimes
from vlm_bt.devices.realsense_sdk import SeenDevice, choose, sdk
from vlm_bt.devices.software_device import SoftwareDevice
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore


@pytest.fixture
def depth_sensor():
    device = SoftwareDevice(LENSES, "SIM0001")
    yield device.sensors[0]
    device.close()


def test_options_are_set_by_the_sdks_names(depth_sensor):
    realsense_sdk.set_options(depth_sensor, {"emitter_enabled": 0, "laser_power": 30})
    rs = sdk()
    assert depth_sensor.get_option(rs.option.emitter_enabled) == 0
    assert depth_sensor.get_option(rs.option.laser_power) == 30


def test_every_wrong_option_is_named_with_what_is_allowed(depth_sensor):
    with pytest.raises(ConfigError) as raised:
        realsense_sdk.set_options(depth_sensor, {"lazer_power": 1, "laser_power": 500, "depth_units": 0.1, "gain": 2})
    text = str(raised.value)
    assert "there is no option 'lazer_power'; this sensor has: emitter_enabled, enable_auto_exposure, exposure" in text
    assert "Did you mean 'laser_power'?" in text
    assert "laser_power = 500 is outside 0 to 360" in text
    assert "depth_units can only be read; it is 0.001" in text and "'gain'" in text
    assert "Stereo Module" in text


SEEN = [SeenDevice("D435", "111", "3.2", "5.1"), SeenDevice("D455", "222", "2.1", "5.1")]


def test_without_a_device_the_error_says_what_to_do():
    with pytest.raises(ConfigError, match=r"no RealSense is connected; plug it into a USB 3 port.*udev"):
        choose([], None)


def test_of_several_devices_one_must_be_named():
    with pytest.raises(ConfigError, match=r"several .* D435 111 on USB 3.2, D455 222 on USB 2.1"):
        choose(SEEN, None)
    assert choose(SEEN, "222").name == "D455" and SEEN[1].slow and not SEEN[0].slow


def test_a_serial_that_is_not_there_lists_those_that_are():
    with pytest.raises(ConfigError, match=r"serial '333'.*there are: D435 111"):
        choose(SEEN, "333")


def test_everything_that_is_wrong_with_the_cameras_is_said_at_once(monkeypatch):
    monkeypatch.setattr(realsense, "seen_devices", lambda: SEEN[:1])
    chosen = {"overhead": hung(), "wrist": hung(), "side": RealSenseSettings(serial="9")}
    with pytest.raises(ConfigError) as raised:
        RealSense(chosen, FrameStore(), lambda: 0.0)
    text = str(raised.value)
    assert "'wrist': device 111 is already camera 'overhead'" in text
    assert "'side': extrinsics say where it hangs" in text and "serial '9'" in text


def test_a_live_device_that_is_not_there_is_lost_and_looked_for(monkeypatch):
    """No device is connected to a test machine: the real SDK finds none."""
    if realsense_sdk.seen_devices():
        pytest.skip("a RealSense is connected")
    feed = realsense_feed.LiveFeed(hung(), lambda: 0.0)
    with pytest.raises(realsense_sdk.DeviceLost, match="no RealSense is connected"):
        feed.open()
    feed.close()


class Told:
    """What the process that asks the SDK says."""

    def __init__(self, stdout, stderr="", returncode=0):
        self.stdout, self.stderr, self.returncode = stdout, stderr, returncode


@pytest.mark.parametrize(
    ("told", "ok", "value", "remedy"),
    [
        (Told(""), False, "none is seen", "udev"),
        (Told("0 D435 111 on USB 3.2 firmware 5.1\n"), True, "D435 111 on USB 3.2", ""),
        (Told("1 D435 111 on USB 2.1 firmware 5.1\n"), False, "D435 111 on USB 2.1", "USB 3"),
        (Told("", "Traceback\nRuntimeError: no permission", 1), False, "no permission", "udev"),
    ],
)
def test_the_doctor_says_which_devices_are_seen(monkeypatch, told, ok, value, remedy):
    monkeypatch.setattr(doctor.subprocess, "run", lambda *args, **kwargs: told)
    *_, last = doctor.realsense()
    assert last.ok == ok and value in last.value and remedy in last.remedy and not last.needed


def test_the_doctor_asks_the_real_sdk():
    first, second = list(doctor.realsense())[:2]
    assert first.ok and second.name.startswith("RealSense device") and "cannot be asked" not in second.value


def test_a_stamp_of_the_hosts_clock_is_taken_as_it_is():
    times = FrameTimes(lambda: 100.0, 1 / 30)
    assert times.stamp(1_000_000.0, True, host_s=1000.02) == pytest.approx(99.98)


def test_a_stamp_of_another_clock_is_never_later_than_the_shot():
    """The device's clock began at another time; the way to the host takes 5 to 40 ms."""
    now = SimpleNamespace(s=0.0)
    times = FrameTimes(lambda: now.s, 1 / 30)
    for index, way_s in enumerate((0.040, 0.005, 0.020, 0.033)):
        taken_s = 10.0 + index / 30
        now.s = taken_s + way_s
        stamp_s = times.stamp(1e3 * (taken_s - 7.0), False)
        assert stamp_s <= taken_s + 0.04 and now.s - stamp_s < 0.1
    assert stamp_s <= taken_s


def test_a_clock_that_begins_again_is_noticed():
    now = SimpleNamespace(s=50.0)
    times = FrameTimes(lambda: now.s, 1 / 30)
    times.stamp(40_000.0, False)
    now.s = 51.0
    assert times.stamp(10.0, False) == pytest.approx(51.0 - 1 / 30)


def test_the_modes_of_a_device_are_listed_for_people():
    device = SoftwareDevice(LENSES, "SIM0001")
    try:
        rs = sdk()
        assert realsense_feed.modes(device._device, rs.stream.depth) == ["424x240@30"]
        assert realsense_feed.modes(device._device, rs.stream.color) == ["320x240@30"]
        assert realsense_feed.modes(device._device, rs.stream.infrared) == []
    finally:
        device.close()


@pytest.mark.hardware
def test_a_connected_camera_gives_frames_and_comes_back_after_a_reset():
    """Connect one RealSense D400 by USB 3."""
    store, began_s = FrameStore(), time.monotonic()
    port = RealSense({"overhead": hung(retry_s=1.0)}, store, lambda: time.monotonic() - began_s)
    stream = port.streams["overhead"]
    try:
        for reset in (False, True):
            if reset:
                stream._feed.reset()
                until(lambda: stream.opened > 1, 30.0)
            ticket = port.request("overhead")
            until(lambda ticket=ticket: port.step(1) or ticket.outcome is not None)
            frame = store.get(ticket.value)
            assert frame.rgb.shape == (480, 640, 3) and (frame.depth_m > 0).mean() > 0.3
            del frame
    finally:
        port.close()
        store.close()
