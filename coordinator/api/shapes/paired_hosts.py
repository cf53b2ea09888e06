"""Hosts of pairs of clouds, and prerequisites, in answers."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.api.shapes.health import HealthError, health_error
from coordinator.failures import Failure
from coordinator.protection.queries import PairedHostView


class PairedHostProperties(TypedDict):
    fqdn: str
    location: str
    state: str
    connectionPoint: str | None
    certificateThumbprint: str | None
    certificateExpiresAt: Time | None
    supersededCertificates: int
    storageLocation: str | None
    configuredAt: Time | None


class PairedHostResource(Envelope):
    """A host of a pair of clouds. Beyond ASR's model."""

    properties: PairedHostProperties


class PrerequisitesProperties(TypedDict):
    met: bool
    healthErrors: list[HealthError]


class PrerequisitesResource(Envelope):
    """Whether clouds can be paired, and every reason why not. Beyond ASR's model."""

    properties: PrerequisitesProperties


def paired_host_resource(mapping_id: str, host: PairedHostView) -> PairedHostResource:
    """A host with what the pairing configured on it."""
    return resource(
        f"{mapping_id}/hosts/{host.name}",
        {
            "fqdn": host.name,
            "location": host.location,
            "state": host.state.value,
            "connectionPoint": host.connection_point or None,
            "certificateThumbprint": host.certificate_thumbprint or None,
            "certificateExpiresAt": written_time(host.certificate_not_after),
            "supersededCertificates": host.superseded_certificates,
            "storageLocation": host.storage_location or None,
            "configuredAt": written_time(host.configured_at),
        },
    )


def prerequisites_resource(container_id: str, failures: Iterable[Failure]) -> PrerequisitesResource:
    """Whether a cloud, or two, can be paired, and every reason why not."""
    errors = [health_error(failure.as_json()) for failure in failures]
    return resource(
        f"{container_id}/pairingPrerequisites", {"met": not errors, "healthErrors": errors}
    )
