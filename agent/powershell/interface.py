"""What verbs, discovery and watching need of PowerShell."""

from typing import Protocol

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.records import PSRecord


class PowerShell(Protocol):
    """Runs pipelines on behalf of one cause: a command of the coordinator, or the agent itself."""

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        """Runs cmdlets as one pipeline, the output of each going to the next.

        Args:
            pipeline: At least one cmdlet. -ErrorAction Stop is added where it is missing
                (not to Select-Object).
            time_limit_seconds: Counted from the moment a runspace is free; the pipeline is stopped
                when it is over.

        Returns:
            What the last cmdlet wrote, in order; empty when it wrote nothing. Values that are no
            objects (a string) are records without properties whose `str()` is the value.

        Raises:
            PowerShellFailure: An error record was written. Whether trying again helps depends on
                the error; observe the state first.
            PowerShellTimeout: The limit passed. The cmdlet may still take effect: observe.
            PowerShellGone: The process ended or could not be started. The effect of a changing
                cmdlet is unknown: observe. Running again starts a new process.
        """
        ...
