"""Commands to providers that are lost: those that need not wait for them are given up.

What only warns when it fails, and is tried once, is best effort: done if the site is there. And a
job that somebody has cancelled waits for nothing at a site that does not answer: what it had sent
there may or may not have taken effect, and another operation finds that out.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from coordinator.fabrics.queries import lost_providers
from coordinator.failures import Failure
from coordinator.jobs.job_rows import lock_roots
from coordinator.jobs.messages import ask_to_advance
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.run import Run
from coordinator.jobs.states import CANCELLED_HALTS, UNFINISHED_COMMANDS, StepState
from coordinator.jobs.step_rows import StepRow
from coordinator.jobs.steps import FailureRule

log = structlog.get_logger(__name__)

# The same of rows of steps, in the database and in memory.
_BEST_EFFORT = Q(on_failure=FailureRule.WARN, attempts_allowed=1, patience_seconds=0)
_GIVEN_UP = _BEST_EFFORT | Q(job__halt__in=CANCELLED_HALTS)


def end_waiting_for_the_lost(now: datetime) -> int:
    """Has the time of commands end that need not wait for providers that are lost. Idempotent.

    Args:
        now: The time.

    Returns:
        Of how many families.
    """
    lost = lost_providers(now, settings.CONFIGURATION.lease_seconds)
    if not lost:
        return 0
    waiting = Command.objects.filter(provider__in=lost, state__in=UNFINISHED_COMMANDS)
    steps = Step.objects.filter(
        _GIVEN_UP, commands__in=waiting, state=StepState.IN_PROGRESS, deadline_at__gt=now
    )
    roots = set(waiting.filter(step__in=steps).values_list("root_id", flat=True))
    if not roots:
        return 0
    with transaction.atomic():
        # One that is being advanced this very moment is found the next time.
        locked = lock_roots(roots)
        ids = list(steps.filter(commands__root__in=[root.id for root in locked]).values_list("id"))
        own = Step.objects.filter(id__in=[step_id for (step_id,) in ids])
        Job.objects.filter(id__in=own.values("job_id")).update(wake_at=now)
        own.update(deadline_at=now)
        for root in locked:
            ask_to_advance(root)
    log.info("commands.given_up", providers=len(lost), steps=len(ids))
    return len(locked)


def is_given_up(run: Run, step: StepRow) -> bool:
    """Whether a command whose time is over waits for a provider that is lost, and need not."""
    best_effort = (
        step.on_failure is FailureRule.WARN
        and step.attempts_allowed == 1
        and not step.patience_seconds
    )
    if step.provider_id is None or not (best_effort or run.job.halt in CANCELLED_HALTS):
        return False
    lease_seconds = settings.CONFIGURATION.lease_seconds
    return step.provider_id in lost_providers(run.now, lease_seconds, among=[step.provider_id])


def lost_failure(step: StepRow, *, reached: bool) -> Failure:
    """What a command fails with that nobody waits for any more."""
    effect = "whether it took effect is unknown" if reached else "it had no effect"
    return Failure(
        "ProviderUnreachable",
        f"The provider that {step.action} of step {step.key!r} is for is not connected, and was "
        f"not waited for; {effect}.",
        (
            "The provider service is not running, or its server or whole site is down.",
            "The network between provider and coordinator is interrupted.",
        ),
        "Nothing has to be done for the operation to go on. Once the provider is connected again, "
        "see in what state the virtual machine is there.",
    )
