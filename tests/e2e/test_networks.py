"""Networks are mapped, a replica is connected, has its address kept, is connected anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.connection import CONNECTION_FILE
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.e2e.conftest import story_of

MACHINE = "VM4"
LIMIT_SECONDS = 60.0


def osr(stage: Stage, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "osr"), *arguments]
    environment = {
        **os.environ,
        "OSR_CONNECTION": str(stage.state / CONNECTION_FILE),
        "COLUMNS": "200",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nics(stage: Stage) -> list[dict[str, Any]]:
    """What the item says of the machine's adapters."""
    [found] = [
        item
        for item in json.loads(osr(stage, "protect", "list", "--json"))
        if item["properties"]["friendlyName"] == MACHINE
    ]
    shown: list[dict[str, Any]] = found["properties"]["providerSpecificDetails"]["vmNics"]
    return shown


def networks_of_effects(sites: Sites) -> list[str]:
    """Networks that adapters were connected to by a command, in order."""
    found = [each for each in sites.effects() if each.effect == "network_adapter.connected"]
    return [str(each.details["network"]) for each in found]


def granted(sites: Sites) -> list[str]:
    """Addresses that the product has VMM keep: granted and not revoked since."""
    kept: list[str] = []
    for each in sites.effects():
        if each.effect == "address.granted":
            kept.append(str(each.details["address"]))
        elif each.effect == "address.revoked":
            kept.remove(str(each.details["address"]))
    return kept


@pytest.mark.timeout(240)
@pytest.mark.spec("NW-1", "NW-2", "NW-3", "NW-4", "NW-5", "NW-8", "NW-9", "DI-4")
def test_networks_are_mapped_and_replicas_follow(stage: Stage, paired: Story, sites: Sites) -> None:
    offered = osr(
        stage, "network", "targets", "VMNetwork1-Shanghai", "--recovery-server", "VMM-Beijing"
    )
    assert "VMNetwork2-Beijing" in offered
    osr(stage, "network", "map", "VMNetwork1-Shanghai", "VMNetwork1-Beijing")
    try:
        story = story_of(MACHINE, paired)
        story.protect_machine()
        mapped, unmapped = nics(stage)
        assert (mapped["vMNetworkName"], mapped["connected"]) == ("VMNetwork1-Beijing", True)
        [address] = mapped["ipConfigs"]
        assert address["recoverySubnetName"] == "Frontend"
        assert address["recoveryStaticIPAddress"].startswith("10.2.0.")
        assert address["recoveryStaticIPAddress"] in granted(sites)
        assert unmapped["connectionReason"].startswith("no mapping of VMNetwork2-Shanghai")
        assert networks_of_effects(sites)[-1] == "VMNetwork1-Beijing"
        osr(stage, "network", "map", "VMNetwork1-Shanghai", "VMNetwork2-Beijing")
        wait_for("the replica to be connected anew", lambda: is_on(stage, "VMNetwork2"), 60)
        assert networks_of_effects(sites)[-1] == "VMNetwork2-Beijing"
        [kept] = [each["recoveryStaticIPAddress"] for each in nics(stage)[0]["ipConfigs"]]
        assert kept.startswith("10.2.2.")
        assert kept in granted(sites)
        assert address["recoveryStaticIPAddress"] not in granted(sites)
        for server in ("VMM-Shanghai", "VMM-Beijing"):
            checked = osr(stage, "server", "check", server)
            assert MACHINE not in checked
            assert "mappings:" not in checked
    finally:
        osr(stage, "network", "unmap", "VMNetwork1-Shanghai", "--yes")
    assert is_on(stage, "VMNetwork2")
    cloud = story.operator.clouds()["GoldCloud1"]
    story.operator.wait_for_job(story.operator.disable(cloud, story.item), LIMIT_SECONDS)
    assert kept not in granted(sites)


def is_on(stage: Stage, network: str) -> bool:
    mapped = nics(stage)[0]
    return bool(mapped["connected"]) and str(mapped["vMNetworkName"]).startswith(network)
