"""What a failover recovered and lost, in answers."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.queries import JobView
from coordinator.recovery.rules import FAILOVER_FACTS as NAMES


def failover_facts(stored: Mapping[str, object] | None) -> dict[str, object]:
    """The facts of an item's last failover by their names in the API; null: not known."""
    facts = stored or {}
    return {name: facts.get(key) or None for key, name in NAMES.items()} | {
        NAMES[key]: facts.get(key) for key in ("lost_at_least_seconds", "lost_at_most_seconds")
    }


def failover_of_job(job: JobView) -> Mapping[str, object]:
    """What the job's failover recovered and lost; empty as long as there was none."""
    for step in job.steps:
        if step.details.get("instanceType") == "FailoverTaskDetails":
            return {name: step.details.get(name) for name in NAMES.values()}
    return {}
