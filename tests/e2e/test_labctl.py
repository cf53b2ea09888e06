"""`deploy/labctl` on a lab that is up."""

from __future__ import annotations

import json
import stat
import subprocess
from typing import Any

from deploy.lab.control.connection import CONNECTION_FILE
from deploy.lab.control.stage import Stage
from deploy.story.story import Story
from tests.runner import ROOT


def labctl(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "deploy/labctl", *arguments, "--state", stage.state],
        capture_output=True,
        text=True,
        check=False,
    )


def labctl_json(stage: Stage, *arguments: str) -> Any:
    done = labctl(stage, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_up_writes_what_a_client_needs_for_its_owner_only(stage: Stage) -> None:
    file = stage.state / CONNECTION_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text(encoding="utf-8"))) == {
        "endpoint",
        "authority",
        "tenant_id",
        "client_id",
        "client_secret",
        "subscription_id",
        "resource_group",
        "vault",
        "ca_file",
        "gateway",
    }


def test_up_again_changes_nothing(stage: Stage) -> None:
    before = {row["name"]: row["pid"] for row in labctl_json(stage, "status")}
    assert labctl(stage, "up", "--speed", str(stage.options.speed)).returncode == 0
    after = {row["name"]: row["pid"] for row in labctl_json(stage, "status")}
    assert after == before


def test_every_machine_of_the_topology_is_listed(stage: Stage) -> None:
    names = {vm.name for site in stage.topology.sites for cloud in site.clouds for vm in cloud.vms}
    assert {row["name"] for row in labctl_json(stage, "vm", "list")} == names


def test_what_the_guest_is_told_to_write_is_found_in_its_ledger(stage: Stage) -> None:
    written = labctl_json(stage, "vm", "write", "VM5", "--count", "3")["last_written"]
    ledger = labctl_json(stage, "vm", "ledger", "VM5")
    assert ledger["last_written"] >= written
    assert ledger["last_found"] >= written
    assert ledger["gaps"] == 0
    assert labctl_json(stage, "vm", "digest", "VM5")["now"]


def test_effects_name_the_command_that_caused_them(stage: Stage, paired: Story) -> None:
    assert paired.operator.clouds()
    effects = labctl_json(stage, "effects")
    installed = [effect for effect in effects if effect["effect"] == "certificate.installed"]
    hosts = {effect["host"] for effect in installed}
    assert {host for host in hosts if "-gold-" in host} == {
        "sh-gold-1.contoso.com",
        "sh-gold-2.contoso.com",
        "bj-gold-1.contoso.com",
        "bj-gold-2.contoso.com",
    }
    assert all(effect["command_id"] for effect in installed)


def test_an_unknown_site_or_machine_is_told_with_what_there_is(stage: Stage) -> None:
    site = labctl(stage, "site", "cut", "Atlantis")
    assert site.returncode == 2
    assert "Shanghai" in site.stdout
    machine = labctl(stage, "vm", "ledger", "VM99")
    assert machine.returncode == 2
    assert "VM1" in machine.stdout
