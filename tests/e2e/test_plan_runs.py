"""A recovery plan there and back by commands alone: groups, a script, a manual action."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import find_topology
from deploy.story.story import Narrator, Story
from tests.e2e.test_osr import osr, osr_json

MACHINES = ("VM3", "VM4")
PLAN = "E2ePlan"
LIMIT_SECONDS = 240.0
SCRIPT = "RPScripts/after.ps1"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A stage of its own: other tests leave machines protected, here all are the plan's."""
    folder = Path(tempfile.mkdtemp(prefix="osr-plan-"))
    made = Stage(StageOptions(folder, find_topology("default"), speed=10.0))
    try:
        made.up(lambda _: None)
        yield made
    finally:
        made.down()
    shutil.rmtree(folder)


def done(stage: Stage, *arguments: str) -> str:
    """Output of a command that succeeds."""
    ran = osr(stage, *arguments)
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def state(stage: Stage, machine: str) -> str:
    shown = osr_json(stage, "protect", "show", machine)
    return str(shown["properties"]["protectionState"])


def all_in(stage: Stage, wanted: str) -> None:
    wait_for(
        f"the machines to be {wanted}",
        lambda: all(state(stage, machine) == wanted for machine in MACHINES),
        LIMIT_SECONDS,
    )


def job_of(stage: Stage, scenario: str, state: str) -> dict[str, Any] | None:
    """The newest run of the plan, if it is in that state."""
    for job in osr_json(stage, "job", "list"):
        told = job["properties"]
        if (told["targetObjectName"], told["scenarioName"]) == (PLAN, scenario):
            return dict(job) if told["state"] == state else None
    return None


@pytest.mark.timeout(900)
@pytest.mark.spec("RP-1", "RP-2", "RP-4", "RP-5")
def test_a_plan_goes_there_with_a_script_and_a_manual_action_and_comes_home(
    stage: Stage,
) -> None:
    sites = Sites(stage)
    Story(stage, Narrator()).pair_clouds()
    done(stage, "protect", "enable", *MACHINES)
    all_in(stage, "Protected")
    library, at_home = put_script(stage, "Beijing"), put_script(stage, "Shanghai")
    done(stage, "plan", "create", PLAN, "--group", MACHINES[0], "--group", MACHINES[1])
    script = ("--script", SCRIPT.replace("/", "\\"), "--side")
    add = ("plan", "action", "add", PLAN)
    done(stage, *add, "Tell", "--group", "1", "--when", "after", *script, "Recovery")
    both_ways = ("--way", "there", "--way", "back")
    first = ("--group", "shutdown", "--when", "before")
    done(stage, *add, "Warn", *first, *both_ways, *script, "Primary")
    manual = ("--manual", "Look at it.")
    done(stage, "plan", "action", "add", PLAN, "Look", "--group", "2", *manual)

    begun = json.loads(done_json(stage, "plan", "planned", PLAN, "--yes", "--no-wait"))
    wait_for(
        "the plan to ask",
        lambda: job_of(stage, "PlannedFailover", "Suspended") is not None,
        LIMIT_SECONDS,
    )
    assert sites.machine(MACHINES[0], site="Beijing").state == "Running"
    assert sites.machine(MACHINES[1], site="Beijing").state == "Off"
    done(stage, "job", "resume", begun["name"], "--comments", "Seen.", "--wait")
    assert sites.machine(MACHINES[1], site="Beijing").state == "Running"
    [context] = contexts(library)
    assert (context["RecoveryPlanName"], context["FailoverType"]) == (PLAN, "Planned")
    assert [each["Name"] for each in context["VmMap"].values()] == [MACHINES[0]]
    shown = done(stage, "job", "show", begun["name"])
    assert "told" in shown
    assert "Seen." in shown

    for command in ("commit", "reverse", "planned", "commit", "reverse"):
        more = ("--yes",) if command in {"commit", "planned"} else ()
        done(stage, "plan", command, PLAN, *more)
    all_in(stage, "Protected")
    assert all(sites.machine(machine).site == "Shanghai" for machine in MACHINES)
    # Two of the actions were for the way there only; the third ran at home whichever way it was.
    assert len(contexts(library)) == 1
    assert [(each["FailoverDirection"], each["GroupId"]) for each in contexts(at_home)] == [
        ("PrimaryToRecovery", "Shutdown"),
        ("RecoveryToPrimary", "Shutdown"),
    ]

    refused = osr(stage, "plan", "commit", PLAN, "--yes")
    assert refused.returncode != 0
    assert "RecoveryPlanMachinesNotReady" in refused.stderr or "do not allow" in refused.stderr
    done(stage, "plan", "delete", PLAN, "--yes")
    for machine in MACHINES:
        done(stage, "protect", "disable", machine, "--yes")
    assert sites.duplicate_effects() == 0


def put_script(stage: Stage, site: str) -> Path:
    """A script that notes what it is told, in the library of a site; gives the library."""
    library = stage.state / "sites" / site / "library"
    file = library / SCRIPT
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "param([string] $Context)\n"
        "Write-Output 'told'\n"
        "Add-Content -Path 'runs.log' -Value $Context\n",
        encoding="utf-8",
    )
    return library


def contexts(library: Path) -> list[dict[str, Any]]:
    """What the scripts of a library were told, run by run."""
    lines = (library / "runs.log").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def done_json(stage: Stage, *arguments: str) -> str:
    """Like `done`, as JSON and nothing else."""
    ran = osr(stage, *arguments, "--json")
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran.stdout
