"""Events in answers."""

from __future__ import annotations

from coordinator.api.paths import EVENT, FABRIC, JOB, VaultId
from coordinator.api.shapes.envelope import Resource, resource, written_time
from coordinator.api.shapes.health import health_error
from coordinator.events.models import Event
from coordinator.events.states import EventType, Severity

# The level of the health error an event brings with it.
LEVELS = {Severity.CRITICAL: "Error", Severity.WARNING: "Warning", Severity.INFO: "Information"}


def event_id(ids: VaultId, name: str) -> str:
    return ids.child(EVENT, event_name=name)


def event_resource(ids: VaultId, event: Event) -> Resource:
    """An event as ASR gives it out: its failure is its one health error."""
    error = {
        **event.failure,
        "source": event.type,
        "type": event.affected_type,
        "level": LEVELS[Severity(event.severity)],
        "category": event.type,
        "at": written_time(event.occurred_at),
    }
    return resource(
        event_id(ids, str(event.id)),
        {
            "eventCode": event.code,
            "description": event.failure.get("message", ""),
            "eventType": event.type,
            "affectedObjectFriendlyName": event.affected_name,
            "affectedObjectCorrelationId": event.affected_id,
            "severity": event.severity,
            "timeOfOccurrence": written_time(event.occurred_at),
            "fabricId": (
                ids.child(FABRIC, fabric_name=event.fabric_name) if event.fabric_name else None
            ),
            "providerSpecificDetails": None,
            "eventSpecificDetails": _job_details(ids, event),
            "healthErrors": [health_error(error)],
            # Beyond ASR's model: when what it tells of was over.
            "timeOfClearing": written_time(event.cleared_at),
        },
    )


def _job_details(ids: VaultId, event: Event) -> dict[str, object] | None:
    if event.type != EventType.JOB_STATUS or not event.key.startswith("job:"):
        return None
    job = event.key.removeprefix("job:")
    return {
        "instanceType": "JobStatus",
        "jobId": ids.child(JOB, job_name=job),
        "jobFriendlyName": job,
        "jobStatus": "Failed",
        "affectedObjectType": event.affected_type,
    }
