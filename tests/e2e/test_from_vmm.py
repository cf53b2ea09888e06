"""Protection that is switched on in VMM is seen by the agent and carried out by itself."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.e2e.test_osr import osr, osr_json

MACHINE = "VM4"


def item(stage: Stage) -> Any:
    """The properties of the machine's item; None while there is none."""
    rows = osr_json(stage, "protect", "list")
    found = [row["properties"] for row in rows if row["properties"]["friendlyName"] == MACHINE]
    return found[0] if found else None


def state(stage: Stage) -> str:
    found = item(stage)
    return "" if found is None else str(found["protectionState"])


def enablings(stage: Stage) -> dict[str, str]:
    """States of the jobs that enabled the machine's protection, by their names."""
    return {
        job["name"]: job["properties"]["state"]
        for job in osr_json(stage, "job", "list")
        if job["properties"]["scenarioName"] == "EnableDr"
        and job["properties"]["targetObjectName"] == MACHINE
    }


@pytest.mark.timeout(240)
@pytest.mark.spec("RE-3", "RE-7")
def test_a_machine_that_is_marked_in_vmm_is_protected_and_unmarked_when_disabled(
    stage: Stage, paired: Story, sites: Sites
) -> None:
    del paired
    before = enablings(stage)
    admin = sites.admin("Shanghai")
    admin.change_vm(MACHINE, dr_protection_required=True)
    wait_for("the machine to be protected", lambda: state(stage) == "Protected", 120)
    began = {name: found for name, found in enablings(stage).items() if name not in before}
    assert list(began.values()) == ["Succeeded"]
    disabled = osr(stage, "protect", "disable", MACHINE, "--yes")
    assert disabled.returncode == 0, disabled.stdout + disabled.stderr
    assert osr(stage, "server", "refresh", "VMM-Shanghai").returncode == 0
    # The mark went with the protection: nothing begins anew.
    assert item(stage) is None
    assert "vm.dr_protection_set" in [each.effect for each in sites.effects()]
