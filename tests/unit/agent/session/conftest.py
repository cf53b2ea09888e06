"""A coordinator on the loopback and an agent's life beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace
from opensiterecovery.provider.v1.role_pb2 import RoleAssignment
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, Welcome

from agent.clock import utc_now
from agent.identity import (
    Identity,
    certificate_chain,
    certificate_request,
    make_private_key,
    save_identity,
)
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.session.backoff import Backoff
from agent.session.executor import CommandExecutor, Fabric
from agent.session.outbound import Outbound
from agent.session.renewal import CertificateRenewal
from agent.session.runner import Retries, SessionRunner
from agent.session.session import Introduction, SessionParts
from agent.state_folder import StateFolder
from agent.verbs.registry import VERBS, Verb
from tests.unit.agent.authority import Authority
from tests.unit.agent.fake_coordinator import FABRIC, PROVIDER, VAULT, FakeCoordinator
from tests.unit.agent.fake_hyperv import FakeHyperV
from tests.unit.agent.memory_keys import MemoryKeys

HOST = "hv1.shanghai.test"


@dataclass
class Heard:
    """What the session told discovery and watching."""

    opened: list[Welcome] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    requested: list[bool] = field(default_factory=list)
    watched: list[list[str]] = field(default_factory=list)
    first_copies: list[list[str]] = field(default_factory=list)
    roles: list[list[tuple[str, int]]] = field(default_factory=list)

    async def session_opened(self, welcome: Welcome) -> None:
        self.opened.append(welcome)

    async def inventory_stored(self, revision: int) -> None:
        self.stored.append(revision)

    async def inventory_requested(self, *, full: bool) -> None:
        self.requested.append(full)

    async def first_copies_watched(self, places: Iterable[FirstCopyPlace]) -> None:
        self.first_copies.append(sorted(place.vm_id for place in places))

    async def replication_watched(self, vm_ids: Sequence[str]) -> None:
        self.watched.append(list(vm_ids))

    async def roles_assigned(self, assignments: Sequence[RoleAssignment]) -> None:
        self.roles.append([(each.vm_id, each.epoch) for each in assignments])


@dataclass
class LivingAgent:
    """What a test looks at while the agent runs."""

    journal: CommandJournal
    executor: CommandExecutor
    outbound: Outbound
    hyperv: FakeHyperV
    heard: Heard
    folder: StateFolder
    waits: list[float]


StartAgent = Callable[..., AbstractAsyncContextManager[LivingAgent]]


Connected = Callable[[], AbstractAsyncContextManager[LivingAgent]]


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "agent")


def made_identity(
    authority: Authority,
    endpoint: str,
    *,
    left: timedelta = timedelta(days=30),
    age: timedelta | None = None,
) -> Identity:
    key = make_private_key()
    signed = authority.sign_request(certificate_request(key), left=left, age=age)
    return Identity(
        provider_id=PROVIDER,
        fabric_id=FABRIC,
        vault_id=VAULT,
        vault_name="Vault1",
        friendly_name="VMM-Shanghai",
        endpoint=endpoint,
        ca_certificate=authority.pem,
        certificate_chain=certificate_chain(key, signed, [authority.der]),
        private_key=key,
        vmm_fqdn="vmm.shanghai.test",
        vmm_product_version="10.22.1287.0",
    )


@pytest.fixture
def start_agent(folder: StateFolder) -> StartAgent:
    hyperv = FakeHyperV(HOST)

    @asynccontextmanager
    async def start(identity: Identity, **verbs: Verb) -> AsyncIterator[LivingAgent]:
        save_identity(folder.identity, identity)
        database = Database(folder.journal(identity.provider_id))
        journal = CommandJournal(database, utc_now)
        outbound = Outbound()

        async def announce(result: CommandResult) -> None:
            await outbound.send(AgentMessage(result=result))

        async def revision() -> int:
            return 7

        fabric = Fabric(lambda _: hyperv, MemoryKeys(), {**VERBS, **verbs})
        executor = CommandExecutor(journal, fabric, announce, utc_now)
        heard = Heard()
        waits: list[float] = []
        introduction = Introduction("0.1.0", str(uuid4()), tuple(VERBS), "10.22", revision)
        parts = SessionParts(introduction, journal, executor, outbound, heard, utc_now)
        runner = SessionRunner(
            replace(parts, greeting_seconds=5.0),
            folder,
            CertificateRenewal(folder, utc_now, look_interval_seconds=0.05),
            Retries(
                lost=_Noted(lambda: 0.0, first_seconds=0.02, most_seconds=0.2, waits=waits),
                refused=_Noted(lambda: 0.0, first_seconds=0.5, most_seconds=0.5, waits=waits),
            ),
        )
        tasks = [asyncio.create_task(executor.run()), asyncio.create_task(runner.run())]
        try:
            yield LivingAgent(journal, executor, outbound, hyperv, heard, folder, waits)
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return start


@pytest.fixture
def connected(coordinator: FakeCoordinator, start_agent: StartAgent) -> Connected:
    """A coordinator that serves, and a registered agent."""

    @asynccontextmanager
    async def both() -> AsyncIterator[LivingAgent]:
        async with coordinator.serving() as endpoint:
            identity = made_identity(coordinator.authority, endpoint)
            async with start_agent(identity) as agent:
                yield agent

    return both


@dataclass
class _Noted(Backoff):
    """A backoff that writes down what it gave."""

    waits: list[float] = field(default_factory=list)

    def next_seconds(self) -> float:
        wait = super().next_seconds()
        self.waits.append(wait)
        return wait
