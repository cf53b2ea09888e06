"""The way out: a machine that is no longer protected, clouds that are no longer paired."""

from __future__ import annotations

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import NoSuchMachineError, Sites
from deploy.story.story import Cast, Story
from tests.e2e.conftest import story_of

LIMIT_SECONDS = 120.0


def has_copy(sites: Sites, machine: str, site: str) -> bool:
    try:
        sites.machine(machine, site=site)
    except NoSuchMachineError:
        return False
    return True


@pytest.mark.timeout(240)
@pytest.mark.spec("RE-7")
def test_a_machine_is_disabled_its_replica_goes_and_it_can_be_protected_again(
    paired: Story, sites: Sites
) -> None:
    story = story_of("VM4", paired)
    story.protect_machine()
    cloud = story.operator.clouds()["GoldCloud1"]
    duplicates = sites.duplicate_effects()
    assert has_copy(sites, "VM4", "Beijing")

    story.operator.wait_for_job(story.operator.disable(cloud, story.item), LIMIT_SECONDS)

    assert story.operator.item(cloud, story.item) is None
    assert not has_copy(sites, "VM4", "Beijing")
    machine = sites.machine("VM4", site="Shanghai")
    assert (machine.state, machine.replication_mode) == ("Running", "None")
    written = sites.ledger("VM4").last_written
    wait_for("the guest to go on", lambda: sites.ledger("VM4").last_written > written, 30)

    story.protect_machine()
    assert has_copy(sites, "VM4", "Beijing")
    assert sites.duplicate_effects() == duplicates


@pytest.mark.timeout(240)
@pytest.mark.spec("PA-4")
def test_clouds_are_unpaired_which_leaves_their_hosts_as_before_and_paired_again(
    paired: Story, sites: Sites
) -> None:
    story = paired.of(Cast(source_cloud="SilverCloud1", target_cloud="SilverCloud2"))
    operator = story.operator
    source, target = (operator.clouds()[name] for name in ("SilverCloud1", "SilverCloud2"))
    policy = operator.make_policy("Silver", frequency_seconds=30, port=8084)
    duplicates = sites.duplicate_effects()

    for _ in range(2):
        began = len(sites.effects())
        job = operator.pair("silver", source, target, policy)
        operator.wait_for_job(job, LIMIT_SECONDS)
        done = [effect.effect for effect in sites.effects()[began:]]
        assert "certificate.installed" in done

        began = len(sites.effects())
        operator.wait_for_job(operator.unpair("silver", source), LIMIT_SECONDS)
        undone = [effect.effect for effect in sites.effects()[began:]]
        assert undone.count("certificate.removed") == done.count("certificate.installed")
        assert undone.count("replication_server.changed") == done.count(
            "replication_server.changed"
        )
    operator.recovery.replication_policies.begin_delete(
        operator.connection.resource_group, operator.connection.vault, "Silver"
    ).result()
    assert sites.duplicate_effects() == duplicates
