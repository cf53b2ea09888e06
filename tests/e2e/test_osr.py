"""`osr`, the operator's command, from a policy to the way back."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.control.connection import CONNECTION_FILE
from deploy.lab.control.stage import Stage
from deploy.story.story import Cast, Story

MACHINE = "VM2"


def osr(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "osr"), *arguments]
    environment = {**os.environ, "OSR_CONNECTION": str(stage.state / CONNECTION_FILE)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def osr_json(stage: Stage, *arguments: str) -> Any:
    done = osr(stage, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def friendly_names(rows: Any) -> set[str]:
    return {row["properties"]["friendlyName"] for row in rows}


@pytest.mark.spec("UI-2", "EN-7", "DI-1")
def test_servers_clouds_and_machines_are_shown_by_the_names_people_use(stage: Stage) -> None:
    assert friendly_names(osr_json(stage, "server", "list")) == {"VMM-Shanghai", "VMM-Beijing"}
    assert friendly_names(osr_json(stage, "cloud", "list")) == {
        "GoldCloud1",
        "SilverCloud1",
        "GoldCloud2",
        "SilverCloud2",
    }
    machines = osr_json(stage, "vm", "list", "--cloud", "SilverCloud1")
    assert friendly_names(machines) == {"VM5", "VM6", "VM7"}


@pytest.mark.spec("VA-2", "VA-3")
def test_a_key_is_written_for_its_owner_only_and_can_be_revoked(
    stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "vault.key"
    made = osr_json(stage, "key", "create", "--file", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key_id = json.loads(file.read_text(encoding="utf-8"))["key_id"]
    assert made["name"] == key_id
    assert "secret" not in json.dumps(made)
    assert osr(stage, "key", "revoke", key_id).returncode == 0
    listed = {row["name"]: row["properties"] for row in osr_json(stage, "key", "list")}
    assert listed[key_id]["state"] == "Revoked"


@pytest.mark.timeout(240)
@pytest.mark.spec("FO-2", "FO-5", "FO-4", "JB-1")
def test_a_machine_goes_there_and_back_by_commands_alone(stage: Stage, paired: Story) -> None:
    story = paired.of(Cast(machine=MACHINE))
    protected = osr(stage, "protect", "enable", MACHINE, "--cloud", "GoldCloud1")
    assert protected.returncode == 0, protected.stdout + protected.stderr
    story.item = protected_name(stage)
    watched = osr(stage, "protect", "watch", MACHINE)
    assert watched.returncode == 0, watched.stderr
    assert f"{MACHINE} is protected." in watched.stdout
    for command in (
        ("failover", "planned", MACHINE, "--yes"),
        ("commit", MACHINE, "--yes"),
        ("reverse", MACHINE),
        ("failover", "planned", MACHINE, "--yes"),
        ("commit", MACHINE, "--yes"),
        ("reverse", MACHINE),
    ):
        done = osr(stage, *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    story.wait_for_state("Protected")
    assert story.sites.machine(MACHINE).site == "Shanghai"
    jobs = osr_json(stage, "job", "list")
    mine = [job["properties"] for job in jobs if job["properties"]["targetObjectName"] == MACHINE]
    assert len(mine) >= 7
    assert {job["state"] for job in mine} == {"Succeeded"}
    disabled = osr(stage, "protect", "disable", MACHINE, "--yes")
    assert disabled.returncode == 0, disabled.stdout + disabled.stderr


def protected_name(stage: Stage) -> str:
    """Name of the machine's protected item in resource ids."""
    rows = osr_json(stage, "protect", "list")
    row = next(row for row in rows if row["properties"]["friendlyName"] == MACHINE)
    return str(row["name"])


def test_a_refusal_tells_cause_and_remedy_and_has_its_own_exit_status(
    stage: Stage, paired: Story
) -> None:
    assert paired.operator.clouds()
    refused = osr(stage, "protect", "enable", "VM5", "--cloud", "SilverCloud1")
    assert refused.returncode == 4
    assert "SilverCloud1" in refused.stderr
    assert "Recommended action" in refused.stderr
    missing = osr(stage, "failover", "planned", "VM99", "--yes")
    assert missing.returncode == 5


@pytest.mark.spec("UI-2")
def test_what_the_vault_has_can_be_exported_and_applied_without_a_change(
    stage: Stage, paired: Story, tmp_path: Path
) -> None:
    assert paired.operator.clouds()
    exported = osr(stage, "export", "--to", str(tmp_path))
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "pairings.yaml").exists()
    same = osr(stage, "diff", "-f", str(tmp_path), "--prune")
    assert same.returncode == 0, same.stdout + same.stderr
    again = osr(stage, "apply", "-f", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "0 to add, 0 to change, 0 to remove" in again.stdout
