"""The health of a vault in answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from typing_extensions import TypedDict

from coordinator.api.paths import VAULT, VaultId
from coordinator.api.shapes.envelope import Envelope, resource
from coordinator.api.shapes.health import HealthError, health_error, worst_health

HEALTH = f"{VAULT}/replicationVaultHealth/{{health_name}}"
# There is one, and ASR calls it so.
NAME = "Default"
# ASR's severities, by the level of a health error.
SEVERITIES = {"Error": "Error", "Warning": "Warning", "Information": "Info"}


class HealthIssue(TypedDict):
    """What ails some of the resources."""

    summaryCode: str
    category: str
    severity: str
    summaryMessage: str
    affectedResourceType: str
    affectedResourceSubtype: str
    affectedResourceCorrelationIds: list[str]


class HealthOfKind(TypedDict):
    """How resources of a kind fare."""

    resourceCount: int
    issues: list[HealthIssue]
    categorizedResourceCounts: dict[str, int]


class VaultHealthProperties(TypedDict):
    vaultErrors: list[HealthError]
    protectedItemsHealth: HealthOfKind
    fabricsHealth: HealthOfKind
    containersHealth: HealthOfKind


class VaultHealthResource(Envelope):
    """How everything in a vault fares."""

    properties: VaultHealthProperties


@dataclass
class HealthSummary:
    """Resources of one kind: how many there are, how they fare, and what ails them.

    Attributes:
        kind: ARM's word for them, for example "replicationProtectedItems".
        healths: How many have each health.
        affected: By error (code, level, category, message) the ids of those that have it.
    """

    kind: str
    healths: Counter[str] = field(default_factory=Counter)
    affected: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)

    def ail(self, correlation_id: str, errors: Iterable[Mapping[str, object]]) -> None:
        """Counts the errors of one resource."""
        for error in errors:
            told = health_error(error)
            key = (
                str(told["errorCode"]),
                str(told["errorLevel"]),
                str(told["errorCategory"]),
                str(told["summaryMessage"]),
            )
            self.affected.setdefault(key, []).append(correlation_id)

    def shift(self, health: str, errors: Iterable[Mapping[str, object]]) -> None:
        """Counts a resource under what its errors make of its health, not under that alone."""
        worst = worst_health(health, errors)
        if worst != health:
            self.healths.subtract({health: 1})
            self.healths.update({worst: 1})

    def as_json(self) -> HealthOfKind:
        """ASR's ResourceHealthSummary."""
        return {
            "resourceCount": self.healths.total(),
            "issues": [
                {
                    "summaryCode": code,
                    "category": category,
                    "severity": SEVERITIES.get(level, "NONE"),
                    "summaryMessage": message,
                    "affectedResourceType": self.kind,
                    "affectedResourceSubtype": "",
                    "affectedResourceCorrelationIds": ids,
                }
                for (code, level, category, message), ids in sorted(self.affected.items())
            ],
            "categorizedResourceCounts": {
                health: count for health, count in sorted(self.healths.items()) if count
            },
        }


def vault_health_resource(
    ids: VaultId, items: HealthSummary, fabrics: HealthSummary, containers: HealthSummary
) -> VaultHealthResource:
    """ASR's VaultHealthDetails; nothing here ails a vault itself."""
    return resource(
        ids.child(HEALTH, health_name=NAME),
        {
            "vaultErrors": [],
            "protectedItemsHealth": items.as_json(),
            "fabricsHealth": fabrics.as_json(),
            "containersHealth": containers.as_json(),
        },
    )
