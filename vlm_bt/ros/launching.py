"""The setups for ROS's launch: the same processes as `vlm-bt ros up`, with the same meaning of their ends.

Only launch files import this; it is the one module that knows ROS's `launch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription  # type: ignore[attr-defined]  # Our folder, where ROS is not.
from vlm_bt.places import share_dir
from vlm_bt.ros.processes import ARGUMENTS, SETUPS, Process, again_after_s, complete, environment, in_order
from vlm_bt.ros.supervisor import GUARD, STEPS


class MissionFailed(RuntimeError):
    """Raised at the end of a launch whose mission did not do what it should; `ros2 launch` then ends with 1."""


def describe(name: str) -> LaunchDescription:
    """The setup of that name. Every argument has its text for `--show-args`."""
    setup = SETUPS[name]
    arguments = [
        DeclareLaunchArgument(argument, default_value=ARGUMENTS[argument].default, description=ARGUMENTS[argument].help)
        for argument in setup.takes
    ]
    settings = environment(share_dir("config"))
    return LaunchDescription(
        [
            *arguments,
            *(SetEnvironmentVariable(key, value) for key, value in settings.items()),
            OpaqueFunction(function=_start, args=[name]),
        ]
    )


def _start(context: LaunchContext, name: str) -> Sequence[Any]:
    """Everything at once: what needs another waits for it by itself, for the other may be restarted too."""
    setup = SETUPS[name]
    given = {argument: LaunchConfiguration(argument).perform(context) for argument in setup.takes}
    processes = in_order(setup.processes(complete(setup, {key: value for key, value in given.items() if value})))
    return [action for process in processes for action in _Started(process).actions()]


class _Started:
    """One process and what its end means."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._starts = 0

    def actions(self) -> list[Any]:
        """What starts it, once."""
        self._starts += 1
        started = ExecuteProcess(
            cmd=list(self._process.command),
            name=self._process.name,
            additional_env={**self._process.env, GUARD: ""},
            output="screen",
            sigterm_timeout=str(STEPS[0][1]),
            sigkill_timeout=str(STEPS[1][1]),
        )
        return [RegisterEventHandler(OnProcessExit(target_action=started, on_exit=self._ended)), started]

    def _ended(self, event: ProcessExited, context: LaunchContext) -> Any:
        process, code = self._process, int(event.returncode)
        if context.is_shutdown or process.end == "may":
            return None
        if process.end == "again" and self._starts <= process.again_at_most:
            said = LogInfo(msg=f"{process.name} ended with {code}; it is started again")
            return [said, TimerAction(period=again_after_s(self._starts), actions=self.actions())]
        if process.end == "ends" and code == 0:
            return EmitEvent(event=Shutdown(reason=f"{process.name} ended: so does everything"))
        # Launch has no other way to end with anything but 0.
        raise MissionFailed(f"{process.name} ended with {code}")
