"""The walls of the house: which room may know which, what stays out of the hall, what lies where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "vlm_bt"

# From the foundation up, as in the architecture: a room may import rooms of the rows above its own, and itself.
ROWS = (
    ("types", "errors"),
    ("questions",),
    ("ports", "clocks", "frames", "places", "sentences"),
    ("vision_settings",),
    ("ros_settings",),
    ("camera_settings",),
    ("settings", "ledger"),
    ("scene",),
    ("vision",),
    ("leaves",),
    ("tree",),
    ("executive",),
    ("conversation",),
    ("recording",),
    ("operations",),
    ("devices",),
    ("simulation",),
    ("web", "ros"),
    ("training",),
    ("app",),
    ("bench",),
    ("evaluation",),
    ("doctor",),
    ("cli",),
)
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}

# Libraries that take a second or a GPU to import, or are not installed everywhere, and where a module may import them
# at its top. Elsewhere the import stands inside the function that needs it.
HEAVY = {
    "torch": ("vision.backends", "simulation", "training"),
    "torchvision": ("vision.backends", "training"),
    "transformers": ("vision.backends", "training"),
    "open_clip": ("vision.backends", "training"),
    "mujoco": ("simulation", "training"),
    "mink": ("simulation", "training"),
    "pyrealsense2": (),
    "rerun": (),
}
# Not even inside a function: one room deals with these.
CONFINED = {
    "mujoco": ("simulation", "training"),
    "mink": ("simulation", "training"),
    "moveit_msgs": ("ros.moveit_arm", "ros.moveit_goals", "ros.moveit_scene"),
    "control_msgs": ("ros.gripper", "ros.trajectory_arm"),
}
# Like these, whatever comes with ROS: its libraries, and every package of messages.
OF_ROS = re.compile(r"rclpy|tf2_\w+|py_trees_ros|launch|launch_ros|ros2\w+|rosidl\w*|std_srvs|\w+_(msgs|interfaces)")


class Import(NamedTuple):
    module: str
    imported: str
    line: int
    at_top: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def imports_of(module: str, source: str, is_package: bool = False) -> Iterator[Import]:
    """Every import in a module's source, with absolute names; a type-checking one is an arrow like any other."""
    tree = ast.parse(source)
    late = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") + ([""] if is_package else [])
                base = ".".join(filter(None, [*parents[: -node.level], base]))
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(module, name, node.lineno, node not in late)


def house() -> list[Import]:
    found: list[Import] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
        found += imports_of(module, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    return found


def room_of(name: str) -> str:
    """vlm_bt.scene.plane -> scene; the package itself has no room."""
    return name.split(".")[1] if name.count(".") else ""


def points_back(arrow: Import) -> bool:
    if arrow.imported.split(".")[0] != "vlm_bt":
        return False
    here, there = room_of(arrow.module), room_of(arrow.imported)
    if not there or there == "__version__" or here == there:
        return False
    return not here or RANK.get(there, -1) >= RANK.get(here, len(ROWS))


def is_misplaced(arrow: Import) -> bool:
    library, _, _ = arrow.imported.partition(".")
    rooms = CONFINED.get(library) or (("ros",) if OF_ROS.fullmatch(library) else None)
    if rooms is None and arrow.at_top:
        rooms = HEAVY.get(library)
    return rooms is not None and not any(f"{arrow.module}.".startswith(f"vlm_bt.{room}.") for room in rooms)


def test_every_room_has_a_row() -> None:
    rooms = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - {"__init__"} <= RANK.keys(), "give the new room a row in ROWS, where the architecture has it"


def test_imports_point_one_way() -> None:
    backwards = [str(arrow) for arrow in house() if points_back(arrow)]
    assert not backwards, "a room may import only rooms of the rows above its own"


def test_heavy_libraries_are_imported_only_where_they_belong() -> None:
    misplaced = [str(arrow) for arrow in house() if is_misplaced(arrow)]
    assert not misplaced, "move the import into its room, or into the function that needs it"


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("vlm_bt.scene.plane", "from vlm_bt.leaves import leaf"),
        ("vlm_bt.scene", "from ..leaves.leaf import Leaf"),
        ("vlm_bt.scene", "from .. import leaves"),
        ("vlm_bt.ports", "import vlm_bt.frames"),
        ("vlm_bt", "from vlm_bt.types import Box"),
        ("vlm_bt.leaves.leaf", "def act():\n    from vlm_bt import app"),
        ("vlm_bt.types", "if TYPE_CHECKING:\n    from vlm_bt.ports import Clock"),
    ],
)
def test_an_arrow_that_points_back_is_noticed(module: str, line: str) -> None:
    arrows = imports_of(module, line, is_package=module.count(".") < 2 and module != "vlm_bt.ports")
    assert any(points_back(arrow) for arrow in arrows)


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("vlm_bt.vision.service", "import torch", True),
        ("vlm_bt.vision.service", "try:\n    import torch.nn\nexcept ImportError: pass", True),
        ("vlm_bt.vision.service", "def load():\n    import torch", False),
        ("vlm_bt.vision.backends.clip", "from torch import nn", False),
        ("vlm_bt.app", "def build():\n    import mujoco", True),
        ("vlm_bt.simulation.bench", "import mujoco", False),
        ("vlm_bt.ros.arm", "import rclpy", False),
        ("vlm_bt.devices.camera", "def look():\n    import rclpy", True),
        ("vlm_bt.bench.camera", "def look():\n    from sensor_msgs.msg import Image", True),
        ("vlm_bt.cli.ros", "if TYPE_CHECKING:\n    from vlm_bt_interfaces.msg import ArmState", True),
        ("vlm_bt.ros.moveit_scene", "from moveit_msgs.msg import PlanningScene", False),
        ("vlm_bt.ros.arm", "def plan():\n    from moveit_msgs.msg import PlanningScene", True),
        ("vlm_bt.ros.arm_driver", "from control_msgs.action import GripperCommand", True),
    ],
)
def test_a_misplaced_heavy_import_is_noticed(module: str, line: str, wrong: bool) -> None:
    assert any(is_misplaced(arrow) for arrow in imports_of(module, line)) is wrong


def test_importing_the_package_is_quick_and_light() -> None:
    code = (
        "import sys, time; began = time.perf_counter(); import vlm_bt; took = time.perf_counter() - began; "
        "print(took, *sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    command = [sys.executable, "-c", code, *HEAVY, *CONFINED, "rclpy", "numpy"]
    answers = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    assert [loaded for _, *loaded in answers] == [[], [], []]
    assert min(float(took) for took, *_ in answers) < 0.15


@pytest.mark.parametrize("folder", ["launch", "skills", "trees", "config", "interfaces"])
def test_a_folder_for_authors_exists_and_is_no_python_package(folder: str) -> None:
    assert (CHECKOUT / folder).is_dir()
    assert not list((CHECKOUT / folder).rglob("__init__.py")), f"it would make {folder} an importable package"


def test_the_version_stands_in_one_place() -> None:
    version = ElementTree.parse(CHECKOUT / "package.xml").findtext("version")
    assert version is not None
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "vlm_bt/__init__.py"):
        assert f'"{version}"' not in (CHECKOUT / name).read_text(encoding="utf-8"), f"{name} repeats the version"
    assert metadata.version("vlm_bt") == version, "installed from an older package.xml: run scripts/setup"


def test_colcon_can_see_the_package() -> None:
    """The setuptools of Ubuntu 24.04 gives up on these, and colcon then passes the package over without a word."""
    lines = [line.split("#")[0].strip() for line in (CHECKOUT / "pyproject.toml").read_text("utf-8").splitlines()]
    assert not [line for line in lines if line.startswith(("[project", "license"))]
    manifest = ElementTree.parse(CHECKOUT / "package.xml")
    assert manifest.findtext("export/build_type") == "ament_python"
    assert (CHECKOUT / "resource" / str(manifest.findtext("name"))).is_file()


def test_every_need_has_a_pin() -> None:
    pins = {line.split("==")[0].lower().replace("-", "_") for line in (CHECKOUT / "constraints.txt").open()}
    needs = [need for need in metadata.requires("vlm_bt") or [] if "extra ==" not in need or "dev" in need]
    names = {need.split(">")[0].split(";")[0].strip().lower().replace("-", "_") for need in needs}
    assert len(names) > 20
    assert names <= pins, "pin it in constraints.txt, with what it needs itself"
