"""Which library MuJoCo draws with where there is no display.

Routes, best first: what `MUJOCO_GL` names; EGL; the system's OSMesa; the OSMesa inside the `lavavu-osmesa` wheel, which
needs nothing but pip. `enable` picks one and remembers it for the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_bt.errors import DrawingError

ROUTES = ("egl", "osmesa", "osmesa-wheel")
_WHEEL = "lavavu-osmesa"
_REMEDY = {
    "egl": "apt-get install libegl1 libgl1-mesa-dri libopengl0",
    "osmesa": "apt-get install libosmesa6",
    "osmesa-wheel": f"pip install --no-deps {_WHEEL}",
}
_EXTRA_ROUTES = ("glfw",)
_EGL_OPENGL_API = 0x30A2
_EGL_PLATFORM_DEVICE_EXT = 0x313F

_route: str | None = None


def enable() -> str:
    """Choose the route for this process, once; later calls return it again.

    Best called before `import mujoco`, so that MuJoCo's own renderer follows; `context_class` follows in any case.

    Returns:
        "egl", "osmesa", "osmesa-wheel" or what MUJOCO_GL names.

    Raises:
        DrawingError: Nothing works here, or MUJOCO_GL names something that does not.
    """
    global _route
    if _route is None:
        _route = _choose()
        os.environ["MUJOCO_GL"] = _route.removesuffix("-wheel")
        if _route == "osmesa-wheel":
            _load_wheel()
    return _route


def prefer() -> None:
    """Do as `enable`, but leave it to the first picture to complain: physics alone needs no drawing library."""
    with contextlib.suppress(DrawingError):
        enable()


def context_class() -> Callable[[int, int], Any]:
    """MuJoCo's GLContext class of the chosen route; called with (width, height).

    Taken from its own module because `mujoco` fixes its choice when it is first imported, maybe before `enable`.
    """
    route = enable().removesuffix("-wheel")
    try:
        if route == "egl":
            from mujoco.egl import GLContext
        elif route == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.glfw import GLContext
    except (ImportError, AttributeError, OSError) as error:
        raise DrawingError(f"cannot draw by {route}: {_one_line(error)}; {_advice()}") from error
    return GLContext  # type: ignore[no-any-return]


def probe(timeout_s: float = 60.0) -> list[tuple[str, bool, str]]:
    """Draw one small picture by each route, each in a process of its own so that none can take this one down.

    Returns:
        (route, works, what is missing and how to get it; empty where it works) for each route.
    """
    code = "from vlm_bt.simulation import drawing; drawing._draw_once()"
    found = []
    for route in ROUTES:
        environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
        environment["VLM_BT_DRAWING"] = route
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            run = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=timeout_s
            )
            works, said = run.returncode == 0, run.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            works, said = False, [f"no picture after {timeout_s:g} s"]
        missing = _missing(route) or (said[0] if said else "the process died while drawing")
        found.append((route, works, "" if works else f"{missing}; to get it: {_REMEDY[route]}"))
    return found


def _choose() -> str:
    forced = os.environ.get("VLM_BT_DRAWING", "")
    asked = forced or os.environ.get("MUJOCO_GL", "").lower().strip()
    if asked:
        if asked not in ROUTES + _EXTRA_ROUTES:
            raise DrawingError(f"MUJOCO_GL={asked!r} cannot draw without a display; use one of: egl, osmesa")
        missing = _missing(asked)
        if missing and not forced and asked == "osmesa" and not _missing("osmesa-wheel"):
            return "osmesa-wheel"
        if missing:
            raise DrawingError(f"MUJOCO_GL={asked!r} does not work here: {missing}. Unset it, or: {_REMEDY[asked]}")
        return asked
    for route in ROUTES:
        if not _missing(route):
            return route
    raise DrawingError(f"nothing can draw here; {_advice()}")


def _advice() -> str:
    return "install one of: " + "; or ".join(_REMEDY[route] for route in ROUTES)


def _missing(route: str) -> str:
    """What keeps a route from working, in a few words; empty if nothing does."""
    if route == "egl":
        return _egl_missing()
    if route == "osmesa":
        return "" if _any_loads("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so") else "no libOSMesa"
    if route == "osmesa-wheel":
        return "" if _wheel_libraries() else f"no {_WHEEL} wheel"
    return ""


def _egl_missing() -> str:
    """Start EGL on its first device as MuJoCo does: libEGL without a driver behind it loads, and then fails."""
    if not _any_loads("libOpenGL.so.0", "libGL.so.1"):
        return "no libOpenGL"
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return "no libEGL.so.1"
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    query_at = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_at = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query_at or not display_at:
        return "EGL without device platform"
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(query_at)
    get_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(display_at)
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int(0)
    if not query(16, devices, ctypes.byref(count)) or count.value == 0:
        return "EGL has no device (driver missing)"
    for device in devices[: count.value]:
        display = get_display(_EGL_PLATFORM_DEVICE_EXT, device, None)
        if display and egl.eglInitialize(ctypes.c_void_p(display), None, None):
            able = egl.eglBindAPI(_EGL_OPENGL_API)
            return "" if able else "EGL without OpenGL"
    return "no EGL device starts (driver missing)"


def _wheel_libraries() -> list[Path]:
    """The shared libraries that the wheel brought, OSMesa's last."""
    try:
        files = importlib.metadata.distribution(_WHEEL).files or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = sorted(Path(str(file.locate())) for file in files if ".so" in file.name and "python" not in file.name)
    found = [path for path in found if path.is_file() and path.name.startswith("lib")]
    return found if any(_is_osmesa(path) for path in found) else []


def _is_osmesa(path: Path) -> bool:
    return path.name.startswith("libOSMesa")


def _load_wheel() -> None:
    """Load the wheel's libraries into the process and let PyOpenGL find its OSMesa.

    The wheel's libraries name each other by file name without a search path, so each must be loaded once its own needs
    are; auditwheel renames them, so the order is found by trying.
    """
    libraries = _wheel_libraries()
    waiting = [path for path in libraries if not _is_osmesa(path)]
    while waiting:
        left = [path for path in waiting if not _loads(path)]
        if len(left) == len(waiting):
            break
        waiting = left
    osmesa = next(str(path) for path in libraries if _is_osmesa(path))
    os.environ["PYOPENGL_PLATFORM"] = "osmesa"
    loader: Any = ctypes.cdll
    real = loader._dlltype
    loader._dlltype = lambda name, mode=ctypes.DEFAULT_MODE: real(osmesa if "OSMesa" in str(name) else name, mode)
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: osmesa if name == "OSMesa" else find(name)
    try:
        import OpenGL.platform

        _ = OpenGL.platform.PLATFORM.GL
    except (ImportError, OSError) as error:
        raise DrawingError(f"the {_WHEEL} wheel does not load: {_one_line(error)}; {_advice()}") from error
    finally:
        loader._dlltype = real
        ctypes.util.find_library = find


def _loads(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def _any_loads(*names: str) -> bool:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _draw_once() -> None:
    """What `probe` runs in its child processes."""
    make_context = context_class()
    import mujoco

    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    context = make_context(64, 64)
    context.make_current()
    mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value).free()
    context.free()


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
