"""Questions that are asked again when their answer was lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.clock import Clock
from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellError, PowerShellFailure, PowerShellGone
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord


def answer_was_lost(error: PowerShellError) -> bool:
    """True when PowerShell ended, or stopped the pipeline without having been asked to.

    What the pipeline did until then is unknown. The category would not tell: a `throw` of a
    function has that of a stopped pipeline.
    """
    return isinstance(error, PowerShellGone) or (
        isinstance(error, PowerShellFailure) and error.short_error_id == "PipelineStopped"
    )


@dataclass(frozen=True)
class PersistentReader:
    """A PowerShell for pipelines that may safely run more than once.

    Attributes:
        powershell: Where they run.
        clock: The time.
        give_up_at: When a lost answer is not asked for again.
        pause_seconds: Before asking again.
        patience_seconds: How long one question is asked again.
    """

    powershell: PowerShell
    clock: Clock
    give_up_at: datetime
    pause_seconds: float
    patience_seconds: float

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        """See `PowerShell.run`; raises the last error when patience or time is over."""
        patient_until = self.clock() + timedelta(seconds=self.patience_seconds)
        while True:
            try:
                return await self.powershell.run(*pipeline, time_limit_seconds=time_limit_seconds)
            except PowerShellError as error:
                if not answer_was_lost(error):
                    raise
                if self.clock() >= min(patient_until, self.give_up_at):
                    raise
            await asyncio.sleep(self.pause_seconds)
