"""Several machines protected by one command, and the way out again."""

from __future__ import annotations

import json

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.e2e.test_osr import osr, osr_json

MACHINES = ("VM3", "VM4")
LIMIT_SECONDS = 120.0


@pytest.mark.timeout(240)
@pytest.mark.spec("RE-1", "RE-2", "RE-7")
def test_machines_are_protected_by_one_command_and_disabled_again(
    stage: Stage, paired: Story, sites: Sites
) -> None:
    del paired
    duplicates = sites.duplicate_effects()
    done = osr(stage, "protect", "enable", *MACHINES, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [one["name"] for one in found] == list(MACHINES)
    assert all(one["jobId"] for one in found)

    def state(machine: str) -> str:
        shown = osr_json(stage, "protect", "show", machine)
        return str(shown["properties"]["protectionState"])

    def protected() -> bool:
        return all(state(machine) == "Protected" for machine in MACHINES)

    wait_for("both machines to be protected", protected, LIMIT_SECONDS)
    for machine in MACHINES:
        assert sites.machine(machine, site="Beijing").replication_mode == "Replica"
        ended = osr(stage, "protect", "disable", machine, "--yes")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert sites.machine(machine, site="Shanghai").replication_mode == "None"
    assert sites.duplicate_effects() == duplicates
