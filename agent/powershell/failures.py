"""Turns what went wrong in PowerShell into a failure with causes and a recommended action."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from opensiterecovery.provider.v1 import failure_pb2

from agent.powershell.errors import (
    ErrorDetail,
    PowerShellError,
    PowerShellFailure,
    PowerShellGone,
    PowerShellTimeout,
)
from agent.powershell.records import PropertyError


@dataclass(frozen=True)
class _Advice:
    """What we know about one kind of error; empty fields match anything.

    Texts are localised and never matched. Windows error codes inside them (0x...) are not.
    """

    code: str
    causes: Sequence[str]
    action: str
    error_ids: Sequence[str] = ()
    categories: Sequence[str] = ()
    cmdlets: Sequence[str] = ()
    windows_codes: Sequence[str] = ()
    transient: bool = False

    def fits(self, detail: ErrorDetail) -> bool:
        message = detail.message.lower()
        return (
            _one_of(self.error_ids, detail.error_id.partition(",")[0])
            and _one_of(self.categories, detail.category)
            and _one_of(self.cmdlets, detail.cmdlet)
            and (not self.windows_codes or any(code in message for code in self.windows_codes))
        )


def _one_of(wanted: Sequence[str], found: str) -> bool:
    return not wanted or found in wanted


_KNOWN: Final = (
    _Advice(
        code="ReplicaServerUnreachable",
        windows_codes=("0x00002efd", "0x00002ee7", "0x00002efe", "0x00002ef3"),
        causes=(
            "The replica server is off, or its Hyper-V Replica listener is not running.",
            "A firewall or an inspecting proxy between the hosts closes the replication port.",
            "The replica server's name cannot be resolved from the primary host.",
        ),
        action="Check name resolution, the firewall rule of the replication port and the replica "
        "server, then run the job again.",
        transient=True,
    ),
    _Advice(
        code="ReplicationAuthenticationFailed",
        windows_codes=("0x80090303", "0x8009030c", "0x8007052e"),
        causes=(
            "The hosts do not trust each other's certificates, or a certificate has expired.",
            "With Kerberos: a service principal name or the broker's computer account is missing.",
        ),
        action="Renew the hosts' replication certificates, or repair the Kerberos accounts.",
    ),
    _Advice(
        code="AccessDenied",
        error_ids=("AccessDenied",),
        causes=(
            "The account of the agent is not an administrator of Hyper-V on the host.",
            "The storage location is remote and does not admit the host's computer account.",
        ),
        action="Grant the rights to the agent's account or the host's account, then run again.",
    ),
    _Advice(
        code="AccessDenied",
        categories=("PermissionDenied", "SecurityError"),
        causes=("The account of the agent lacks a right on the host or in VMM.",),
        action="Grant the right to the agent's account, then run the job again.",
    ),
    _Advice(
        code="VirtualMachineNotFound",
        error_ids=("InvalidParameter", "ObjectNotFound"),
        cmdlets=("Get-VM",),
        causes=(
            "The virtual machine was deleted or moved to another host.",
            "VMM's view of the host is older than the host.",
        ),
        action="Refresh the host in VMM and check on which host the virtual machine is.",
    ),
    _Advice(
        code="ObjectNotFound",
        error_ids=("ObjectNotFound",),
        causes=(
            "The object was deleted.",
            "The agent's account may not see it.",
            "The Hyper-V Virtual Machine Management service is not running on the host.",
        ),
        action="Check that the object exists and that the service vmms runs on the host.",
    ),
    _Advice(
        code="InvalidState",
        error_ids=("InvalidState",),
        causes=(
            "The virtual machine or its replication is in a state that forbids the operation.",
            "Somebody changed it on the host at the same time.",
        ),
        action="Look at the state of the virtual machine and its replication in Hyper-V Manager, "
        "then run the job again.",
    ),
    _Advice(
        code="ObjectInUse",
        error_ids=("ObjectInUse",),
        causes=("Another program, a backup for example, holds the file.",),
        action="Wait until the other program has finished; the operation is tried again.",
        transient=True,
    ),
    _Advice(
        code="ObjectInUse",
        categories=("ResourceBusy",),
        causes=("Another operation is running on the same object.",),
        action="Wait until the other operation has finished; the operation is tried again.",
        transient=True,
    ),
    _Advice(
        code="CmdletNotFound",
        error_ids=("CommandNotFoundException",),
        causes=(
            "The PowerShell module (Hyper-V, VirtualMachineManager, OpenSiteRecovery) is missing.",
            "A restricted endpoint does not make the cmdlet visible.",
        ),
        action="Install the module on the VMM server, or make the cmdlet visible in the endpoint.",
    ),
    _Advice(
        code="CmdletRefusedParameters",
        error_ids=(
            "NamedParameterNotFound",
            "AmbiguousParameterSet",
            "ParameterArgumentValidationError",
            "ParameterArgumentTransformationError",
            "CannotConvertArgumentNoMessage",
            "MissingMandatoryParameter",
        ),
        causes=("The module on the server is of a version that the agent does not know.",),
        action="Update the agent, and report the error with the module's version.",
    ),
    _Advice(
        code="InvalidParameter",
        error_ids=("InvalidParameter",),
        causes=("A name or a value in the request does not exist on the host.",),
        action="Compare the names in the message with the host, correct them and run again.",
    ),
    _Advice(
        code="QuestionRefused",
        error_ids=("HostCallRefused",),
        causes=("The cmdlet asked for confirmation or for a missing value.",),
        action="Report the error: the agent must give every answer in advance.",
    ),
    _Advice(
        code="ConnectionLost",
        categories=("ResourceUnavailable", "ConnectionError", "OperationTimeout"),
        causes=("The host or the VMM server could not be reached for a moment.",),
        action="Check the network and the server; the operation is tried again.",
        transient=True,
    ),
    _Advice(
        code="OperationFailed",
        error_ids=("OperationFailed",),
        causes=(
            "Hyper-V could not carry the operation out; the message says why.",
            "Storage is full or cannot be reached.",
        ),
        action="Look at the event log Hyper-V-VMMS of the host, remove the cause and run again.",
    ),
)
_UNKNOWN: Final = _Advice(
    code="PowerShellFailed",
    causes=("The cmdlet failed; the message says why.",),
    action="Look at the event logs of the host and of VMM, remove the cause and run again.",
)


def to_failure(error: PowerShellError | PropertyError) -> failure_pb2.Failure:
    """Says what went wrong in the four parts that every error of the product has.

    Returns:
        The failure; for an error record with PowerShell's id, category and message unchanged.
    """
    if isinstance(error, PowerShellFailure):
        return _from_record(error.detail)
    if isinstance(error, PowerShellTimeout):
        return failure_pb2.Failure(
            code="PowerShellTimeout",
            message=str(error),
            possible_causes=[
                "The host is overloaded, or waits for storage or for the other site.",
                "The time limit of the step is too short for the size of the virtual machine.",
            ],
            recommended_action="Check the host; the agent looks at the state before it acts again.",
            transient=True,
        )
    if isinstance(error, PowerShellGone):
        return failure_pb2.Failure(
            code="PowerShellGone",
            message=str(error),
            possible_causes=[
                "PowerShell was ended or crashed on the VMM server.",
                "The agent's command line for PowerShell is wrong.",
            ],
            recommended_action="Check the event log of the VMM server and the agent's settings.",
            transient=True,
        )
    return failure_pb2.Failure(
        code="UnexpectedObject",
        message=str(error),
        possible_causes=["The module on the server is of a version that the agent does not know."],
        recommended_action="Update the agent, and report the error with the module's version.",
    )


def _from_record(detail: ErrorDetail) -> failure_pb2.Failure:
    advice = next((known for known in _KNOWN if known.fits(detail)), _UNKNOWN)
    return failure_pb2.Failure(
        code=advice.code,
        message=detail.message,
        possible_causes=advice.causes,
        recommended_action=advice.action,
        transient=advice.transient,
        powershell=failure_pb2.PowerShellError(
            error_id=detail.error_id,
            category=detail.category,
            message=detail.message,
            exception_type=detail.exception_type,
            cmdlet=detail.cmdlet,
            target=detail.target,
        ),
    )
