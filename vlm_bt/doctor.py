"""What this machine has, what it lacks, and how to get it. Data only: the command line prints it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.places import PACKAGE, share_dir

OLDEST_PYTHON = (3, 11)
ENOUGH_DISK_GB = 1.0
ENOUGH_MEMORY_GB = 4.0
ENOUGH_SHARED_MB = 128.0
"""The ring buffer holds a dozen frames of 1280x720 with depth, 6.5 MB each."""
KNOWLEDGE = "put config/knowledge.yaml right, as docs/08-verification.md has it; vlm-bt check FILE looks again"
FOLDERS = ("trees", "skills", "config", "launch")
SET_UP = "run scripts/setup"
PLUG_IN = "for a real camera only: use a USB 3 port; on Linux install its udev rules once (docs/06-realsense.md)"


Check = Callable[[], Iterator["Finding"]]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        ok: It is there and good enough.
        value: What was found, in a few words.
        remedy: How to get what is missing; empty where nothing is.
        needed: The embedded simulation cannot run without it. Where False, only some feature is missing.
    """

    name: str
    ok: bool
    value: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything, the foundation first. Takes a few seconds: each drawing library draws one picture."""
    return [finding for check in CHECKS for finding in check()]


def python() -> Iterator[Finding]:
    ok = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    yield Finding("python", ok, sys.version.split()[0], "" if ok else f"install Python {oldest} or newer; {SET_UP}")


def cores_and_memory() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cores", cores >= 2, str(cores), "" if cores >= 2 else "it works on one core, slowly", needed=False)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    ok = memory_gb >= ENOUGH_MEMORY_GB
    remedy = f"a mission with its model needs about 2 GB; have {ENOUGH_MEMORY_GB:g} GB in the machine"
    yield Finding("memory", ok, f"{memory_gb:.0f} GB", "" if ok else remedy)


def disk() -> Iterator[Finding]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    ok = free_gb >= ENOUGH_DISK_GB
    remedy = f"free some space in {Path.cwd()}, or let --out name a folder on another disk"
    yield Finding("disk", ok, f"{free_gb:.0f} GB free", "" if ok else remedy)
    shared = Path("/dev/shm")
    if shared.is_dir():
        free_mb = shutil.disk_usage(shared).free / 1e6
        ok = free_mb >= ENOUGH_SHARED_MB
        remedy = "enlarge /dev/shm, which carries frames to the model; in a container: docker run --shm-size=512m"
        yield Finding("shared memory", ok, f"{free_mb:.0f} MB free", "" if ok else remedy)


def folders() -> Iterator[Finding]:
    try:
        found = [share_dir(name) for name in FOLDERS]
    except ConfigError as error:
        lines = str(error).splitlines()
        yield Finding("trees and skills", False, lines[0], lines[-1])
    else:
        yield Finding("trees and skills", True, str(found[0].parent))


def knowledge() -> Iterator[Finding]:
    """The file of what is known of kinds of things, the one that the configuration names."""
    if importlib.util.find_spec("pydantic") is None:
        yield Finding("knowledge", False, "not read: no pydantic", SET_UP)
        return
    from vlm_bt import settings
    from vlm_bt.scene.knowledge import load_knowledge

    try:
        path = settings.load(None).knowledge or share_dir("config") / "knowledge.yaml"
        known = load_knowledge(path)
    except ConfigError as error:
        yield from (
            Finding("knowledge", False, line, KNOWLEDGE) for line in str(error).splitlines()[:-1] or [str(error)]
        )
    else:
        yield Finding("knowledge", True, f"{len(known.kinds)} kinds in {path}")


def packages() -> Iterator[Finding]:
    """The package itself and what it says it needs; nothing is imported."""
    version = _version("vlm_bt")
    if not version:
        yield Finding("vlm_bt", False, f"not installed; running from {PACKAGE.parent}", SET_UP)
        return
    yield Finding("vlm_bt", True, version)
    for need in metadata.requires("vlm_bt") or []:
        named = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", need)
        if named and "extra ==" not in need:
            yield _package(named[1], named[2] or "0")


def _package(name: str, oldest: str) -> Finding:
    version = _version(name)
    if not version:
        return Finding(name, False, "not installed", f"{SET_UP}, or: pip install -c constraints.txt {name}")
    if _numbers(version) < _numbers(oldest):
        remedy = f"{SET_UP}, or: pip install '{name}>={oldest}'"
        return Finding(name, False, f"{version} is older than {oldest}", remedy)
    return Finding(name, True, version)


def _version(name: str) -> str:
    """The installed version of a distribution, empty where none is."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0]))


def drawing() -> Iterator[Finding]:
    if importlib.util.find_spec("mujoco") is None:
        yield Finding("drawing", False, "not tried: no mujoco", SET_UP)
        return
    from vlm_bt.simulation.drawing import probe

    routes = probe()
    works = [route for route, ok, _ in routes if ok]
    remedy = "" if works else "; or ".join(missing for _, _, missing in routes)
    yield Finding("drawing", bool(works), f"by {', '.join(works)}" if works else "no library can draw here", remedy)


def model() -> Iterator[Finding]:
    from vlm_bt.vision import weights
    from vlm_bt.vision.vocabulary import prompts_hash

    folder = weights.embedded_directory()
    try:
        revision = weights.verify(folder)
    except ModelError as error:
        yield Finding("model weights", False, str(error).removesuffix(f"; {weights.REMEDY}"), weights.REMEDY)
        return
    yield Finding("model weights", True, f"{folder.name}, revision {revision}, hashes match")
    yield _calibration(f"{revision}-{prompts_hash()}", folder)


def _calibration(revision: str, folder: Path) -> Finding:
    if importlib.util.find_spec("numpy") is None or importlib.util.find_spec("pydantic") is None:
        return Finding("calibration", False, "not read: no numpy or no pydantic", SET_UP)
    from vlm_bt.vision.calibration import Calibrations, calibration_folder
    from vlm_bt.vision.weights import SHIPPED, head_revision

    try:
        known = Calibrations.open(calibration_folder(), SHIPPED, revision, head_revision(folder))
    except ConfigError as error:
        return Finding("calibration", False, str(error).splitlines()[0], SET_UP)
    if known.valid and not known.note:
        return Finding("calibration", True, "; ".join(known.covers))
    remedy = "never surer than unsure: git restore config/calibration, reinstall vlm_bt, or run vlm-bt calibrate"
    return Finding("calibration", False, known.note, remedy)


def ros() -> Iterator[Finding]:
    found = importlib.util.find_spec("rclpy") is not None
    distribution = os.environ.get("ROS_DISTRO", "from Python wheels")
    remedy = "source /opt/ros/jazzy/setup.bash, or without ROS on the machine: scripts/ros_interfaces"
    yield Finding("ROS 2", found, distribution if found else "no rclpy", "" if found else remedy, needed=False)


def gpu() -> Iterator[Finding]:
    name = _gpu_name()
    if not name:
        remedy = "the embedded model needs none; larger models want an NVIDIA GPU with its driver"
        yield Finding("GPU", False, "nvidia-smi lists none", remedy, needed=False)
        return
    built_for = _cuda_of_torch()
    if built_for:
        yield Finding("GPU", True, f"{name}; torch is built for CUDA {built_for}", needed=False)
        return
    remedy = "set VLM_BT_TORCH_INDEX to an index that has the GPU build, remove .venv and run scripts/setup"
    yield Finding("GPU", False, f"{name}; this torch cannot use it", remedy, needed=False)


def _gpu_name() -> str:
    """The first GPU that the driver lists, empty where there is none."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    named = re.match(r"GPU 0: (.*?)(?: \(UUID|$)", listed)
    return named[1] if named else ""


def _cuda_of_torch() -> str:
    """The CUDA version that torch was built for, read from its files; empty for a CPU build or no torch."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        stated = Path(folder, "version.py")
        if stated.is_file():
            named = re.search(r"^cuda\b.*?= *['\"]([\d.]+)", stated.read_text(encoding="utf-8"), re.MULTILINE)
            return named[1] if named else ""
    return ""


def realsense() -> Iterator[Finding]:
    missing = []
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        missing.append(("libusb", "apt-get install libusb-1.0-0"))
    if importlib.util.find_spec("pyrealsense2") is None:
        missing.append(("pyrealsense2", "pip install -e '.[realsense]'"))
    # Bindings built from source carry no version.
    there = _version("pyrealsense2") or "built here"
    value = "no " + " and no ".join(name for name, _ in missing) if missing else there
    yield Finding("RealSense", not missing, value, "; ".join(remedy for _, remedy in missing), needed=False)
    if not missing:
        yield from _realsense_devices()


def _realsense_devices() -> Iterator[Finding]:
    """What the SDK sees, asked in a process of its own: it is native code that talks to USB devices."""
    ask = (
        "from vlm_bt.devices.realsense_sdk import seen_devices\n"
        "for device in seen_devices(): print(int(device.slow), device, 'firmware', device.firmware)"
    )
    try:
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        remedy = "unplug it and plug it in again"
        yield Finding("RealSense devices", False, "the SDK gave no answer in 20 s", remedy, needed=False)
        return
    if told.returncode:
        why = (told.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        yield Finding("RealSense devices", False, f"the SDK cannot be asked: {why}", PLUG_IN, needed=False)
    elif not told.stdout.strip():
        yield Finding("RealSense devices", False, "none is seen", PLUG_IN, needed=False)
    for line in told.stdout.splitlines():
        slow, _, seen = line.partition(" ")
        remedy = "plug it into a USB 3 port with a USB 3 cable" if slow == "1" else ""
        yield Finding("RealSense device", slow == "0", seen, remedy, needed=False)


CHECKS: tuple[Check, ...] = (
    python,
    cores_and_memory,
    disk,
    folders,
    knowledge,
    packages,
    drawing,
    model,
    gpu,
    ros,
    realsense,
)
