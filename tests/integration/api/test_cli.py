"""The command `osr` against the API, as a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from coordinator.failures import Failure, ProviderError
from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2")]


def test_a_vault_and_its_key(program: Program, tmp_path: Path) -> None:
    made = program.osr("vault", "create", "--location", "shanghai")
    assert made.returncode == 0, made.stderr
    assert "Vault-1" in made.stdout
    listed = program.osr("vault", "list", "--json")
    assert [vault["name"] for vault in json.loads(listed.stdout)] == ["Vault-1"]

    file = tmp_path / "vault-1.key"
    key = program.osr("key", "create", "--file", str(file), "--max-uses", "2")
    assert key.returncode == 0, key.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["secret"] not in key.stdout + key.stderr
    assert program.osr("key", "create", "--file", str(file)).returncode == 4
    revoked = program.osr("key", "revoke", document["key_id"], "--json")
    assert json.loads(revoked.stdout)["properties"]["state"] == "Revoked"
    assert "Revoked" in program.osr("key", "list").stdout


def test_what_the_servers_have_is_listed(program: Program, sites: Sites) -> None:
    servers = program.osr("server", "list")
    assert servers.returncode == 0, servers.stderr
    assert "VMM-Shanghai" in servers.stdout
    assert "Connected" in servers.stdout
    shown = json.loads(program.osr("server", "show", "vmm-beijing", "--json").stdout)
    assert shown["properties"]["fabricFriendlyName"] == "VMM-Beijing"
    clouds = json.loads(program.osr("cloud", "list", "--server", "VMM-Shanghai", "--json").stdout)
    assert [cloud["properties"]["friendlyName"] for cloud in clouds] == [
        "GoldCloud1",
        "SilverCloud1",
    ]
    machines = program.osr("vm", "list", "--cloud", "GoldCloud1")
    assert "GoldVM1" in machines.stdout
    assert "Unprotected" in machines.stdout


def test_a_policy_and_a_pair_of_clouds(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    made = program.osr("policy", "create", "Gold", "--frequency", "30", "--recovery-points", "4")
    assert made.returncode == 0, made.stderr
    assert "30 s" in made.stdout
    paired = program.osr("pair", "create", "GoldCloud1", "GoldCloud2", "--policy", "Gold")
    assert paired.returncode == 0, paired.stderr
    # Progress goes to standard error, a line a change of a task.
    assert "Prepare the server" in paired.stderr
    assert "succeeded" in paired.stdout
    pairs = json.loads(program.osr("pair", "list", "--json").stdout)
    assert pairs[0]["properties"]["state"] == "Paired"
    used = program.osr("policy", "delete", "Gold", "--yes")
    assert used.returncode == 4
    assert "PolicyInUse" in used.stderr
    shown = json.loads(program.osr("policy", "show", "gold", "--json").stdout)
    assert shown["properties"]["providerSpecificDetails"]["recoveryPoints"] == 4


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    return protect(pair(sites, now), sites.machines[0], now)


def test_failing_over_committing_and_reversing(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    over = program.osr("failover", "planned", "GoldVM1", "--yes")
    assert over.returncode == 0, over.stderr
    assert "Planned failover of GoldVM1 succeeded" in over.stdout
    assert "Recovery" in program.osr("protect", "list").stdout
    committed = json.loads(program.osr("commit", "GoldVM1", "--yes", "--json").stdout)
    assert committed["properties"]["scenarioName"] == "CommitFailover"
    assert committed["properties"]["state"] == "Succeeded"
    assert program.osr("reverse", "goldvm1").returncode == 0
    back = program.osr(
        "failover", "planned", "GoldVM1", "--yes", "--direction", "RecoveryToPrimary"
    )
    assert back.returncode == 0, back.stderr
    shown = json.loads(program.osr("protect", "show", "GoldVM1", "--json").stdout)
    assert shown["properties"]["activeLocation"] == "Primary"
    jobs = json.loads(program.osr("job", "list", "--json").stdout)
    assert len(jobs) == 4
    assert "Planned failover" in program.osr("job", "show", jobs[0]["name"]).stdout


def test_protecting_a_machine(program: Program, sites: Sites, engine: ScriptedEngine) -> None:
    pair(sites, timezone.now())
    done = program.osr("protect", "enable", "GoldVM2", "--cloud", "GoldCloud1")
    assert done.returncode == 0, done.stderr
    assert ProtectedItem.objects.get().friendly_name == "GoldVM2"
    again = program.osr("protect", "enable", "GoldVM2")
    assert again.returncode == 4
    assert "VirtualMachineAlreadyProtected" in again.stderr


def test_a_job_can_be_left_running_watched_and_refuses_company(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.hold()
    begun = program.osr("failover", "planned", "GoldVM1", "--yes", "--no-wait", "--json")
    assert begun.returncode == 0, begun.stderr
    name = json.loads(begun.stdout)["name"]
    late = program.osr("job", "watch", name, "--timeout", "1")
    assert late.returncode == 8
    assert f"osr job watch {name}" in late.stderr
    busy = program.osr("commit", "GoldVM1", "--yes")
    assert busy.returncode == 6
    assert name in busy.stderr
    engine.release()
    assert program.osr("job", "watch", name).returncode == 0


def test_a_job_that_fails_says_four_things_and_exits_with_7(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.fail_next(Failure("HostBusy", "hv1 is busy.", ("It merges.", "It hangs."), "Wait."))
    failed = program.osr("failover", "planned", "GoldVM1", "--yes")
    assert failed.returncode == 7
    for text in (
        "HostBusy",
        "hv1 is busy.",
        "It merges.",
        "It hangs.",
        "Recommended action: Wait.",
    ):
        assert text in failed.stderr
    job = Job.objects.get()
    shown = program.osr("job", "show", str(job.id))
    assert shown.returncode == 0
    assert "HostBusy" in shown.stdout


def test_what_powershell_said_is_shown_with_its_id_and_category(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    error_id = "InvalidState,Microsoft.HyperV.PowerShell.Commands.StartVMFailover"
    said = ProviderError(error_id, "InvalidOperation", "The operation cannot be performed.")
    engine.fail_next(Failure("HostBusy", "hv1 is busy.", ("It merges.",), "Wait.", said))
    failed = program.osr("failover", "planned", "GoldVM1", "--yes")
    assert f"{error_id} (InvalidOperation)" in failed.stderr
    assert "The operation cannot be performed." in failed.stderr


def test_ids_that_other_commands_want_are_listed_whole_however_narrow_the_terminal(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    assert program.osr("failover", "planned", "GoldVM1", "--yes").returncode == 0
    assert str(Job.objects.get().id) in program.osr("job", "list", columns=60).stdout
    shown = program.osr("protect", "show", "GoldVM1").stdout
    assert shown.split("In progress")[1].split()[0] == "-"


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("vm", "list", "--cloud", "Bronze"), 5, "GoldCloud1"),
        (("job", "show", "nothing"), 5, "not found"),
        (("protect", "show", "GoldVM9"), 5, "There is no protected machine"),
        (("policy", "create", "p", "--frequency", "31"), 4, "replicationFrequencyInSeconds"),
        (("pair", "create", "GoldCloud1"), 2, "target"),
        (("vault", "list", "--connection", "/nonexistent"), 3, "cannot be read"),
    ],
)
def test_what_goes_wrong_has_its_exit_status_and_its_words(
    program: Program, sites: Sites, arguments: tuple[str, ...], status: int, text: str
) -> None:
    ended = program.osr(*arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert text in ended.stderr


def test_a_wrong_secret_and_a_dead_endpoint_are_told_apart(
    make_program: Callable[..., Program], program: Program
) -> None:
    file = program.connection_file
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "client_secret": "the wrong one"}), encoding="utf-8")
    stranger = program.osr("vault", "list")
    assert stranger.returncode == 3
    assert "does not accept" in stranger.stderr
    assert "the wrong one" not in stranger.stderr
    gone = {"endpoint": "https://localhost:1", "authority": "https://localhost:1"}
    file.write_text(json.dumps({**content, **gone}), encoding="utf-8")
    dead = program.osr("vault", "list")
    assert dead.returncode == 3
    assert "cannot be reached" in dead.stderr
