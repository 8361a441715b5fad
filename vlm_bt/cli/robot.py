"""`vlm-bt ros run`, `ros vision` and `ros up`: one mission, the vision node, and everything a robot is made of."""

from __future__ import annotations

import json as json_module
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.cli.ros import Config, Namespace, RosArgs, SetTexts, chosen_settings, require_ros, until_stopped
from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from vlm_bt.ros.supervisor import Supervisor

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def run(
    tree: Annotated[str, typer.Argument(help="The name of a tree that the mission node knows, or a sentence.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An input of the tree, or a setting such as mission.tick_s=0.1.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the bench of a simulation.")] = 7,
    preempt: Annotated[bool, typer.Option("--preempt", help="Abort the mission that is under way.")] = False,
    action: Annotated[str, typer.Option(help="The mission node's action.")] = "run_mission",
    wait_s: Annotated[float, typer.Option(min=0, help="How long the node may take to be ready.")] = 120.0,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")] = False,
) -> None:
    """Ask the mission node for one mission and wait for its end.

    \b
    vlm-bt ros run organise_workbench --seed 12
    vlm-bt ros run "get me the largest wrench"

    Ends with 0 when the mission is done, 1 when it failed, 2 when it never began and 130 when it was interrupted.
    Ctrl-C aborts the mission: the arm stops first.
    """
    require_ros()
    from vlm_bt.ros.client import Wanted, run_mission
    from vlm_bt.ros.runtime import Runtime

    inputs, overrides = _told_apart(set_ or [])
    is_name = tree.isidentifier()
    wanted = Wanted(tree if is_name else "", "" if is_name else tree, inputs, overrides, seed, preempt)
    with until_stopped() as stopped, Runtime() as runtime:
        node = runtime.node("run_mission_client")
        ended = run_mission(node, wanted, stopped, action=action, show=_on_stderr, server_within_s=wait_s)
    typer.echo(ended.text)
    if ended.report:
        typer.echo(f"report: {ended.report}")
    if json:
        typer.echo(json_module.dumps(ended.row))
    raise typer.Exit(ended.code)


def vision(
    ros_args: RosArgs = None,
    config: Config = None,
    set_: SetTexts = None,
    rate_hz: Annotated[
        float | None, typer.Option(min=0, help="Looks a second of the continuous scene understanding; 0: none.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the node.")] = "vision",
    namespace: Namespace = "",
) -> None:
    """Serve vision: ground, ask, count, describe, the action ground_tracked, and what a camera shows as topics.

    \b
    vlm-bt ros vision --config my_robot.yaml --rate-hz 2
    """
    require_ros()
    from vlm_bt.ros.runtime import Runtime
    from vlm_bt.ros.vision_node import VisionNode

    more = [f"ros.scene.rate_hz={rate_hz}"] if rate_hz is not None else []
    settings = chosen_settings(config, [*(set_ or ()), *more])
    with (
        until_stopped() as stopped,
        Runtime(list(ros_args or ()), threads=settings.ros.scene.at_once + 8) as runtime,
    ):
        node = runtime.node(name, namespace=namespace)
        served = VisionNode(node, settings)
        try:
            node.get_logger().info(f"sees through {served.open()}")
            stopped.wait()
        finally:
            served.close()


def up(
    setup: Annotated[str, typer.Argument(help="workbench, embedded, realsense, vision or view.")],
    tree: Annotated[str | None, typer.Option(help="Mission: the name of its tree, or a sentence.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="An input of the tree, or a setting.")] = None,
    config: Annotated[Path | None, typer.Option(help="What the mission runs on.")] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for the records and reports of missions.")] = None,
    view: Annotated[
        bool | None, typer.Option("--view", help="py-trees-tree-viewer too, where it is installed.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Draws the simulated bench.")] = None,
    human: Annotated[
        str | None, typer.Option(help="Who answers: 'ros', 'scripted', 'scripted:FILE', 'silent'.")
    ] = None,
    camera_serial: Annotated[str | None, typer.Option(help="Of the RealSense.")] = None,
    arm: Annotated[str | None, typer.Option(help="Who plans its ways: 'moveit' or 'trajectory'.")] = None,
    controllers: Annotated[
        str | None, typer.Option(help="ros2_control of the arm, and move_group: 'PACKAGE FILE.launch.py'.")
    ] = None,
    rate_hz: Annotated[float | None, typer.Option(min=0, help="Looks a second of the vision node.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would be started.")] = False,
) -> None:
    """Start everything that a setup is made of, and end with its mission: the launch files without ROS's launch.

    \b
    vlm-bt ros up workbench --tree put_one_tool_away --human scripted
    vlm-bt ros up embedded --set simulation.items=4

    Ends with the mission's exit code. Ctrl-C stops the arm first, then one process after the other.
    """
    import shlex

    given = {
        "tree": tree,
        "set": " ".join(shlex.quote(text) for text in set_ or ()),
        "config": config and str(config),
        "record": record and str(record),
        "view": "true" if view else "",
        "seed": "" if seed is None else str(seed),
        "human": human,
        "camera_serial": camera_serial,
        "arm": arm,
        "controllers": controllers,
        "rate_hz": "" if rate_hz is None else str(rate_hz),
    }
    processes = _processes(setup, {name: str(value) for name, value in given.items() if value})
    if dry:
        for process in processes:
            typer.echo(f"{process.name}: {shlex.join(process.command)}")
        return
    from vlm_bt.places import share_dir
    from vlm_bt.ros.processes import environment
    from vlm_bt.ros.supervisor import Supervisor

    show = _printer([process.name for process in processes])
    supervisor = Supervisor(processes, show, environment(share_dir("config")))
    with _stopping(supervisor, show) as stopped:
        code = supervisor.run(stopped)
    raise typer.Exit(code)


@contextmanager
def _stopping(supervisor: Supervisor, show: Callable[[str, str], None]) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one kills what has not ended by then."""
    stopped = threading.Event()

    def stop(number: int, _: Any) -> None:
        if stopped.is_set():
            supervisor.hurry.set()
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _processes(name: str, given: dict[str, str]) -> Any:
    """Raises: ConfigError."""
    from vlm_bt.ros.processes import SETUPS, complete, in_order

    if name not in SETUPS:
        raise ConfigError(f"there is no setup {name!r}; there are: {', '.join(SETUPS)}")
    try:
        return in_order(SETUPS[name].processes(complete(SETUPS[name], given)))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _printer(names: Sequence[str]) -> Callable[[str, str], None]:
    """Lines with the name of who says them, each name in a colour of its own."""
    from rich.console import Console
    from rich.text import Text

    console, lock = Console(highlight=False, soft_wrap=True), threading.Lock()
    widest = max(len(name) for name in names)
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}

    def show(name: str, line: str) -> None:
        with lock:
            console.print(Text.assemble((f"{name:>{widest}} ", colours[name]), ("│ ", "dim"), Text.from_ansi(line)))

    return show


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _told_apart(texts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Inputs of the tree and overrides of settings. Raises: ConfigError."""
    inputs: dict[str, str] = {}
    overrides: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text!r}: write key=value, such as --set mission.tick_s=0.1")
        if "." in key:
            overrides.append(text)
        else:
            inputs[key] = value
    return inputs, overrides
