"""`osr-agent copy`: what is shown, and what is asked before a copy is released."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.role_pb2 import ROLE_ACTIVE, ROLE_HELD, Role, RoleAssignment

from agent.copy_commands import print_copies, release_copy
from agent.exit_codes import ExitCode
from agent.identity import (
    Identity,
    certificate_chain,
    certificate_request,
    make_private_key,
    save_identity,
)
from agent.journal.database import Database
from agent.journal.roles import RoleStore
from agent.state_folder import StateFolder
from tests.unit.agent.authority import Authority
from tests.unit.agent.fake_coordinator import FABRIC, PROVIDER, VAULT

VM = "6f9e0c1a-0000-4000-8000-000000000001"
NO_POWERSHELL = ("/nonexistent/powershell.exe",)


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def __call__(self, message: str, *, err: bool = False) -> None:
        (self.errors if err else self.lines).append(message)


@pytest.fixture
def identity() -> Identity:
    authority, key = Authority(), make_private_key()
    signed = authority.sign_request(certificate_request(key), left=timedelta(days=30))
    return Identity(
        provider_id=PROVIDER,
        fabric_id=FABRIC,
        vault_id=VAULT,
        vault_name="Vault1",
        friendly_name="VMM-Shanghai",
        endpoint="localhost:1",
        ca_certificate=authority.pem,
        certificate_chain=certificate_chain(key, signed, [authority.der]),
        private_key=key,
        vmm_fqdn="vmm.shanghai.test",
        vmm_product_version="10.22.1287.0",
    )


@pytest.fixture
def folder(tmp_path: Path, identity: Identity) -> StateFolder:
    folder = StateFolder(tmp_path)
    save_identity(folder.identity, identity)
    return folder


def assign(folder: StateFolder, identity: Identity, role: Role.ValueType) -> None:
    database = Database(folder.journal(identity.provider_id))
    RoleStore(database).replace(
        [
            RoleAssignment(
                item_id="item", vm_id=VM, location="Primary", host="hv1", epoch=3, role=role
            )
        ]
    )
    database.close()


def test_copies_are_listed_as_the_coordinator_said_last(
    folder: StateFolder, identity: Identity
) -> None:
    assign(folder, identity, ROLE_HELD)
    said = Said()
    assert print_copies(folder, said, as_json=True) is ExitCode.OK
    [copy] = json.loads(said.lines[0])
    assert (copy["vm_id"], copy["role"], copy["epoch"], copy["held"]) == (VM, "HELD", 3, False)
    assert print_copies(folder, said, as_json=False) is ExitCode.OK
    assert VM in said.lines[1]


def test_whoever_releases_what_is_not_the_machine_is_asked(
    folder: StateFolder, identity: Identity
) -> None:
    assign(folder, identity, ROLE_HELD)
    asked: list[str] = []

    def decline(question: str) -> bool:
        asked.append(question)
        return False

    said = Said()
    code = release_copy(folder, VM.upper(), NO_POWERSHELL, said, decline, start=True)
    assert code is ExitCode.DECLINED
    assert "both will" in asked[0]
    assert said.lines == said.errors == []


def test_an_unknown_machine_is_not_released(folder: StateFolder, identity: Identity) -> None:
    assign(folder, identity, ROLE_ACTIVE)
    said = Said()
    code = release_copy(folder, "none", NO_POWERSHELL, said, None, start=False)
    assert code is ExitCode.FAILED
    assert "osr-agent copy list" in said.errors[0]


def test_without_powershell_a_start_is_refused_in_words(
    folder: StateFolder, identity: Identity
) -> None:
    assign(folder, identity, ROLE_ACTIVE)
    said = Said()
    code = release_copy(folder, VM, NO_POWERSHELL, said, None, start=True)
    assert code is ExitCode.POWERSHELL_UNUSABLE
    assert said.errors


def test_without_an_identity_there_is_nothing_to_show(tmp_path: Path) -> None:
    said = Said()
    assert print_copies(StateFolder(tmp_path), said, as_json=False) is ExitCode.FAILED
    assert said.errors
