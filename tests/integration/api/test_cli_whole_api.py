"""Commands for what is not told of elsewhere; formats, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from django.utils import timezone

from coordinator.access.services import READER
from coordinator.fabrics.models import FabricObject
from coordinator.protection.models import ProtectedItem
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, add_networks, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2")]


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    return protect(pair(sites, now), sites.machines[0], now)


def test_a_vault_s_tags_health_and_settings(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    tagged = program.osr("vault", "update", "--tag", "owner=ada", "--tag", "site=北京")
    assert tagged.returncode == 0, tagged.stderr
    assert "owner=ada, site=北京" in tagged.stdout
    fewer = program.osr("vault", "update", "--tag", "site=", "--output", "yaml")
    assert yaml.safe_load(fewer.stdout)["tags"] == {"owner": "ada"}
    assert program.osr("vault", "update", "--tag", "nothing").returncode == 2
    for more in ((), ("--refresh",)):
        health = program.osr("vault", "health", *more)
        assert health.returncode == 0, health.stderr
        assert "Machines" in health.stdout
        assert "2 Normal" in health.stdout
    plain = json.loads(program.osr("vault", "health", "--json").stdout)
    assert plain["properties"]["fabricsHealth"]["resourceCount"] == 2
    assert "default" in program.osr("vault", "settings").stdout.lower()


def test_roles_are_listed_given_and_taken(program: Program, sites: Sites) -> None:
    somebody = str(uuid4())
    roles = program.osr("role", "definitions")
    assert "Site Recovery Operator" in roles.stdout
    given = program.osr("role", "assign", somebody, "operator")
    assert given.returncode == 4, "nobody has that id"
    mine = json.loads(program.osr("role", "list", "--json").stdout)
    me = mine[0]["properties"]["principalId"]
    for _ in range(2):
        given = program.osr("role", "assign", me, "reader")
        assert given.returncode == 0, given.stderr
    listed = program.osr("role", "list", "--principal", me)
    assert listed.stdout.count("Site Recovery Reader") == 1
    assert listed.stdout.count("Owner") == 1
    taken = program.osr("role", "remove", me, "Site Recovery Reader", "--yes")
    assert taken.returncode == 0, taken.stderr
    last = program.osr("role", "remove", me, "owner", "--at", "subscription", "--yes")
    assert last.returncode == 4
    assert "LastOwner" in last.stderr
    assert program.osr("role", "remove", me, "reader", "--yes").returncode == 5
    assert program.osr("role", "assign", me, "king").returncode == 5


def test_who_may_not_is_told_so(
    program: Program, sites: Sites, make_program: Callable[..., Program]
) -> None:
    reader = make_program(subscription_id=sites.vault.subscription_id, role=READER)
    denied = reader.osr("policy", "create", "Gold")
    assert denied.returncode == 9
    assert "AuthorizationFailed" in denied.stderr


def test_what_the_servers_have_is_shown(program: Program, sites: Sites) -> None:
    add_networks(sites)
    FabricObject.objects.create(
        vault=sites.vault,
        fabric=sites.shanghai,
        kind="logical_network",
        external_id="ln1",
        name="LogicalNetwork1-Shanghai",
        details={"id": "ln1", "network_virtualization": True},
    )
    for command, words in (
        (("cloud", "show", "goldcloud1"), "VMM-Shanghai"),
        (("network", "show", "VMNetwork1-Shanghai"), "VMM-Shanghai"),
        (("network", "logical", "--server", "VMM-Shanghai"), "LogicalNetwork1"),
        (("operations",), "vaults/replicationRecoveryPlans/plannedFailover/action"),
    ):
        shown = program.osr(*command)
        assert shown.returncode == 0, shown.stderr
        assert words in shown.stdout, command


def test_any_request_can_be_made(program: Program, sites: Sites, tmp_path: Path) -> None:
    fabrics = program.osr("api", "get", "/replicationFabrics")
    assert fabrics.returncode == 0, fabrics.stderr
    assert len(json.loads(fabrics.stdout)["value"]) == 2
    body = tmp_path / "body.json"
    body.write_text('{"properties": {}}', encoding="utf-8")
    made = program.osr("api", "post", "registrationKeys", "--body", str(body), "-o", "yaml")
    key = yaml.safe_load(made.stdout)["name"]
    shown = program.osr("key", "show", key)
    assert key in shown.stdout
    assert program.osr("api", "get", "/nothing").returncode == 5
    body.write_text("{", encoding="utf-8")
    assert program.osr("api", "post", "x", "--body", str(body)).returncode == 2


def test_certificates_of_a_server_are_renewed(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    renewed = program.osr("server", "renew-certificates", "VMM-Shanghai")
    assert renewed.returncode in {0, 4}, renewed.stderr


def test_a_format_is_the_same_everywhere(program: Program, sites: Sites) -> None:
    as_yaml = yaml.safe_load(program.osr("server", "list", "-o", "yaml").stdout)
    assert as_yaml == json.loads(program.osr("server", "list", "--output", "json").stdout)
    assert "\x1b[" not in program.osr("server", "list").stdout
    assert program.osr("server", "list", "--output", "xml").returncode == 2


def test_shutting_down_has_to_be_confirmed(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    for command in (("failover", "planned"), ("commit",), ("failover", "unplanned")):
        nobody = program.osr(*command, "GoldVM1")
        assert nobody.returncode == 4, command
        assert "NotConfirmed" in nobody.stderr
        assert "--yes" in nobody.stderr
    wrong = program.osr("failover", "planned", "GoldVM1", typed="GoldVM2\n")
    assert wrong.returncode == 4
    assert "is shut down" in wrong.stderr
    item.refresh_from_db()
    assert item.active_location == "Primary"
    done = program.osr("failover", "planned", "GoldVM1", typed="goldvm1\n")
    assert done.returncode == 0, done.stderr


# A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("coordinator.cli.main", run_name="__main__")
"""


def test_ctrl_c_leaves_the_job_running(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.hold()
    begun = program.osr("failover", "planned", "GoldVM1", "--yes", "--no-wait", "--json")
    name = json.loads(begun.stdout)["name"]
    environment = {**os.environ, "OSR_CONNECTION": str(program.connection_file)}
    # Of the terminal the tests run in; there is none here.
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "job", "watch", name],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr is not None
        first = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=120)
    assert first
    assert watching.returncode == 130, said
    assert f"osr job watch {name}" in said
    engine.release()
    assert program.osr("job", "watch", name).returncode == 0


def test_jobs_become_a_file(
    program: Program, item: ProtectedItem, engine: ScriptedEngine, tmp_path: Path
) -> None:
    assert program.osr("failover", "planned", "GoldVM1", "--yes").returncode == 0
    for ending, begins in (("csv", b""), ("xlsx", b"PK"), ("json", b"["), ("xml", b"<")):
        file = tmp_path / f"jobs.{ending}"
        done = program.osr("job", "export", str(file), "--state", "Succeeded")
        assert done.returncode == 0, done.stderr
        assert file.read_bytes().startswith(begins)
        assert file.stat().st_size > 0
    rows = json.loads((tmp_path / "jobs.json").read_text(encoding="utf-8"))
    assert len(rows) >= 1
    assert program.osr("job", "export", str(tmp_path / "jobs.pdf")).returncode == 2
    listed = program.osr("job", "list", "--from", "2999-01-01T00:00:00Z", "--json")
    assert json.loads(listed.stdout) == []
