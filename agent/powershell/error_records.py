"""Reads PowerShell's error records out of PSRP messages."""

from typing import Final

from psrpcore.types import ErrorRecord

from agent.powershell.errors import ErrorDetail

# -ErrorAction Stop wraps the error; the record keeps id and category, the wrapper holds the text.
_STOPPED_BY_PREFERENCE: Final = "System.Management.Automation.ActionPreferenceStopException"


def read_error(record: ErrorRecord) -> ErrorDetail:
    """Keeps what the record says, unchanged."""
    category = record.CategoryInfo
    exception = record.Exception
    exception_type = _type_name(exception)
    message = _text(getattr(exception, "Message", None)) or str(record)
    if exception_type == _STOPPED_BY_PREFERENCE:
        exception_type = _text(category.Reason)
        message = _text(getattr(exception, "ErrorRecord", None)) or message
    return ErrorDetail(
        error_id=_text(record.FullyQualifiedErrorId),
        category=category.Category.name,
        message=message,
        exception_type=exception_type or _text(category.Reason),
        cmdlet=_text(category.Activity),
        target=_text(category.TargetName),
    )


def _type_name(exception: object) -> str:
    names = getattr(exception, "PSTypeNames", None) or [""]
    return str(names[0]).removeprefix("Deserialized.")


def _text(value: object) -> str:
    return "" if value is None else str(value)
