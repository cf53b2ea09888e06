"""The story, step by step: what an operator does, and how each step is verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.mgmt.recoveryservicessiterecovery import models

from coordinator.config.waiting import wait_for
from deploy.lab.control.operator import Cloud, Operator
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.admin_records import MachineStatus
from deploy.story.report import FailoverReport, StepReport, StoryReport

JOB_LIMIT_SECONDS = 300.0
STATE_LIMIT_SECONDS = 300.0
TO_RECOVERY = "PrimaryToRecovery"
TO_PRIMARY = "RecoveryToPrimary"


class StoryError(AssertionError):
    """A step did not do what it should have; the text says what was seen instead."""


@dataclass(frozen=True)
class Cast:
    """Who plays: names of the default topology."""

    machine: str = "VM1"
    source_cloud: str = "GoldCloud1"
    target_cloud: str = "GoldCloud2"
    source_site: str = "Shanghai"
    target_site: str = "Beijing"
    policy: str = "Gold"
    frequency_seconds: int = 30
    port: int = 8084


class Narrator:
    """Hears what happens; the screen is one, silence is another."""

    def step_began(self, name: str) -> None:
        """A step of the story began."""

    def step_ended(self, step: StepReport) -> None:
        """It ended."""

    def job_seen(self, job: models.JobProperties) -> None:
        """A job was looked at while it ran."""

    def told(self, text: str) -> None:
        """Something worth a line happened within the step."""


class Story:
    """Plays the story on a stage that may be up already.

    Args:
        stage: The lab.
        cast: Names.
        narrator: Hears about it.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        stage: Stage,
        narrator: Narrator,
        cast: Cast | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage = stage
        self.cast = cast or Cast()
        self.narrator = narrator
        self.report = StoryReport(vm=self.cast.machine)
        self._clock = clock
        self._policy = ""
        # Name of the protected item in resource ids.
        self.item = f"{self.cast.machine}-item".lower()
        self._operator: Operator | None = None
        self._sites: Sites | None = None

    @property
    def operator(self) -> Operator:
        if self._operator is None:
            self._operator = self.stage.operator()
        return self._operator

    @property
    def sites(self) -> Sites:
        if self._sites is None:
            self._sites = Sites(self.stage)
        return self._sites

    def of(self, cast: Cast) -> Story:
        """The story of another machine under the policy and pairing this one made."""
        other = Story(self.stage, self.narrator, cast, self._clock)
        other._policy = self._policy
        return other

    def play(self) -> StoryReport:
        """Plays everything; a step that fails ends the story and is the last in the report.

        Raises:
            Exception: What the failing step raised, after the report has got it.
        """
        self.set_the_stage()
        self.pair_clouds()
        self.protect_machine()
        self.fail_over()
        self.come_back()
        self.count()
        return self.report

    # Chapters

    def set_the_stage(self) -> None:
        """Sites, vault, agents, discovery."""
        with self._step("two sites and the coordinator start"):
            self.stage.start_processes()
        with self._step("a vault is made"):
            self.stage.make_vault()
        with self._step("both agents register with a key each"):
            self.stage.register_agents()
        with self._step("clouds and machines are discovered"):
            self.stage.wait_for_discovery()
            machines = self.operator.machines(self._cloud(self.cast.source_cloud))
            self.narrator.told(f"{self.cast.source_cloud}: {', '.join(sorted(machines))}")
            if self.cast.machine not in machines:
                raise StoryError(f"{self.cast.machine} is not among {sorted(machines)}")

    def pair_clouds(self) -> None:
        """Policy and pairing. Idempotent as far as the policy goes."""
        source = self._source()
        with self._step(f"a policy is made ({self.cast.frequency_seconds} s, certificate)"):
            self._policy = self.operator.make_policy(
                self.cast.policy,
                frequency_seconds=self.cast.frequency_seconds,
                port=self.cast.port,
            )
        with self._step(f"{self.cast.source_cloud} is paired with {self.cast.target_cloud}"):
            target = self._cloud(self.cast.target_cloud)
            name = f"{self.cast.source_cloud}-{self.cast.target_cloud}".lower()
            self._follow(self.operator.pair(name, source, target, self._policy))

    def protect_machine(self) -> None:
        """Replication of one machine: enabled, first copy, deltas."""
        source = self._source()
        with self._step(f"{self.cast.machine} is protected"):
            machine = self.operator.machines(source)[self.cast.machine]
            job = self.operator.protect(self.item, source, str(machine.id), self._policy)
            self._follow(job)
        with self._step("the first copy runs"):
            self.wait_for_state("Protected")
        with self._step("deltas follow"):
            self.wait_for_deltas(self.cast.target_site)

    def fail_over(self) -> None:
        """Planned failover to the recovery site, compared byte for byte; then the reverse."""
        self.planned_failover(TO_RECOVERY, self.cast.source_site, self.cast.target_site)
        self.reverse(TO_PRIMARY, self.cast.source_site)

    def come_back(self) -> None:
        """Failback, committed, and the original direction again."""
        self.planned_failover(TO_PRIMARY, self.cast.target_site, self.cast.source_site)
        self.commit()
        self.reverse(TO_RECOVERY, self.cast.target_site)

    def planned_failover(self, direction: str, origin: str, destination: str) -> None:
        """Moves the machine and verifies that it arrived whole."""
        asked = self._clock()
        with self._step(f"planned failover moves {self.cast.machine} to {destination}"):
            job = self.operator.planned_failover(self._source(), self.item, direction)
            self._follow(job)
            self._expect_running(destination, running=True)
            self._expect_running(origin, running=False)
            seconds = self._clock() - asked
        with self._step(f"the disks at {destination} are compared with what the guest wrote"):
            self._compare(origin, destination, seconds)

    def commit(self) -> None:
        """Commits the failover that was made last."""
        with self._step("the failover is committed"):
            self._follow(self.operator.commit(self._source(), self.item))

    def reverse(self, direction: str, replica_site: str) -> None:
        """Turns replication round and waits until deltas flow the new way."""
        with self._step(f"replication is reversed: now to {replica_site}"):
            self._follow(self.operator.reverse(self._source(), self.item, direction))
            self.wait_for_state("Protected")
            self.wait_for_deltas(replica_site)

    def count(self) -> None:
        """Adds up what the lab's recorders saw."""
        with self._step("no effect happened twice"):
            effects = self.sites.effects()
            self.report.commands = len({e.command_id for e in effects if e.command_id})
            self.report.duplicate_effects = self.sites.duplicate_effects()
            self.report.bytes_replicated = self.sites.bytes_replicated()
            if self.report.duplicate_effects:
                raise StoryError(f"{self.report.duplicate_effects} effects happened twice")

    # Waiting for states

    def wait_for_state(self, state: str) -> None:
        """Waits until the item is in a protection state."""

        def reached() -> bool:
            item = self.operator.item(self._source(), self.item)
            return item is not None and item.protection_state == state

        wait_for(f"{self.cast.machine} to be {state}", reached, STATE_LIMIT_SECONDS)

    def wait_for_deltas(self, replica_site: str) -> None:
        """Waits until what the guest writes from now on has arrived at the replica."""
        written = self.sites.ledger(self.cast.machine).last_written

        def arrived() -> bool:
            found = self.sites.ledger(self.cast.machine, site=replica_site).last_found
            return found > written

        wait_for(f"records after {written} at {replica_site}", arrived, STATE_LIMIT_SECONDS)
        self.narrator.told(f"the guest's records reach {replica_site}")

    # Inside

    def _compare(self, origin: str, destination: str, seconds: float) -> None:
        """The proof: what left is what arrived, and nothing the guest wrote is missing."""
        failover = FailoverReport(
            destination=destination,
            digest_source=self.sites.digest(self.cast.machine, site=origin).now,
            digest_target=self.sites.digest(self.cast.machine, site=destination).at_boot,
            last_written=self.sites.ledger(self.cast.machine, site=origin).last_written,
            last_found=self.sites.ledger(self.cast.machine, site=destination).found_at_boot,
            rto_seconds=seconds,
        )
        self.report.failovers.append(failover)
        if not failover.ok:
            raise StoryError(f"what arrived at {destination} is not what left: {failover}")
        digest = failover.digest_source[:16]
        self.narrator.told(f"equal: sha256 {digest}..., {failover.last_found} records, none lost")

    def _expect_running(self, site: str, *, running: bool) -> MachineStatus:
        machine = self.sites.machine(self.cast.machine, site=site)
        if (machine.state == "Running") != running:
            raise StoryError(f"{machine.name} is {machine.state} at {site}")
        return machine

    def _cloud(self, name: str) -> Cloud:
        return self.operator.clouds()[name]

    def _source(self) -> Cloud:
        return self._cloud(self.cast.source_cloud)

    def _follow(self, job: str) -> None:
        self.operator.wait_for_job(job, JOB_LIMIT_SECONDS, self.narrator.job_seen)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self.narrator.step_began(name)
        started = self._clock()
        ok = False
        try:
            yield
            ok = True
        finally:
            step = StepReport(name, self._clock() - started, ok)
            self.report.steps.append(step)
            self.narrator.step_ended(step)
