"""What the marks mean: where a test's needs are missing it is skipped, and the skip says what to get."""

from __future__ import annotations

import importlib.util
import os
import subprocess

import pytest


def _has_gpu() -> bool:
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).stdout.startswith(b"GPU")
    except OSError:
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Never in the domain of a robot, nor in that of another worker."""
    given = os.environ.get("ROS_DOMAIN_ID") and not hasattr(config, "workerinput")
    if importlib.util.find_spec("rclpy") is not None and not given:
        from vlm_bt.ros.domain import free_domain

        os.environ["ROS_DOMAIN_ID"] = str(free_domain())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {}
    if "slow" not in config.option.markexpr:
        missing["slow"] = "takes minutes: run it with -m slow"
    if importlib.util.find_spec("rclpy") is None:
        missing["ros"] = "no rclpy in this Python: run scripts/test, or pytest in .venv-ros (scripts/ros_interfaces)"
    if not _has_gpu():
        missing["gpu"] = "no NVIDIA GPU: nvidia-smi lists none"
    if "VLM_BT_MODELS" not in os.environ:
        missing["weights"] = "no real weights: VLM_BT_MODELS=my_models.yaml scripts/test -m weights (docs/03-models.md)"
    if "VLM_BT_HARDWARE" not in os.environ:
        missing["hardware"] = "no hardware: connect what the test names and set VLM_BT_HARDWARE=1"
    for item in items:
        for mark, reason in missing.items():
            if mark in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))
