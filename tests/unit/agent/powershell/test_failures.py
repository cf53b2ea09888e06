"""From PowerShell's errors to failures in four parts."""

import pytest

from agent.powershell.errors import (
    ErrorDetail,
    PowerShellFailure,
    PowerShellGone,
    PowerShellTimeout,
)
from agent.powershell.failures import to_failure
from agent.powershell.records import PropertyError, PSRecord

FAILOVER = "Microsoft.HyperV.PowerShell.Commands.StartVMFailover"


@pytest.mark.parametrize(
    ("detail", "code", "transient"),
    [
        (ErrorDetail(f"InvalidState,{FAILOVER}", "InvalidOperation", "x"), "InvalidState", False),
        (
            ErrorDetail("InvalidParameter,X.GetVM", "InvalidArgument", "N1", cmdlet="Get-VM"),
            "VirtualMachineNotFound",
            False,
        ),
        (
            ErrorDetail("InvalidParameter,X", "InvalidArgument", "x", cmdlet="Start-VM"),
            "InvalidParameter",
            False,
        ),
        (ErrorDetail("ObjectNotFound,X", "ObjectNotFound", "x"), "ObjectNotFound", False),
        (ErrorDetail("AccessDenied,X", "PermissionDenied", "x"), "AccessDenied", False),
        (ErrorDetail("Unheard,X", "PermissionDenied", "x"), "AccessDenied", False),
        (ErrorDetail("ObjectInUse,X", "ResourceBusy", "x"), "ObjectInUse", True),
        (
            ErrorDetail("CommandNotFoundException", "ObjectNotFound", "x"),
            "CmdletNotFound",
            False,
        ),
        (
            ErrorDetail("NamedParameterNotFound,X", "InvalidArgument", "x"),
            "CmdletRefusedParameters",
            False,
        ),
        (
            ErrorDetail("OperationFailed,X", "NotSpecified", "nicht erreichbar (0x00002EFD)"),
            "ReplicaServerUnreachable",
            True,
        ),
        (
            ErrorDetail("OperationFailed,X", "NotSpecified", "Kerberos 0x80090303"),
            "ReplicationAuthenticationFailed",
            False,
        ),
        (ErrorDetail("OperationFailed,X", "NotSpecified", "x"), "OperationFailed", False),
        (ErrorDetail("Other,X", "ConnectionError", "x"), "ConnectionLost", True),
        (ErrorDetail("Other,X", "NotSpecified", "x"), "PowerShellFailed", False),
    ],
)
def test_known_errors_get_causes_and_an_action(
    detail: ErrorDetail, code: str, transient: bool
) -> None:
    failure = to_failure(PowerShellFailure(detail))
    assert (failure.code, failure.transient) == (code, transient)
    assert failure.possible_causes
    assert failure.recommended_action
    assert failure.message == failure.powershell.message == detail.message
    assert failure.powershell.error_id == detail.error_id
    assert failure.powershell.category == detail.category


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (PowerShellTimeout("Start-VMFailover", 30), "PowerShellTimeout", True),
        (PowerShellGone("exit code 7", "the lights went out"), "PowerShellGone", True),
        (PropertyError(PSRecord(), "VMId", "is missing"), "UnexpectedObject", False),
    ],
)
def test_other_ends_are_failures_too(
    error: PowerShellTimeout | PowerShellGone | PropertyError, code: str, transient: bool
) -> None:
    failure = to_failure(error)
    assert (failure.code, failure.transient) == (code, transient)
    assert failure.message == str(error)
    assert failure.possible_causes
    assert failure.recommended_action
    assert not failure.HasField("powershell")
