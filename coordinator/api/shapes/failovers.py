"""What a failover recovered and lost, in answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Time
from coordinator.jobs.queries import JobView
from coordinator.recovery.rules import FAILOVER_FACTS as NAMES


class FailoverFacts(TypedDict):
    """What a failover recovered and what it left behind; null: not known. Beyond ASR's model."""

    recoveredUntil: Time | None
    recoveryPointId: str | None
    recoveryPointTime: Time | None
    recoveryPointType: str | None
    lastKnownChangeTime: Time | None
    lostAtLeastSeconds: float | None
    lostAtMostSeconds: float | None


class FailoverFactsIfAny(TypedDict, total=False):
    """The same, or nothing as long as there was no failover."""

    recoveredUntil: Time | None
    recoveryPointId: str | None
    recoveryPointTime: Time | None
    recoveryPointType: str | None
    lastKnownChangeTime: Time | None
    lostAtLeastSeconds: float | None
    lostAtMostSeconds: float | None


def failover_facts(stored: Mapping[str, object] | None) -> FailoverFacts:
    """The facts of an item's last failover by their names in the API; null: not known."""
    facts = stored or {}
    told = {name: facts.get(key) or None for key, name in NAMES.items()} | {
        NAMES[key]: facts.get(key) for key in ("lost_at_least_seconds", "lost_at_most_seconds")
    }
    # They were stored by `recovery.loss`, which names them.
    return cast("FailoverFacts", told)


def failover_of_job(job: JobView) -> FailoverFactsIfAny:
    """What the job's failover recovered and lost; empty as long as there was none."""
    for step in job.steps:
        if step.details.get("instanceType") == "FailoverTaskDetails":
            told = {name: step.details.get(name) for name in NAMES.values()}
            return cast("FailoverFactsIfAny", told)
    return {}
