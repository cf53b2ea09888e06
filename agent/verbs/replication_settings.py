"""The command that changes settings of a running replication."""

from __future__ import annotations

from dataclasses import dataclass, field

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ChangeReplication, ReplicationState

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, Value, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import vm_pipeline
from agent.verbs.relationship import authentication_name, not_ready, read_side, run_on
from agent.verbs.replication_server import same_path

_PROPERTIES = (
    "ReplicationMode",
    "ReplicationState",
    "ReplicationRelationshipType",
    "ReplicaServerPort",
    "AuthenticationType",
    "CertificateThumbprint",
    "CompressionEnabled",
    "ReplicationFrequencySec",
    "RecoveryHistory",
    "VSSSnapshotFrequencyHour",
    "AutoResynchronizeEnabled",
    "AutoResynchronizeIntervalStart",
    "AutoResynchronizeIntervalEnd",
)


@dataclass(frozen=True)
class _Settings:
    """What Get-VMReplication says of the settings, by the parameter that changes each."""

    mode: str
    state: str
    values: dict[str, Value] = field(default_factory=dict)
    disk_paths: tuple[str, ...] = ()


async def change_replication(request: ChangeReplication, context: VerbContext) -> ReplicationState:
    """Changes the settings that are set in the request, on the primary side; no others.

    Idempotent: what is as wanted is not set again.

    Raises:
        CommandError: The machine is not the primary of a replication, the request is empty or
            contradicts itself, or Hyper-V refused.

    Source: Set-VMReplication.
    """
    wanted = _wanted(request)

    goal = Goal(
        action="Set-VMReplication",
        expected="the settings as asked for",
        observe=lambda: _read(context, request),
        reached=lambda found: found.mode == "Primary" and not _changes(wanted, request, found),
        describe=lambda found: (
            f"{found.mode}/{found.state},"
            f" differing in {', '.join(_changes(wanted, request, found)) or 'nothing'}"
        ),
        refuse=lambda found: _refusal(request, found),
    )
    await reach(
        context,
        goal,
        lambda found: run_on(
            context, request.vm, "Set-VMReplication", **_changes(wanted, request, found)
        ),
    )
    return await read_side(context, request.vm)


def _wanted(request: ChangeReplication) -> dict[str, Value]:
    """By parameter of Set-VMReplication the value asked for; disks are apart."""
    given: dict[str, tuple[str, Value]] = {
        "certificate_thumbprint": ("CertificateThumbprint", request.certificate_thumbprint.upper()),
        "port": ("ReplicaServerPort", request.port),
        "compression": ("CompressionEnabled", request.compression),
        "frequency_seconds": ("ReplicationFrequencySec", request.frequency_seconds),
        "recovery_points": ("RecoveryHistory", request.recovery_points),
        "application_consistent_hours": (
            "VSSSnapshotFrequencyHour",
            request.application_consistent_hours,
        ),
        "auto_resynchronize": ("AutoResynchronizeEnabled", request.auto_resynchronize),
    }
    present = {descriptor.name for descriptor, _ in request.ListFields()}
    wanted = {parameter: value for name, (parameter, value) in given.items() if name in present}
    if request.HasField("authentication_type"):
        wanted["AuthenticationType"] = authentication_name(request.authentication_type)
    if request.HasField("auto_resynchronize_start"):
        wanted["AutoResynchronizeIntervalStart"] = request.auto_resynchronize_start.ToTimedelta()
    if request.HasField("auto_resynchronize_end"):
        wanted["AutoResynchronizeIntervalEnd"] = request.auto_resynchronize_end.ToTimedelta()
    if not wanted and not request.replicated_disk_paths:
        raise CommandError(
            failure(
                "CommandInvalid",
                "The command changes no setting of the replication.",
                ["The coordinator and the agent are of versions that do not fit together."],
                "Bring the agent to the coordinator's version.",
            )
        )
    return wanted


async def _read(context: VerbContext, request: ChangeReplication) -> _Settings:
    side = await read_side(context, request.vm)
    if side.mode == "None":
        return _Settings(mode=side.mode, state=side.state)
    found = await _ask(context, request, select(*_PROPERTIES))
    record = next(
        (
            each
            for each in found
            if each.optional_enum_name("ReplicationRelationshipType") != "Extended"
        ),
        found[0],
    )
    disks: tuple[str, ...] = ()
    if request.replicated_disk_paths:
        drives = await _ask(
            context,
            request,
            Cmdlet("Select-Object", {"ExpandProperty": "ReplicatedDisks"}),
            select("Path"),
        )
        disks = tuple(path for drive in drives if (path := drive.optional_text("Path")))
    return _Settings(
        mode=record.enum_name("ReplicationMode"),
        state=record.enum_name("ReplicationState"),
        values=_values(record),
        disk_paths=disks,
    )


async def _ask(context: VerbContext, request: ChangeReplication, *rest: Cmdlet) -> list[PSRecord]:
    return await context.reader.run(
        *vm_pipeline(request.vm, cmdlet("Get-VMReplication"), *rest),
        time_limit_seconds=context.read_seconds(),
    )


def _values(record: PSRecord) -> dict[str, Value]:
    read: dict[str, Value | None] = {
        "CertificateThumbprint": (record.optional_text("CertificateThumbprint") or "").upper(),
        "ReplicaServerPort": record.optional_integer("ReplicaServerPort"),
        "AuthenticationType": record.optional_enum_name("AuthenticationType"),
        "CompressionEnabled": record.optional_boolean("CompressionEnabled"),
        "ReplicationFrequencySec": record.optional_integer("ReplicationFrequencySec"),
        "RecoveryHistory": record.optional_integer("RecoveryHistory"),
        # Null while no application-consistent points are made.
        "VSSSnapshotFrequencyHour": record.optional_integer("VSSSnapshotFrequencyHour") or 0,
        "AutoResynchronizeEnabled": record.optional_boolean("AutoResynchronizeEnabled"),
        "AutoResynchronizeIntervalStart": record.optional_duration(
            "AutoResynchronizeIntervalStart"
        ),
        "AutoResynchronizeIntervalEnd": record.optional_duration("AutoResynchronizeIntervalEnd"),
    }
    return {name: value for name, value in read.items() if value is not None}


def _changes(
    wanted: dict[str, Value], request: ChangeReplication, found: _Settings
) -> dict[str, Value]:
    """Parameters that differ from what was found, as Set-VMReplication takes them."""
    changes = {
        name: value
        for name, value in wanted.items()
        if found.values.get(name) != value
        # Another kind of authentication brings its certificate with it, or none.
        and not (name == "CertificateThumbprint" and wanted.get("AuthenticationType") == "Kerberos")
    }
    if changes.get("VSSSnapshotFrequencyHour") == 0:
        del changes["VSSSnapshotFrequencyHour"]
        changes["DisableVSSSnapshotReplication"] = True
    if "AuthenticationType" in changes and "CertificateThumbprint" in wanted:
        changes["CertificateThumbprint"] = wanted["CertificateThumbprint"]
    if request.replicated_disk_paths and not _same_paths(
        tuple(request.replicated_disk_paths), found.disk_paths
    ):
        changes["ReplicatedDiskPaths"] = tuple(request.replicated_disk_paths)
    return changes


def _same_paths(wanted: tuple[str, ...], found: tuple[str, ...]) -> bool:
    return len(wanted) == len(found) and all(
        any(same_path(one, other) for other in found) for one in wanted
    )


def _refusal(request: ChangeReplication, found: _Settings) -> Failure | None:
    if found.mode == "Primary":
        return None
    return not_ready(
        ReplicationState(
            vm_id=request.vm.vm_id, host=request.vm.host, mode=found.mode, state=found.state
        ),
        "Changing the replication",
        "a primary",
        "Refresh the server, so that the vault knows on which host the machine runs.",
    )
