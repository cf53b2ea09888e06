"""`osr audit` and `osr-coordinator audit`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection

from coordinator.cli.failures import ExitCode
from coordinator.events.models import AuditChain, AuditRecord
from coordinator.vaults.models import Vault
from tests.integration.api.people.test_commands import Commands
from tests.integration.api.programs import Program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]


def change(program: Program, count: int) -> None:
    for number in range(count):
        body = {"tags": {"n": str(number)}}
        assert program.send("PATCH", program.vault_path, json=body).status_code == 200


def alter(statement: str) -> None:
    """As somebody who owns the database."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_auditrecord DISABLE TRIGGER audit_record_update")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE events_auditrecord ENABLE TRIGGER audit_record_update")


def test_osr_lists_records(program: Program, vault: Vault) -> None:
    change(program, 3)
    table = program.osr("audit", "list")
    assert table.returncode == 0, table.stderr
    assert len(table.stdout.splitlines()) == 4
    assert "tests" in table.stdout
    some = program.osr("audit", "list", "--json", "--who", "tests", "--count", "2")
    assert [record["name"] for record in json.loads(some.stdout)] == ["3", "2"]
    one = program.osr("audit", "show", "2")
    assert one.returncode == 0, one.stderr
    assert "tags.n" in one.stdout
    assert json.loads(program.osr("audit", "show", "2", "--json").stdout)["name"] == "2"
    assert program.osr("audit", "show", "9").returncode == ExitCode.NOT_FOUND
    none = program.osr("audit", "list", "--json", "--outcome", "Denied")
    assert json.loads(none.stdout) == []
    wrong = program.osr("audit", "list", "--outcome", "Maybe")
    assert wrong.returncode == ExitCode.REFUSED


def test_osr_verifies_exports_and_finds_what_was_altered(
    program: Program, vault: Vault, tmp_path: Path
) -> None:
    change(program, 4)
    head, file, later = (tmp_path / name for name in ("head.json", "audit.jsonl", "later.jsonl"))
    assert program.osr("audit", "head", str(head)).returncode == 0
    assert json.loads(head.read_text(encoding="utf-8"))["sequence"] == 4
    exported = program.osr("audit", "export", str(file))
    assert exported.returncode == 0, exported.stderr
    assert len(file.read_bytes().splitlines()) == 6
    # That it was exported is in the audit as well.
    change(program, 1)
    verified = program.osr("audit", "verify", "--head", str(head), "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["lastRecord"] == 6

    assert program.osr("audit", "verify-file", str(file), "--head", str(head)).returncode == 0
    assert program.osr("audit", "export", str(file)).returncode == ExitCode.USAGE
    content = bytearray(file.read_bytes())
    content[content.index(b'"sequence":3') - 5] ^= 1
    file.write_bytes(bytes(content))
    broken = program.osr("audit", "verify-file", str(file))
    assert broken.returncode == ExitCode.AUDIT_ALTERED
    assert "wrong at record 3" in " ".join(broken.stderr.split())

    alter("UPDATE events_auditrecord SET principal_name = 'nobody' WHERE sequence = 2")
    found = program.osr("audit", "verify")
    assert found.returncode == ExitCode.AUDIT_ALTERED
    assert "wrong at record 2" in " ".join(found.stderr.split())
    assert program.osr("audit", "export", str(later)).returncode == ExitCode.AUDIT_ALTERED


def test_an_audit_without_records_is_correct(program: Program, vault: Vault) -> None:
    verified = program.osr("audit", "verify")
    assert verified.returncode == 0, verified.stderr


def test_the_coordinator_verifies_exports_and_cuts(
    program: Program, vault: Vault, tmp_path: Path
) -> None:
    change(program, 5)
    commands = Commands(program)
    chain = AuditChain.objects.get(vault_id=vault.id)
    listed = commands.run("audit", "list")
    assert listed.returncode == 0, listed.stderr
    assert str(chain.id) in listed.stdout
    head, whole, old = (tmp_path / name for name in ("head.json", "whole.jsonl", "old.jsonl"))
    assert commands.run("audit", "head", str(chain.id), "--output", str(head)).returncode == 0
    assert commands.run("audit", "export", str(chain.id), "--output", str(whole)).returncode == 0
    assert program.osr("audit", "verify-file", str(whole)).returncode == 0
    again = commands.run("audit", "export", str(chain.id), "--output", str(whole))
    assert again.returncode == 1
    assert "Traceback" not in again.stderr

    third = AuditRecord.objects.get(chain=chain, sequence=3)
    done = commands.run(
        "audit",
        "cut",
        str(chain.id),
        "--before",
        f"{third.at:%Y-%m-%dT%H:%M:%S.%f}",
        "--output",
        str(old),
    )
    assert done.returncode == 0, done.stderr
    assert "2 records were moved" in done.stdout
    assert program.osr("audit", "verify-file", str(old)).returncode == 0
    assert AuditRecord.objects.filter(chain=chain).count() == 4
    verified = commands.run("audit", "verify", "--head", str(head))
    assert verified.returncode == 0, verified.stdout
    assert program.osr("audit", "verify", "--head", str(head)).returncode == 0

    alter("UPDATE events_auditrecord SET code = 'x' WHERE sequence = 4")
    found = commands.run("audit", "verify")
    assert found.returncode == 1
    assert f"WRONG    {chain.id}: record 4" in found.stdout
    refused = commands.run(
        "audit", "cut", str(chain.id), "--before", "2100-01-01", "--output", str(tmp_path / "no")
    )
    assert refused.returncode == 1
    assert "Nothing was cut" in refused.stderr
    unknown = commands.run("audit", "verify", "00000000-0000-0000-0000-000000000000")
    assert unknown.returncode == 1


def test_commands_of_the_administrator_are_told_of(program: Program, tmp_path: Path) -> None:
    commands, output = Commands(program), tmp_path / "grace.json"
    made = commands.made(
        output, "person", "create", "--name", "grace", "--role", "reader", *commands.place
    )
    commands.made(output, "person", "reset-password", "--name", "grace")
    assert commands.run("person", "disable", "--name", "grace").returncode == 0
    assert commands.run("person", "disable", "--name", "nobody").returncode == 1
    robot = commands.made(output, "principal", "--name", "robot", *commands.place)
    commands.made(output, "principal", "rotate-secret", "--client-id", robot["client_id"])
    told = list(AuditRecord.objects.filter(principal_type="Administrator").order_by("sequence"))
    assert [(record.action.split("commands/")[1], record.resource) for record in told] == [
        ("person/create/action", "grace"),
        ("person/reset-password/action", "grace"),
        ("person/disable/action", "grace"),
        ("principal/create/action", robot["principal_id"]),
        ("principal/rotate-secret/action", robot["principal_id"]),
    ]
    assert told[0].details["role"] == "reader"
    assert told[0].principal_name
    everything = "".join(str(record.entry) for record in told)
    assert made["password"] not in everything
    assert robot["client_secret"] not in everything
    assert commands.run("audit", "verify").returncode == 0
