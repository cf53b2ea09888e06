"""Checking and applying the parameters of Enable- and Set-VMReplication."""

from __future__ import annotations

from dataclasses import fields

from deploy.lab.site.errors import invalid_parameter
from deploy.lab.site.model import VirtualMachine
from deploy.lab.site.replication_model import Authentication, Replication, ReplicationSettings

FREQUENCIES_SECONDS = (30, 300, 900)
LONGEST_HISTORY = 24
VSS_HOURS = range(1, 13)

_NOT_COPIED = (
    "disable_vss",
    "excluded_disk_paths",
    "replicated_disk_paths",
    "as_replica",
    "allowed_primary_server",
)


def apply_settings(
    replication: Replication, settings: ReplicationSettings, vm: VirtualMachine
) -> dict[str, object]:
    """Change the record as given and check the whole.

    Returns:
        What differs from before, by name.

    Raises:
        HyperVError: A value is not allowed; the record may be half changed, so pass a copy.
    """
    changed: dict[str, object] = {}
    if settings.authentication is Authentication.KERBEROS:
        # The certificate belongs to the other kind of authentication.
        replication.certificate_thumbprint = ""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in _NOT_COPIED or value is None:
            continue
        if getattr(replication, field.name) != value:
            setattr(replication, field.name, value)
            changed[field.name] = value
    if settings.disable_vss and replication.vss_hours:
        replication.vss_hours = 0
        changed["vss_hours"] = 0
    if settings.excluded_disk_paths:
        replication.excluded_disk_ids = _excluded(settings, vm)
        changed["excluded_disk_ids"] = replication.excluded_disk_ids
    if settings.replicated_disk_paths:
        excluded = _all_but(settings, vm)
        if set(excluded) != set(replication.excluded_disk_ids):
            replication.excluded_disk_ids = excluded
            changed["excluded_disk_ids"] = excluded
    _check(replication)
    return changed


def _excluded(settings: ReplicationSettings, vm: VirtualMachine) -> list[str]:
    by_path = {disk.path.lower(): disk.id for disk in vm.disks}
    for path in settings.excluded_disk_paths:
        if path.lower() not in by_path:
            raise invalid_parameter(
                f"Enabling replication failed. '{path}' is not a disk of '{vm.name}'. The "
                "parameter is incorrect. (0x80070057)"
            )
    excluded = [by_path[path.lower()] for path in settings.excluded_disk_paths]
    if len(excluded) == len(vm.disks):
        raise invalid_parameter("At least one disk must be replicated.")
    return excluded


def _all_but(settings: ReplicationSettings, vm: VirtualMachine) -> list[str]:
    """The disks that -ReplicatedDisks and -ReplicatedDiskPaths do not name."""
    wanted = {path.lower() for path in settings.replicated_disk_paths}
    for path in wanted - {disk.path.lower() for disk in vm.disks}:
        raise invalid_parameter(
            f"IncludedDisks is not valid for Hyper-V operation: '{path}' is not a disk of "
            f"'{vm.name}'. The parameter is incorrect. (0x80070057)"
        )
    return [disk.id for disk in vm.disks if disk.path.lower() not in wanted]


def _check(replication: Replication) -> None:
    if replication.frequency_seconds not in FREQUENCIES_SECONDS:
        raise invalid_parameter("ReplicationFrequencySec must be 30, 300 or 900.")
    if not 0 <= replication.recovery_history <= LONGEST_HISTORY:
        raise invalid_parameter("RecoveryHistory must be between 0 and 24.")
    if replication.vss_hours and replication.vss_hours not in VSS_HOURS:
        raise invalid_parameter("VSSSnapshotFrequencyHour must be between 1 and 12.")
    if replication.vss_hours and replication.recovery_history == 0:
        raise invalid_parameter(
            "VSSSnapshotFrequencyHour can only be used when RecoveryHistory is not 0."
        )
    if not 1 <= replication.port <= 65535:
        raise invalid_parameter("ReplicaServerPort must be between 1 and 65535.")
    certificate = replication.authentication is Authentication.CERTIFICATE
    if certificate != bool(replication.certificate_thumbprint):
        raise invalid_parameter(
            "CertificateThumbprint must be given with certificate-based authentication, and only "
            "with it."
        )
