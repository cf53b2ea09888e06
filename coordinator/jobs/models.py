"""Tables of the jobs domain."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Provider
from coordinator.jobs.states import CommandState, JobState, StepState
from coordinator.vaults.models import Vault


def choices(states: type[JobState | StepState | CommandState]) -> list[tuple[str, str]]:
    return [(state.value, state.name) for state in states]


class Job(models.Model):
    """One run of a scenario."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="jobs")
    # ASR's scenario name, for example "PlannedFailover".
    scenario = models.CharField(max_length=64)
    friendly_name = models.CharField(max_length=255)
    state = models.CharField(max_length=16, choices=choices(JobState), default=JobState.NOT_STARTED)
    # "Completed", "CompletedWithInformation", ...; empty while running.
    state_description = models.CharField(max_length=64, default="")
    # ASR's targetInstanceType, for example "ProtectionEntity", and the object's own id and name.
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=255)
    # ARM id of the resource the operation is about, for the end of long-running operations.
    target_resource = models.CharField(max_length=1024, default="")
    started_by = models.CharField(max_length=200)
    # x-ms-client-request-id of the request that began it: a repeated request finds its job.
    client_request_id = models.CharField(max_length=64, default="")
    # Queue of its advances: "failover", "replication" or "inventory".
    queue = models.CharField(max_length=16)
    # TaskSpec by TaskSpec, in order.
    tasks = models.JSONField(default=list)
    # Arguments of the scenario, for its finisher.
    arguments = models.JSONField(default=dict)
    # Failure by Failure, as JSON, each with its task and step.
    errors = models.JSONField(default=list)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # When the engine must look again even if nothing happens (deadlines, waits, retries); set for
    # as long as the job has not ended.
    wake_at = models.DateTimeField(null=True)
    # When the sweep last asked for an advance that has not run yet.
    asked_at = models.DateTimeField(null=True)
    # Keys of the locks it holds while it runs, to take them again when it is restarted.
    lock_keys = models.JSONField(default=list)
    # What state the operation left, for people; from the finisher.
    left_text = models.TextField(default="")
    # How far it has come, 0 to 100; never falls.
    percent = models.PositiveSmallIntegerField(default=0)
    # Why nothing more of it begins, see `states.Halt`; empty while it goes on.
    halt = models.CharField(max_length=8, default="")
    cancelled_by = models.CharField(max_length=200, default="")
    # A family: the job it is a part of and its key there; advances lock the root's row only.
    root = models.ForeignKey(
        "self", null=True, db_index=False, on_delete=models.CASCADE, related_name="children"
    )
    child_key = models.CharField(max_length=200, default="")
    # Of a child: the GROUP step that waits for it, by open gate; empty when it has been told.
    gates = models.JSONField(default=dict)
    # Of a child: a GROUP step has counted its failure.
    failure_told = models.BooleanField(default=False)
    # Of a root: how many children have not ended, how many are suspended, how many seconds of work
    # they have and how much of it is done.
    children_left = models.PositiveIntegerField(default=0)
    children_suspended = models.PositiveIntegerField(default=0)
    children_seconds = models.FloatField(default=0.0)
    children_seconds_done = models.FloatField(default=0.0)
    # What logs of everything the job causes are found by: x-ms-correlation-request-id of the
    # request that began it, or one of its own.
    correlation_id = models.CharField(max_length=64, default="")

    class Meta:
        indexes = [
            models.Index(fields=["vault", "-created_at"]),
            # What was done about an item or plan, of thousands of jobs.
            models.Index(fields=["target_id", "-created_at"], name="job_of_target"),
            models.Index(
                fields=["root", "wake_at"],
                name="job_family",
                condition=models.Q(root__isnull=False),
            ),
            models.Index(
                fields=["wake_at"],
                name="job_unfinished",
                condition=models.Q(state__in=["NotStarted", "InProgress", "Suspended"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["vault", "scenario", "target_id", "client_request_id"],
                name="job_request_unique",
                condition=~models.Q(client_request_id=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.scenario} {self.id}"


class OperationLock(models.Model):
    """One active operation per item (DESIGN, invariant 7); the row goes when the job ends."""

    # For example "item:<uuid>".
    key = models.CharField(max_length=128, primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="locks")

    def __str__(self) -> str:
        return self.key


class Step(models.Model):
    """A step of a job's graph with what became of it."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=200)
    task = models.CharField(max_length=64)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=16)
    action = models.CharField(max_length=64)
    provider = models.ForeignKey(Provider, null=True, on_delete=models.RESTRICT, related_name="+")
    inputs = models.JSONField(default=dict)
    after = models.JSONField(default=list)
    on_failure = models.CharField(max_length=8)
    time_limit_seconds = models.PositiveIntegerField()
    attempts_allowed = models.PositiveIntegerField()
    # How long a command may wait for a provider that is away; 0: not beyond its time limit.
    patience_seconds = models.PositiveIntegerField(default=0)
    point_of_no_return = models.BooleanField(default=False)
    gate = models.CharField(max_length=32, default="")
    slot = models.CharField(max_length=255, default="")
    expected_seconds = models.FloatField(default=0.0)
    # Seconds of the longest path from here to the end of its job: what has most before it goes
    # first.
    urgency = models.FloatField(default=0.0)
    undoes = models.CharField(max_length=200, default="")
    # Of a running GROUP step: how many members are not through its gate.
    members_left = models.PositiveIntegerField(default=0)
    state = models.CharField(
        max_length=16, choices=choices(StepState), default=StepState.NOT_STARTED
    )
    # Attempts begun so far; between two of them `retry_at` says when the next begins.
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    # When the running attempt's time is over.
    deadline_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    failure = models.JSONField(null=True)
    percent = models.PositiveSmallIntegerField(default=0)
    activity = models.CharField(max_length=255, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["job", "key"], name="step_key_unique")]

    def __str__(self) -> str:
        return self.key


class Command(models.Model):
    """A command to a provider: written here before it is sent, until its result is here."""

    # Order of delivery to the provider.
    sequence = models.BigAutoField(primary_key=True)
    # The wire's command_id: its last four bytes are zero, the agent counts pipelines in them.
    command_id = models.UUIDField(unique=True)
    # Found by the indexes below, which hold what is still at work; one of all commands of a server
    # would be a part of the wrong plans, and of every write.
    # Its step's, whose key PostgreSQL checks; to check these as well was a tenth of its work.
    vault = models.ForeignKey(
        Vault, db_index=False, db_constraint=False, on_delete=models.CASCADE, related_name="+"
    )
    provider = models.ForeignKey(
        Provider,
        db_index=False,
        db_constraint=False,
        on_delete=models.RESTRICT,
        related_name="commands",
    )
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="commands")
    # The job whose advance takes its result: the step's own, or the root of its family.
    # Goes with its step, so nothing has to be checked or found by it; the index below is enough.
    root = models.ForeignKey(
        Job,
        null=True,
        db_index=False,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    verb = models.CharField(max_length=64)
    # Its step's; commands of one slot are only claimed while there is room in it.
    slot = models.CharField(max_length=255, default="")
    # Who goes first: the lower priority (place of the job's queue among the queues), then the
    # higher urgency (its step's).
    priority = models.PositiveSmallIntegerField(default=0)
    urgency = models.FloatField(default=0.0)
    # The wire's Command, serialized.
    body = models.BinaryField()
    state = models.CharField(
        max_length=16, choices=choices(CommandState), default=CommandState.PENDING
    )
    # Fence of the session it was last sent in.
    sent_fence = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    # When a session first took it; its time runs from then.
    claimed_at = models.DateTimeField(null=True)
    # Until when the provider may be at it at the latest, if no result comes.
    occupied_until = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # The wire's CommandResult, serialized.
    result = models.BinaryField(null=True)
    # When the engine made the step out of the result.
    taken_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # One for each question, so that no plan can take another's: which is looked into was
            # decided while the table was small.
            models.Index(
                fields=["provider", "sent_fence"],
                name="command_sent",
                condition=models.Q(state__in=["sent", "acknowledged"]),
            ),
            models.Index(
                fields=["provider", "slot", "priority", "-urgency", "sequence"],
                name="command_waiting",
                condition=models.Q(state="pending"),
            ),
            models.Index(
                fields=["provider", "slot"],
                name="command_in_slot",
                condition=models.Q(result__isnull=True, claimed_at__isnull=False)
                & ~models.Q(slot=""),
            ),
            models.Index(
                fields=["root"],
                name="command_untaken",
                condition=models.Q(state="finished", taken_at__isnull=True),
            ),
            # How long the newest of a verb took; written once, when the result comes.
            models.Index(
                fields=["vault", "verb", "-sequence"],
                name="command_length",
                condition=models.Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.command_id}"


class OutboxMessage(models.Model):
    """Work for a worker, written with the change that calls for it; gone once it is done."""

    id = models.BigAutoField(primary_key=True)
    # Name of a registered domain task.
    task = models.CharField(max_length=64)
    queue = models.CharField(max_length=16)
    arguments = models.JSONField(default=list)
    created_at = models.DateTimeField()
    # When it is sent (again) if it is still here then.
    due_at = models.DateTimeField(db_index=True)
    # How often the work was tried and failed.
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.task


class PeriodicWork(models.Model):
    """When a domain task that begins by itself is due next."""

    # Name of a registered domain task.
    task = models.CharField(max_length=64, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.task
