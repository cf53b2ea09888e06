"""The load of the engine's figure: jobs of chained commands, and no-op tasks beside them."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

from celery import current_app
from django.db import transaction
from opensiterecovery.provider.v1 import command_pb2

from coordinator.config.waiting import wait_for
from coordinator.fabrics.models import Fabric, Provider
from coordinator.jobs.models import Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    begin_job,
    claim_commands,
    read_arrival,
    store_result,
)
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.vaults.models import Vault

JOBS = 100
STEPS_A_JOB = 10
NO_OPS = 2000
LIMIT_SECONDS = 120.0


def steps_a_second() -> float:
    """Jobs of chained commands, answered at once by a stub in the place of gateway and agent."""
    provider = _provider()
    began = time.perf_counter()
    jobs = [_begin(provider, number) for number in range(JOBS)]

    def answered() -> bool:
        _answer(provider)
        return not Job.objects.filter(id__in=jobs, finished_at=None).exists()

    wait_for("the jobs to end", answered, LIMIT_SECONDS)
    seconds = time.perf_counter() - began
    if Job.objects.filter(id__in=jobs, state="Succeeded").count() != JOBS:
        raise RuntimeError("not every job succeeded")
    return JOBS * STEPS_A_JOB / seconds


def _provider() -> uuid.UUID:
    now = datetime.now(UTC)
    name = uuid.uuid4().hex
    vault = Vault.objects.create(
        subscription_id=uuid.uuid4(), resource_group="b", name=name, location="b", created_at=now
    )
    fabric = Fabric.objects.create(
        vault=vault, name=name, friendly_name=name, installation_id=name, registered_at=now
    )
    provider = Provider.objects.create(
        vault=vault,
        fabric=fabric,
        name=name,
        public_key_sha256=uuid.uuid4().bytes * 2,
        certificate_not_after=now + timedelta(days=1),
        registered_at=now,
        fence=1,
    )
    return provider.id


def _begin(provider: uuid.UUID, number: int) -> uuid.UUID:
    steps = tuple(
        StepSpec(
            key=f"step-{index}",
            task="Task",
            kind=StepKind.COMMAND,
            action="refresh_host",
            provider=str(provider),
            inputs={"host": "host"},
            after=(f"step-{index - 1}",) if index else (),
        )
        for index in range(STEPS_A_JOB)
    )
    with transaction.atomic():
        job = begin_job(
            BeginJob(
                vault_id=Provider.objects.get(id=provider).vault_id,
                scenario="Bench",
                friendly_name="Bench",
                target=JobTarget("Bench", str(number), str(number)),
                graph=Graph((TaskSpec("Task", "Task"),), steps),
                locks=(),
                queue=QueueName.REPLICATION,
                started_by="bench",
            ),
            datetime.now(UTC),
        )
    return job.id


def _answer(provider: uuid.UUID) -> None:
    """Answers every command that waits."""
    with transaction.atomic():
        claimed = claim_commands(provider, 1, datetime.now(UTC), 200)
    for each in claimed:
        command = command_pb2.Command.FromString(each.body)
        result = command_pb2.CommandResult(command_id=command.command_id)
        result.host_refreshed.host = "host"
        with transaction.atomic():
            arrival = read_arrival(provider, result.SerializeToString())
            store_result(arrival, datetime.now(UTC))


def no_ops_a_second() -> float:
    """The same broker and worker settings, tasks that do nothing."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.no_op_worker"], stdout=subprocess.PIPE, text=True
    )
    try:
        if worker.stdout is None:
            raise RuntimeError("the worker has no output")
        worker.stdout.readline()
        began = time.perf_counter()
        for number in range(NO_OPS):
            current_app.send_task("bench.no_op", args=[number, NO_OPS], queue="bench")
        # The worker prints a line when the last one was done.
        worker.stdout.readline()
        return NO_OPS / (time.perf_counter() - began)
    finally:
        worker.terminate()
        worker.wait()
