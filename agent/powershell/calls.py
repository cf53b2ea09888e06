"""The state of one pipeline while it runs."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from agent.powershell.clixml import read_object
from agent.powershell.errors import ErrorDetail, PowerShellFailure, PowerShellGone
from agent.powershell.records import PSRecord


@dataclass
class Call:
    """Collects what a pipeline writes until it ends.

    Attributes:
        created: True once PowerShell was told what to run.
        ended: Done when PowerShell said that the pipeline ended (None), or when it never will.
    """

    pipeline_id: UUID
    ended: asyncio.Future[PowerShellGone | None]
    output: list[PSRecord] = field(default_factory=list)
    errors: list[ErrorDetail] = field(default_factory=list)
    created: bool = False

    def add_output(self, clixml: bytes) -> None:
        """Adds an object; a null is nothing, a bare value a record without properties."""
        value = read_object(clixml) if clixml else None
        if isinstance(value, PSRecord):
            self.output.append(value)
        elif value is not None:
            self.output.append(PSRecord(text=str(value)))

    def add_error(self, error: ErrorDetail) -> None:
        """Adds an error; one that also ended the pipeline is told twice and counts once."""
        if error not in self.errors:
            self.errors.append(error)

    def end(self, gone: PowerShellGone | None = None) -> None:
        if not self.ended.done():
            self.ended.set_result(gone)

    def result(self) -> list[PSRecord]:
        """What the pipeline wrote.

        Raises:
            PowerShellGone: It will never end.
            PowerShellFailure: It wrote an error record, even when it went on after it.
        """
        gone = self.ended.result()
        if gone is not None:
            raise PowerShellGone(gone.reason, gone.stderr)
        if self.errors:
            raise PowerShellFailure(self.errors[0], tuple(self.errors[1:]))
        return self.output
