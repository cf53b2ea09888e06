"""One side of a replication as verbs look at it: read it, say why it is not ready."""

from __future__ import annotations

from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    AUTHENTICATION_TYPE_KERBEROS,
    AuthenticationType,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.fabric.replication_state import read_replication
from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, Value, cmdlet
from agent.verbs.context import VerbContext
from agent.verbs.machines import machine_id, telling_missing_machine, vm_pipeline

AUTHENTICATION_NAMES = {
    AUTHENTICATION_TYPE_KERBEROS: "Kerberos",
    AUTHENTICATION_TYPE_CERTIFICATE: "Certificate",
}


async def read_side(context: VerbContext, vm: VirtualMachineRef) -> ReplicationState:
    """Reads the replication of one machine on one host.

    Raises:
        CommandError: The host has no such machine.
        PowerShellError: The host could not be asked.
    """
    async with telling_missing_machine(context, vm):
        return await read_replication(
            context.reader,
            machine_id(vm),
            vm.host,
            time_limit_seconds=context.read_seconds(),
        )


def described(side: ReplicationState) -> str:
    """The state in words, for messages."""
    return f"{side.mode}/{side.state}, virtual machine {side.vm_state}"


def same_server(one: str, other: str) -> bool:
    """True for the same name; host names know no case."""
    return one.casefold() == other.casefold()


def connection_parameters(
    replica_server: str,
    port: int,
    authentication_type: AuthenticationType.ValueType,
    certificate_thumbprint: str,
) -> dict[str, Value]:
    """Parameters that Enable-VMReplication, Set-VMReplication -Reverse and the test share.

    Raises:
        CommandError: The authentication type is none the agent knows.
    """
    parameters: dict[str, Value] = {
        "ReplicaServerName": replica_server,
        "ReplicaServerPort": port,
        "AuthenticationType": authentication_name(authentication_type),
    }
    if authentication_type == AUTHENTICATION_TYPE_CERTIFICATE:
        parameters["CertificateThumbprint"] = certificate_thumbprint
    return parameters


def authentication_name(authentication_type: AuthenticationType.ValueType) -> str:
    """The name Hyper-V's enumerations have for it.

    Raises:
        CommandError: It is none the agent knows.
    """
    name = AUTHENTICATION_NAMES.get(authentication_type)
    if name is None:
        raise CommandError(
            failure(
                "CommandInvalid",
                f"Authentication type {authentication_type} is unknown to this agent.",
                ["The coordinator is newer than the agent."],
                "Bring the agent to the coordinator's version.",
            )
        )
    return name


async def run_on(
    context: VerbContext, vm: VirtualMachineRef, name: str, **parameters: Value
) -> None:
    """Runs a changing cmdlet on the machine with this id."""
    action: Cmdlet = cmdlet(name, Confirm=False, **parameters)
    await context.powershell.run(
        *vm_pipeline(vm, action), time_limit_seconds=context.action_seconds()
    )


def not_ready(side: ReplicationState, operation: str, needed: str, action: str) -> Failure:
    """The refusal of an operation that the present state does not allow."""
    return failure(
        "ReplicationNotReady",
        f"{operation} needs {needed}; the virtual machine {side.vm_id} on {side.host} is"
        f" {described(side)}.",
        [
            "An earlier step has not run, or has not ended.",
            "Somebody changed the replication on the host itself.",
        ],
        action,
    )
