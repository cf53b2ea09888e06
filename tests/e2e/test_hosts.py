"""Hosts that come and go by themselves, certificates renewed under a machine that replicates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.e2e.conftest import story_of
from tests.e2e.test_labctl import labctl
from tests.e2e.test_osr import osr, osr_json

LIMIT_SECONDS = 120.0
NEW = "hv-sh-new.contoso.com"
MACHINE = "VM4"


def hosts(stage: Stage) -> dict[str, dict[str, Any]]:
    """Hosts of the gold pair as osr shows them, by name."""
    shown = osr_json(stage, "pair", "show", "GoldCloud1")
    return {host["name"]: host["properties"] for host in shown}


@pytest.mark.timeout(300)
@pytest.mark.spec("PA-3")
def test_a_host_that_joins_a_paired_cloud_is_configured_and_one_that_leaves_it_cleared(
    paired: Story, sites: Sites, stage: Stage
) -> None:
    before = set(hosts(stage))
    duplicates = sites.duplicate_effects()
    added = labctl(stage, "host", "add", "Shanghai", NEW, "GoldCloud1")
    assert added.returncode == 0, added.stdout + added.stderr
    try:
        wait_for(
            "the new host to be configured",
            lambda: hosts(stage).get(NEW, {}).get("state") == "Configured",
            LIMIT_SECONDS,
        )
        assert hosts(stage)[NEW]["certificateThumbprint"]
        jobs = [job.properties for job in paired.operator.jobs() if job.properties]
        assert "UpdateCloudPairing" in {job.scenario_name for job in jobs}
        moved = labctl(stage, "host", "move", NEW, "SilverCloud1")
        assert moved.returncode == 0, moved.stdout + moved.stderr
        wait_for("the host that left to be cleared", lambda: NEW not in hosts(stage), LIMIT_SECONDS)
        gone = [effect for effect in sites.effects() if effect.host == NEW]
        assert [effect.effect for effect in gone][-1] in {
            "certificate.removed",
            "firewall_rule.removed",
        }
    finally:
        labctl(stage, "host", "remove", NEW)
        # Nobody may be told to configure it any more.
        osr(stage, "server", "refresh", "VMM-Shanghai")
    assert set(hosts(stage)) == before
    assert sites.duplicate_effects() == duplicates


@pytest.fixture
def protected(paired: Story) -> Iterator[Story]:
    story = story_of(MACHINE, paired)
    story.protect_machine()
    yield story
    cloud = story.operator.clouds()["GoldCloud1"]
    story.operator.wait_for_job(story.operator.disable(cloud, story.item), LIMIT_SECONDS)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("protected")
@pytest.mark.spec("PO-3")
def test_certificates_are_renewed_while_a_machine_replicates_and_it_stays_healthy(
    sites: Sites, stage: Stage
) -> None:
    old = {name: host["certificateThumbprint"] for name, host in hosts(stage).items()}

    renewed = osr(stage, "pair", "renew-certificates", "GoldCloud1")
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    wait_for(
        "the superseded certificates to be removed",
        lambda: not any(host["supersededCertificates"] for host in hosts(stage).values()),
        LIMIT_SECONDS,
    )
    new = {name: host["certificateThumbprint"] for name, host in hosts(stage).items()}
    assert not set(old.values()) & set(new.values())

    written = sites.write(MACHINE, 3)
    sites.admin("Shanghai").replicate_now(MACHINE)
    wait_for(
        "what was written since to arrive",
        lambda: sites.ledger(MACHINE, site="Beijing").last_found >= written,
        LIMIT_SECONDS,
    )
    # A log that was on its way to a listener is broken off and sent again: a Warning for a while.
    wait_for(
        "such a warning to pass",
        lambda: sites.machine(MACHINE, site="Shanghai").replication_health == "Normal",
        LIMIT_SECONDS,
    )

    def healthy() -> dict[str, Any] | None:
        shown = osr_json(stage, "protect", "show", MACHINE)["properties"]
        return shown if shown["replicationHealth"] == "Normal" else None

    shown = wait_for("the item to be healthy", healthy, LIMIT_SECONDS)
    assert shown["protectionState"] == "Protected"
    statistics = shown["providerSpecificDetails"]["statistics"]
    assert statistics["errors"] <= 1
