"""Small families: a root with groups, and children that go through gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs import queries, services
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job
from coordinator.jobs.registry import FinishedJob, RecordCall, Registry
from coordinator.jobs.steps import (
    ChildJob,
    FailureRule,
    Graph,
    JobTarget,
    StepKind,
    StepSpec,
    TaskSpec,
)
from tests.integration.jobs.fake_provider import Answer, FakeProvider, succeed
from tests.integration.jobs.jobs_for_tests import TASKS, Clock, command, record, request, states


def group(
    key: str, members: Sequence[str], *after: str, gate: str = "", **changes: object
) -> StepSpec:
    inputs = {"members": list(members), "gate": gate}
    return record(key, *after, kind=StepKind.GROUP, action="", inputs=inputs, **changes)


def manual(key: str, *after: str, **changes: object) -> StepSpec:
    fields: dict[str, object] = {"kind": StepKind.MANUAL, "action": "tell", **changes}
    return record(key, *after, inputs={"instructions": "Look at it."}, **fields)


def machine(key: str, provider_id: UUID, **changes: object) -> ChildJob:
    """A child that is shut down, failed over and started; shutting down can be taken back."""
    steps = (
        record("check"),
        command("stop", provider_id, "check", gate="shutdown"),
        command("move", provider_id, "stop", gate="failover", point_of_no_return=True),
        command("start", provider_id, "move", gate="boot"),
        command("start-again", provider_id, undoes="stop"),
    )
    fields: dict[str, object] = {
        "key": key,
        "scenario": "PlannedFailover",
        "friendly_name": "Planned failover",
        "target": JobTarget("ProtectionEntity", f"item-{key}", key.upper()),
        "graph": Graph(TASKS, steps),
        "locks": (f"item:{key}",),
        **changes,
    }
    return ChildJob(**fields)  # type: ignore[arg-type]  # names of fields, varying


def plan_steps(*groups: Sequence[str]) -> tuple[StepSpec, ...]:
    """Shut down in reverse order, fail over all at once, start in order."""
    steps: list[StepSpec] = []
    for number in range(len(groups), 0, -1):
        before = [f"shutdown-{number + 1}"] if number < len(groups) else []
        steps.append(group(f"shutdown-{number}", groups[number - 1], *before, gate="shutdown"))
    everybody = [key for keys in groups for key in keys]
    steps.append(group("failover", everybody, "shutdown-1", gate="failover"))
    for number, keys in enumerate(groups, start=1):
        before = [f"boot-{number - 1}"] if number > 1 else ["failover"]
        steps.append(group(f"boot-{number}", keys, *before, gate="boot"))
    return tuple(steps)


@dataclass
class Plan:
    """A family under way, with the provider that carries out its commands."""

    provider: FakeProvider
    clock: Clock
    job: Job = field(default_factory=Job)
    finished: list[FinishedJob] = field(default_factory=list)
    restarted: list[FinishedJob] = field(default_factory=list)
    escalated: list[RecordCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry = Registry(
            records={"note": self.note},
            finishers={"PlannedFailover": self.finish},
            escalations={"tell": self.escalated.append},
            restarters={"PlannedFailover": self.restarted.append},
        )

    def note(self, _call: RecordCall) -> Mapping[str, object]:
        return {}

    def finish(self, finished: FinishedJob) -> str:
        self.finished.append(finished)
        return f"{finished.target_id} is {finished.state}"

    def begin(self, steps: Sequence[StepSpec], *children: ChildJob, **changes: object) -> Job:
        tasks = (*TASKS, *(TaskSpec(s.key, s.key) for s in steps if s.kind is StepKind.GROUP))
        graph = Graph(tasks, tuple(steps), children)
        wanted = request(self.provider.vault_id, locks=("plan:1",), graph=graph, **changes)
        self.job = services.begin_job(wanted, self.clock())
        self.advance()
        return self.job

    def advance(self) -> None:
        advance(self.job.id, self.registry, self.clock)
        self.job.refresh_from_db()

    def child(self, key: str) -> Job:
        return Job.objects.get(root=self.job, child_key=key)

    def states(self, key: str = "") -> dict[str, str]:
        return states(self.child(key) if key else self.job)

    def fetch(self) -> dict[str, command_pb2.Command]:
        """The commands sent now, by child and step, as in "a/stop"."""
        keys = {str(job.id): job.child_key for job in Job.objects.filter(root=self.job)}
        return {
            f"{keys.get(sent.job_id, '')}/{sent.step_key}".lstrip("/"): sent
            for sent in self.provider.fetch(limit=1000)
        }

    def answer_all(self, answers: Mapping[str, Answer] | None = None) -> set[str]:
        """Answers everything sent, well unless told otherwise; gives what it was."""
        sent = self.fetch()
        for name, each in sent.items():
            self.provider.answer(each, self.clock(), (answers or {}).get(name, succeed))
        self.advance()
        return set(sent)

    def run(self, answers: Mapping[str, Answer] | None = None) -> list[set[str]]:
        """Answers until nothing is sent any more; gives what was sent together."""
        waves = []
        while wave := self.answer_all(answers):
            waves.append(wave)
        return waves

    def percent(self) -> int:
        view = queries.find_job(self.job.vault_id, self.job.id)
        assert view is not None
        return view.percent


WARN = FailureRule.WARN
