"""The real agent and the real gateway: registration, discovery, a command, a renewal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from opensiterecovery.provider.v1.session_pb2_grpc import SessionStub

from agent.clock import utc_now
from agent.exit_codes import ExitCode
from agent.identity import load_identity
from agent.powershell.pool import PowerShellPool
from agent.registering import RegisterOptions, register_interactively
from agent.running import AgentSettings, run_agent
from agent.session.connection import session_channel
from agent.session.renewal import CertificateRenewal
from agent.state_folder import StateFolder
from agent.vmm_server import read_vmm_server
from coordinator.fabrics.models import Fabric, Provider
from coordinator.jobs.models import Command
from coordinator.jobs.states import CommandState
from coordinator.vaults.services import KeyIssuer, generate_registration_key
from tests.integration.agent.failover_stage import EAST, Stage
from tests.integration.gateway.conftest import Site
from tests.integration.gateway.jobs_for_agents import begin, job_state


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path, 0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "agent")


def say(message: str, *, err: bool = False) -> None:
    assert not err, message


async def register(site: Site, stage: Stage, folder: StateFolder, key_file: Path) -> ExitCode:
    issuer = KeyIssuer(site.context.authority, f"127.0.0.1:{site.door.port}")
    generated = await site.run(
        lambda: generate_registration_key(site.vault, issuer, "Li Wei", utc_now(), 1)
    )
    await asyncio.to_thread(key_file.write_text, generated.file.reveal())
    pool = PowerShellPool(stage.agents[EAST].shells.start)
    options = RegisterOptions(
        key_file=key_file,
        folder=folder,
        ask_vmm=partial(read_vmm_server, pool, "localhost"),
        friendly_name="VMM-Shanghai",
        synchronize_all_clouds=True,
        again=True,
        confirm=None,
    )
    try:
        return await register_interactively(options, say)
    finally:
        await pool.close()


@asynccontextmanager
async def running(stage: Stage, folder: StateFolder) -> AsyncIterator[None]:
    stop = asyncio.Event()
    settings = AgentSettings(folder, stage.agents[EAST].shells.start)
    task = asyncio.create_task(run_agent(settings, stop))
    yield
    stop.set()
    assert await task is ExitCode.OK


@pytest.mark.spec("EN-7")
@pytest.mark.spec("EN-10")
async def test_an_agent_registers_discovers_obeys_and_comes_back(
    site: Site, stage: Stage, folder: StateFolder, tmp_path: Path
) -> None:
    assert await register(site, stage, folder, tmp_path / "key.json") is ExitCode.OK
    identity = load_identity(folder.identity)
    assert identity.vault_name == site.vault.name
    provider_id = identity.provider_id
    job_id = await site.run(begin(site.vault.id, provider_id, EAST))
    async with running(stage, folder):
        await site.until(lambda: Fabric.objects.get().inventory_revision > 0)
        await site.until(lambda: Command.objects.get().state == CommandState.FINISHED.value)
        assert await site.run(lambda: job_state(job_id)) == "Succeeded"
    first = await site.run(lambda: Fabric.objects.get().inventory_revision)
    second_job = await site.run(begin(site.vault.id, provider_id, EAST))
    async with running(stage, folder):
        await site.until(lambda: job_state(second_job) == "Succeeded")
    assert await site.run(lambda: Fabric.objects.get().inventory_revision) >= first


@pytest.mark.spec("EN-9")
async def test_an_agent_renews_its_certificate_and_connects_with_the_new_one(
    site: Site, stage: Stage, folder: StateFolder, tmp_path: Path
) -> None:
    await register(site, stage, folder, tmp_path / "key.json")
    old = load_identity(folder.identity)
    async with session_channel(old) as channel:
        renewed = await CertificateRenewal(folder, utc_now).renew(old, SessionStub(channel))
    assert load_identity(folder.identity) == renewed
    job_id = await site.run(begin(site.vault.id, old.provider_id, EAST))
    async with running(stage, folder):
        await site.until(lambda: job_state(job_id) == "Succeeded")


async def test_an_unregistered_agent_is_refused(
    site: Site, stage: Stage, folder: StateFolder, tmp_path: Path
) -> None:
    await register(site, stage, folder, tmp_path / "key.json")
    identity = load_identity(folder.identity)
    await site.run(lambda: Provider.objects.update(unregistered_at=utc_now()))
    async with session_channel(identity) as channel:
        renewal = CertificateRenewal(folder, utc_now)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await renewal.renew(identity, SessionStub(channel))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert load_identity(folder.identity) == identity
