"""Health errors in answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coordinator.api.shapes.envelope import written_lines

# By the level of a health error.
HEALTH_OF_LEVEL = {"Error": "Critical", "Warning": "Warning"}
# What nothing here has, or all have alike.
NOTHING_MORE: Mapping[str, object] = {
    "creationTimeUtc": None,
    "recoveryProviderErrorMessage": None,
    "entityId": None,
    "errorId": None,
    "customerResolvability": "Allowed",
    "innerHealthErrors": [],
}
SEVERITY = ("None", "Normal", "Warning", "Critical")


def worst_health(health: str, errors: Iterable[Mapping[str, object]]) -> str:
    """The worse of a health and of what health errors beside it mean."""
    told = [HEALTH_OF_LEVEL.get(str(error.get("errorLevel")), "None") for error in errors]
    return max((health, *told), key=lambda each: SEVERITY.index(each) if each in SEVERITY else 0)


def health_error(stored: Mapping[str, object]) -> dict[str, object]:
    """ASR's HealthError of one stored as such, or of a stored failure (Failure.as_json)."""
    if "errorCode" in stored:
        return {**NOTHING_MORE, **dict(stored)}
    causes = stored.get("possibleCauses")
    return {
        **NOTHING_MORE,
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
        "recoveryProviderErrorMessage": _provider_message(stored.get("providerError")),
    }


def _provider_message(error: object) -> object:
    """What PowerShell wrote, when the failure came out of it."""
    return error.get("message") if isinstance(error, Mapping) else None
