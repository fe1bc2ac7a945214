"""Data, protocol, models, training and results of the benchmark."""

from importlib.metadata import version as _version

__version__ = _version("spikebench")
__all__ = ["__version__"]
