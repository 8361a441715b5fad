"""The exceptions of the house. What the world does is never an exception (see `Outcome`).

VlmBtError
├── ConfigError      a configuration that cannot be read or makes no sense
├── TreeError        an author's mistakes in a tree or a skill card, all of them together
├── ModelError       weights that are missing, corrupt or do not fit
├── DrawingError     no library can draw here
├── PictureError     an image message that cannot be read
├── RobotAway        a part of the robot that nothing is heard of
├── FrameGone        a frame that has left the ring buffer
└── DepthMissing     no depth where one is needed
"""

from __future__ import annotations


class VlmBtError(Exception):
    """Something a person can put right; its text says where, what is allowed and the remedy."""


class ConfigError(VlmBtError):
    """A configuration that cannot be read or makes no sense."""


class TreeError(VlmBtError):
    """An author's mistakes in a tree or skill card. `findings` holds every one of them."""

    def __init__(self, text: str, findings: tuple[object, ...] = ()) -> None:
        super().__init__(text)
        self.findings = findings


class ModelError(VlmBtError):
    """Model weights are missing, corrupt or do not fit."""


class DrawingError(VlmBtError):
    """No drawing library works on this machine."""


class PictureError(VlmBtError):
    """An image message whose encoding, size or bytes cannot be read."""


class RobotAway(VlmBtError):
    """A part of the robot is not heard of. `reason`: what that is called in an `Outcome`."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class FrameGone(VlmBtError):
    """A frame that is asked for has left the ring buffer."""


class DepthMissing(VlmBtError):
    """No pixel of a region has a depth."""
