"""Storage mapping and bandwidth limits, from the command to the hosts."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.effects import Effect
from deploy.story.story import Story
from tests.e2e.conftest import story_of
from tests.e2e.test_osr import osr, osr_json

# Its first disk is on SILVER storage, its second on GOLD.
MACHINE = "VM4"
GOLD_PLACES = (r"C:\ClusterStorage\TargetVolume1", r"\\FileServer\TargetShare1")
LIMIT_SECONDS = 120.0


def command(stage: Stage, *arguments: str) -> str:
    done = osr(stage, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(240)
@pytest.mark.spec("ST-2", "ST-1")
def test_a_replicas_disks_go_to_the_storage_that_their_classification_is_mapped_to(
    stage: Stage, paired: Story, sites: Sites
) -> None:
    assert "GOLD_TARGET" in command(stage, "storage", "list", "--server", "VMM-Beijing")
    command(stage, "storage", "map", "GOLD", "GOLD_TARGET")
    began = len(sites.effects())
    story = story_of(MACHINE, paired)
    try:
        story.protect_machine()
        moved = [each for each in sites.effects()[began:] if each.effect == "storage.moved"]
        assert [each.site for each in moved] == ["Beijing"]
        [path] = moved[0].details["disks"].values()
        assert path.startswith(GOLD_PLACES)
        told = placed(stage)
        assert path in told["diskPaths"]
        silver, gold = told["disks"]
        assert silver["reason"] == "the host's default path: SILVER is not mapped"
        assert path.startswith(gold["location"])
        # The bytes are there: what the guest wrote last is found on the replica's disks.
        assert sites.ledger(MACHINE, site="Beijing").gaps == 0
    finally:
        command(stage, "storage", "unmap", "GOLD", "--yes")
        cloud = story.operator.clouds()["GoldCloud1"]
        story.operator.wait_for_job(story.operator.disable(cloud, story.item), LIMIT_SECONDS)


def placed(stage: Stage) -> Any:
    return osr_json(stage, "protect", "show", MACHINE)["properties"]["storagePlacement"]


@pytest.mark.timeout(120)
@pytest.mark.spec("CA-2")
def test_a_bandwidth_limit_comes_to_every_host_and_goes_again(
    stage: Stage, paired: Story, sites: Sites
) -> None:
    assert paired.operator.clouds()
    began = len(sites.effects())
    command(stage, "bandwidth", "set", "VMM-Shanghai", "--limit", "400Mbps")
    added = policies(sites, began, "qos_policy.added")
    assert {each.host for each in added} >= {"sh-gold-1.contoso.com", "sh-gold-2.contoso.com"}
    assert {each.details["bits_per_second"] for each in added} == {400_007_168}
    command(stage, "bandwidth", "remove", "VMM-Shanghai", "--yes")
    removed = policies(sites, began, "qos_policy.removed")
    assert {(each.host, each.target) for each in removed} == {
        (each.host, each.target) for each in added
    }


def policies(sites: Sites, began: int, effect: str) -> list[Effect]:
    return [each for each in sites.effects()[began:] if each.effect == effect]
