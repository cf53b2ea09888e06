"""Health errors in answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import written_lines

# By the level of a health error.
HEALTH_OF_LEVEL = {"Error": "Critical", "Warning": "Warning"}
# What nothing here has, or all have alike.
NOTHING_MORE: Mapping[str, Any] = {
    "creationTimeUtc": None,
    "recoveryProviderErrorMessage": None,
    "entityId": None,
    "errorId": None,
    "customerResolvability": "Allowed",
    "innerHealthErrors": [],
}
# What is said of an error that does not say otherwise.
USUAL: Mapping[str, Any] = {
    "errorSource": "Provider",
    "errorType": "VirtualMachine",
    "errorLevel": "Error",
    "errorCategory": "Replication",
    "summaryMessage": None,
    "errorMessage": None,
    "possibleCauses": "",
    "recommendedAction": "",
}
SEVERITY = ("None", "Normal", "Warning", "Critical")


class InnerHealthError(TypedDict):
    """There is none: what is behind an error is told in its own words."""


class HealthError(TypedDict):
    """What ails something, why, and what helps."""

    errorSource: str
    errorType: str
    errorLevel: str
    errorCategory: str
    errorCode: str | None
    summaryMessage: str | None
    errorMessage: str | None
    possibleCauses: str
    recommendedAction: str
    creationTimeUtc: str | None
    recoveryProviderErrorMessage: str | None
    entityId: str | None
    errorId: str | None
    customerResolvability: str
    innerHealthErrors: list[InnerHealthError]


def worst_health(health: str, errors: Iterable[Mapping[str, object]]) -> str:
    """The worse of a health and of what health errors beside it mean."""
    told = [HEALTH_OF_LEVEL.get(str(error.get("errorLevel")), "None") for error in errors]
    return max((health, *told), key=lambda each: SEVERITY.index(each) if each in SEVERITY else 0)


def health_error(stored: Mapping[str, object]) -> HealthError:
    """ASR's HealthError of one stored as such, or of a stored failure (Failure.as_json)."""
    if "errorCode" in stored:
        return cast("HealthError", {**USUAL, **NOTHING_MORE, **stored})
    causes = stored.get("possibleCauses")
    told: dict[str, object] = {
        **NOTHING_MORE,
        "errorSource": stored.get("source", USUAL["errorSource"]),
        "errorType": stored.get("type", USUAL["errorType"]),
        "errorLevel": stored.get("level", USUAL["errorLevel"]),
        "errorCategory": stored.get("category", USUAL["errorCategory"]),
        "errorCode": stored.get("code"),
        "summaryMessage": stored.get("summary", stored.get("message")),
        "errorMessage": stored.get("message"),
        "possibleCauses": written_lines(causes) if isinstance(causes, list) else "",
        "recommendedAction": stored.get("recommendedAction", ""),
        "creationTimeUtc": stored.get("at"),
        "recoveryProviderErrorMessage": _provider_message(stored.get("providerError")),
    }
    # What is stored was written from a Failure, whose parts are texts.
    return cast("HealthError", told)


def _provider_message(error: object) -> object:
    """What PowerShell wrote, when the failure came out of it."""
    return error.get("message") if isinstance(error, Mapping) else None
