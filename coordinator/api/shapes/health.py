"""Health errors in answers."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.api.shapes.envelope import written_lines


def health_error(stored: Mapping[str, object]) -> dict[str, object]:
    """A failure as it is stored (Failure.as_json), in ASR's HealthError."""
    causes = stored.get("possibleCauses")
    return {
        "errorSource": stored.get("source", "Provider"),
        "errorType": stored.get("type", "VirtualMachine"),
        "errorLevel": stored.get("level", "Error"),
        "errorCategory": stored.get("category", "Replication"),
        "errorCode": stored.get("code"),
        "summaryMessage": stored.get("summary", stored.get("message")),
        "errorMessage": stored.get("message"),
        "possibleCauses": written_lines(causes) if isinstance(causes, list) else "",
        "recommendedAction": stored.get("recommendedAction", ""),
        "creationTimeUtc": stored.get("at"),
        "customerResolvability": "Allowed",
        "innerHealthErrors": [],
    }
