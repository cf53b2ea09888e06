"""What the engine may call of removing a server."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import RecordCall, RecordFunction


def server_unregistered(call: RecordCall) -> Mapping[str, object]:
    """The server was checked and went when the job began."""
    del call
    return {}


RECORDS: Mapping[str, RecordFunction] = {"protection.server_unregistered": server_unregistered}
