"""A large plan is tested and cleaned up: begun in a few queries, run to its end within the limits.

`OSR_PLAN_MACHINES=2000 OSR_PLAN_REPORT=report.json pytest <this file>` measures a large one.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from opensiterecovery.provider.v1 import command_pb2

from coordinator.fabrics.models import Host
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import UNFINISHED_COMMANDS, CommandState, JobState
from coordinator.protection.models import PairedHost, ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.states import DrillState
from coordinator.recovery.models import Drill, PlanMember
from tests.integration.protection.fake_hyperv import Copy
from tests.integration.protection.plan_stage import PlanStage, make_plan_stage
from tests.integration.protection.world import World, add_host

pytestmark = pytest.mark.django_db

MACHINES = int(os.environ.get("OSR_PLAN_MACHINES", "60"))
REPORT = os.environ.get("OSR_PLAN_REPORT", "")
GROUPS, HOSTS = 5, 10
TEST, CLEAN_UP = Operation.TEST_FAILOVER, Operation.TEST_FAILOVER_CLEANUP


@dataclass
class Figures:
    """What a run cost.

    Attributes:
        begin_seconds: Of the request.
        begin_queries: Of the request.
        advances: Rounds of the engine; each takes every result there is.
        commands: Carried out.
        most_at_once: Of one host.
    """

    begin_seconds: float = 0.0
    begin_queries: int = 0
    run_seconds: float = 0.0
    advances: int = 0
    commands: int = 0
    most_at_once: int = 0
    actions: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def stage(world: World) -> PlanStage:
    return make_plan_stage(world, 1)


def add_machines(stage: PlanStage, count: int) -> list[ProtectedItem]:
    """Protected machines like the first one, on many hosts of the paired clouds."""
    first = stage.item(1)
    source, target = (
        stage.hyperv.copies[host, first.vm_id] for host in (first.primary_host, first.recovery_host)
    )
    add_hosts(stage, first)
    rows = []
    for number in range(count):
        vm_id = str(UUID(int=number + 1))
        host = f"hv{number % HOSTS}.beijing.contoso.com"
        stage.hyperv.copies[first.primary_host, vm_id] = Copy(**vars(source))
        stage.hyperv.copies[host, vm_id] = Copy(**vars(target))
        stage.hyperv.names[vm_id] = f"Large{number:04}"
        rows.append(
            ProtectedItem(
                vault=first.vault,
                pairing=first.pairing,
                name=f"large{number:04}",
                friendly_name=f"Large{number:04}",
                vm_id=vm_id,
                protectable_item_id="x",
                state=first.state,
                primary_host=first.primary_host,
                recovery_host=host,
                created_at=first.created_at,
            )
        )
    return ProtectedItem.objects.bulk_create(rows)


def add_hosts(stage: PlanStage, like: ProtectedItem) -> None:
    """Recovery hosts configured for the pair as the first machine's is."""
    known = PairedHost.objects.get(pairing=like.pairing, host__name=like.recovery_host)
    for number in range(HOSTS):
        name = f"hv{number}.beijing.contoso.com"
        add_host(stage.world, stage.world.fabric("vmm-beijing"), "GoldCloud2", name, number)
        PairedHost.objects.create(
            pairing=like.pairing,
            host=Host.objects.get(name=name),
            location=known.location,
            storage_location=known.storage_location,
            configured_at=known.configured_at,
            connection_point=name,
            certificate_thumbprint=known.certificate_thumbprint,
        )


def fill_plan(stage: PlanStage, items: Sequence[ProtectedItem]) -> None:
    """Puts more machines into the groups of the plan, in turn."""
    plan = stage.plan
    PlanMember.objects.bulk_create(
        PlanMember(
            plan=plan,
            group=number % GROUPS + 1,
            position=number + 1,
            item=item,
            name=item.name,
            vm_id=item.vm_id,
        )
        for number, item in enumerate(items)
    )


def begun(stage: PlanStage, operation: Operation) -> tuple[Job, Figures]:
    figures, began = Figures(), monotonic()
    with CaptureQueriesContext(connection) as captured:
        job = stage.begin(operation)
    figures.begin_seconds = monotonic() - began
    figures.begin_queries = len(captured)
    return job, figures


def run(stage: PlanStage, operation: Operation) -> tuple[Job, Figures]:
    """To the end: agents take all they are given, then answer, then the engine goes on."""
    job, figures = begun(stage, operation)
    world, began = stage.world, monotonic()
    sent: list[command_pb2.Command] = []
    while True:
        world.pass_(0.001)
        advance(job.id, world.registry, world.clock)
        figures.advances += 1
        sent = [*iter_commands(world)]
        if not sent:
            break
        figures.most_at_once = max(figures.most_at_once, most_of_a_host())
        for command in sent:
            world.beijing.answer(command, world.now, stage.hyperv.answer)
        figures.actions.update(each.WhichOneof("verb") or "" for each in sent)
        figures.commands += len(sent)
    figures.run_seconds = monotonic() - began
    job.refresh_from_db()
    return job, figures


def iter_commands(world: World) -> list[command_pb2.Command]:
    """All that is to be had now."""
    found: list[command_pb2.Command] = []
    while some := world.beijing.fetch(limit=500):
        found += some
    return found


def most_of_a_host() -> int:
    """How many commands of one host are at their agent."""
    under_way = Command.objects.filter(state__in=UNFINISHED_COMMANDS).exclude(
        state=CommandState.PENDING
    )
    slots = under_way.exclude(slot="").values_list("slot", flat=True)
    return max(Counter(slots).values(), default=0)


@pytest.mark.spec("FO-1", "RP-1", "RP-6")
@pytest.mark.timeout(600 + MACHINES)
def test_a_large_plan_is_tested_and_cleaned_up_within_the_limits(stage: PlanStage) -> None:
    stage.items = add_machines(stage, MACHINES)
    stage.make_plan([[number] for number in range(1, GROUPS + 1)])
    few = queries_of_a_request(stage, TEST)
    fill_plan(stage, stage.items[GROUPS:])
    at_once = settings.CONFIGURATION.commands_per_host

    job, figures = run(stage, TEST)
    assert job.state == JobState.SUCCEEDED, job_view(job).errors
    # Rows are written in batches.
    assert figures.begin_queries <= few + 4 + MACHINES // 100
    assert 1 < figures.most_at_once <= at_once
    assert figures.actions["start_test_failover"] == MACHINES
    assert set(states_of_tests()) == {DrillState.ACTIVE}
    tested = [each for each in stage.hyperv.copies.values() if each.mode == "TestReplica"]
    assert [each.vm_state for each in tested] == ["Running"] * MACHINES

    few = queries_of_a_request(stage, CLEAN_UP)
    job, clean_up = run(stage, CLEAN_UP)
    assert job.state == JobState.SUCCEEDED, job_view(job).errors
    assert clean_up.begin_queries <= few
    assert 1 < clean_up.most_at_once <= at_once
    assert set(states_of_tests()) == {DrillState.NONE}
    assert Drill.objects.filter(ended_at=None).count() == 0
    assert all(each.mode != "TestReplica" for each in stage.hyperv.copies.values())
    if REPORT:
        document = {"machines": MACHINES, "test": vars(figures), "clean_up": vars(clean_up)}
        Path(REPORT).write_text(json.dumps(document, indent=2), encoding="utf-8")


def states_of_tests() -> list[str]:
    large = ProtectedItem.objects.filter(friendly_name__startswith="Large")
    return list(large.values_list("test_failover_state", flat=True))


def queries_of_a_request(stage: PlanStage, operation: Operation) -> int:
    """How many it takes to begin one; it is not begun."""
    with transaction.atomic():
        point = transaction.savepoint()
        _, figures = begun(stage, operation)
        transaction.savepoint_rollback(point)
    return figures.begin_queries
