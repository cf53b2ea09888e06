"""Two clouds with hosts of 2012, 2016 and 2022: a policy for 2012, and one for what came after."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import find_topology
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Cast, Narrator, Story

CLOUDS = ("CloudMixed-1", "CloudMixed-2")
NEWER = Cast(
    machine="OnMixed", source_cloud=CLOUDS[0], target_cloud=CLOUDS[1], policy="After2012", port=8084
)
JOB_SECONDS = 120.0


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    folder = Path(tempfile.mkdtemp(prefix="osr-mixed-"))
    stage = Stage(StageOptions(folder, find_topology("generations"), speed=20.0))
    try:
        stage.up(lambda _: None)
        yield Story(stage, Narrator(), NEWER)
    finally:
        stage.down()
    shutil.rmtree(folder)


def replica_host(story: Story, machine: str) -> str:
    found = [
        each.host
        for each in Sites(story.stage).machines()
        if each.name == machine and each.replication_mode == "Replica"
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.timeout(300)
@pytest.mark.spec("PO-2", "PA-2")
def test_machines_of_a_mixed_cloud_replicate_by_the_policy_of_their_host(story: Story) -> None:
    operator = story.operator
    story.pair_clouds()
    source, target = (operator.clouds()[name] for name in CLOUDS)
    old_machine = str(operator.machines(source)["OnMixed2012"].id)
    with pytest.raises(HttpResponseError) as refused:
        operator.protect("onmixed2012-item", source, old_machine, "")
    assert "HostGenerationNotSupported" in str(refused.value)
    assert "sh-mixed-2012.contoso.com" in str(refused.value)
    old = operator.make_policy("Only2012", frequency_seconds=300, port=8084, host_version="2012")
    operator.wait_for_job(operator.pair("mixed-2012", source, target, old), JOB_SECONDS)
    job = operator.protect("onmixed2012-item", source, old_machine, "")
    story.protect_machine()
    operator.wait_for_job(job, JOB_SECONDS)
    older = story.of(Cast(machine="OnMixed2012", source_cloud=CLOUDS[0], target_cloud=CLOUDS[1]))
    older.wait_for_state("Protected")
    assert replica_host(story, "OnMixed2012").startswith("bj-mixed-2012")
    # Of both newer hosts it is on the one that it can come back from.
    assert replica_host(story, "OnMixed").startswith("bj-mixed-2016")
    story.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    story.reverse(TO_PRIMARY, "Shanghai")
    assert replica_host(story, "OnMixed").startswith("sh-mixed-2016")
    assert Sites(story.stage).duplicate_effects() == 0
