"""Record functions and the finisher of AssociateProtectionProfile."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, RecordFunction, StepFailedError
from coordinator.jobs.services import QueueName, enqueue
from coordinator.jobs.states import JobState
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.host_certificates import record_issued, record_switched
from coordinator.protection.pairing.keys import RETIRE_TASK
from coordinator.protection.pairing.prerequisites import missing_updates_failure
from coordinator.protection.states import PairingState
from coordinator.vaults.services import ReplicationAuthority, ensure_replication_authority


def check_hosts(call: RecordCall) -> Mapping[str, object]:
    """Where each host will keep replicas: where it keeps them now, else where it keeps disks.

    Returns:
        By the host's FQDN the Windows path.

    Raises:
        StepFailedError: A host names no place.
    """
    locations: dict[str, object] = {}
    for host in _hosts(call):
        location = host["default_storage_location"] or host["virtual_hard_disk_path"]
        if not location:
            raise StepFailedError(
                Failure(
                    "StorageLocationMissing",
                    f"{host['host']} names no place for replicas.",
                    (
                        "The host's default path for virtual hard disks is empty.",
                        "It is a cluster's broker, and its nodes have no storage in common.",
                    ),
                    "Set the host's virtual hard disk path, or add shared storage to the cluster "
                    "and refresh the server; then associate the policy again.",
                )
            )
        locations[str(host["host"])] = location
    return locations


def issuing(authority_folder: Path) -> RecordFunction:
    """Makes the function that signs certificates of hosts.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    opened: dict[date, ReplicationAuthority] = {}

    def issue_certificate(call: RecordCall) -> Mapping[str, object]:
        """A certificate for the key the provider keeps; bytes are base64 as the wire's JSON."""
        today = call.now.date()
        authority = opened.get(today)
        if authority is None:
            # Once a day: checking a private key as it is read takes a tenth of a second, and one
            # day the authority's successor is due.
            authority = ensure_replication_authority(authority_folder, call.now)
            opened.clear()
            opened[today] = authority
        issued = authority.issue_host_certificate(
            base64.b64decode(str(call.inputs["certificate_request"])),
            [str(name) for name in cast("list[object]", call.inputs["dns_names"])],
            call.now,
        )
        host_ids = cast("list[int]", call.inputs["host_ids"])
        record_issued(host_ids, issued.thumbprint, issued.not_after, call.now)
        return {
            "certificate": base64.b64encode(issued.certificate).decode("ascii"),
            "issuer": base64.b64encode(issued.issuer).decode("ascii"),
            "trusted_issuers": [
                base64.b64encode(issuer).decode("ascii") for issuer in issued.next_issuers
            ],
            "thumbprint": issued.thumbprint,
            "not_after": issued.not_after.isoformat(),
        }

    return issue_certificate


def pairing_completed(call: RecordCall) -> Mapping[str, object]:
    """Records every host as configured and the clouds as paired."""
    pairing = _lock_pairing(call.arguments)
    record_hosts(pairing, _hosts(call), call.now)
    pairing.state = PairingState.PAIRED
    pairing.errors = []
    pairing.host_errors = []
    record_listening(pairing, call.arguments)
    pairing.save()
    enqueue(RETIRE_TASK, QueueName.INVENTORY, now=call.now)
    return {}


def check_updates(call: RecordCall) -> Mapping[str, object]:
    """Tells which updates hosts lack; the step only warns."""
    missing = [
        str(update)
        for updates in cast("list[list[object]]", call.inputs["missing"])
        for update in updates
    ]
    failure = missing_updates_failure(missing)
    if failure is not None:
        raise StepFailedError(failure)
    return {}


def record_hosts(pairing: Pairing, hosts: Iterable[Mapping[str, object]], now: datetime) -> None:
    """Keeps how hosts of a pairing were configured; their former certificates are superseded."""
    for host in hosts:
        host_id = cast("int", host["host_id"])
        thumbprint = str(host["certificate_thumbprint"])
        given = str(host["certificate_not_after"])
        not_after = datetime.fromisoformat(given) if given else None
        if thumbprint and not_after is not None:
            record_switched(host_id, thumbprint, not_after, now)
        PairedHost.objects.update_or_create(
            pairing=pairing,
            host_id=host_id,
            defaults={
                "location": str(host["location"]),
                "connection_point": str(host["connection_point"]),
                "certificate_thumbprint": thumbprint,
                "certificate_not_after": not_after,
                "storage_location": str(host["storage_location"]),
                "configured_at": now,
            },
        )


def record_listening(pairing: Pairing, arguments: Mapping[str, object]) -> None:
    """Keeps by what authentication and port the hosts were configured; the caller saves."""
    pairing.configured_port = cast("int", arguments["port"])
    pairing.configured_authentication = str(arguments["authentication"])


def pairing_finished(job: FinishedJob) -> None:
    """After a failure: clouds that were paired before stay so, with the errors to show."""
    if job.state is JobState.SUCCEEDED:
        return
    pairing = _lock_pairing(job.arguments)
    if pairing.state != PairingState.PAIRED:
        pairing.state = PairingState.PAIRING_FAILED
    pairing.errors = [failure.as_json() for failure in job.failures]
    pairing.save(update_fields=["state", "errors"])


def _lock_pairing(arguments: Mapping[str, object]) -> Pairing:
    return Pairing.objects.select_for_update(no_key=True).get(id=str(arguments["pairing_id"]))


def _hosts(call: RecordCall) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", call.inputs["hosts"])
