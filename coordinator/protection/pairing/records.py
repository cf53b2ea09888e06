"""Record functions and the finisher of AssociateProtectionProfile."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, RecordFunction, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.models import PairedHost, Pairing
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
                    f"{host['host']} names no place for virtual disks.",
                    ("The host's default path for virtual hard disks is empty.",),
                    "Set the host's virtual hard disk path, then associate the policy again.",
                )
            )
        locations[str(host["host"])] = location
    return locations


def issuing(authority_folder: Path) -> RecordFunction:
    """Makes the function that signs certificates of hosts.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    opened: list[ReplicationAuthority] = []

    def issue_certificate(call: RecordCall) -> Mapping[str, object]:
        """A certificate for the key the provider keeps; bytes are base64 as the wire's JSON."""
        if not opened:
            # Once a process: checking a private key as it is read takes a tenth of a second.
            opened.append(ensure_replication_authority(authority_folder, call.now))
        issued = opened[0].issue_host_certificate(
            base64.b64decode(str(call.inputs["certificate_request"])),
            [str(name) for name in cast("list[object]", call.inputs["dns_names"])],
            call.now,
        )
        return {
            "certificate": base64.b64encode(issued.certificate).decode("ascii"),
            "issuer": base64.b64encode(issued.issuer).decode("ascii"),
            "thumbprint": issued.thumbprint,
            "not_after": issued.not_after.isoformat(),
        }

    return issue_certificate


def pairing_completed(call: RecordCall) -> Mapping[str, object]:
    """Records every host as configured and the clouds as paired."""
    pairing = _lock_pairing(call.arguments)
    for host in _hosts(call):
        not_after = str(host["certificate_not_after"])
        PairedHost.objects.update_or_create(
            pairing=pairing,
            host_id=cast("int", host["host_id"]),
            defaults={
                "certificate_thumbprint": str(host["certificate_thumbprint"]),
                "certificate_not_after": datetime.fromisoformat(not_after) if not_after else None,
                "storage_location": str(host["storage_location"]),
                "configured_at": call.now,
            },
        )
    pairing.state = PairingState.PAIRED
    pairing.errors = []
    pairing.save(update_fields=["state", "errors"])
    return {}


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
