"""Reading and building make many objects and no garbage in cycles; collecting it meanwhile costs more than the work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No cyclic garbage collection within; what was made meanwhile counts as old afterwards."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # Straight into the oldest generation: else the first collection afterwards walks through all that was made.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
