"""What commands took before goes into the steps of new graphs."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.states import CommandState, JobState, StepState
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.recovery.dry_run.history import with_history
from tests.integration.recovery.plan_stage import NOW, PlanStage

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-6")]

VERB, SLOT = "start_virtual_machine", "host:hv1.test"


def measure(stage: PlanStage, seconds: float, state: StepState = StepState.SUCCEEDED) -> None:
    """A command that took so long after a minute of waiting for its host."""
    vault = stage.sites.vault
    provider = Provider.objects.filter(vault=vault).first() or Provider.objects.create(
        vault=vault,
        fabric=stage.sites.beijing,
        name="p",
        public_key_sha256=uuid4().bytes,
        certificate_not_after=NOW,
        registered_at=NOW,
    )
    job = Job.objects.create(
        vault=vault, scenario="S", state=JobState.SUCCEEDED, queue="failover", created_at=NOW
    )
    step = Step.objects.create(
        job=job,
        key="start",
        task="T",
        position=0,
        kind=StepKind.COMMAND,
        action=VERB,
        on_failure="stop",
        time_limit_seconds=60,
        attempts_allowed=1,
        state=state,
        started_at=NOW,
    )
    claimed = NOW + timedelta(minutes=1)
    Command.objects.create(
        command_id=uuid4(),
        vault=vault,
        provider=provider,
        step=step,
        verb=VERB,
        slot=SLOT,
        state=CommandState.FINISHED,
        created_at=NOW,
        claimed_at=claimed,
        finished_at=claimed + timedelta(seconds=seconds),
    )


def expected(vault_id: UUID) -> float:
    spec = StepSpec(
        key="s", task="T", kind=StepKind.COMMAND, action=VERB, slot=SLOT, expected_seconds=30
    )
    return with_history(vault_id, Graph((TaskSpec("T", "T"),), (spec,))).steps[0].expected_seconds


def test_what_succeeded_counts_without_its_wait_for_the_host(stage: PlanStage) -> None:
    vault_id = stage.sites.vault.id
    assert expected(vault_id) == 30
    for seconds in (4, 5, 60):
        measure(stage, seconds)
    for _ in range(5):
        measure(stage, 900, StepState.FAILED)
    assert expected(vault_id) == 5
    assert expected(uuid4()) == 30
