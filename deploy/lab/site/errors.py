"""The one error that every operation of a simulated site raises."""

from __future__ import annotations

VIRTUALIZATION_EXCEPTION = "Microsoft.HyperV.PowerShell.VirtualizationException"


class HyperVError(Exception):
    """A refusal or failure, in the shape of PowerShell's error record.

    Args:
        error_id: First part of FullyQualifiedErrorId ("InvalidState", "OperationFailed", ...).
        category: Name of the ErrorCategory ("InvalidOperation", "ObjectNotFound", ...).
        message: Text for people, as near to Hyper-V's as is publicly known.
        exception_type: .NET class of the exception.
        target: Name of the object that the error is about, empty as in module 2.0.
    """

    def __init__(
        self,
        error_id: str,
        category: str,
        message: str,
        exception_type: str = VIRTUALIZATION_EXCEPTION,
        target: str = "",
    ) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.category = category
        self.message = message
        self.exception_type = exception_type
        self.target = target


def invalid_state(message: str) -> HyperVError:
    """The object is not in a state that allows the operation."""
    return HyperVError("InvalidState", "InvalidOperation", message)


def invalid_parameter(message: str) -> HyperVError:
    return HyperVError("InvalidParameter", "InvalidArgument", message)


def not_found(message: str, target: str = "") -> HyperVError:
    return HyperVError("ObjectNotFound", "ObjectNotFound", message, target=target)


def operation_failed(message: str) -> HyperVError:
    return HyperVError("OperationFailed", "NotSpecified", message)
