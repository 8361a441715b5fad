"""A ROS domain that nobody on this machine uses: for tests and measurements, which must never meet a robot.

Programs in one domain find one another. Two action servers of one name then answer the same goal, and an arm that one
test moves is the arm of another.
"""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path

from vlm_bt.errors import ConfigError

DOMAINS = range(1, 101)
"""Those whose ports lie below the ones that Linux hands out by itself."""
PORTS_FROM, PORTS_EACH = 7400, 250
"""Where RTPS (OMG, DDSI-RTPS 2.3, 9.6.1) puts the UDP ports of a domain."""
SOCKETS = ("/proc/net/udp", "/proc/net/udp6")

_kept: list[int] = []


def free_domain() -> int:
    """A domain without a participant here; nobody else is given it by this function until the process has ended.

    Raises:
        ConfigError: None is free.
    """
    taken = domains_in_use()
    for domain in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        if domain not in taken and _claim(domain):
            return domain
    raise ConfigError(f"every ROS domain from {DOMAINS[0]} to {DOMAINS[-1]} is in use here: set ROS_DOMAIN_ID yourself")


def domains_in_use() -> set[int]:
    """Domains that a program of this machine takes part in, as the kernel's list of UDP sockets shows."""
    ports: set[int] = set()
    for table in SOCKETS:
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        ports |= {int(row.split()[1].rpartition(":")[2], 16) for row in rows}
    return {(port - PORTS_FROM) // PORTS_EACH for port in ports if port >= PORTS_FROM}


def _claim(domain: int) -> bool:
    """The lock goes with the process, however it ends."""
    path = Path(tempfile.gettempdir()) / f"vlm_bt_ros_domain_{domain}.lock"
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return False
    _kept.append(held)
    return True
