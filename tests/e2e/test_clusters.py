"""Clusters on both sides: replication by their brokers, wherever machine and replica move."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from deploy.lab.control.operator import JobFailedError
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import find_topology
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Cast, Narrator, Story
from tests.e2e.test_osr import osr

CLOUDS = ("ClusterCloud1", "ClusterCloud2")
CAST = Cast(machine="Db1", source_cloud=CLOUDS[0], target_cloud=CLOUDS[1], policy="Clustered")
NODES = {
    "Shanghai": ("sh-node-1.contoso.com", "sh-node-3.contoso.com"),
    "Beijing": ("bj-node-1.contoso.com", "bj-node-2.contoso.com"),
}
JOB_SECONDS = 120.0


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    folder = Path(tempfile.mkdtemp(prefix="osr-clusters-"))
    stage = Stage(StageOptions(folder, find_topology("clusters"), speed=20.0))
    try:
        stage.up(lambda _: None)
        yield Story(stage, Narrator(), CAST)
    finally:
        stage.down()
    shutil.rmtree(folder)


def live_migrate(story: Story, site: str) -> str:
    """Moves the site's copy to another node; gives where it is now."""
    sites = Sites(story.stage)
    here = sites.machine(CAST.machine, site=site).host
    there = next(node for node in NODES[site] if node != here)
    sites.admin(site).migrate_vm(CAST.machine, there)
    refreshed = osr(story.stage, "server", "refresh", f"VMM-{site}")
    assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
    return there


@pytest.mark.timeout(420)
@pytest.mark.spec("PA-3", "PR-2", "DI-2", "FO-2")
def test_a_clustered_machine_replicates_wherever_it_and_its_replica_are_moved(
    story: Story,
) -> None:
    story.pair_clouds()
    story.protect_machine()
    sites = Sites(story.stage)
    assert sites.machine(CAST.machine, site="Shanghai").host == NODES["Shanghai"][0]
    places = {site: live_migrate(story, site) for site in NODES}
    story.wait_for_deltas("Beijing")
    story.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    assert sites.machine(CAST.machine, site="Beijing").host == places["Beijing"]
    story.reverse(TO_PRIMARY, "Shanghai")
    assert sites.machine(CAST.machine, site="Shanghai").host == places["Shanghai"]
    assert sites.duplicate_effects() == 0


@pytest.mark.timeout(420)
@pytest.mark.spec("PR-2")
def test_a_cluster_without_a_replica_broker_is_named(story: Story) -> None:
    operator = story.operator
    policy = operator.make_policy("Bare", frequency_seconds=300, port=8084)
    source, target = (operator.clouds()[name] for name in ("BareCloud1", "AloneCloud2"))
    with pytest.raises((HttpResponseError, JobFailedError), match="sh-nobroker"):
        operator.wait_for_job(operator.pair("bare", source, target, policy), JOB_SECONDS)
