"""What hangs onto missions for operators, as the settings have it; nothing where they ask for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from vlm_bt.executive import Subscriber
from vlm_bt.operations.logs import JsonLog
from vlm_bt.operations.metrics import MissionMetrics, Queues
from vlm_bt.operations.metrics_server import MetricsServer
from vlm_bt.operations.mission_log import MissionLog
from vlm_bt.settings import Settings

Onlooker = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Attached:
    """What hangs onto one mission: what sees every tick, and who sees every entry of its record."""

    subscribers: tuple[Subscriber, ...]
    onlooker: Onlooker


class Operations:
    """The figures and logs of one program's missions, one mission after the other."""

    def __init__(self, metrics: MissionMetrics | None, logs: JsonLog | None) -> None:
        self._metrics = metrics
        self._logs = logs

    def attached(self, mission: str) -> Attached:
        """For the mission of that name, which comes next."""
        mission_log = MissionLog(self._logs.standing, mission) if self._logs is not None else None
        parts = [part for part in (self._metrics, mission_log) if part is not None]

        def note(channel: str, entry: Mapping[str, Any]) -> None:
            for part in parts:
                part.note(channel, entry)

        return Attached(tuple(parts), note)

    def follow(self, queues: Queues) -> None:
        """A mission was built: so many questions wait at its models."""
        if self._metrics is not None:
            self._metrics.queues = queues


@contextmanager
def operations(settings: Settings, say: Callable[[str], None]) -> Iterator[Operations]:
    """Serve what the settings ask for.

    Args:
        say: Told where the figures are, and who else may see them.

    Raises:
        ConfigError: The address cannot be had, or the log cannot be written.
    """
    with ExitStack() as open_:
        logs, metrics = None, None
        if settings.logging.file:
            keys = {model.api_key_env for model in settings.vision.models.values() if hasattr(model, "api_key_env")}
            named = (key for key in keys if key is not None)
            logs = open_.enter_context(JsonLog(settings.logging.file, settings.logging.level, named))
        if settings.metrics.address:
            metrics = MissionMetrics()
            server = open_.enter_context(MetricsServer(metrics, settings.metrics.address))
            say(f"metrics: {server.url}")
            if server.exposed:
                say("metrics: other machines may read them, without a password")
        yield Operations(metrics, logs)
