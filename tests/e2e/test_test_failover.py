"""A drill by commands alone: in a network of its own, beside production, cleaned up with notes."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.e2e.conftest import story_of
from tests.e2e.test_osr import osr, osr_json

MACHINE = "VM2"
TEST_MACHINE = f"{MACHINE} - Test"
NETWORK = "VMNetwork2-Beijing"


def done(stage: Stage, *arguments: str) -> str:
    """Output of a command that succeeds."""
    ran = osr(stage, *arguments)
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def item(stage: Stage) -> dict[str, Any]:
    shown: dict[str, Any] = osr_json(stage, "protect", "show", MACHINE)["properties"]
    return shown


@pytest.mark.timeout(400)
@pytest.mark.spec("FO-1", "NW-8")
def test_a_drill_runs_beside_production_and_counts_after_its_clean_up(
    stage: Stage, paired: Story, sites: Sites
) -> None:
    duplicates = sites.duplicate_effects()
    story = story_of(MACHINE, paired)
    story.protect_machine()
    assert item(stage)["lastSuccessfulTestFailoverTime"] is None
    written = sites.ledger(MACHINE, site="Shanghai").last_written

    done(stage, "failover", "test", MACHINE, "--network", NETWORK)
    tested = sites.machine(TEST_MACHINE, site="Beijing")
    assert tested.state == "Running"
    assert sites.machine(MACHINE, site="Shanghai").state == "Running"
    assert sites.machine(MACHINE, site="Beijing").state == "Off"
    assert item(stage)["testFailoverState"] == "Active"
    # The guest of the test goes on where production was when the point was made.
    assert sites.ledger(TEST_MACHINE, site="Beijing").found_at_boot > 0
    # Production writes on, and what it writes still arrives.
    sites.write(MACHINE, 3, site="Shanghai")
    assert sites.ledger(MACHINE, site="Shanghai").last_written > written
    names = [each["properties"]["friendlyName"] for each in osr_json(stage, "vm", "list")]
    assert TEST_MACHINE not in names

    refused = osr(stage, "failover", "planned", MACHINE, "--yes")
    assert refused.returncode != 0
    assert "Clean up the test failover" in refused.stderr

    done(stage, "failover", "cleanup", MACHINE, "--notes", "Up in a minute.", "--yes")
    assert TEST_MACHINE not in [each.name for each in sites.machines()]
    assert item(stage)["testFailoverState"] == "None"
    assert item(stage)["lastSuccessfulTestFailoverTime"] is not None
    [drill] = osr_json(stage, "failover", "drills", MACHINE)
    assert (drill["notes"], drill["counts"]) == ("Up in a minute.", True)
    assert drill["networkFriendlyName"] == NETWORK

    done(stage, "failover", "planned", MACHINE, "--yes")
    done(stage, "failover", "cancel", MACHINE, "--yes")
    done(stage, "protect", "disable", MACHINE, "--yes")
    assert sites.duplicate_effects() == duplicates
