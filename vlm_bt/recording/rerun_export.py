"""A mission's record as a recording that the Rerun viewer shows: pictures, depth, boxes, the tree, motions, words.

Times are seconds on the mission's clock (timeline `mission`); positions metres in the base frame. What models and
people said goes in as plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt.errors import ConfigError
from vlm_bt.recording import entries
from vlm_bt.recording.entries import Entry, Json
from vlm_bt.recording.incidents import EVENTS
from vlm_bt.recording.record import Record

TIMELINE = "mission"
MILLIMETRES = 1000.0
"""Units of recorded depth in a metre."""
COLOURS: Mapping[str, int] = {"verified": 0x2E9E6BFF, "claimed": 0xE6A117FF, "unnamed": 0x9A9A9AFF}
STATES: Mapping[str, int] = {"RUNNING": 0x3B82C4FF, "SUCCESS": 0x2E9E6BFF, "FAILURE": 0xD1495BFF}


def export_rerun(record: Record, to: Path) -> None:
    """Write a record as an .rrd file with a layout of its own.

    Raises:
        ConfigError: The SDK is not installed, or the file cannot be written.
    """
    try:
        import rerun
    except ImportError as cause:
        raise ConfigError("the Rerun SDK is not installed; get it with: pip install 'vlm_bt[rerun]'") from cause
    try:
        to.open("wb").close()
    except OSError as cause:
        raise ConfigError(
            f"{to}: cannot be written ({cause.strerror}); name a file in a folder that is there"
        ) from cause
    stream = rerun.RecordingStream("vlm_bt")
    try:
        cameras = sorted({picture.camera for picture in record.of(entries.Kept)})
        stream.save(to, default_blueprint=_layout(cameras))
        _Export(stream, record).write()
        stream.flush()
    finally:
        stream.disconnect()


class _Export:
    def __init__(self, stream: Any, record: Record) -> None:
        import rerun

        self._rr: Any = rerun
        self._stream = stream
        self._record = record
        self._paths: dict[tuple[int, ...], str] = {}
        self._looks: dict[str, tuple[Json, ...]] = {}
        self._lenses: dict[str, entries.KeptDepth] = {}
        self._shown: dict[str, str] = {}
        self._cameras = {picture.id: picture.camera for picture in record.of(entries.Kept)}
        self._verified: dict[tuple[str, str], str] = {}
        self._models: dict[str, str] = {}

    def write(self) -> None:
        self._static("/", self._rr.ViewCoordinates.RIGHT_HAND_Z_UP)
        takers: tuple[tuple[type[Entry], Callable[[Any], None]], ...] = (
            (entries.TreeSource, self._source),
            (entries.Nodes, self._nodes),
            (entries.StatusChange, self._status),
            (entries.KeptDepth, self._depth),
            (entries.Kept, self._picture),
            (entries.Look, self._look),
            (entries.VerdictGiven, self._verdict),
            (entries.Motion, self._motion),
            (entries.AskedQuestion, self._question),
            (entries.ReplyGiven, self._reply),
            (entries.SomethingSaid, self._said),
            (entries.Query, self._query),
            (entries.ModelAnswer, self._answer),
            (entries.Event, self._event),
            (entries.MissionResult, self._result),
        )
        known = dict(takers)
        for entry in self._record.entries:
            take = known.get(type(entry))
            if take is not None:
                self._at(entry.t)
                take(entry)

    def _at(self, seconds: float) -> None:
        self._stream.set_time(TIMELINE, duration=seconds)

    def _log(self, path: str, *what: Any) -> None:
        self._stream.log(path, *what)

    def _static(self, path: str, *what: Any) -> None:
        self._stream.log(path, *what, static=True)

    def _line(self, channel: str, text: str, level: str = "INFO") -> None:
        self._log(f"log/{channel}", self._rr.TextLog(text, level=level))

    # The tree.

    def _source(self, entry: entries.TreeSource) -> None:
        self._static(f"sources/{self._part(entry.path)}", self._rr.TextDocument(entry.text, media_type="text/plain"))

    def _nodes(self, entry: entries.Nodes) -> None:
        """Each node is a lane of the state timeline, at its place in the tree."""
        colours = self._rr.StateConfiguration(
            values=list(STATES), labels=list(STATES), colors=np.array(list(STATES.values()), np.uint32)
        )
        for node in entry.nodes:
            path = tuple(node["path"])
            number = f"{path[-1]} " if path else ""
            above = self._paths[path[:-1]] if path else "tree"
            self._paths[path] = f"{above}/{self._part(number + node['name'])}"
            self._static(self._paths[path], colours)

    def _status(self, entry: entries.StatusChange) -> None:
        state = [entry.status] if entry.status in STATES else []
        path = self._paths.get(entry.path)
        if path is not None:
            self._log(path, self._rr.StateChange(state=state))
        why = " ".join(part for part in (entry.outcome.replace("_", " "), entry.detail) if part)
        level = "WARN" if entry.status == "FAILURE" else "INFO" if entry.status == "SUCCESS" else "DEBUG"
        self._line("tree", f"{entry.name}: {entry.status}{f' ({why})' if why else ''}", level)

    # What is seen.

    def _depth(self, entry: entries.KeptDepth) -> None:
        lens, pose = entry.intrinsics, entry.pose_camera_in_base
        w, x, y, z = pose["quaternion"]
        camera = f"cameras/{self._part(entry.camera)}"
        self._log(camera, self._rr.Transform3D(translation=pose["position"], quaternion=[x, y, z, w]))
        self._log(
            f"{camera}/lens",
            self._rr.Pinhole(
                focal_length=[lens["fx"], lens["fy"]],
                principal_point=[lens["cx"], lens["cy"]],
                width=lens["width"],
                height=lens["height"],
                camera_xyz=self._rr.ViewCoordinates.RDF,
            ),
        )
        depth = self._rr.EncodedDepthImage(entry.png, media_type="image/png", meter=MILLIMETRES)
        self._log(f"{camera}/lens/depth", depth)

    def _picture(self, entry: entries.Kept) -> None:
        lens = f"cameras/{self._part(entry.camera)}/lens"
        self._log(f"{lens}/colour", self._rr.EncodedImage(contents=entry.jpeg, media_type="image/jpeg"))
        self._shown[entry.camera] = entry.id
        self._boxes(entry.camera, self._looks.get(entry.id, ()))
        self._line("pictures", f"{entry.camera}: {entry.why}")

    def _look(self, entry: entries.Look) -> None:
        self._looks[entry.frame] = entry.items
        camera = self._cameras.get(entry.frame)
        if camera is not None and self._shown.get(camera) == entry.frame:
            self._boxes(camera, entry.items)

    def _boxes(self, camera: str, items: tuple[Json, ...]) -> None:
        """What was found in the picture that is shown; nothing of an earlier one stays."""
        path = f"cameras/{self._part(camera)}/lens/things"
        items = tuple(one for one in items if one.get("box"))
        if not items:
            self._log(path, self._rr.Clear(recursive=False))
            return
        stands = [self._stands(one) for one in items]
        corners = [[one["box"][0], one["box"][1], one["box"][2], one["box"][3]] for one in items]
        labels = [f"{_named(one)} – {stand}" for one, stand in zip(items, stands, strict=True)]
        self._log(
            path,
            self._rr.Boxes2D(
                array=corners,
                array_format=self._rr.Box2DFormat.XYXY,
                labels=labels,
                colors=np.array([COLOURS[stand] for stand in stands], np.uint32),
            ),
        )

    def _stands(self, item: Json) -> str:
        label = str(item.get("label") or "")
        if not label:
            return "unnamed"
        return "verified" if (str(item.get("object")), label) in self._verified else "claimed"

    def _verdict(self, entry: entries.VerdictGiven) -> None:
        self._verified[entry.object, entry.label] = entry.by
        self._line("verdicts", f"{entry.object} is a {entry.label}, says {entry.by}")

    # What is done and said.

    def _motion(self, entry: entries.Motion) -> None:
        name = " ".join(part for part in (entry.verb.replace("_", " "), entry.label) if part)
        self._at(float(entry.data.get("began_s", entry.t)))
        self._log("arm", self._rr.StateChange(state=[name]))
        self._log("bench/motion", *self._way(entry, name))
        self._at(entry.t)
        self._log("arm", self._rr.StateChange(state=[]))
        outcome = f"{entry.outcome.replace('_', ' ')}{f' ({entry.detail})' if entry.detail else ''}"
        self._line("motions", f"{name}: {outcome}", "INFO" if entry.done else "WARN")

    def _way(self, entry: entries.Motion, name: str) -> tuple[Any, ...]:
        """A point where something is gripped, an arrow to where it goes."""
        if entry.start and entry.goal:
            (x, y), (to_x, to_y) = entry.start, entry.goal
            return (self._rr.Arrows3D(origins=[[x, y, 0.0]], vectors=[[to_x - x, to_y - y, 0.0]], labels=[name]),)
        at = entry.start or entry.goal
        cleared = self._rr.Clear(recursive=False)
        if at is None:
            return (cleared,)
        # An arrow without length: the viewer draws its label and nothing of an earlier way.
        return (self._rr.Arrows3D(origins=[[*at, 0.0]], vectors=[[0.0, 0.0, 0.05]], labels=[name]),)

    def _question(self, entry: entries.AskedQuestion) -> None:
        self._line("people", f"robot: {entry.text} [{' / '.join(entry.options)}]")

    def _reply(self, entry: entries.ReplyGiven) -> None:
        said = "no answer" if entry.silent else f"answer{' after the limit' if entry.late else ''}: {entry.text}"
        self._line("people", said, "WARN" if entry.silent else "INFO")

    def _said(self, entry: entries.SomethingSaid) -> None:
        self._line("people", f"{entry.by or 'somebody'}: {entry.text}")
        if entry.reply:
            self._line("people", f"robot: {entry.reply}")

    def _query(self, entry: entries.Query) -> None:
        self._models[entry.id] = str(entry.data.get("model", ""))

    def _answer(self, entry: entries.ModelAnswer) -> None:
        model = str(entry.data.get("model") or self._models.pop(entry.id, "") or "model")
        result = entry.data.get("result")
        if isinstance(result, Mapping) and "failed" in result:
            self._line("models", f"{model}, {entry.kind}: {result['failed']} {result.get('text', '')}", "WARN")
            return
        self._log(f"milliseconds/{self._part(model)}/{self._part(entry.kind)}", self._rr.Scalars([entry.ms]))

    def _event(self, entry: entries.Event) -> None:
        more = "; ".join(f"{name}: {value}" for name, value in entry.data.items() if name not in ("t", "tick", "what"))
        level = "WARN" if entry.what in EVENTS else "INFO"
        self._line("events", f"{entry.what}{f' – {more}' if more else ''}", level)

    def _result(self, entry: entries.MissionResult) -> None:
        detail = f" ({entry.detail})" if entry.detail else ""
        self._line("mission", f"{entry.outcome}{detail}", "INFO" if entry.outcome == "done" else "ERROR")

    def _part(self, text: str) -> str:
        """A part of an entity's path."""
        return str(self._rr.escape_entity_path_part(text))


def _named(item: Json) -> str:
    label, score = str(item.get("label") or "?"), item.get("score")
    return f"{label} {score:.2f}" if isinstance(score, float) else label


def _layout(cameras: list[str]) -> Any:
    """The bench in space, a picture for each camera, what was said, and the states below."""
    import rerun
    from rerun import blueprint

    pictures = [
        blueprint.Spatial2DView(
            origin=f"cameras/{rerun.escape_entity_path_part(camera)}/lens",
            contents=["$origin/**", "- $origin/depth"],
            name=camera,
        )
        for camera in cameras
    ]
    above = [blueprint.Spatial3DView(origin="/", name="bench"), *pictures]
    below = [
        blueprint.StateTimelineView(origin="/", contents=["tree/**", "arm"], name="tree"),
        blueprint.TextLogView(origin="log", name="log"),
        blueprint.TimeSeriesView(origin="milliseconds", name="answers of models, ms"),
    ]
    return blueprint.Blueprint(
        blueprint.Vertical(blueprint.Horizontal(*above), blueprint.Tabs(*below)), blueprint.TimePanel(timeline=TIMELINE)
    )
