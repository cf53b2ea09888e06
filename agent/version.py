"""The agent's version, which is the distribution's."""

from __future__ import annotations

from importlib.metadata import version


def agent_version() -> str:
    """For example "0.1.0"."""
    return version("opensiterecovery")
