"""A replication as it runs: paused, resumed, given a disk, compared anew; then the proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import TO_RECOVERY, Story
from tests.e2e.conftest import story_of
from tests.e2e.test_osr import friendly_names, osr, osr_json

MACHINE, HOST = "Runner", "sh-gold-1.contoso.com"
VOLUME = r"C:\ClusterStorage\SourceVolume1"
LIMIT_SECONDS = 90.0


@pytest.fixture
def protected(paired: Story, stage: Stage, sites: Sites) -> Iterator[Story]:
    """The story of a machine of its own, which is gone afterwards."""
    table = {
        "name": MACHINE,
        "host": HOST,
        "networks": [{"network": "VMNetwork1-Shanghai", "subnet": "Backend", "ip": "10.1.1.77"}],
        "disks": [{"path": VOLUME, "mib": 8}],
    }
    sites.admin("Shanghai").add_vms(table, cloud="GoldCloud1")
    if sites.machine(MACHINE, site="Shanghai").state != "Running":
        sites.admin("Shanghai").power(MACHINE, "start")

    def discovered() -> bool:
        listed = osr_json(stage, "vm", "list", "--cloud", "GoldCloud1")
        return MACHINE in friendly_names(listed)

    wait_for("the machine to be discovered", discovered, LIMIT_SECONDS)
    story = story_of(MACHINE, paired)
    story.protect_machine()
    yield story
    run(stage, "disable", "--yes")
    for site in ("Shanghai", "Beijing"):
        sites.admin(site).power(MACHINE, "turnoff")
        sites.admin(site).delete_vm(MACHINE)


def run(stage: Stage, *words: str) -> str:
    command, *options = words
    done = osr(stage, "protect", command, MACHINE, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def item(stage: Stage) -> Any:
    return osr_json(stage, "protect", "show", MACHINE)["properties"]


def codes(stage: Stage) -> set[str]:
    return {error["errorCode"] for error in item(stage)["healthErrors"]}


def lab_state(sites: Sites) -> str:
    return sites.machine(MACHINE, site="Shanghai").replication_state


def points(stage: Stage) -> set[str]:
    text = osr(stage, "protect", "show", MACHINE).stdout
    return {line for line in text.splitlines() if line.startswith("Recovery point ")}


@pytest.mark.timeout(360)
@pytest.mark.spec("RE-4", "RE-5", "RE-8")
def test_a_replication_is_paused_resumed_given_a_disk_and_compared_anew_and_loses_nothing(
    protected: Story, stage: Stage, sites: Sites
) -> None:
    duplicates = sites.duplicate_effects()
    # Within its window Hyper-V would begin by itself.
    assert item(stage)["providerSpecificDetails"]["automaticResynchronization"]["enabled"]
    run(stage, "resync", "--no-auto")

    run(stage, "pause")
    assert lab_state(sites) == "Suspended"
    assert codes(stage) == {"67502"}
    assert "ResumeReplication" in item(stage)["allowedOperations"]
    sites.write(MACHINE, 5)
    run(stage, "resume")
    assert lab_state(sites) == "Replicating"
    protected.wait_for_deltas("Beijing")

    path = sites.admin("Shanghai").add_disk(MACHINE, VOLUME, 4 * 1024**2)
    wait_for("the new disk to be told", lambda: "DiskNotReplicated" in codes(stage), LIMIT_SECONDS)
    run(stage, "disks", "--add", path)
    wait_for("both disks to replicate", lambda: not codes(stage), LIMIT_SECONDS)
    protected.wait_for_deltas("Beijing")

    before = points(stage)
    sites.admin("Shanghai").fill_log(MACHINE)
    assert lab_state(sites) == "WaitingForStartResynchronize"

    def told() -> bool:
        seen = item(stage)
        return seen["replicationHealth"] == "Critical" and "67501" in codes(stage)

    wait_for("the resynchronization to be asked for", told, LIMIT_SECONDS)
    assert osr(stage, "protect", "resume", MACHINE).returncode == 4
    run(stage, "repair")
    wait_for(
        "the resynchronization to end", lambda: lab_state(sites) == "Replicating", LIMIT_SECONDS
    )
    protected.wait_for_deltas("Beijing")
    wait_for("health to be normal again", lambda: not codes(stage), LIMIT_SECONDS)
    assert not before & points(stage)
    assert item(stage)["providerSpecificDetails"]["rpoInSeconds"] < LIMIT_SECONDS

    # Shuts the machine down, moves it, and compares all disks byte for byte.
    protected.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    protected.commit()
    assert sites.duplicate_effects() == duplicates
