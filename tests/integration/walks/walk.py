"""A random walk through the failover family, judged after each step by table and hosts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from coordinator.failures import Failure, RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.services import cancel_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation, allowed_operations, why_not
from coordinator.protection.states import ActiveLocation, DrillState, ProtectionState
from coordinator.protection.transitions import is_tested
from deploy.lab.judge import double_runs, running_intervals, started_from_unknown_disks
from deploy.lab.site.effects import Effect
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.model import VirtualMachine
from tests.integration.walks.lab_world import LabWorld
from tests.integration.walks.operations import (
    CMDLETS,
    LEADS_TO,
    OPERATIONS,
    Request,
    random_request,
)
from tests.integration.walks.sites import BEIJING, SHANGHAI, Agent

S = ProtectionState
IN_PROGRESS = {state for state in S if not allowed_operations(state)} - {S.INITIAL_REPLICATION}
# Mode and state of the active copy and of the other one; "" says nothing.
HOSTS_SHOW = {
    S.PROTECTED: (("Primary", "Replicating"), ("Replica", "Replicating")),
    S.COMMIT_PENDING: (("Replica", "FailedOverWaitingCompletion"), ("Primary", "")),
    S.UNPLANNED_COMMIT_PENDING: (("Replica", "FailedOverWaitingCompletion"), ("Primary", "")),
    S.COMMITTED: (("Replica", "FailedOver"), ("Primary", "")),
}
# Not those for which a verb rightly waits as long as it may.
KINDS = (FaultKind.FAIL, FaultKind.FAIL_AFTER, FaultKind.VANISH)
TROUBLE_SHARE, FORBIDDEN_SHARE, CANCELLED_SHARE = 0.4, 0.1, 0.25
MOST_ROUNDS = 6
MOST_STEPS_HOME = 8


@dataclass
class Walk:
    """One walk of a protected machine.

    Attributes:
        told: What was done, for whoever looks into a failure.
        done: How often each operation ended well.
        in_order: Nothing went wrong since the hosts were last led to where they have to be.
    """

    world: LabWorld
    chance: random.Random
    told: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    refused: int = 0
    in_order: bool = True
    epoch: int = 0

    # Steps

    def step(self) -> None:
        """One operation, allowed or not, in peace or with trouble."""
        item = self.world.item()
        allowed = [each for each in OPERATIONS if self._why_not(item, each) is None]
        forbidden = [each for each in OPERATIONS if each not in allowed]
        if self.chance.random() < FORBIDDEN_SHARE:
            self.ask_in_vain(random_request(self.world, self.chance.choice(forbidden), self.chance))
            return
        request = random_request(self.world, self.chance.choice(allowed), self.chance)
        if self.chance.random() < TROUBLE_SHARE:
            self.in_trouble(request)
        else:
            self.in_peace(request)

    def ask_in_vain(self, request: Request) -> None:
        """What the table forbids is refused with four parts, and changes nothing."""
        before = self._standing()
        failure = self._refusal(request)
        self.told.append(f"{request.told}: refused")
        assert failure is not None, self.story()
        assert failure.code == "OperationNotAllowed", self.story()
        _check_parts(failure)
        assert self._standing() == before, self.story()
        self.refused += 1

    def in_peace(self, request: Request) -> None:
        """What the table allows ends well on the hosts, and leads where it has to."""
        marks = self._mark()
        job = self._begin(request)
        self.world.settle()
        job.refresh_from_db()
        self.told.append(f"{request.told}: {job.state}")
        assert job.state == JobState.SUCCEEDED, self.story(job)
        self._follow(request.operation)
        if request.operation is Operation.PLANNED_FAILOVER:
            self._check_nothing_lost(marks)
        self.done[request.operation] += 1

    def in_trouble(self, request: Request) -> None:
        """A cmdlet fails, or the job is cancelled on its way."""
        troubled = self.chance.choice(sorted(self.world.sites.agents))
        cancelled = self.chance.random() < CANCELLED_SHARE
        faults = self.world.sites.agents[troubled].site.faults
        fault = Fault(
            kind=self.chance.choice(KINDS),
            cmdlet=self.chance.choice(CMDLETS[request.operation]),
            remaining=self.chance.choice((1, 4)),
        )
        planned = fault.remaining
        if not cancelled:
            faults.add(fault)
        job = self._begin(request)
        what = f"{fault.kind} {fault.cmdlet} at {troubled}"
        if cancelled:
            what = f"cancelled {self._cancel_on_its_way(job)}"
        self.world.settle()
        unused = fault.remaining == planned
        faults.clear()
        job.refresh_from_db()
        self.told.append(f"{request.told} ({what}{', unused' if unused else ''}): {job.state}")
        if job.state == JobState.SUCCEEDED:
            warned = bool(job_view(job).errors)
            self.in_order = self.in_order and not warned
            self._follow(request.operation, strictly=not warned)
            self.done[request.operation] += 1
            return
        self.failed += 1
        self.in_order = False
        for error in job_view(job).errors:
            _check_parts(error.failure)
        self.world.discover()
        self.world.observe()

    def _cancel_on_its_way(self, job: Job) -> str:
        for number in range(self.chance.randrange(1, MOST_ROUNDS)):
            self.world.heartbeat()
            moved = self.world.work()
            served = [self.world.serve(name) for name in (SHANGHAI, BEIJING)]
            if not moved and not any(served):
                return f"never, it ended after {number} rounds"
        try:
            with transaction.atomic():
                cancel_job(job.id, "walk", self.world.now)
        except RefusedError as refused:
            _check_parts(refused.failure)
            return f"in vain: {refused.failure.code}"
        return "on its way"

    def _follow(self, operation: Operation, *, strictly: bool = True) -> None:
        """The item is where the operation leads; the agents have told of it."""
        self.world.observe()
        if self.world.item().state == S.INITIAL_REPLICATION:
            self.world.wait_until_protected()
            self.told.append("compared")
        item = self.world.item()
        if strictly and operation in LEADS_TO:
            assert item.state == LEADS_TO[operation], self.story()
        if operation is Operation.TEST_FAILOVER and strictly:
            assert item.test_failover_state == DrillState.ACTIVE, self.story()
        if operation is Operation.TEST_FAILOVER_CLEANUP:
            assert item.test_failover_state == DrillState.NONE, self.story()
        if (
            operation
            in {Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER, Operation.CHANGE_PIT}
            and strictly
        ):
            self.in_order = True

    def go_home(self) -> None:
        """Out of whatever state it is in, in peace; then protection is disabled."""
        ways = (Operation.TEST_FAILOVER_CLEANUP, Operation.DISABLE_PROTECTION)
        for _ in range(MOST_STEPS_HOME):
            item = self.world.item()
            for operation in (*ways, Operation.CANCEL_FAILOVER):
                if self._why_not(item, operation) is None:
                    break
            else:
                raise AssertionError(f"no way out: {self.story()}")
            if operation is Operation.DISABLE_PROTECTION:
                self._disable(item)
                return
            self.in_peace(random_request(self.world, operation, self.chance))
        raise AssertionError(f"the way out has no end: {self.story()}")

    def _disable(self, item: ProtectedItem) -> None:
        """Nothing replicates; the copy the machine ran on is still there, and still runs."""
        active, _ = self._copies(item)
        was = active.state
        job = self._begin(random_request(self.world, Operation.DISABLE_PROTECTION, self.chance))
        self.world.settle()
        job.refresh_from_db()
        self.told.append(f"disable in {item.state}: {job.state}")
        assert job.state == JobState.SUCCEEDED, "\n".join(self.told)
        assert not ProtectedItem.objects.filter(id=item.id).exists()
        machines = [
            (vm.host_fqdn, vm.state, vm.replication)
            for agent in self.world.sites.agents.values()
            for vm in agent.site.virtual_machines
            if vm.vm_id.lower() == item.vm_id
        ]
        assert all(replication is None for _, _, replication in machines), machines
        assert (active.host_fqdn, was, None) in machines
        self._check_journals()

    # Judgement

    def check(self) -> None:
        """Item, hosts and journals agree."""
        item = self.world.item()
        active, passive = self._copies(item)
        state = S(item.state)
        assert state not in IN_PROGRESS, self.story()
        assert not OperationLock.objects.exists(), self.story()
        assert item.role_epoch >= self.epoch, self.story()
        self.epoch = item.role_epoch
        assert not (active.state.value == passive.state.value == "Running"), self.story()
        if state in HOSTS_SHOW:
            assert passive.state.value == "Off", self.story()
            assert (active.state.value == "Running") or not self.in_order, self.story()
            for copy, (mode, shown) in zip((active, passive), HOSTS_SHOW[state], strict=True):
                assert copy.replication is not None, self.story()
                if not self.in_order:
                    continue
                assert copy.replication.mode.value == mode, self.story()
                assert shown in {"", copy.replication.state.value}, self.story()
        self._check_tests(item)
        self._check_journals()

    def _check_tests(self, item: ProtectedItem) -> None:
        """There is a test machine if the item says so, on the side where nothing runs."""
        tests = [
            vm
            for agent in self.world.sites.agents.values()
            for vm in agent.site.virtual_machines
            if vm.test_replica_of
        ]
        if item.test_failover_state == DrillState.NONE:
            assert tests == [], self.story()
        if item.test_failover_state == DrillState.ACTIVE:
            assert len(tests) == 1, self.story()

    def _check_journals(self) -> None:
        effects = self.effects()
        assert double_runs(running_intervals(effects, connected=False), datetime.now(UTC)) == []
        assert started_from_unknown_disks(effects) == [], self.story()
        doubles = Counter(
            (each.command_id, each.effect, each.target, str(each.details.get("adapter")))
            for each in effects
            if each.command_id
        )
        assert {key: n for key, n in doubles.items() if n > 1} == {}, self.story()

    def effects(self) -> list[Effect]:
        found = [
            effect
            for agent in self.world.sites.agents.values()
            for effect in agent.site.effects.read()
        ]
        return sorted(found, key=lambda effect: effect.at)

    def story(self, job: Job | None = None) -> str:
        """What happened, for whoever looks into a failure."""
        item = ProtectedItem.objects.filter(vault=self.world.vault).first()
        if item is None:
            return "\n".join(self.told)
        errors = [] if job is None else [str(each) for each in job_view(job).errors]
        copies = [
            f"{vm.host_fqdn}: {vm.state} {vm.replication and vm.replication.mode} "
            f"{vm.replication and vm.replication.state}"
            for vm in self._copies(item)
        ]
        return "\n".join([*self.told, *errors, f"{item.state} {item.active_location}", *copies])

    def _check_nothing_lost(self, effects_before: int) -> None:
        """What the source wrote last is what the target found when it started."""
        new = self.effects()[effects_before:]
        written = [each.details["ledger_last"] for each in new if each.effect == "vm.stopped"]
        found = [each.details["ledger_last"] for each in new if each.effect == "vm.started"]
        assert written[-1:] in ([], found[-1:]), self.story()

    def _mark(self) -> int:
        return len(self.effects())

    # Parts

    def _why_not(self, item: ProtectedItem, operation: Operation) -> object:
        return why_not(operation, S(item.state), testing=is_tested(item))

    def _begin(self, request: Request) -> Job:
        self.world.heartbeat()
        with transaction.atomic():
            return request.begin()

    def _refusal(self, request: Request) -> Failure | None:
        try:
            self._begin(request)
        except RefusedError as error:
            return error.failure
        return None

    def _standing(self) -> tuple[object, ...]:
        item = self.world.item()
        return (
            item.state,
            item.active_location,
            item.role_epoch,
            item.test_failover_state,
            Job.objects.count(),
            self._mark(),
        )

    def _copies(self, item: ProtectedItem) -> tuple[VirtualMachine, VirtualMachine]:
        """The active one first."""
        primary = _copy(self.world.sites.agents[SHANGHAI], item.vm_id)
        recovery_copy = _copy(self.world.sites.agents[BEIJING], item.vm_id)
        if item.active_location == ActiveLocation.PRIMARY:
            return primary, recovery_copy
        return recovery_copy, primary


def _copy(agent: Agent, vm_id: str) -> VirtualMachine:
    return agent.site.vm(agent.site.host(agent.host), vm_id=vm_id)


def _check_parts(failure: Failure) -> None:
    """Code, message, possible causes, recommended action."""
    assert failure.code
    assert failure.message
    assert failure.possible_causes, failure
    assert failure.recommended_action, failure
