"""`vlm-bt ros`: the nodes of a robot. Needs rclpy and the package vlm_bt_interfaces."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from vlm_bt.ros.arm_driver import Served
    from vlm_bt.settings import Settings

app = typer.Typer(help="Missions on a ROS 2 robot: its nodes.", no_args_is_help=True, rich_markup_mode=None)

Config = Annotated[Path | None, typer.Option(help="What it runs on. Default: config/embedded.yaml.")]
ArmConfig = Annotated[Path | None, typer.Option(help="Default: config/ros_realsense.yaml.")]
SetTexts = Annotated[list[str] | None, typer.Option("--set", help="A setting, such as mission.tick_s=0.1.")]
RosArgs = Annotated[list[str] | None, typer.Argument(help="ROS arguments, after --: --ros-args -r old:=new.")]
Namespace = Annotated[str, typer.Option(help="Of the node.")]


@app.command("mission")
def mission(
    ros_args: RosArgs = None,
    config: Config = None,
    set_: SetTexts = None,
    site: Annotated[
        str, typer.Option(help="'robot', over topics and actions; 'embedded', a simulation inside; 'auto'.")
    ] = "auto",
    human: Annotated[str, typer.Option(help="Who answers: 'ros', 'scripted', 'scripted:FILE' or 'silent'.")] = "ros",
    record: Annotated[Path, typer.Option(help="Folder for the records and reports of missions.")] = Path("runs/ros"),
    trees: Annotated[list[Path] | None, typer.Option(help="One more folder of trees; may be repeated.")] = None,
    speed: Annotated[str, typer.Option(help="Of the embedded simulation: 'realtime' or 'max'.")] = "realtime",
    name: Annotated[str, typer.Option(help="Of the node.")] = "mission_node",
    namespace: Namespace = "",
    autostart: Annotated[
        bool, typer.Option(help="Configure and activate at once; else a lifecycle manager does.")
    ] = True,
    on_lost_client: Annotated[
        str, typer.Option(help="When whoever asked for a mission is gone: 'continue' or 'abort'.")
    ] = "continue",
    needs_guardian: Annotated[
        bool, typer.Option("--needs-guardian", help="Refuse missions while no guardian hears this node.")
    ] = False,
    sim_time: Annotated[bool, typer.Option("--sim-time", help="Time comes from /clock.")] = False,
) -> None:
    """Serve missions: the action run_mission, and pause, resume, abort, tell, answer_question beside it.

    \b
    vlm-bt ros mission --config my_robot.yaml
    vlm-bt ros mission --site embedded --human scripted     the simulation inside, for a try

    Ends at Ctrl-C or SIGTERM with 0, the arm standing still and the record closed; with 1 where a mission did not end.
    """
    from vlm_bt.cli.serving import NodeChoice, serve_missions

    if on_lost_client not in ("continue", "abort"):
        raise ConfigError(f"--on-lost-client is 'continue' or 'abort', not {on_lost_client!r}")
    if speed not in ("realtime", "max"):
        raise ConfigError(f"--speed is 'realtime' or 'max', not {speed!r}")
    choice = NodeChoice(
        name=name,
        namespace=namespace,
        site=site,
        human=human,
        record=record,
        trees=tuple(trees or ()),
        realtime=speed == "realtime",
        autostart=autostart,
        on_lost_client=on_lost_client,
        needs_guardian=needs_guardian,
        sim_time=sim_time,
        ros_args=tuple(ros_args or ()),
    )
    raise typer.Exit(serve_missions(chosen_settings(config, set_), choice))


@app.command("guardian")
def guardian(
    ros_args: RosArgs = None,
    config: Config = None,
    set_: SetTexts = None,
    action: Annotated[
        list[str] | None, typer.Option(help="One more action whose goals are cancelled; may be repeated.")
    ] = None,
    namespace: Namespace = "",
) -> None:
    """Cancel every goal of arm and gripper when the mission node falls silent. Run it beside the arm's driver.

    \b
    vlm-bt ros guardian --config my_robot.yaml

    It is a second line, not the safety function of a robot cell.
    """
    require_ros()
    from vlm_bt.ros.guardian import Guardian
    from vlm_bt.ros.runtime import Runtime

    settings = chosen_settings(config, set_)
    actions = dict.fromkeys([settings.ros.arm.move, settings.ros.arm.grip, *(action or ())])
    with until_stopped() as stopped, Runtime(list(ros_args or ())) as runtime:
        node = runtime.node("guardian", namespace=namespace)
        Guardian(node, settings.ros.guardian, tuple(actions))
        stopped.wait()


@app.command("sim")
def sim(
    ros_args: RosArgs = None,
    config: Annotated[Path | None, typer.Option(help="Default: config/ros_workbench.yaml.")] = None,
    set_: SetTexts = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the bench.")] = 7,
    rate_hz: Annotated[float, typer.Option(min=0.1, help="Pictures a second of each camera.")] = 30.0,
    noise: Annotated[bool, typer.Option("--noise/--no-noise", help="Pictures with a sensor's noise, or clean.")] = True,
    clock: Annotated[bool, typer.Option("--clock", help="Publish simulated time on /clock.")] = False,
    human: Annotated[str, typer.Option(help="'scripted' or 'scripted:FILE' answers questions over ROS.")] = "",
    namespace: Namespace = "",
) -> None:
    """Be the robot: the simulated workbench behind a RealSense's topics, an arm's actions and a workspace monitor.

    \b
    vlm-bt ros sim --seed 12
    vlm-bt ros mission --config config/ros_workbench.yaml
    """
    require_ros()
    from vlm_bt.places import share_dir
    from vlm_bt.ros import sim_node

    settings = chosen_settings(config or share_dir("config") / "ros_workbench.yaml", set_)
    with until_stopped() as stopped:
        code = sim_node.main(
            settings,
            seed,
            stop=stopped,
            rate_hz=rate_hz,
            noise=noise,
            clock=clock,
            human=human,
            namespace=namespace,
            ros_args=tuple(ros_args or ()),
            ready=lambda: typer.echo("the robot is there"),
        )
    raise typer.Exit(code)


@app.command("trajectory-arm")
def trajectory_arm(
    ros_args: RosArgs = None,
    config: ArmConfig = None,
    set_: SetTexts = None,
    namespace: Namespace = "",
) -> None:
    """Serve an arm of ros2_control: its trajectory and gripper controllers behind the actions MoveArm and Grip.

    Knows the kinematics of the arms that `arm.robot` names, and nothing of what stands around them.

    \b
    vlm-bt ros trajectory-arm --config my_robot.yaml
    """
    require_ros()
    from vlm_bt.ros.trajectory_arm import TrajectoryArm

    raise typer.Exit(_serve(TrajectoryArm, "trajectory_arm", ros_args, config, set_, namespace))


@app.command("moveit-arm")
def moveit_arm(
    ros_args: RosArgs = None,
    config: ArmConfig = None,
    set_: SetTexts = None,
    namespace: Namespace = "",
) -> None:
    """Serve an arm that MoveIt 2 plans for, and a gripper of ros2_control, behind the actions MoveArm and Grip.

    move_group runs already; it keeps the arm clear of the obstacles of `ros.moveit`, and of what is in its own scene.

    \b
    vlm-bt ros moveit-arm --config my_robot.yaml
    vlm-bt ros moveit-arm --set ros.moveit.planner=RRTConnectkConfigDefault
    """
    require_ros()
    from vlm_bt.ros.moveit_arm import MoveItArm

    raise typer.Exit(_serve(MoveItArm, "moveit_arm", ros_args, config, set_, namespace))


def _serve(
    make: Callable[[Any, Settings], Served],
    name: str,
    ros_args: list[str] | None,
    config: Path | None,
    texts: list[str] | None,
    namespace: str,
) -> int:
    from vlm_bt.places import share_dir
    from vlm_bt.ros.arm_driver import serve

    settings = chosen_settings(config or share_dir("config") / "ros_realsense.yaml", texts)
    with until_stopped() as stopped:
        return serve(
            make,
            settings,
            name,
            stop=stopped,
            namespace=namespace,
            ros_args=tuple(ros_args or ()),
            ready=lambda: typer.echo("the arm is served"),
        )


def require_ros() -> None:
    """Raises: ConfigError: rclpy or the interfaces are missing, and how to get them."""
    import importlib.util

    missing = [name for name in ("rclpy", "vlm_bt_interfaces") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} cannot be found: source a ROS 2 installation and the workspace that "
            "vlm_bt_interfaces was built in; without ROS, see docs on the wheels"
        )


def chosen_settings(config: Path | None, texts: Sequence[str] | None) -> Settings:
    """A configuration with `--set` on top. Raises: ConfigError."""
    from vlm_bt import settings
    from vlm_bt.cli.run import overridden

    return only_settings(overridden(settings.load(config), list(texts or ())))


def only_settings(changed: tuple[Settings, dict[str, str]]) -> Settings:
    """Raises: ConfigError: an input of a tree is among them."""
    settings, inputs = changed
    if inputs:
        raise ConfigError(f"{', '.join(inputs)}: no setting has such a name; inputs of a tree come with the goal")
    return settings


@contextmanager
def until_stopped(*, again: bool = True) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; with `again`, a second one ends the process."""
    stopped = threading.Event()

    def stop(number: int, _: Any) -> None:
        stopped.set()
        if again:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
