"""`osr-coordinator person` and `principal`: who may sign in, made at the coordinator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from coordinator.access.models import RoleAssignment
from coordinator.access.services import OPERATOR, READER
from coordinator.vaults.models import Vault
from tests.integration.api.people.browser import Browser
from tests.integration.api.programs import Program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]


class Commands:
    """Runs the command on the database of the tests."""

    def __init__(self, program: Program) -> None:
        self._program = program
        database = connections["default"].settings_dict
        self._environment = {
            **os.environ,
            "OSR_STATE": str(program.server.state),
            "OSR_DATABASE_URL": (
                f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
            ),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "coordinator.config.main", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def made(self, output: Path, *arguments: str) -> Any:
        """What a command wrote to its file; nothing of it is anywhere else."""
        done = self.run(*arguments, "--output", str(output))
        assert done.returncode == 0, done.stderr
        assert output.stat().st_mode & 0o777 == 0o600
        content = json.loads(output.read_text(encoding="utf-8"))
        for name in ("password", "client_secret"):
            secret = content.get(name, "no such secret")
            assert secret not in done.stdout + done.stderr
        return content

    @property
    def place(self) -> tuple[str, ...]:
        return (
            "--tenant",
            self._program.tenant_id,
            "--subscription",
            self._program.subscription_id,
        )


def test_a_person_is_made_given_a_new_password_and_put_out(
    program: Program, vault: Vault, browser: Browser, tmp_path: Path
) -> None:
    commands, output = Commands(program), tmp_path / "grace.json"
    made = commands.made(
        output, "person", "create", "--name", "grace", "--role", "reader", *commands.place
    )
    assert browser.sign_in("grace", made["password"]).status_code == 302
    assert browser.call("GET", program.vault_path).status_code == 200
    role = RoleAssignment.objects.get(principal_id=UUID(made["principal_id"]))
    assert (role.role_id, role.principal_type) == (READER.id, "User")

    again = commands.run(
        "person", "create", "--name", "Grace", *commands.place, "--output", str(output)
    )
    assert again.returncode == 1
    assert "has the name" in again.stderr
    assert "Traceback" not in again.stderr

    reset = commands.made(output, "person", "reset-password", "--name", "grace")
    assert browser.call("GET", program.vault_path).status_code == 401
    assert browser.sign_in("grace", reset["password"]).status_code == 302
    assert commands.run("person", "disable", "--name", "grace").returncode == 0
    assert browser.call("GET", program.vault_path).status_code == 401
    assert commands.run("person", "disable", "--name", "nobody").returncode == 1


def test_a_program_is_made_with_a_role_and_its_secret_renewed(
    program: Program, vault: Vault, tmp_path: Path
) -> None:
    commands, output = Commands(program), tmp_path / "robot.json"
    made = commands.made(
        output, "principal", "--name", "robot", "--role", "operator", *commands.place
    )
    robot = replace(program, client_id=made["client_id"], client_secret=made["client_secret"])
    assert robot.send("GET", program.vault_path).status_code == 200
    assert robot.send("DELETE", program.vault_path).status_code == 403
    role = RoleAssignment.objects.get(principal_id=UUID(made["principal_id"]))
    assert role.role_id == OPERATOR.id
    renewed = commands.made(
        output,
        "principal",
        "rotate-secret",
        "--client-id",
        made["client_id"],
        "--old-secrets-hours",
        "0",
    )
    assert renewed["client_secret"] != made["client_secret"]
    fresh = replace(program, client_id=made["client_id"], client_secret=renewed["client_secret"])
    assert fresh.send("GET", program.vault_path).status_code == 200
    unknown = commands.run(
        "principal", "rotate-secret", "--client-id", "nobody", "--output", str(output)
    )
    assert unknown.returncode == 1
    wrong = commands.run(
        "principal", "--name", "x", "--role", "king", *commands.place, "--output", str(output)
    )
    assert wrong.returncode == 2
