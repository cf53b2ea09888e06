"""Commands that set replication up: test the connection, enable, start the first copy, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opensiterecovery.provider.v1.command_pb2 import (
    EnableReplication,
    ReadReplication,
    ReplicationConnection,
    StartInitialReplication,
    TestReplicationConnection,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Value, cmdlet, select
from agent.powershell.errors import PowerShellFailure
from agent.powershell.failures import to_failure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import vm_pipeline
from agent.verbs.relationship import (
    connection_parameters,
    described,
    not_ready,
    read_side,
    run_on,
    same_server,
)

COPY_BEGUN = frozenset({"InitialReplicationInProgress", "Replicating"})
"""States of a primary whose first copy runs or is done."""

LONGEST_SCHEDULE = timedelta(days=7)

_SAME_MOMENT = timedelta(seconds=1)


async def read_replication_of(request: ReadReplication, context: VerbContext) -> ReplicationState:
    """Reads one side. Changes nothing. Source: Get-VMReplication, Measure-VMReplication."""
    return await read_side(context, request.vm)


async def verify_replication_connection(
    request: TestReplicationConnection, context: VerbContext
) -> ReplicationConnection:
    """Tries the connection from the primary host to the replica server. Changes nothing.

    Raises:
        CommandError: The connection does not work; PowerShell's own words are with it.
        PowerShellError: The primary host could not be asked.
    """
    parameters = connection_parameters(
        request.replica_server,
        request.port,
        request.authentication_type,
        request.certificate_thumbprint,
    )
    try:
        await context.reader.run(
            cmdlet("Test-VMReplicationConnection", ComputerName=request.host, **parameters),
            time_limit_seconds=context.read_seconds(),
        )
    except PowerShellFailure as error:
        raise CommandError(_connection_failed(request, error)) from error
    return ReplicationConnection(host=request.host, replica_server=request.replica_server)


async def enable_replication(request: EnableReplication, context: VerbContext) -> ReplicationState:
    """Makes the machine the primary of a replication to the given server.

    Idempotent: a replication to the same server at the same frequency is left as it is.

    Raises:
        CommandError: It replicates to another server or at another frequency, or Hyper-V refused.
    """
    parameters = _enable_parameters(request)

    def is_the_wanted(side: ReplicationState) -> bool:
        return (
            side.mode == "Primary"
            and same_server(side.replica_server, request.replica_server)
            and side.frequency_seconds == request.frequency_seconds
        )

    goal = Goal(
        action="Enable-VMReplication",
        expected=f"Primary, replicating to {request.replica_server}",
        observe=lambda: read_side(context, request.vm),
        reached=is_the_wanted,
        describe=described,
        refuse=lambda side: None if side.mode == "None" else _enabled_already(side),
    )
    return await reach(
        context,
        goal,
        lambda _: run_on(context, request.vm, "Enable-VMReplication", **parameters),
    )


async def start_initial_replication(
    request: StartInitialReplication, context: VerbContext
) -> ReplicationState:
    """Starts the first copy over the network, now or at a time; does not wait for its end.

    Idempotent: a copy that runs, is done, or is scheduled for the same time is left alone.

    Raises:
        CommandError: The machine is not a primary that waits for its first copy, or the time is
            more than seven days ahead.
    """
    start_time = _start_time(request, context.clock())
    parameters: dict[str, Value] = (
        {} if start_time is None else {"InitialReplicationStartTime": start_time}
    )
    if request.use_backup:
        parameters["UseBackup"] = True

    async def observe() -> tuple[ReplicationState, datetime | None]:
        side = await read_side(context, request.vm)
        waits = side.state == "ReadyForInitialReplication" and start_time is not None
        return side, await _scheduled(context, request.vm) if waits else None

    def reached(seen: tuple[ReplicationState, datetime | None]) -> bool:
        side, scheduled = seen
        if side.mode == "Primary" and side.state in COPY_BEGUN:
            return True
        return (
            scheduled is not None
            and start_time is not None
            and abs(scheduled - start_time) <= _SAME_MOMENT
        )

    goal = Goal(
        action="Start-VMInitialReplication",
        expected="the first copy running or scheduled",
        observe=observe,
        reached=reached,
        describe=lambda seen: described(seen[0]),
        refuse=lambda seen: _copy_refusal(seen[0]),
    )
    side, _ = await reach(
        context,
        goal,
        lambda _: run_on(context, request.vm, "Start-VMInitialReplication", **parameters),
    )
    return side


def _enable_parameters(request: EnableReplication) -> dict[str, Value]:
    parameters = connection_parameters(
        request.replica_server,
        request.port,
        request.authentication_type,
        request.certificate_thumbprint,
    )
    parameters["CompressionEnabled"] = request.compression
    parameters["ReplicationFrequencySec"] = request.frequency_seconds
    parameters["RecoveryHistory"] = request.recovery_points
    # Hyper-V takes the VSS frequency only together with additional recovery points.
    if request.recovery_points and request.application_consistent_hours:
        parameters["VSSSnapshotFrequencyHour"] = request.application_consistent_hours
    if request.HasField("auto_resynchronize"):
        parameters["AutoResynchronizeEnabled"] = request.auto_resynchronize
        for name, moment in (
            ("AutoResynchronizeIntervalStart", request.auto_resynchronize_start),
            ("AutoResynchronizeIntervalEnd", request.auto_resynchronize_end),
        ):
            parameters[name] = moment.ToTimedelta()
    return parameters


async def _scheduled(context: VerbContext, vm: VirtualMachineRef) -> datetime | None:
    found = await context.reader.run(
        *vm_pipeline(vm, cmdlet("Get-VMReplication"), select("InitialReplicationStartTime")),
        time_limit_seconds=context.read_seconds(),
    )
    return found[0].optional_moment("InitialReplicationStartTime") if found else None


def _start_time(request: StartInitialReplication, now: datetime) -> datetime | None:
    if not request.HasField("start_time"):
        return None
    start_time = request.start_time.ToDatetime(tzinfo=UTC)
    if start_time > now + LONGEST_SCHEDULE:
        raise CommandError(
            failure(
                "StartTimeTooLate",
                f"The first copy is to start at {start_time.isoformat()}, which is more than seven"
                " days ahead.",
                ["Hyper-V schedules a first copy at most seven days ahead."],
                "Choose an earlier time.",
            )
        )
    # A time that has passed meanwhile means now.
    return start_time if start_time > now else None


def _copy_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Primary" and side.state == "ReadyForInitialReplication":
        return None
    return not_ready(
        side,
        "The first copy",
        "a primary that is ReadyForInitialReplication",
        "Enable replication first; if the first copy failed, look at the host's health details.",
    )


def _enabled_already(side: ReplicationState) -> Failure:
    return failure(
        "ReplicationAlreadyEnabled",
        f"The virtual machine {side.vm_id} on {side.host} is in another replication already:"
        f" {described(side)}, from {side.primary_server or '(unknown)'} to"
        f" {side.replica_server or '(unknown)'} every {side.frequency_seconds} seconds.",
        [
            "Replication was set up by hand or by another tool.",
            "Settings of an earlier protection were left on the host.",
        ],
        "Remove the replication on both hosts (Remove-VMReplication), then protect the virtual"
        " machine again.",
    )


def _connection_failed(request: TestReplicationConnection, error: PowerShellFailure) -> Failure:
    original = to_failure(error)
    return Failure(
        code="ReplicaServerNotReachable",
        message=f"{request.host} cannot replicate to {request.replica_server}:{request.port}."
        f" {original.message}",
        possible_causes=[
            "The replica server does not listen on the port, or a firewall is between.",
            "One of the two certificates is missing, expired, or of an untrusted issuer.",
            "The replica server does not authorise this primary server.",
        ],
        recommended_action="Check the replication settings, the certificates and the firewall of"
        " both hosts, then run the operation again.",
        transient=original.transient,
        powershell=original.powershell,
    )
