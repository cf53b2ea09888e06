"""What passes for a lost answer, and is asked for again."""

from __future__ import annotations

import pytest

from agent.powershell.errors import (
    ErrorDetail,
    PowerShellError,
    PowerShellFailure,
    PowerShellGone,
    PowerShellTimeout,
)
from agent.verbs.reader import answer_was_lost

STOPPED = "System.Management.Automation.PipelineStoppedException"
THROWN = "System.Management.Automation.RuntimeException"


def record(error_id: str, category: str, exception_type: str) -> PowerShellFailure:
    return PowerShellFailure(ErrorDetail(error_id, category, "text", exception_type))


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (PowerShellGone("the process was killed"), True),
        (record("PipelineStopped", "OperationStopped", STOPPED), True),
        # `throw 'text'` of a function of ours, as PowerShell writes it: the text is the id.
        (record("VMM has no VM network 'x'.", "OperationStopped", THROWN), False),
        (record("InvalidState,Microsoft.HyperV", "InvalidOperation", ""), False),
        (PowerShellTimeout("Get-VM", 1.0), False),
    ],
)
def test_a_refusal_by_a_function_of_the_module_is_an_answer(
    error: PowerShellError, *, lost: bool
) -> None:
    assert answer_was_lost(error) is lost
