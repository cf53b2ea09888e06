"""What can go wrong when a pipeline runs."""

from dataclasses import dataclass


class PowerShellError(Exception):
    """Base of the three ways in which a pipeline does not give its result."""


@dataclass(frozen=True)
class ErrorDetail:
    """An error record as PowerShell wrote it, unchanged. Texts are localised: never decide by them.

    Attributes:
        error_id: FullyQualifiedErrorId.
        category: Name of the ErrorCategory, for example "InvalidOperation".
        exception_type: Class of the exception, with its namespace when PowerShell gave it.
        cmdlet: The cmdlet that wrote the record.
        target: What the cmdlet was about, often empty.
    """

    error_id: str
    category: str
    message: str
    exception_type: str = ""
    cmdlet: str = ""
    target: str = ""


class PowerShellFailure(PowerShellError):  # noqa: N818 - it becomes the protocol's Failure
    """A cmdlet wrote an error record.

    Attributes:
        detail: The first record, which says what went wrong.
        others: Records that followed it.
    """

    def __init__(self, detail: ErrorDetail, others: tuple[ErrorDetail, ...] = ()) -> None:
        super().__init__(f"{detail.cmdlet or 'PowerShell'}: {detail.message} [{detail.error_id}]")
        self.detail = detail
        self.others = others

    @property
    def error_id(self) -> str:
        return self.detail.error_id

    @property
    def short_error_id(self) -> str:
        """The error id without the cmdlet's class: "InvalidState"."""
        return self.detail.error_id.partition(",")[0]

    @property
    def category(self) -> str:
        return self.detail.category


class PowerShellTimeout(PowerShellError):  # noqa: N818 - says what happened
    """A pipeline did not end within its time limit and was stopped; its effect is unknown."""

    def __init__(self, pipeline: str, time_limit_seconds: float) -> None:
        super().__init__(f"{pipeline} did not end within {time_limit_seconds:g} seconds")
        self.pipeline = pipeline
        self.time_limit_seconds = time_limit_seconds


class PowerShellGone(PowerShellError):  # noqa: N818 - says what happened
    """The PowerShell process ended, or never came up; the effect of what ran is unknown.

    Attributes:
        reason: What was seen of the end.
        stderr: The last lines the process wrote to its error stream.
    """

    def __init__(self, reason: str, stderr: str = "") -> None:
        super().__init__(f"{reason}: {stderr}" if stderr else reason)
        self.reason = reason
        self.stderr = stderr
