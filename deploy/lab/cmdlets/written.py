"""What a cmdlet writes while it runs, and how -ErrorAction Stop ends it early."""

from deploy.lab.invocation import EnumValue, ErrorRecord, Invocation, InvocationResult, Value
from deploy.lab.site.errors import HyperVError


class StopCmdletError(Exception):
    """An error was written under -ErrorAction Stop: nothing further of the cmdlet runs."""


class Written:
    """Collects the streams of one invocation."""

    def __init__(self, call: Invocation) -> None:
        action = call.parameters.get("ErrorAction")
        self._stops = isinstance(action, EnumValue) and action.name == "Stop"
        self._output: list[Value] = []
        self._errors: list[ErrorRecord] = []
        self._warnings: list[str] = []

    def output(self, value: Value) -> None:
        self._output.append(value)

    def warning(self, message: str) -> None:
        self._warnings.append(message)

    def error(self, error: HyperVError | ErrorRecord) -> None:
        """Writes an error; the cmdlet goes on with its next object unless it was told to stop.

        Raises:
            StopCmdletError: -ErrorAction Stop.
        """
        self._errors.append(error if isinstance(error, ErrorRecord) else record_of(error))
        if self._stops:
            raise StopCmdletError

    def result(self) -> InvocationResult:
        return InvocationResult(tuple(self._output), tuple(self._errors), tuple(self._warnings))


def record_of(error: HyperVError) -> ErrorRecord:
    """The record of a site's refusal; the fully qualified id gets its class from the cmdlet."""
    return ErrorRecord(
        error_id=error.error_id,
        category=error.category,
        message=error.message,
        exception_type=error.exception_type,
        target_name=error.target,
        target_type="String" if error.target else "",
    )
