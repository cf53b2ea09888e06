"""osr apply, diff and export: a vault's configuration as files, against the API."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from django.utils import timezone

from coordinator.failures import Failure
from coordinator.protection.models import (
    BandwidthLimit,
    NetworkMapping,
    Pairing,
    Policy,
    StorageMapping,
)
from coordinator.protection.states import PairingState
from coordinator.recovery.models import RecoveryPlan
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import (
    Sites,
    add_networks,
    add_storage,
    make_machine,
    protect,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2")]

FIRST = """\
    kind: policy
    name: Gold
    spec:
      replicationFrequencySeconds: 30
      recoveryPoints: 4
      applicationConsistentHours: 1
    ---
    kind: pairing
    name: Gold-pair
    spec:
      source: {server: VMM-Shanghai, cloud: GoldCloud1}
      target: {server: vmm-beijing, cloud: GoldCloud2}
      policy: gold
    ---
    kind: networkMapping
    name: map-1
    spec:
      source: {server: VMM-Shanghai, network: VMNetwork1-Shanghai}
      target: {server: VMM-Beijing, network: VMNetwork1-Beijing}
    ---
    kind: storageMapping
    name: gold-storage
    spec:
      source: {server: VMM-Shanghai, classification: GOLD}
      target: {server: VMM-Beijing, classification: GOLD_TARGET}
    ---
    kind: bandwidthLimit
    name: VMM-Shanghai
    spec:
      limit: 200Mbps
      timeZone: Asia/Shanghai
      windows:
        - {days: [Tuesday, Monday], start: 8:00, end: 18:00, limit: 20Mbps}
    ---
    kind: alertSettings
    name: defaultAlertSetting
    spec:
      addresses: [night@example.org, Day@example.org]
"""
PLAN = """\
    kind: recoveryPlan
    name: Shop
    spec:
      primaryServer: VMM-Shanghai
      recoveryServer: VMM-Beijing
      shutdown:
        before:
          - {name: Warn, manual: Tell everybody., run: [planned, unplanned]}
      groups:
        - machines: [db-1]
          after:
            - {name: Warm, script: /RPScripts/Warm.ps1, timeLimitSeconds: 300, onFailure: Stop}
        - machines: [web-*]
"""


@pytest.fixture(autouse=True)
def world(sites: Sites, engine: ScriptedEngine) -> ScriptedEngine:
    add_networks(sites)
    add_storage(sites.shanghai, "GOLD", r"\\FS\Source1", "hv1.shanghai.example")
    add_storage(sites.beijing, "GOLD_TARGET", r"C:\ClusterStorage\T1", "hv1.beijing.example")
    add_storage(sites.beijing, "OTHER_TARGET", r"C:\ClusterStorage\T2", "hv1.beijing.example")
    return engine


def written(tmp_path: Path, text: str, name: str = "vault.yaml") -> str:
    file = tmp_path / name
    file.write_text(dedent(text), encoding="utf-8")
    return str(file)


def machines_of(sites: Sites) -> None:
    now = timezone.now()
    pairing = Pairing.objects.get()
    for name in ("db-1", "web-1", "web-2"):
        protect(pairing, make_machine(sites.gold1, name), now)


def all_of_it(program: Program, sites: Sites, tmp_path: Path) -> None:
    """Everything applied, in two files: machines are protected between them."""
    done = program.osr("apply", "-f", written(tmp_path, FIRST))
    assert done.returncode == 0, done.stdout + done.stderr
    machines_of(sites)
    done = program.osr("apply", "-f", written(tmp_path, PLAN, "plan.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_files_say_becomes_so_and_exporting_is_identity(
    program: Program, sites: Sites, tmp_path: Path
) -> None:
    first = written(tmp_path, FIRST)
    shown = program.osr("apply", "-f", first)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "+ policy Gold" in shown.stdout
    # There is always an alert setting; applying changes it.
    assert "spec.addresses: +Day@example.org, +night@example.org" in shown.stdout
    assert "5 to add, 1 to change, 0 to remove, 0 as it is." in shown.stdout
    assert "[2/6] add pairing Gold-pair" in shown.stderr
    assert Policy.objects.get().replication_frequency_seconds == 30
    assert Pairing.objects.get().state == PairingState.PAIRED
    assert NetworkMapping.objects.get().target_network == "VMNetwork1-Beijing"
    assert StorageMapping.objects.get().name == "gold-storage"
    assert BandwidthLimit.objects.get().bits_per_second == 200_000_000

    machines_of(sites)
    plan = written(tmp_path, PLAN, "plan.yaml")
    assert program.osr("diff", "-f", plan).returncode == 10
    assert program.osr("apply", "-f", plan).returncode == 0
    again = program.osr("apply", "-f", plan, "-f", first)
    assert "0 to add, 0 to change, 0 to remove, 7 as it is." in again.stdout

    folder = tmp_path / "vault"
    exported = program.osr("export", "--to", str(folder))
    assert exported.returncode == 0, exported.stderr
    assert len(list(folder.glob("*.yaml"))) == 7
    same = program.osr("diff", "-f", str(folder), "--prune", "--json")
    assert same.returncode == 0, same.stdout + same.stderr
    found = json.loads(same.stdout)
    assert [len(found[part]) for part in ("added", "changed", "removed", "unchanged")] == [
        0,
        0,
        0,
        7,
    ]
    shop = yaml.safe_load((folder / "recovery-plans.yaml").read_text(encoding="utf-8"))
    assert shop["spec"]["groups"][1] == {"machines": ["web-1", "web-2"]}
    printed = program.osr("export", "--kind", "policy")
    assert yaml.safe_load(printed.stdout)["spec"]["port"] == 8084


def test_differences_are_told_field_by_field_and_only_they_are_made(
    program: Program, sites: Sites, tmp_path: Path
) -> None:
    all_of_it(program, sites, tmp_path)
    changed = (
        FIRST.replace("recoveryPoints: 4", "recoveryPoints: 8")
        .replace("GOLD_TARGET", "OTHER_TARGET")
        .replace("limit: 200Mbps", "limit: 300Mbps")
    )
    file = written(tmp_path, changed)
    told = program.osr("diff", "-f", file)
    assert told.returncode == 10
    for line in (
        "~ policy Gold",
        "    spec.recoveryPoints: 4 -> 8",
        "    spec.target.classification: GOLD_TARGET -> OTHER_TARGET",
        "    spec.limit: 200000000 -> 300000000",
        "0 to add, 3 to change, 0 to remove, 3 as it is.",
    ):
        assert line in told.stdout.splitlines(), told.stdout
    assert Policy.objects.get().recovery_points == 4
    assert program.osr("apply", "-f", file, "--dry-run").returncode == 0
    assert Policy.objects.get().recovery_points == 4
    done = program.osr("apply", "-f", file, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["changed"]) == 3
    assert Policy.objects.get().recovery_points == 8
    assert BandwidthLimit.objects.get().bits_per_second == 300_000_000
    assert program.osr("diff", "-f", file).returncode == 0

    plan = PLAN.replace("machines: [db-1]", "machines: [db-1, web-2]").replace("web-*", "web-1")
    moved = program.osr("apply", "-f", written(tmp_path, plan, "plan.yaml"))
    assert moved.returncode == 0, moved.stderr
    assert "spec.groups[0].machines: +web-2" in moved.stdout
    assert RecoveryPlan.objects.get().revision == 2


def test_nothing_goes_without_prune_and_prune_asks(
    program: Program, sites: Sites, tmp_path: Path
) -> None:
    all_of_it(program, sites, tmp_path)
    policy = written(tmp_path, FIRST.split("---", maxsplit=1)[0])
    kept = program.osr("apply", "-f", policy)
    assert "0 to remove" in kept.stdout
    assert RecoveryPlan.objects.exists()
    alone = written(tmp_path, FIRST)
    asked = program.osr("apply", "-f", alone, "--prune")
    assert asked.returncode == 4
    assert "recoveryPlan Shop" in asked.stderr
    assert RecoveryPlan.objects.exists()
    done = program.osr("apply", "-f", alone, "--prune", typed="vault-1\n")
    assert done.returncode == 0, done.stderr
    assert "- recoveryPlan Shop" in done.stdout
    assert not RecoveryPlan.objects.exists()
    assert Pairing.objects.exists()


def test_after_a_failure_it_goes_on_where_it_stopped(
    program: Program, world: ScriptedEngine, tmp_path: Path
) -> None:
    file = written(tmp_path, FIRST)
    world.fail_next(Failure("HostBusy", "hv1 is busy.", ("It merges.",), "Wait."))
    failed = program.osr("apply", "-f", file)
    assert failed.returncode == 7
    assert "pairing Gold-pair" in failed.stderr
    assert f"{file}:8" in failed.stderr
    assert "hv1 is busy." in failed.stderr
    assert "run osr apply again" in failed.stderr
    assert Policy.objects.exists()
    assert not NetworkMapping.objects.exists()

    Pairing.objects.update(state=PairingState.PAIRING_FAILED)
    told = program.osr("diff", "-f", file)
    assert "its state is PairingFailed: it is done again" in told.stdout
    assert program.osr("apply", "-f", file).returncode == 0
    assert Pairing.objects.get().state == PairingState.PAIRED
    assert NetworkMapping.objects.exists()
    assert program.osr("diff", "-f", file).returncode == 0


def test_wrong_files_change_nothing(program: Program, tmp_path: Path) -> None:
    wrong = written(
        tmp_path,
        """\
        kind: policy
        name: Gold
        ---
        kind: pairing
        name: x
        spec:
          source: {server: VMM-Shanghai, cloud: GoldCloud9}
          target: {server: VMM-Beijing, cloud: GoldCloud2}
          policy: Gold
        """,
    )
    refused = program.osr("apply", "-f", wrong)
    assert refused.returncode == 2
    assert f'{wrong}:7: spec.source.cloud: There is no cloud "GoldCloud9".' in refused.stderr
    assert "GoldCloud1, SilverCloud1" in refused.stderr
    assert not Policy.objects.exists()
    assert program.osr("apply", "-f", str(tmp_path / "none.yaml")).returncode == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert program.osr("diff", "-f", str(empty)).returncode == 2


def test_what_cannot_be_changed_is_refused_before_anything_is_done(
    program: Program, tmp_path: Path
) -> None:
    assert program.osr("apply", "-f", written(tmp_path, FIRST)).returncode == 0
    other = FIRST.replace("cloud: GoldCloud2", "cloud: SilverCloud2").replace(
        "recoveryPoints: 4", "recoveryPoints: 8"
    )
    refused = program.osr("apply", "-f", written(tmp_path, other))
    assert refused.returncode == 4
    assert "cannot be changed" in refused.stderr
    assert "osr pair remove" in refused.stderr
    assert Policy.objects.get().recovery_points == 4
