"""A process that has frozen is ended, whatever lock it holds; one that works, or has ended by itself, is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vlm_bt.ros import watchdog
from vlm_bt.ros.processes import AGAIN_AFTER_AT_MOST_S, AGAIN_AFTER_S, Process, again_after_s
from vlm_bt.ros.supervisor import Supervisor

BEATS = "import sys, time; from vlm_bt.ros.watchdog import Watchdog; dog = Watchdog({frozen_s}); "
HOLDS_PYTHONS_LOCK = "import ctypes; ctypes.PyDLL(None).sleep(60)"
FREEZES_IN_A_CALLBACK = """
import ctypes
from vlm_bt.ros.runtime import Runtime
with Runtime() as runtime:
    node = runtime.node("freezes")
    node.create_timer(0.5, lambda: ctypes.PyDLL(None).sleep(60))
    print("up", flush=True)
    ctypes.CDLL(None).sleep(60)
"""
LOSES_ITS_PORTS = """
import re, time
from pathlib import Path
from vlm_bt.ros.runtime import Runtime
with Runtime() as runtime:
    runtime.node("loses")
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    own = [found[1] for found in map(re.compile(r"dds\\.shm\\.(\\d+)").match, names) if found]
    Path("/dev/shm/fastrtps_port" + max(own, key=int)).unlink()
    time.sleep(30)
"""
IDLES = """
import time
from vlm_bt.ros.runtime import Runtime
with Runtime() as runtime:
    runtime.node("idles")
    time.sleep(4)
print("ended by itself", flush=True)
"""


def ended(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=40
    )


def test_a_process_that_freezes_before_its_first_beat_is_ended() -> None:
    over = ended(BEATS.format(frozen_s=1) + HOLDS_PYTHONS_LOCK)
    assert over.returncode == -signal.SIGKILL
    assert "has frozen: no beat for 1 s" in over.stderr


def test_a_process_that_freezes_after_its_first_beat_is_ended() -> None:
    over = ended(BEATS.format(frozen_s=1) + "dog.beat(); " + HOLDS_PYTHONS_LOCK)
    assert over.returncode == -signal.SIGKILL


def test_a_process_that_beats_lives_on_and_ends_by_itself() -> None:
    over = ended(BEATS.format(frozen_s=1) + "[(dog.beat(), time.sleep(0.1)) for _ in range(25)]; dog.close()")
    assert (over.returncode, over.stderr) == (0, "")


def test_what_is_closed_is_not_watched_any_more() -> None:
    over = ended(BEATS.format(frozen_s=1) + "dog.close(); time.sleep(2)")
    assert over.returncode == 0


def test_the_watchdog_goes_with_what_it_watches() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    assert watchdog.watch(os.getpid(), reading, 60.0) is False
    os.close(reading)


def test_only_ports_that_a_process_listens_at_itself_make_it_deaf(tmp_path) -> None:
    for number, name in enumerate(("python", "dds.shm.22671", "dds.shm.7005", "dds.shm.wdog")):
        (tmp_path / "7" / "task" / str(number)).mkdir(parents=True)
        (tmp_path / "7" / "task" / str(number) / "comm").write_text(f"{name}\n")
    lines = [
        "7f00-7f10 rw-s 00000000 00:1b 61 /dev/shm/fastrtps_port22671 (deleted)",
        "7f10-7f20 rw-s 00000000 00:1b 62 /dev/shm/fastrtps_port7005",
        "7f20-7f30 rw-s 00000000 00:1b 63 /dev/shm/fastrtps_port22673 (deleted)",
    ]
    (tmp_path / "7" / "maps").write_text("\n".join(lines))
    assert watchdog.deaf_ports(7, tmp_path) == [22671]
    assert watchdog.deaf_ports(8, tmp_path) == []


def test_what_freezes_is_started_again_after_longer_and_longer() -> None:
    waits = [again_after_s(starts) for starts in range(1, 21)]
    assert waits[:3] == [AGAIN_AFTER_S, 2 * AGAIN_AFTER_S, 4 * AGAIN_AFTER_S]
    assert waits == sorted(waits) and waits[-1] == AGAIN_AFTER_AT_MOST_S


def test_the_supervisor_starts_a_frozen_process_again_up_to_its_limit() -> None:
    lines: list[str] = []
    frozen = Process(
        "camera", (sys.executable, "-c", BEATS.format(frozen_s=1) + HOLDS_PYTHONS_LOCK), end="again", again_at_most=1
    )
    supervisor = Supervisor([frozen], lambda name, line: lines.append(line), {})
    began_s = time.monotonic()
    assert supervisor.run(threading.Event()) == 128 + signal.SIGKILL
    assert time.monotonic() - began_s < 30
    assert lines.count("ended with 137; it is started again") == 1
    assert sum("has frozen" in line for line in lines) == 2


@pytest.mark.ros
def test_a_node_that_freezes_with_pythons_lock_held_is_ended() -> None:
    pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
    over = ended(FREEZES_IN_A_CALLBACK, **{watchdog.FROZEN: "2"})
    assert over.returncode == -signal.SIGKILL
    assert "up" in over.stdout.splitlines()
    assert "has frozen" in over.stderr


@pytest.mark.ros
def test_a_node_whose_ports_were_removed_is_ended() -> None:
    pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
    over = ended(LOSES_ITS_PORTS, **{watchdog.FROZEN: "2"})
    assert over.returncode == -signal.SIGKILL
    assert "is deaf" in over.stderr


@pytest.mark.ros
def test_a_node_that_has_nothing_to_do_is_not_taken_for_frozen() -> None:
    pytest.importorskip("rclpy", reason="no rclpy: see the marks in conftest.py")
    over = ended(IDLES, **{watchdog.FROZEN: "2"})
    assert over.returncode == 0
    assert "ended by itself" in over.stdout.splitlines()
