"""What a killed program leaves in shared memory is freed by the next one that starts."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pytest

from vlm_bt.ros import abandoned

LIVES = """
import sys
from vlm_bt.ros.runtime import Runtime
with Runtime() as runtime:
    runtime.node("lives")
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(abandoned, "YOUNG_S", -1.0)
    for name in ("fastrtps_00cfe80e01d615c9", "fastrtps_8b04e28e94870123"):
        (tmp_path / name).write_bytes(b"x" * 65536)
        (tmp_path / f"{name}_el").touch()
    for name in ("fastrtps_port7000_el", "psm_1c923c8c", "fastrtps_443adeea3b2db7bf"):
        (tmp_path / name).touch()
    return tmp_path


def test_only_segments_whose_owner_is_dead_are_removed(folder):
    with (folder / "fastrtps_8b04e28e94870123_el").open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert abandoned.free_abandoned(folder) == 65536
        left = {path.name for path in folder.iterdir()}
    assert left == {
        "fastrtps_8b04e28e94870123",
        "fastrtps_8b04e28e94870123_el",
        "fastrtps_port7000_el",
        "psm_1c923c8c",
        "fastrtps_443adeea3b2db7bf",
    }


def test_a_segment_that_is_only_just_being_made_is_left_alone(folder, monkeypatch):
    monkeypatch.setattr(abandoned, "YOUNG_S", 60.0)
    assert abandoned.free_abandoned(folder) == 0


@pytest.mark.ros
def test_a_program_that_was_killed_leaves_nothing_once_another_has_started(monkeypatch):
    pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
    from vlm_bt.ros.runtime import Runtime

    monkeypatch.setattr(abandoned, "YOUNG_S", 0.0)
    process = subprocess.Popen(
        [sys.executable, "-c", LIVES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    # The C++ library maps its own segment: which one it is, the kernel tells.
    maps = abandoned.Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    owned = {line.split()[-1] for line in maps.splitlines() if "/dev/shm/fastrtps_" in line and "_port" not in line}
    with Runtime():
        assert owned and all(os.path.exists(path) for path in owned), "what lives is left alone"
    process.kill()
    process.wait(10)
    with Runtime():
        assert not [path for path in owned if os.path.exists(path)]
