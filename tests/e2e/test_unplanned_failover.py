"""The primary site dies: its replica takes over, says what was lost, and the machine comes home."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.mgmt.recoveryservicessiterecovery.models import FailoverJobDetails

from coordinator.config.waiting import wait_for
from deploy.lab.control.operator import Cloud
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import find_topology
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Narrator, Story

# The guest writes four records a second; what reports and clocks may be apart.
RECORD_SECONDS = 0.25
TOLERANCE_SECONDS = 3.0
LIMIT_SECONDS = 180.0

pytestmark = [pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    folder = Path(tempfile.mkdtemp(prefix="osr-unplanned-"))
    # Time runs as it does: what is said about loss is compared with it.
    stage = Stage(StageOptions(folder, find_topology("default"), speed=1.0))
    try:
        stage.up(lambda _: None)
        made = Story(stage, Narrator())
        made.pair_clouds()
        made.protect_machine()
        yield made
    finally:
        stage.down()
    shutil.rmtree(folder)


def source_of(story: Story) -> Cloud:
    return story.operator.clouds()[story.cast.source_cloud]


def running(story: Story) -> list[str]:
    """Sites at which the machine runs."""
    machines = Sites(story.stage).machines()
    return [m.site for m in machines if m.name == story.cast.machine and m.state == "Running"]


@pytest.mark.spec("FO-3")
def test_with_its_site_dead_a_machine_runs_on_and_what_it_lost_is_said(story: Story) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = source_of(story)
    sites.kill(cast.source_site)
    job = operator.unplanned_failover(source, story.item, TO_RECOVERY, with_source=True)
    ended = operator.wait_for_job(job, LIMIT_SECONDS)
    assert running(story) == [cast.target_site]
    item = operator.item(source, story.item)
    assert item is not None
    assert item.protection_state == "UnplannedFailoverCommitPendingStatesBegin"
    assert isinstance(ended.custom_details, FailoverJobDetails)
    [details] = ended.custom_details.protected_item_details or []
    least, most = details["lostAtLeastSeconds"], details["lostAtMostSeconds"]
    assert "lost" in ended["leftState"]

    # What its disks had when the power went is only known when the site is back.
    kept = sites.ledger(cast.machine, site=cast.target_site).found_at_boot
    sites.start(cast.source_site)
    written = written_before_the_kill(story)
    lost_seconds = (written - kept) * RECORD_SECONDS
    assert written >= kept > 0
    assert least - TOLERANCE_SECONDS <= lost_seconds <= most + TOLERANCE_SECONDS


def written_before_the_kill(story: Story) -> int:
    """Records on the source's disks; more than that were written by nobody."""
    ledger = story.sites.ledger(story.cast.machine, site=story.cast.source_site)
    return ledger.found_at_boot or ledger.last_found


@pytest.mark.spec("FO-4")
def test_until_the_commit_another_point_can_be_chosen(story: Story) -> None:
    operator, source = story.operator, source_of(story)
    job = operator.change_point(source, story.item, "LatestAvailableCrashConsistent")
    operator.wait_for_job(job, LIMIT_SECONDS)
    assert story.cast.target_site in running(story)


@pytest.mark.spec("FO-5", "NW-7")
def test_the_machine_comes_home_with_all_it_wrote_meanwhile(story: Story) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = source_of(story)

    [server] = [each for each in story.stage.topology.sites if each.name == cast.source_site]

    def connected() -> bool:
        return operator.server_state(server.fabric_name) == "Connected"

    wait_for("the source's server to be back", connected, LIMIT_SECONDS)
    operator.wait_for_job(operator.reverse(source, story.item, TO_PRIMARY), LIMIT_SECONDS)
    story.wait_for_state("Protected")
    assert running(story) == [cast.target_site]
    scenarios = [job.properties.scenario_name for job in operator.jobs() if job.properties]
    assert scenarios.count("PrimaryIrCompletion") == scenarios.count("SecondaryIrCompletion") == 2
    # Home by plan: nothing of what was written there is lost.
    story.planned_failover(TO_PRIMARY, cast.target_site, cast.source_site)
    assert running(story) == [cast.source_site]
    operator.wait_for_job(operator.commit(source, story.item), LIMIT_SECONDS)
    operator.wait_for_job(operator.reverse(source, story.item, TO_RECOVERY), LIMIT_SECONDS)
    story.wait_for_state("Protected")
    story.wait_for_deltas(cast.target_site)
    assert sites.duplicate_effects() == 0


@pytest.mark.spec("FO-4")
def test_a_cancelled_planned_failover_runs_where_it_came_from(story: Story) -> None:
    operator, sites, cast = story.operator, story.sites, story.cast
    source = source_of(story)
    operator.wait_for_job(operator.planned_failover(source, story.item, TO_RECOVERY), LIMIT_SECONDS)
    left = sites.ledger(cast.machine, site=cast.source_site).last_written
    job = operator.wait_for_job(operator.cancel_failover(source, story.item), LIMIT_SECONDS)
    assert "runs on the primary side again" in job["leftState"]
    assert running(story) == [cast.source_site]
    assert sites.ledger(cast.machine, site=cast.source_site).found_at_boot >= left
    story.wait_for_deltas(cast.target_site)
