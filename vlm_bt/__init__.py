"""A behaviour-tree task executive for robots that see through vision-language models."""

from importlib import metadata

try:
    __version__ = metadata.version("vlm_bt")
except metadata.PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
