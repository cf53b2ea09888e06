"""A site comes back: what ran starts again, what was failed over is held; nothing runs twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from coordinator.config.waiting import wait_for
from deploy.lab.control.operator import JobFailedError
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.judge import double_running_seconds
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.topology import find_topology
from deploy.story.story import TO_RECOVERY, Narrator, Story
from tests.e2e.test_osr import osr, osr_json

LIMIT_SECONDS = 180.0

pytestmark = [pytest.mark.timeout(900), pytest.mark.spec("FO-7")]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    folder = Path(tempfile.mkdtemp(prefix="osr-return-"))
    stage = Stage(StageOptions(folder, find_topology("default"), speed=10.0))
    try:
        stage.up(lambda _: None)
        made = Story(stage, Narrator())
        made.pair_clouds()
        made.protect_machine()
        # Whether hosts compare copies by themselves depends on the time of day: here they do not.
        done = osr(stage, "protect", "resync", made.cast.machine, "--no-auto")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        stage.down()
    shutil.rmtree(folder)


def running(story: Story) -> list[str]:
    """Sites at which the machine runs."""
    machines = Sites(story.stage).machines()
    return [m.site for m in machines if m.name == story.cast.machine and m.state == "Running"]


def open_events(story: Story) -> list[str]:
    """Codes of what is wrong now."""
    events = story.operator.open_events()
    return [str(each.properties.event_code) for each in events if each.properties]


def effects_of(story: Story, name: str) -> int:
    admin = story.sites.admin(story.cast.source_site)
    vm_id = story.sites.machine(story.cast.machine, story.cast.source_site).vm_id
    return sum(each.effect == name and each.target == vm_id for each in admin.effects())


def compare_copies(story: Story) -> None:
    """What a change log that was open when power was lost makes necessary."""
    machine, site = story.cast.machine, story.cast.source_site

    def asked_for() -> bool:
        shown = osr_json(story.stage, "protect", "show", machine)["properties"]
        return "67501" in {error["errorCode"] for error in shown["healthErrors"]}

    wait_for("the comparison to be asked for", asked_for, LIMIT_SECONDS)
    done = osr(story.stage, "protect", "repair", machine)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(
        "the copies to be compared",
        lambda: story.sites.machine(machine, site).replication_state == "Replicating",
        LIMIT_SECONDS,
    )


def ran_twice(story: Story) -> float:
    return double_running_seconds(story.sites.effects(), datetime.now(UTC))


def test_hosts_are_told_to_start_nothing_and_the_vault_starts_what_ran(story: Story) -> None:
    site = story.cast.source_site
    wait_for(
        "the host to be told",
        lambda: effects_of(story, "vm.automatic_start_set") > 0,
        LIMIT_SECONDS,
    )
    # Its state from before the loss has to be known.
    wait_for("a report", lambda: running(story) == [site], LIMIT_SECONDS)
    before = effects_of(story, "vm.started")
    story.sites.kill(site)
    assert running(story) == []
    story.sites.start(site)
    wait_for("the machine to run again", lambda: running(story) == [site], LIMIT_SECONDS)
    assert effects_of(story, "vm.started") == before + 1
    scenarios = [job.properties.scenario_name for job in story.operator.jobs() if job.properties]
    assert "StartVirtualMachine" in scenarios
    story.wait_for_state("Protected")


def test_the_old_primary_is_held_and_said_to_be_until_somebody_decides(story: Story) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = operator.clouds()[cast.source_cloud]
    sites.kill(cast.source_site)
    job = operator.unplanned_failover(source, story.item, TO_RECOVERY, with_source=False)
    operator.wait_for_job(job, LIMIT_SECONDS)
    assert running(story) == [cast.target_site]
    sites.start(cast.source_site)
    wait_for("the event", lambda: "OldPrimaryHeld" in open_events(story), LIMIT_SECONDS)
    assert running(story) == [cast.target_site]
    assert effects_of(story, "network_adapter.disconnected") > 0

    operator.wait_for_job(operator.cancel_failover(source, story.item), LIMIT_SECONDS)
    assert running(story) == [cast.source_site]
    assert effects_of(story, "network_adapter.connected") > 0
    wait_for("the event to go", lambda: "OldPrimaryHeld" not in open_events(story), LIMIT_SECONDS)
    assert ran_twice(story) == 0
    assert sites.duplicate_effects() == 0


@pytest.mark.spec("FO-4")
def test_when_the_site_it_went_to_is_lost_too_the_machine_goes_on_where_it_came_from(
    story: Story,
) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = operator.clouds()[cast.source_cloud]
    sites.kill(cast.source_site)
    job = operator.unplanned_failover(source, story.item, TO_RECOVERY, with_source=False)
    operator.wait_for_job(job, LIMIT_SECONDS)
    sites.start(cast.source_site)
    wait_for("the old copy held", lambda: "OldPrimaryHeld" in open_events(story), LIMIT_SECONDS)
    sites.kill(cast.target_site)
    operator.wait_for_job(operator.abandon_failover(source, story.item), LIMIT_SECONDS)
    assert running(story) == [cast.source_site]
    story.wait_for_state("FailoverAbandoned")
    wait_for("the event to go", lambda: "OldPrimaryHeld" not in open_events(story), LIMIT_SECONDS)

    sites.start(cast.target_site)
    wait_for("the event", lambda: "OldPrimaryHeld" in open_events(story), LIMIT_SECONDS)
    assert running(story) == [cast.source_site]
    operator.wait_for_job(operator.cancel_failover(source, story.item), LIMIT_SECONDS)
    story.wait_for_state("Protected")
    wait_for("the event to go", lambda: "OldPrimaryHeld" not in open_events(story), LIMIT_SECONDS)
    assert running(story) == [cast.source_site]
    assert ran_twice(story) == 0
    assert sites.duplicate_effects() == 0


@pytest.mark.spec("FO-4", "JB-2")
def test_a_failover_whose_target_dies_in_the_middle_is_taken_back_at_once(story: Story) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = operator.clouds()[cast.source_cloud]
    compare_copies(story)
    hang = Fault(kind=FaultKind.HANG, cmdlet="Start-VMFailover")
    sites.admin(cast.target_site).add_fault(hang)
    job = operator.planned_failover(source, story.item, TO_RECOVERY)

    def cancelled() -> bool:
        try:
            operator.cancel_job(job)
        except HttpResponseError:
            return False
        return True

    operator.wait_for_task(job, "VmFailover", LIMIT_SECONDS)
    assert not cancelled()
    sites.kill(cast.target_site)
    wait_for("the site to be lost", cancelled, LIMIT_SECONDS)
    with pytest.raises(JobFailedError):
        operator.wait_for_job(job, LIMIT_SECONDS)
    story.wait_for_state("PlannedFailoverFailed")

    back = operator.cancel_failover(source, story.item)
    wait_for("the machine to run", lambda: running(story) == [cast.source_site], LIMIT_SECONDS)
    # The other side is settled when it can be reached.
    sites.start(cast.target_site)
    operator.wait_for_job(back, LIMIT_SECONDS)
    story.wait_for_state("Protected")
    assert running(story) == [cast.source_site]
    assert ran_twice(story) == 0
    assert sites.duplicate_effects() == 0


@pytest.mark.spec("EV-1", "EN-10")
def test_an_agent_that_is_cut_off_is_told_of_and_comes_back(story: Story) -> None:
    sites, cast = story.sites, story.cast
    sites.cut_agent(cast.source_site)
    wait_for("the event", lambda: "25018" in open_events(story), LIMIT_SECONDS)
    assert running(story) == [cast.source_site]
    sites.heal(cast.source_site)
    wait_for("the server to be back", lambda: "25018" not in open_events(story), LIMIT_SECONDS)
    assert ran_twice(story) == 0
