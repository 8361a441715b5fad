"""What every process that sees does: listen in one thread, work in another, say when a batch begins.

It is spawned, never forked, gets frames through shared memory and may be killed at any time. It ends when the other
end of its pipe does.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from vlm_bt.errors import VlmBtError
from vlm_bt.vision.messages import Began, Cancel, Failed, FromProcess, Job, Worker
from vlm_bt.vision.waiting import Entry, Waiting


def serve(pipe: Connection, open_worker: Callable[[], Worker], threads: int) -> None:
    """Entry of the process: load, say `Ready`, answer until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two torch processes that spin while they wait starve each other on a small machine. Set before torch loads.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # transformers imports torchao wherever it is installed, which then tells of every GPU kernel that a CPU lacks.
    for chatterbox in ("torchao", "torch.utils._pytree"):
        logging.getLogger(chatterbox).setLevel(logging.ERROR)
    say = _Mouth(pipe)
    try:
        worker = open_worker()
    except VlmBtError as error:
        say((Failed(0, "model_lost", str(error)),))
        return
    except Exception as error:
        say((Failed(0, "model_lost", f"the model does not load: {type(error).__name__}: {error}"),))
        return
    say((worker.ready,))
    waiting = Waiting()
    threading.Thread(target=_listen, args=(pipe, worker, waiting, say), daemon=True).start()
    while batch := waiting.take(worker.batch_at_most):
        _work(worker, batch, say)


class _Mouth:
    """Sends from two threads over one pipe. The other end gone ends the process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, messages: Sequence[FromProcess]) -> None:
        try:
            with self._lock:
                for message in messages:
                    self._pipe.send(message)
        except OSError:
            os._exit(0)


def _listen(pipe: Connection, worker: Worker, waiting: Waiting, say: _Mouth) -> None:
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            # The model may be deep in a computation that nobody waits for any more.
            os._exit(0)
        if isinstance(message, Cancel):
            if waiting.cancel(message.number):
                say((Failed(message.number, "cancelled", "cancelled while it waited"),))
            continue
        entries: list[Entry] = []
        for job in message:
            came = time.perf_counter()
            try:
                prepared = worker.prepare(job)
                reply = worker.at_once(job, prepared)
            except Exception as error:
                say((failure(job, error),))
                continue
            if reply is not None:
                say((reply,))
            else:
                entries.append((job, prepared, came))
        if entries:
            waiting.put(entries)


def _work(worker: Worker, batch: list[Entry], say: _Mouth) -> None:
    try:
        say(worker.run([(job, prepared) for job, prepared, _ in batch], lambda numbers: say((Began(numbers),))))
    except Exception as error:
        say([failure(job, error) for job, *_ in batch])


def failure(job: Job, error: Exception) -> Failed:
    """What became of a job that met an exception."""
    if isinstance(error, FileNotFoundError):
        return Failed(job.number, "stale", "its frame has left the ring buffer")
    return Failed(job.number, "model_lost", f"the model raised {type(error).__name__}: {error}")
