"""One VMM server with two clouds: one agent, both copies of a machine at one site."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.admin_records import MachineStatus
from deploy.lab.site.topology import find_topology
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Cast, Narrator, Story

SITE = "Contoso"
CAST = Cast(
    machine="App1",
    source_cloud="PrimaryCloud",
    target_cloud="SecondaryCloud",
    source_site=SITE,
    target_site=SITE,
)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    folder = Path(tempfile.mkdtemp(prefix="osr-single-"))
    stage = Stage(StageOptions(folder, find_topology("single-server"), speed=20.0))
    try:
        stage.up(lambda _: None)
        yield Story(stage, Narrator(), CAST)
    finally:
        stage.down()
    shutil.rmtree(folder)


def copies(story: Story) -> dict[str, MachineStatus]:
    """Both copies, by whether their mode is Primary or Replica."""
    found = [each for each in Sites(story.stage).machines() if each.name == CAST.machine]
    return {each.replication_mode: each for each in found}


def wait_for_primary(story: Story, host: str) -> None:
    """Until a host's copy is the primary, and the other takes its deltas."""

    def reached() -> bool:
        now = copies(story)
        return now["Primary"].host == host and now["Replica"].replication_state == "Replicating"

    wait_for(f"replication from {host}", reached, 60.0)


@pytest.mark.timeout(300)
@pytest.mark.spec("SS-1")
def test_a_machine_moves_to_the_other_cloud_of_its_server_and_back(story: Story) -> None:
    story.pair_clouds()
    operator = story.operator
    clouds = operator.clouds()
    source = clouds[CAST.source_cloud]
    machine = operator.machines(source)[CAST.machine]
    job = operator.protect(story.item, source, str(machine.id), story._policy)
    operator.wait_for_job(job, 120.0)
    story.wait_for_state("Protected")
    before = copies(story)
    assert before["Primary"].host.startswith("hv-p")
    assert before["Replica"].host.startswith("hv-s")
    admin = Sites(story.stage).admin(SITE)
    for origin, direction, back in (
        (before["Primary"], TO_RECOVERY, TO_PRIMARY),
        (before["Replica"], TO_PRIMARY, TO_RECOVERY),
    ):
        job = operator.planned_failover(source, story.item, direction)
        operator.wait_for_job(job, 120.0)
        written = admin.ledger(CAST.machine, origin.host)
        [running] = [
            each
            for each in Sites(story.stage).machines()
            if each.name == CAST.machine and each.state == "Running"
        ]
        assert running.host != origin.host
        arrived = admin.ledger(CAST.machine, running.host)
        assert arrived.boot_last_found == written.last_written > 0
        operator.wait_for_job(operator.reverse(source, story.item, back), 120.0)
        wait_for_primary(story, running.host)
    assert Sites(story.stage).duplicate_effects() == 0


@pytest.mark.timeout(300)
@pytest.mark.spec("SS-1", "FO-3", "FO-5")
def test_a_machine_fails_over_without_plan_with_one_agent_for_both_of_its_clouds(
    story: Story,
) -> None:
    operator = story.operator
    source = operator.clouds()[CAST.source_cloud]
    story.wait_for_state("Protected")
    before = copies(story)
    job = operator.unplanned_failover(source, story.item, TO_RECOVERY, with_source=True)
    ended = operator.wait_for_job(job, 120.0)
    # The source was there: it was shut down and sent everything.
    assert "nothing was lost" in ended["leftState"]
    admin = Sites(story.stage).admin(SITE)
    written = admin.ledger(CAST.machine, before["Primary"].host)
    arrived = admin.ledger(CAST.machine, before["Replica"].host)
    assert arrived.boot_last_found == written.last_written > 0
    operator.wait_for_job(operator.cancel_failover(source, story.item), 120.0)
    wait_for_primary(story, before["Primary"].host)
    # Without asking anything of the source, and back by comparing both copies.
    job = operator.unplanned_failover(source, story.item, TO_RECOVERY)
    operator.wait_for_job(job, 120.0)
    operator.wait_for_job(operator.reverse(source, story.item, TO_PRIMARY), 120.0)
    story.wait_for_state("Protected")
    wait_for_primary(story, before["Replica"].host)
    operator.wait_for_job(operator.planned_failover(source, story.item, TO_PRIMARY), 120.0)
    operator.wait_for_job(operator.reverse(source, story.item, TO_RECOVERY), 120.0)
    wait_for_primary(story, before["Primary"].host)
    assert Sites(story.stage).duplicate_effects() == 0
