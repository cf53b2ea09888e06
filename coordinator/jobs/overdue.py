"""Steps whose time is over."""

from __future__ import annotations

from coordinator.failures import Failure
from coordinator.jobs.away import is_given_up, lost_failure
from coordinator.jobs.models import Command
from coordinator.jobs.patience import put_off
from coordinator.jobs.run import Run
from coordinator.jobs.states import UNFINISHED_COMMANDS, CommandState
from coordinator.jobs.step_rows import StepRow
from coordinator.jobs.steps import StepKind


def give_up(run: Run, key: str) -> None:
    """Fails a step whose time is over, unless it has not run or the result came this moment.

    Then its job's advance is called for that result, and takes it.
    """
    step = run.rows[key]
    lost = is_given_up(run, step)
    if not lost and (step.patience_seconds or step.slot) and put_off(run, step):
        return
    waiting_for = Command.objects.filter(step_id=step.id, state__in=UNFINISHED_COMMANDS)
    reached = waiting_for.exclude(state=CommandState.PENDING).exists()
    abandoned = waiting_for.update(state=CommandState.ABANDONED)
    late = Command.objects.filter(step_id=step.id, state=CommandState.FINISHED, taken_at=None)
    if not abandoned and late.exists():
        run.put_off(step, None)
    else:
        say = lost_failure if lost else _overdue
        run.fail(step, say(step, reached=reached))


def _overdue(step: StepRow, *, reached: bool) -> Failure:
    limit = f"{step.time_limit_seconds} seconds"
    if step.kind is not StepKind.COMMAND:
        return Failure(
            "StepTimedOut",
            f"What step {step.key!r} waited for did not come within {limit}.",
            ("The fabric is slower than expected, or something it depends on does not work.",),
            "Look at the state of the objects on both sites, then repeat the operation.",
        )
    if reached:
        return Failure(
            "CommandTimedOut",
            f"The provider did not answer {step.action} of step {step.key!r} within {limit}. "
            "Whether it took effect is unknown.",
            (
                "The provider's server is overloaded or hangs.",
                "The connection between provider and coordinator was lost for long.",
            ),
            "Check the state of the virtual machine and the provider, then repeat the operation.",
        )
    return Failure(
        "ProviderUnreachable",
        f"The provider did not fetch {step.action} of step {step.key!r} within {limit}; "
        "it had no effect.",
        (
            "The provider service is not running, or its server is down.",
            "The network between provider and coordinator is interrupted.",
        ),
        "Start the provider, see that it is connected, then repeat the operation.",
    )
