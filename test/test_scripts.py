"""scripts/setup on a machine made of stubs: what it asks of Python, pip and apt, in which order, and what it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent

# Stands for the system's Python and for the one in .venv. `refuse` holds words of pip calls that fail, one a line.
PYTHON = r"""#!/bin/bash
state=$STATE
case "$*" in
*python%d*) echo python3.12 ;;
*version_info*) exit "$(cat "$state/too_old" 2>/dev/null || echo 0)" ;;
*"import venv"*) [ ! -e "$state/no_venv_module" ] ;;
"-m venv --clear .venv") echo "venv" >>"$state/calls"; rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
"-m pip --version") ;;
"-m pip install"*)
    words="$*"; words="${words#*constraints.txt }"
    echo "pip $words${PIP_INDEX_URL:+ from $PIP_INDEX_URL}" >>"$state/calls"
    ! { [ -e "$state/refuse" ] && grep -qxF -f "$state/refuse" <(tr ' ' '\n' <<<"$words"); } || exit 1
    case "$words" in *lavavu*) touch "$state/can_draw" ;; esac ;;
*drawing*) [ -e "$state/can_draw" ] ;;
*"v('torch')"*) exit 1 ;;
*libusb*) [ -e "$state/has_libusb" ] ;;
--version) echo "Python 3.12.3" ;;
-c\ pass) ;;
*) echo "the stub does not know: $*" >&2; exit 9 ;;
esac
"""
APT = '#!/bin/bash\necho "apt-get $*" >>"$STATE/calls"\n[ -e "$STATE/apt_works" ] && touch "$STATE/can_draw"\n'


class Machine:
    """A folder with a checkout's set-up files, and a PATH of stubs."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.state, self.bin = folder / "check out", folder / "state", folder / "bin"
        for path in (self.checkout / "scripts", self.state, self.bin):
            path.mkdir(parents=True)
        shutil.copy(CHECKOUT / "scripts/setup", self.checkout / "scripts")
        for name in ("constraints.txt", "setup.py", "package.xml"):
            shutil.copy(CHECKOUT / name, self.checkout)
        self.install("python3.12", PYTHON)
        self.install("apt-get", APT)
        self.install("id", "#!/bin/sh\necho 1000\n")
        self.install("nvidia-smi", "#!/bin/sh\nexit 9\n")
        for name in ("python3.13", "python3.11", "python3"):
            self.install(name, "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        self.has("can_draw", "has_libusb")

    def install(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def has(self, *facts: str) -> None:
        for fact in facts:
            (self.state / fact).touch()

    def lacks(self, *facts: str) -> None:
        for fact in facts:
            (self.state / fact).unlink(missing_ok=True)

    def refuse(self, *words: str) -> None:
        (self.state / "refuse").write_text("".join(f"{word}\n" for word in words) or "nothing at all\n")

    def become_root(self) -> None:
        self.install("id", "#!/bin/sh\necho 0\n")

    def set_up(self, *what: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment |= {"PATH": f"{self.bin}:/usr/bin:/bin", "STATE": str(self.state)}
        command = [self.checkout / "scripts/setup", *what]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")

    def calls(self) -> list[str]:
        """What was run since the last time this was asked."""
        log = self.state / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def pin(name: str) -> str:
    return next(line.strip() for line in (CHECKOUT / "constraints.txt").open() if line.startswith(f"{name}=="))


TORCH, TORCHVISION = pin("torch"), f"pip --no-deps {pin('torchvision')}"
PACKAGES = [f"pip {pin('setuptools')}", "pip --no-build-isolation -e ."]
FOR_TESTS = "pip --no-build-isolation -e .[dev,chat,remote,quantisation,export,privacy,realsense]"
EGL = "libegl1 libgl1-mesa-dri libopengl0"


def test_torch_comes_first_then_torchvision_alone_then_the_rest(machine: Machine) -> None:
    run = machine.set_up()
    assert run.returncode == 0, run.stderr
    assert machine.calls() == ["venv", f"pip {TORCH}+cpu", TORCHVISION, *PACKAGES]
    assert [line[:3] for line in run.stdout.splitlines() if line[1:2] == "/"] == ["1/4", "2/4", "3/4", "4/4"]


def test_a_second_run_does_and_says_nothing(machine: Machine) -> None:
    machine.set_up()
    machine.calls()
    run = machine.set_up()
    assert (run.returncode, run.stdout, run.stderr, machine.calls()) == (0, "", "", [])


def test_what_the_tests_need_comes_on_top_and_missions_then_need_nothing_more(machine: Machine) -> None:
    machine.set_up()
    machine.calls()
    assert machine.set_up("tests").returncode == 0
    assert FOR_TESTS in machine.calls()
    assert machine.set_up("tests").stdout == "" and machine.set_up().stdout == ""
    assert machine.calls() == []


def test_another_word_is_refused(machine: Machine) -> None:
    run = machine.set_up("everything")
    assert run.returncode == 1 and "the word: tests" in run.stderr and machine.calls() == []


def test_other_metadata_means_another_install_and_other_pins_a_fresh_venv(machine: Machine) -> None:
    machine.set_up()
    machine.calls()
    with (machine.checkout / "package.xml").open("a") as file:
        file.write("<!-- changed -->\n")
    machine.set_up()
    assert "venv" not in machine.calls()
    with (machine.checkout / "constraints.txt").open("a") as file:
        file.write("something==1.0\n")
    machine.set_up()
    assert "venv" in machine.calls()


def test_without_a_cpu_build_the_size_and_the_way_out_are_told_before_the_gpu_build(machine: Machine) -> None:
    machine.refuse(f"{TORCH}+cpu")
    run = machine.set_up()
    assert run.returncode == 0, run.stderr
    assert "3 GB" in run.stdout and "VLM_BT_TORCH_INDEX" in run.stdout
    assert machine.calls()[1:4] == [f"pip {TORCH}+cpu", f"pip {TORCH}", TORCHVISION]


def test_the_index_that_was_asked_for_serves_torch_and_nothing_else(machine: Machine) -> None:
    machine.set_up(VLM_BT_TORCH_INDEX="file:///mirror")
    assert machine.calls()[1:] == [
        f"pip --no-deps {TORCH} from file:///mirror",
        f"{TORCHVISION} from file:///mirror",
        *PACKAGES,
    ]


def test_an_index_without_torchvision_is_no_obstacle(machine: Machine) -> None:
    machine.install("python3.12", PYTHON.replace("|| exit 1", '|| [ -z "${PIP_INDEX_URL:-}" ] || exit 1'))
    machine.refuse(pin("torchvision"))
    assert machine.set_up(VLM_BT_TORCH_INDEX="file:///mirror").returncode == 0
    assert machine.calls()[2:4] == [f"{TORCHVISION} from file:///mirror", TORCHVISION]


def test_a_machine_with_a_gpu_takes_the_gpu_build(machine: Machine) -> None:
    machine.install("nvidia-smi", "#!/bin/sh\necho 'GPU 0: NVIDIA Test 1 (UUID: GPU-0)'\n")
    run = machine.set_up()
    assert "GPU of this machine" in run.stdout
    assert machine.calls()[1:3] == [f"pip {TORCH}", TORCHVISION]


def test_a_package_that_fails_is_tried_again_and_the_next_run_goes_on(machine: Machine) -> None:
    machine.refuse(".")
    run = machine.set_up()
    assert run.returncode == 1
    assert "setup.log" in run.stderr and "Run this again" in run.stderr
    assert machine.calls().count(PACKAGES[-1]) == 2
    machine.refuse()
    run = machine.set_up()
    assert run.returncode == 0 and "going on with .venv" in run.stdout
    assert "venv" not in machine.calls()


def test_root_gets_the_drawing_libraries_by_apt(machine: Machine) -> None:
    machine.become_root()
    machine.lacks("can_draw", "has_libusb")
    machine.has("apt_works")
    assert machine.set_up().returncode == 0
    update, egl, libusb = [call for call in machine.calls() if call.startswith("apt-get")]
    assert update == "apt-get -qq update"
    assert egl.endswith(EGL) and libusb.endswith("libusb-1.0-0")


@pytest.mark.parametrize("root", [False, True])
def test_without_root_or_without_apt_the_pip_only_library_draws(root: bool, machine: Machine) -> None:
    machine.lacks("can_draw", "has_libusb")
    if root:
        machine.become_root()
    run = machine.set_up()
    assert run.returncode == 0, run.stderr
    calls = machine.calls()
    assert f"pip --no-deps {pin('lavavu-osmesa')}" in calls
    assert any(call.startswith("apt-get") for call in calls) is root


def test_where_nothing_can_draw_one_line_says_what_to_install_and_nothing_counts_as_done(machine: Machine) -> None:
    machine.lacks("can_draw")
    machine.refuse(pin("lavavu-osmesa"))
    run = machine.set_up()
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and f"apt-get install {EGL}" in run.stderr
    assert not (machine.checkout / ".venv/stamp").exists()


def test_a_missing_libusb_costs_a_line_not_the_set_up(machine: Machine) -> None:
    machine.lacks("has_libusb")
    run = machine.set_up()
    assert run.returncode == 0 and "apt-get install libusb-1.0-0" in run.stdout


def test_no_python_is_told_in_one_line(machine: Machine) -> None:
    (machine.state / "too_old").write_text("1")
    run = machine.set_up()
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "no Python 3.11 or newer" in run.stderr


def test_a_python_without_venv_is_told_with_the_package_to_install(machine: Machine) -> None:
    machine.has("no_venv_module")
    run = machine.set_up()
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "apt-get install python3.12-venv" in run.stderr
