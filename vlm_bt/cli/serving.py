"""Wires the mission node of `vlm-bt ros mission`: settings, trees, the place, and who answers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vlm_bt.cli.finding import Meant, find_mission, said, shipped
from vlm_bt.cli.ros import only_settings, require_ros, until_stopped
from vlm_bt.cli.run import made, overridden
from vlm_bt.errors import ConfigError, TreeError
from vlm_bt.settings import Settings

if TYPE_CHECKING:
    from vlm_bt.app.requested import MakeSite
    from vlm_bt.operations.attached import Operations
    from vlm_bt.ros.request import Attachments, Listed, Request, Running, Start
    from vlm_bt.tree.findings import Finding
    from vlm_bt.tree.load import TreeSource

LONGEST_SHOWN = 60


@dataclass(frozen=True)
class NodeChoice:
    """What was chosen on the command line; see `vlm_bt.cli.ros.mission`."""

    name: str
    namespace: str
    site: str
    human: str
    record: Path
    trees: tuple[Path, ...]
    realtime: bool
    autostart: bool
    on_lost_client: str
    needs_guardian: bool
    sim_time: bool
    ros_args: tuple[str, ...]


class Trees:
    """The trees that may be asked for: those that come along and those in folders that were named at the start.

    What a client writes only ever selects one of these names; it never becomes a path.
    """

    def __init__(self, settings: Settings, folders: Sequence[Path]) -> None:
        self._settings = settings
        self.paths: dict[str, Path] = shipped()
        for folder in folders:
            if not folder.is_dir():
                raise ConfigError(f"--trees {folder}: there is no such folder")
            self.paths |= {path.stem: path for path in sorted(folder.glob("*.yaml"))}

    def understand(self, tree: str, sentence: str) -> Meant:
        """Raises: ConfigError: no tree is called so, or no sentence fits."""
        if not tree:
            if "/" in sentence or sentence.endswith((".yaml", ".yml")):
                raise ConfigError("a sentence starts a mission, a file does not")
            return find_mission(sentence)
        if tree in self.paths:
            return Meant(self.paths[tree])
        near = difflib.get_close_matches(tree, self.paths, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"no tree is called {tree[:LONGEST_SHOWN]!r}{hint}; there are: {', '.join(self.paths)}")

    def listed(self) -> list[Listed]:
        """Those that can be read; what is wrong with others `check` says."""
        found = []
        for name, path in self.paths.items():
            try:
                found.append(_listed(name, path, self._load(path)))
            except TreeError:
                continue
        return found

    def check(self, tree: str, text: str, inputs: Mapping[str, str]) -> Sequence[Finding]:
        from vlm_bt.leaves.table import LEAVES
        from vlm_bt.tree.load import load_text, skill_folders

        try:
            if text:
                folders = skill_folders(self._settings.skills)
                source = load_text(text, "text", LEAVES, skills_dirs=folders, allow=self._settings.allow)
            else:
                source = self._load(self.understand(tree, "").path)
            source.parse_inputs(inputs)
        except TreeError as error:
            return tuple(error.findings)  # type: ignore[arg-type]
        return ()

    def _load(self, path: Path) -> TreeSource:
        from vlm_bt.leaves.table import LEAVES
        from vlm_bt.tree.load import load_tree, skill_folders

        return load_tree(path, LEAVES, skills_dirs=skill_folders(self._settings.skills), allow=self._settings.allow)


def serve_missions(settings: Settings, choice: NodeChoice) -> int:
    """Run the node until it is told to end; the exit code."""
    require_ros()
    from vlm_bt.app.requested import Requested
    from vlm_bt.operations.attached import operations
    from vlm_bt.ros.mission_node import MissionNode, NodeOptions
    from vlm_bt.ros.parameters import MirroredSettings
    from vlm_bt.ros.runtime import Runtime

    trees = Trees(settings, choice.trees)
    options = NodeOptions(
        name=choice.name,
        namespace=choice.namespace,
        on_lost_client=choice.on_lost_client,
        needs_guardian=choice.needs_guardian,
        sim_time=choice.sim_time,
    )
    with until_stopped() as stopped, Runtime(list(choice.ros_args), threads=8) as runtime, ExitStack() as opened:
        node: Any = MissionNode(runtime.context, settings, options)
        mirrored = MirroredSettings(node, settings, node.adapt)
        robot = choice.site == "robot" or (choice.site == "auto" and bool(settings.ros.cameras))
        requested = Requested(
            lambda: mirrored.settings,
            _site(robot, node, mirrored.settings, choice),
            trees.understand,
            _changed,
            human=choice.human,
            out=made(choice.record),
        )
        watching = opened.enter_context(operations(mirrored.settings, node.get_logger().info))
        node.serve(_watched(requested.start, watching), lambda: requested.prepare(lockstep=not robot), trees)
        runtime.add(node)
        try:
            if choice.autostart and not node.autostart():
                return 1
            stopped.wait()
        finally:
            stood = node.leave("the node was told to end")
        return 0 if stood else 1


def _watched(start: Start, watching: Operations) -> Start:
    """The same missions, with what operators look at hung onto each."""

    def begin(request: Request, attached: Attachments) -> Running:
        more = watching.attached(request.mission)

        def heard(channel: str, entry: Mapping[str, Any]) -> None:
            attached.onlooker(channel, entry)
            more.onlooker(channel, entry)

        subscribers = (*attached.subscribers, *more.subscribers)
        mission = start(request, replace(attached, subscribers=subscribers, onlooker=heard))
        watching.follow(lambda: mission.vision.waiting)
        return mission

    return begin


def _site(robot: bool, node: Any, settings: Settings, choice: NodeChoice) -> MakeSite:
    """Raises: ConfigError: the settings name no camera."""
    from vlm_bt.app.requested import simulated

    if not robot:
        return simulated(choice.realtime)
    from vlm_bt.app.robot import on_robot
    from vlm_bt.ros.robot import Robot

    return on_robot(Robot(node, settings))


def _changed(settings: Settings, overrides: Sequence[str]) -> Settings:
    return only_settings(overridden(settings, list(overrides)))


def _listed(name: str, path: Path, source: TreeSource) -> Listed:
    from vlm_bt.ros.request import Listed

    written: Mapping[str, Any] = yaml.load(source.text, Loader=yaml.CSafeLoader).get("inputs") or {}

    def default(port: str) -> str:
        given = written.get(port)
        value = given.get("default") if isinstance(given, Mapping) else None
        return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()

    inputs = {port.name: default(port.name) if port.has_default else None for port in source.inputs.values()}
    return Listed(name, source.mission.summary, said(path), inputs)
