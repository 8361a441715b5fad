"""Tests and measurements get a ROS domain of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from vlm_bt.errors import ConfigError
from vlm_bt.ros import domain

CLAIM = "from vlm_bt.ros import domain; domain.DOMAINS = range({0}, {0} + 1); print(domain.free_domain())"


def test_a_domain_with_a_participant_is_in_use_and_not_given_out(monkeypatch):
    monkeypatch.setattr(domain, "_kept", [])
    free = domain.free_domain()
    assert free not in domain.domains_in_use()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("127.0.0.1", domain.PORTS_FROM + domain.PORTS_EACH * free + 10))
        assert free in domain.domains_in_use()


def test_no_two_processes_are_given_the_same_domain_and_it_is_free_again_when_one_has_ended(monkeypatch):
    mine = domain.free_domain()
    command = [sys.executable, "-c", CLAIM.format(mine)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "is in use here: set ROS_DOMAIN_ID yourself" in refused.stderr
    with pytest.raises(ConfigError):
        monkeypatch.setattr(domain, "DOMAINS", range(mine, mine + 1))
        domain.free_domain()
    os.close(domain._kept.pop())
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(mine)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(mine)
