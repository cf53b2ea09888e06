"""What commands took before goes into the steps of new graphs."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.states import CommandState, JobState, StepState
from coordinator.jobs.step_lengths import _QUERY
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.recovery.dry_run.history import durations_of, with_history
from tests.integration.recovery.plan_stage import NOW, PlanStage

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-6")]

VERB, SLOT = "start_virtual_machine", "host:hv1.test"


def measure(
    stage: PlanStage, seconds: float, state: StepState = StepState.SUCCEEDED, slot: str = SLOT
) -> None:
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
        finished_at=NOW + timedelta(minutes=1, seconds=seconds + 2),
    )
    claimed = NOW + timedelta(minutes=1)
    Command.objects.create(
        command_id=uuid4(),
        vault=vault,
        provider=provider,
        step=step,
        verb=VERB,
        slot=slot,
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


def test_what_lies_between_two_commands_is_known_from_those_that_wait_for_no_place(
    stage: PlanStage,
) -> None:
    spec = StepSpec(key="s", task="T", kind=StepKind.COMMAND, action=VERB)
    measure(stage, 5)
    assert not durations_of(stage.sites.vault.id, [spec]).handing_over
    measure(stage, 5, slot="")
    assert durations_of(stage.sites.vault.id, [spec]).handing_over == [62]


def test_the_lengths_of_a_verb_are_found_by_an_index(stage: PlanStage) -> None:
    for seconds in range(50):
        measure(stage, seconds)
    with connection.cursor() as cursor:
        # Few rows are read faster without any index.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        values: dict[str, list[str] | UUID | int] = {
            "verbs": [VERB],
            "vault": stage.sites.vault.id,
            "most": 10,
        }
        cursor.execute(f"EXPLAIN {_QUERY}", values)
        told = "\n".join(row[0] for row in cursor.fetchall())
    assert "command_length" in told
