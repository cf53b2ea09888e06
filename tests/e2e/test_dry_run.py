"""Dry runs by commands alone: everything is checked, nothing is touched at either site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.effects import Effect
from deploy.story.story import Story
from tests.e2e.conftest import story_of
from tests.e2e.test_osr import osr, osr_json

MACHINE = "VM3"
PLAN = "DryRunPlan"
SCRIPT = r"RPScripts\dry-run.ps1"
LIMIT_SECONDS = 120.0


def done(stage: Stage, *arguments: str) -> str:
    """Output of a command that succeeds."""
    ran = osr(stage, *arguments)
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def wait_for_quiet(stage: Stage) -> None:
    """Until no job works on anything: what happens from now on, a dry run has done."""

    def quiet() -> bool:
        jobs = osr_json(stage, "job", "list")
        return all(job["properties"]["endTime"] for job in jobs)

    wait_for("all jobs to end", quiet, LIMIT_SECONDS)


def codes(found: dict[str, Any], severity: str) -> set[str]:
    return {each["code"] for each in found["checks"] if each["severity"] == severity}


@pytest.fixture
def script(stage: Stage) -> Iterator[Path]:
    """A script in the library share of the recovery side."""
    file = stage.state / "sites" / "Beijing" / "library" / SCRIPT.replace("\\", "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("Write-Output 'ran'\n", encoding="utf-8")
    yield file
    file.unlink()


def changes(sites: Sites) -> list[Effect]:
    """What was changed at both sites.

    Agents tell hosts to start no protected machine by themselves whenever they have heard of one,
    whatever else is done.
    """
    return [effect for effect in sites.effects() if effect.effect != "vm.automatic_start_set"]


def begun(sites: Sites) -> int:
    """How many scripts have been begun."""
    return sum(effect.effect == "script.begun" for effect in sites.effects())


@pytest.mark.timeout(900)
@pytest.mark.spec("RP-6", "RP-2")
def test_a_dry_run_checks_everything_and_touches_nothing(
    stage: Stage, paired: Story, sites: Sites, script: Path
) -> None:
    story_of(MACHINE, paired).protect_machine()
    sha256 = hashlib.sha256(script.read_bytes()).hexdigest()
    done(stage, "plan", "create", PLAN, "--group", MACHINE)
    where = ("--group", "1", "--when", "after", "--script", SCRIPT, "--side", "Recovery")
    done(stage, "plan", "action", "add", PLAN, "Say", *where, "--sha256", sha256.upper())
    wait_for_quiet(stage)
    effects = changes(sites)
    machines = {(each.site, each.name): each.state for each in sites.machines()}

    # One look serves all kinds.
    for kind, known in (("test", ()), ("planned", ("--known",)), ("unplanned", ("--known",))):
        found = osr_json(stage, "plan", "check", PLAN, "--type", kind, *known)
        assert not codes(found, "Error"), found["checks"]
        [seen] = found["scripts"]
        assert (seen["sha256"], seen["expectedSha256"]) == (sha256, sha256)
        assert (seen["exists"], seen["readable"], seen["runnable"]) == (True, True, True)
        assert seen["server"] == "VMM-Beijing"
        assert None not in found["lookedAt"].values()
        assert found["forecast"]["seconds"] > 0
        alone = osr_json(stage, "failover", "check", MACHINE, "--type", kind, *known)
        assert not codes(alone, "Error"), alone["checks"]
        assert {part["machine"] for part in alone["forecast"]["criticalPath"]} == {MACHINE}
    network = ("--type", "test", "--network", "VMNetwork2-Beijing")
    assert not codes(osr_json(stage, "plan", "check", PLAN, *network), "Error")

    assert changes(sites) == effects
    assert {(each.site, each.name): each.state for each in sites.machines()} == machines

    # Somebody changes the script: the check says so, and the run does not begin it.
    script.write_text("Write-Output 'other'\n", encoding="utf-8")
    found = osr_json(stage, "plan", "check", PLAN, "--type", "test")
    assert codes(found, "Error") == {"PlanScriptChanged"}
    scripts = begun(sites)
    refused = osr(stage, "plan", "test", PLAN)
    assert refused.returncode != 0
    assert "is not the one that was checked" in refused.stdout + refused.stderr
    assert begun(sites) == scripts
    done(stage, "plan", "cleanup", PLAN, "--yes")

    script.write_text("Write-Output 'ran'\n", encoding="utf-8")
    done(stage, "plan", "test", PLAN)
    assert begun(sites) == scripts + 1
    done(stage, "plan", "cleanup", PLAN, "--yes")

    # What was carried out is measured, and the forecast goes by it.
    found = osr_json(stage, "plan", "check", PLAN, "--type", "test", "--known")
    assert "ForecastUnmeasured" not in codes(found, "Information")
    done(stage, "plan", "delete", PLAN, "--yes")
    done(stage, "protect", "disable", MACHINE, "--yes")
