"""Events in answers."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.api.paths import EVENT, FABRIC, JOB, VaultId
from coordinator.api.shapes.envelope import ArmId, Envelope, Time, resource, written_time
from coordinator.api.shapes.health import HealthError, health_error
from coordinator.events.models import Event
from coordinator.events.states import EventType, Severity

# The level of the health error an event brings with it.
LEVELS = {Severity.CRITICAL: "Error", Severity.WARNING: "Warning", Severity.INFO: "Information"}


class EventJob(TypedDict):
    """The job an event tells of."""

    instanceType: str
    jobId: ArmId
    jobFriendlyName: str
    jobStatus: str
    affectedObjectType: str


class EventProperties(TypedDict):
    eventCode: str
    description: str
    eventType: str
    affectedObjectFriendlyName: str
    affectedObjectCorrelationId: str
    severity: str
    timeOfOccurrence: Time
    fabricId: ArmId | None
    providerSpecificDetails: None
    eventSpecificDetails: EventJob | None
    healthErrors: list[HealthError]
    timeOfClearing: Time | None


class EventResource(Envelope):
    """Something that happened, or is so, that people should know."""

    properties: EventProperties


def event_id(ids: VaultId, name: str) -> str:
    return ids.child(EVENT, event_name=name)


def event_resource(ids: VaultId, event: Event) -> EventResource:
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


def _job_details(ids: VaultId, event: Event) -> EventJob | None:
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
