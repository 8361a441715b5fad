"""The ring buffer of frames: pictures stay here and are passed by id, also between processes."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from multiprocessing import shared_memory

import numpy as np
from numpy.typing import NDArray

from vlm_bt.errors import FrameGone
from vlm_bt.types import Frame, Intrinsics, Pose


@dataclass(frozen=True)
class FrameHandle:
    """A frame without its pixels: what crosses to another process, which maps `memory` to see them."""

    id: str
    camera: str
    memory: str
    intrinsics: Intrinsics
    pose_camera_in_base: Pose
    stamp_s: float


class FrameStore:
    """Holds the latest frames in shared memory.

    Args:
        capacity: How many unpinned frames are kept. Pinned ones (behind an open question or a live verdict) are kept
            on top of these until they are let go.
    """

    def __init__(self, capacity: int = 12) -> None:
        self._capacity = capacity
        self._held: OrderedDict[str, tuple[FrameHandle, shared_memory.SharedMemory]] = OrderedDict()
        self._pins: dict[str, int] = {}
        self._spare: list[shared_memory.SharedMemory] = []
        self._count = 0

    def new_id(self, camera: str) -> str:
        self._count += 1
        return f"{camera}-{self._count}"

    def put(self, frame: Frame) -> str:
        """Copy a frame in; returns its id. The oldest unpinned frame makes room."""
        size = frame.rgb.nbytes + frame.depth_m.nbytes
        memory = self._take(size)
        handle = FrameHandle(
            frame.id, frame.camera, memory.name, frame.intrinsics, frame.pose_camera_in_base, frame.stamp_s
        )
        rgb, depth = _arrays(memory, frame.intrinsics)
        rgb[:] = frame.rgb
        depth[:] = frame.depth_m
        self._held[frame.id] = (handle, memory)
        self._drop_oldest()
        return frame.id

    def get(self, frame_id: str) -> Frame:
        """The frame, its arrays read-only views that are valid while the frame is held.

        Raises:
            FrameGone: It has left the buffer.
        """
        handle = self.handle(frame_id)
        rgb, depth = _arrays(self._held[frame_id][1], handle.intrinsics)
        rgb.flags.writeable = depth.flags.writeable = False
        return _frame(handle, rgb, depth)

    def handle(self, frame_id: str) -> FrameHandle:
        """Raises: FrameGone."""
        if frame_id not in self._held:
            raise FrameGone(
                f"frame {frame_id!r} has left the ring buffer of {self._capacity}; pin frames that are kept"
            )
        return self._held[frame_id][0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The frames that are held, oldest first."""
        return tuple(self._held)

    def __contains__(self, frame_id: str) -> bool:
        return frame_id in self._held

    def pin(self, frame_id: str) -> None:
        self.handle(frame_id)
        self._pins[frame_id] = self._pins.get(frame_id, 0) + 1

    def unpin(self, frame_id: str) -> None:
        left = self._pins.get(frame_id, 0) - 1
        if left > 0:
            self._pins[frame_id] = left
        else:
            self._pins.pop(frame_id, None)

    def clear(self) -> None:
        """Let go of every frame, pinned or not, and keep the memory for others. Ids go on counting."""
        self._spare += [memory for _, memory in self._held.values()]
        self._held.clear()
        self._pins.clear()

    def close(self) -> None:
        """Free the shared memory. Idempotent."""
        for memory in [m for _, m in self._held.values()] + self._spare:
            with contextlib.suppress(BufferError):
                memory.close()
            with contextlib.suppress(FileNotFoundError):
                memory.unlink()
        self._held.clear()
        self._spare.clear()
        self._pins.clear()

    def _take(self, size: int) -> shared_memory.SharedMemory:
        for index, memory in enumerate(self._spare):
            if memory.size >= size:
                return self._spare.pop(index)
        return shared_memory.SharedMemory(create=True, size=size)

    def _drop_oldest(self) -> None:
        free = [frame_id for frame_id in self._held if frame_id not in self._pins]
        for frame_id in free[: max(0, len(free) - self._capacity)]:
            self._spare.append(self._held.pop(frame_id)[1])


class FrameReader:
    """Sees a store's frames from another process."""

    def __init__(self) -> None:
        self._open: dict[str, shared_memory.SharedMemory] = {}

    def get(self, handle: FrameHandle) -> Frame:
        """A private copy: the store may reuse the memory at any time."""
        memory = self._open.get(handle.memory)
        if memory is None:
            memory = shared_memory.SharedMemory(name=handle.memory)
            self._open[handle.memory] = memory
        rgb, depth = _arrays(memory, handle.intrinsics)
        return _frame(handle, rgb.copy(), depth.copy())

    def close(self) -> None:
        for memory in self._open.values():
            memory.close()
        self._open.clear()


def _arrays(memory: shared_memory.SharedMemory, lens: Intrinsics) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    assert memory.buf is not None
    pixels = lens.width * lens.height
    rgb = np.frombuffer(memory.buf, np.uint8, pixels * 3).reshape(lens.height, lens.width, 3)
    depth = np.frombuffer(memory.buf, np.float32, pixels, offset=pixels * 3).reshape(lens.height, lens.width)
    return rgb, depth


def _frame(handle: FrameHandle, rgb: NDArray[np.uint8], depth: NDArray[np.float32]) -> Frame:
    return Frame(handle.id, handle.camera, rgb, depth, handle.intrinsics, handle.pose_camera_in_base, handle.stamp_s)
