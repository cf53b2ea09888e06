"""Registering: confirmed, refused, repeated, and what is on disk afterwards."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.registration_pb2 import (
    RegisterRequest,
    RegisterResponse,
    VmmServer,
)

from agent.exit_codes import ExitCode
from agent.identity import load_identity
from agent.journal.state_lock import StateLock
from agent.registering import RegisterOptions, ask_vmm_server, register_interactively
from agent.registration import (
    Applicant,
    CoordinatorUnreachableError,
    call_coordinator,
    register,
)
from agent.registration_key import RegistrationKey, canonical, read_registration_key
from agent.state_folder import StateFolder
from agent.vmm_server import read_vmm_server
from tests.unit.agent.authority import Authority
from tests.unit.agent.fake_coordinator import PROVIDER, VAULT, FakeCoordinator, Refusal
from tests.unit.agent.fake_hyperv import FakeHyperV

APPLICANT = Applicant(
    friendly_name="VMM-Shanghai",
    vmm_server=VmmServer(
        fqdn="vmm.shanghai.test", product_version="10.22.1287.0", installation_id="i"
    ),
    agent_version="0.1.0",
    synchronize_all_clouds=True,
)


def key_for(coordinator: FakeCoordinator, endpoint: str, **changes: Any) -> RegistrationKey:
    fields: dict[str, Any] = {
        "format": "opensiterecovery-registration-key/1",
        "vault": "金库 1",
        "vault_id": str(VAULT),
        "endpoint": endpoint,
        "ca_certificate": coordinator.authority.pem.decode(),
        "key_id": "dddddddd-1111-4111-8111-111111111111",
        "secret": "c2VjcmV0",
        "expires_at": "2026-11-28T03:00:00Z",
    } | changes
    fields["signature"] = base64.b64encode(coordinator.authority.sign(canonical(fields))).decode()
    return read_registration_key(json.dumps(fields).encode())


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "agent")


@pytest.mark.spec("EN-2")
@pytest.mark.spec("EN-9")
async def test_registration_gives_an_identity_that_is_private(
    coordinator: FakeCoordinator, folder: StateFolder
) -> None:
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        identity = await register(folder, key, APPLICANT)
    assert load_identity(folder.identity) == identity
    assert identity.provider_id == PROVIDER
    assert identity.vault_name == "金库 1"
    assert identity.endpoint == endpoint
    for file in folder.path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert not folder.pending_key.exists()
    assert "PRIVATE" not in repr(identity)
    [request] = coordinator.registrations
    assert request.registration_key == key.content.reveal()
    assert request.friendly_name == "VMM-Shanghai"
    assert request.vmm_server == APPLICANT.vmm_server
    assert request.synchronize_all_clouds
    csr = x509.load_der_x509_csr(request.certificate_request)
    assert csr.public_key() == identity.certificate.public_key()


@pytest.mark.spec("VA-3")
async def test_repeating_after_a_lost_answer_asks_with_the_same_key(
    coordinator: FakeCoordinator, folder: StateFolder
) -> None:
    async def answer_lost(key: RegistrationKey, request: RegisterRequest) -> RegisterResponse:
        await call_coordinator(key, request)
        raise ConnectionResetError

    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        with pytest.raises(ConnectionResetError):
            await register(folder, key, APPLICANT, answer_lost)
        assert stat.S_IMODE(folder.pending_key.stat().st_mode) == 0o600
        await register(folder, key, APPLICANT)
    first, second = (
        x509.load_der_x509_csr(request.certificate_request).public_key()
        for request in coordinator.registrations
    )
    assert first == second


async def test_an_answer_with_a_certificate_for_another_key_is_not_kept(
    coordinator: FakeCoordinator, folder: StateFolder
) -> None:
    async def meddled(key: RegistrationKey, request: RegisterRequest) -> RegisterResponse:
        response = await call_coordinator(key, request)
        response.certificate = coordinator.authority.der
        return response

    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        with pytest.raises(CoordinatorUnreachableError, match="another key"):
            await register(folder, key, APPLICANT, meddled)
    assert not folder.identity.exists()


@dataclass
class Terminal:
    """Collects what is printed and answers the question."""

    answer: bool = True
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def __call__(self, message: str, *, err: bool = False) -> None:
        (self.errors if err else self.lines).append(message)

    def ask(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer


Prepare = Callable[..., RegisterOptions]


@pytest.fixture
def options(tmp_path: Path, folder: StateFolder) -> Prepare:
    def make(key: RegistrationKey | bytes, **changes: Any) -> RegisterOptions:
        file = tmp_path / "key.json"
        file.write_bytes(key if isinstance(key, bytes) else key.content.reveal())
        made = RegisterOptions(
            key_file=file,
            folder=folder,
            ask_vmm=partial(read_vmm_server, FakeHyperV(), "localhost"),
            friendly_name=None,
            synchronize_all_clouds=False,
            again=False,
            confirm=None,
        )
        return replace(made, **changes)

    return make


@pytest.mark.spec("EN-2")
async def test_the_vault_is_shown_and_confirmed_before_anything_is_sent(
    coordinator: FakeCoordinator, options: Prepare, folder: StateFolder
) -> None:
    terminal = Terminal(answer=False)
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        code = await register_interactively(options(key, confirm=terminal.ask), terminal)
    assert code is ExitCode.DECLINED
    assert "金库 1" in terminal.questions[0]
    shown = "\n".join(terminal.lines)
    assert endpoint in shown
    assert key.ca_fingerprint in shown
    assert "c2VjcmV0" not in shown
    assert coordinator.registrations == []
    assert not folder.identity.exists()


async def test_registering_twice_needs_to_be_said(
    coordinator: FakeCoordinator, options: Prepare
) -> None:
    terminal = Terminal()
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        assert await register_interactively(options(key), terminal) is ExitCode.OK
        assert coordinator.registrations[0].friendly_name == "vmm.contoso.test"
        assert coordinator.registrations[0].vmm_server.installation_id
        assert not coordinator.registrations[0].synchronize_all_clouds
        again = await register_interactively(options(key), terminal)
        assert again is ExitCode.ALREADY_REGISTERED
        assert len(coordinator.registrations) == 1
        replaced = await register_interactively(options(key, again=True), terminal)
        assert replaced is ExitCode.OK


@pytest.mark.spec("VA-2")
@pytest.mark.parametrize("code", ["KeyExpired", "KeyRevoked", "KeyUsedUp", "KeyForeign"])
async def test_a_refusal_is_printed_in_all_its_parts(
    coordinator: FakeCoordinator, options: Prepare, folder: StateFolder, code: str
) -> None:
    failure = Failure(
        code=code,
        message="The key cannot be used.",
        possible_causes=["It is old.", "It was revoked."],
        recommended_action="Generate a new one.",
    )
    coordinator.refusal = Refusal(grpc.StatusCode.PERMISSION_DENIED, failure)
    terminal = Terminal()
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        assert await register_interactively(options(key), terminal) is ExitCode.REFUSED
    assert terminal.errors == [
        f"{code}: The key cannot be used.",
        "Possible causes:",
        "  - It is old.",
        "  - It was revoked.",
        "Recommended action: Generate a new one.",
    ]
    assert not folder.identity.exists()


@pytest.mark.spec("VA-2")
async def test_an_altered_key_is_not_sent(coordinator: FakeCoordinator, options: Prepare) -> None:
    terminal = Terminal()
    async with coordinator.serving(mutual=False) as endpoint:
        content = key_for(coordinator, endpoint).content.reveal()
        altered = content.replace(b"2026-11-28", b"2036-11-28")
        code = await register_interactively(options(altered), terminal)
    assert code is ExitCode.KEY_UNUSABLE
    assert terminal.errors[0].startswith("KeyAltered: ")
    assert coordinator.registrations == []


async def test_a_coordinator_that_is_away_or_another_one_is_told_as_unreachable(
    coordinator: FakeCoordinator, options: Prepare
) -> None:
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
    terminal = Terminal()
    assert await register_interactively(options(key), terminal) is ExitCode.UNREACHABLE
    assert terminal.errors[0].startswith("CoordinatorUnreachable: ")
    async with coordinator.serving(mutual=False, authority=Authority("Somebody else")):
        assert await register_interactively(options(key), terminal) is ExitCode.UNREACHABLE
    assert coordinator.registrations == []


async def test_without_vmm_nothing_is_sent(coordinator: FakeCoordinator, options: Prepare) -> None:
    terminal = Terminal()
    async with coordinator.serving(mutual=False) as endpoint:
        key = key_for(coordinator, endpoint)
        ask_vmm = partial(ask_vmm_server, ("/nonexistent/powershell.exe", "-s"), "localhost")
        missing = options(key, ask_vmm=ask_vmm)
        code = await register_interactively(missing, terminal)
    assert code is ExitCode.POWERSHELL_UNUSABLE
    assert terminal.errors[0].startswith("PowerShellGone: ")
    assert coordinator.registrations == []


async def test_a_running_agent_is_not_registered_over(
    coordinator: FakeCoordinator, options: Prepare, folder: StateFolder
) -> None:
    lock = StateLock(folder.lock)
    code = await register_interactively(options(key_for(coordinator, "127.0.0.1:1")), Terminal())
    assert code is ExitCode.ALREADY_RUNNING
    lock.release()
