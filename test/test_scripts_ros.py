"""scripts/ros_interfaces on machines made of stubs: what cannot work is told in a line, before any download."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SYSTEM = ("bash", "env", "dirname", "sha256sum", "cut", "cat", "find", "sort", "xargs", "printf", "mkdir", "flock")

# The Python of .venv: as old as `too_old` makes it, with headers unless `no_headers`.
PYTHON = r"""#!/bin/bash
case "$*" in
*"(3, 10) <="*) [ ! -e "$STATE/too_old" ] ;;
*Python.h*) [ ! -e "$STATE/no_headers" ] ;;
*_base_executable*) echo "$0" ;;
--version) echo "Python 3.12.3" ;;
*"-m venv"*) echo "venv" >>"$STATE/calls"; exit 7 ;;
esac
"""


class Machine:
    """A checkout that is set up, and a PATH of stubs with compilers."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.state, self.bin = folder / "check out", folder / "state", folder / "bin"
        for path in (self.checkout / "scripts", self.checkout / ".venv/bin", self.state, self.bin):
            path.mkdir(parents=True)
        shutil.copy(CHECKOUT / "scripts/ros_interfaces", self.checkout / "scripts")
        for name in ("constraints.txt", "constraints-ros.txt"):
            shutil.copy(CHECKOUT / name, self.checkout)
        shutil.copytree(CHECKOUT / "interfaces", self.checkout / "interfaces")
        for name in SYSTEM:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.install(self.checkout / "scripts/setup", "#!/bin/sh\n")
        self.install(self.checkout / ".venv/bin/python", PYTHON)
        self.install(self.bin / "uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n')
        for name in ("gcc", "g++"):
            self.install(self.bin / name, "#!/bin/sh\n")

    @staticmethod
    def install(path: Path, script: str) -> None:
        path.write_text(script)
        path.chmod(0o755)

    def set_up(self) -> subprocess.CompletedProcess[str]:
        command = [self.checkout / "scripts/ros_interfaces"]
        environment = {"PATH": str(self.bin), "STATE": str(self.state)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=60)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def refused(machine: Machine) -> str:
    run = machine.set_up()
    assert run.returncode == 3, run.stderr
    assert run.stderr.count("\n") == 1
    assert not (machine.state / "calls").exists() and not (machine.checkout / ".venv-ros").exists()
    return run.stderr


def test_another_processor_cannot_have_the_wheels(machine: Machine) -> None:
    machine.install(machine.bin / "uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n')
    assert "the ROS wheels are for Linux on x86_64, this is Linux on aarch64" in refused(machine)


def test_another_python_cannot_have_the_wheels(machine: Machine) -> None:
    (machine.state / "too_old").touch()
    assert "for Python 3.10 to 3.14, .venv has Python 3.12.3" in refused(machine)


@pytest.mark.parametrize("tool", ["gcc", "g++"])
def test_a_missing_compiler_is_told_with_the_package_to_install(machine: Machine, tool: str) -> None:
    (machine.bin / tool).unlink()
    assert f"no {tool}, which builds the messages" in (told := refused(machine))
    assert "apt-get install build-essential" in told


def test_missing_headers_are_told_with_the_package_to_install(machine: Machine) -> None:
    (machine.state / "no_headers").touch()
    assert "no Python.h for Python 3.12.3; on Debian or Ubuntu, as root: apt-get install python3-dev" in refused(
        machine
    )


def test_a_machine_with_all_of_it_is_told_the_size_before_the_download(machine: Machine) -> None:
    run = machine.set_up()
    assert run.returncode == 7 and (machine.state / "calls").read_text() == "venv\n"
    assert "80 MB to download, 330 MB on disk" in run.stdout


def test_no_package_is_pinned_twice() -> None:
    names = [
        line.split("==")[0].lower().replace("-", "_")
        for path in ("constraints.txt", "constraints-ros.txt")
        for line in (CHECKOUT / path).open()
        if "==" in line
    ]
    assert len(names) == len(set(names))
