"""What an administrator changes in VMM is seen: by itself within a minute, at once when asked."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from tests.e2e.test_osr import osr, osr_json

CLOUD, MACHINE, RENAMED = "SilverCloud1", "VM7", "VM7-renamed"


def machine(stage: Stage, name: str) -> Any:
    """The properties of a machine of the silver cloud; None while it is not there."""
    rows = osr_json(stage, "vm", "list", "--cloud", CLOUD)
    found = [row["properties"] for row in rows if row["properties"]["friendlyName"] == name]
    return found[0] if found else None


@pytest.mark.timeout(180)
@pytest.mark.spec("DI-2", "DI-3")
def test_a_renamed_machine_shows_within_a_minute_and_a_refresh_shows_it_at_once(
    stage: Stage, sites: Sites
) -> None:
    admin = sites.admin("Shanghai")
    admin.rename_vm(MACHINE, RENAMED)
    try:
        wait_for("the new name", lambda: machine(stage, RENAMED) is not None, 60)
        admin.change_vm(RENAMED, fibre_channel_adapters=1)
        refreshed = osr(stage, "server", "refresh", "VMM-Shanghai")
        assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
        reasons = machine(stage, RENAMED)["protectionReadinessErrors"]
        assert any(reason.startswith("FibreChannelAdapter:") for reason in reasons)
    finally:
        admin.change_vm(RENAMED, fibre_channel_adapters=0)
        admin.rename_vm(RENAMED, MACHINE)
    assert osr(stage, "server", "refresh", "VMM-Shanghai").returncode == 0
    assert machine(stage, MACHINE) is not None


@pytest.mark.spec("DI-4")
def test_a_consistency_check_says_nothing_of_machines_nobody_touched(stage: Stage) -> None:
    checked = osr(stage, "server", "check", "VMM-Shanghai")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "succeeded" in checked.stdout
    assert MACHINE not in checked.stdout
