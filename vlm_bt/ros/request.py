"""A mission that somebody asks for over ROS, and what the node needs of the mission that is made of it.

This room may not know how a mission is wired; whoever starts the node hands in the builder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vlm_bt.conversation.talk import Conversation
from vlm_bt.devices.people import Channel
from vlm_bt.executive import Executive, Subscriber
from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.ports import Clock, Recorder
from vlm_bt.settings import Settings
from vlm_bt.tree.findings import Finding
from vlm_bt.types import Question

Picture = Callable[[Question], Path | None]
"""Draws the picture of a question; None where there is none."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        mission: A name that no other mission of this node has, and a folder may have.
        inputs: The tree's inputs as YAML text by name.
        overrides: Of the configuration, "mission.tick_s=0.1".
    """

    mission: str
    tree: str = ""
    sentence: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    seed: int = 0

    @property
    def wanted(self) -> str:
        return self.tree or self.sentence


@dataclass(frozen=True)
class Attachments:
    """What the node hangs onto a mission.

    Attributes:
        subscribers: See every tick, in the executive's thread.
        people: Makes the channel to whoever answers over ROS.
        onlooker: Sees every entry of the record as it is written.
    """

    subscribers: tuple[Subscriber, ...]
    people: Callable[[Clock, Recorder, Picture], Channel]
    onlooker: Callable[[str, Mapping[str, Any]], None]


class Running(Protocol):
    """A mission that was built; see `vlm_bt.app.Mission`."""

    executive: Executive
    arm: VerifiedArm
    conversation: Conversation
    ledger: Ledger
    clock: Any
    recorder: Any
    site: Any
    vision: Any

    def adapt(self, settings: Settings) -> None: ...

    def run(self, on_progress: Callable[[Any], None] | None = None) -> Any: ...

    def close(self) -> None: ...


Start = Callable[[Request, Attachments], Running]
"""Builds a mission, in the thread that will run it. Raises VlmBtError: what was asked for cannot be run."""

Prepare = Callable[[], Callable[[], None]]
"""Makes ready what every mission needs, such as models; gives what frees it. Raises VlmBtError: it cannot be had."""


@dataclass(frozen=True)
class Listed:
    """A mission that can be asked for. `inputs`: name and default as YAML text; None where it must be given."""

    tree: str
    summary: str
    sentences: tuple[str, ...]
    inputs: Mapping[str, str | None]


class Catalogue(Protocol):
    """The trees that may be asked for, by name. A name never becomes a path."""

    def listed(self) -> Sequence[Listed]: ...

    def check(self, tree: str, text: str, inputs: Mapping[str, str]) -> Sequence[Finding]:
        """Every mistake of a tree that is known by name, or of one that comes as text. Raises: ConfigError."""
        ...
