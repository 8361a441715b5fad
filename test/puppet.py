"""A worker for lanes that does as it is told. Light, because every process of its imports it."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from vlm_bt.errors import ModelError
from vlm_bt.vision.messages import Done, Ready


@dataclass(frozen=True)
class Puppet:
    """A worker that does what the hint of each question says, or what `start` says before it is ready."""

    start: str = ""

    def __call__(self):
        perform(self.start)
        return self

    ready = Ready("puppet")
    batch_at_most = 1

    def prepare(self, job):
        return None

    def at_once(self, job, prepared):
        return Done(job.number, "known") if job.question.hint == "known" else None

    def run(self, batch, began):
        ((job, _),) = batch
        began((job.number,))
        return [Done(job.number, perform(job.question.hint))]


def perform(what):
    if what == "hang":
        threading.Event().wait()
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(3)
    if what == "refuse":
        raise ModelError("no such weights")
    if what == "bug":
        raise ZeroDivisionError("a bug")
    if what.startswith("sleep"):
        time.sleep(float(what.split()[1]))
    if what == "unreadable":
        return Unreadable()
    if what == "half":
        pipe = next(one for one in gc.get_objects() if isinstance(one, Connection) and not one.closed)
        os.write(pipe.fileno(), (1000).to_bytes(4, "big") + b"only the beginning of it")
        os.kill(os.getpid(), signal.SIGSTOP)
    return what


class Unreadable:
    def __reduce__(self):
        return (_break_here, (os.getpid(),))


def _break_here(pid):
    raise ValueError("cannot be unpacked")
