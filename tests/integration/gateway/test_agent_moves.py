"""The agent comes back on the other site with the same identity: recovery of a stand-alone VMM.

What Hyper-V Replica brought there is the state folder as it was at the last replication, or, when
that was lost, the identity alone.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from agent.exit_codes import ExitCode
from agent.identity import load_identity
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.state_folder import StateFolder
from coordinator.fabrics.models import Fabric, Provider
from coordinator.jobs.engine import advance
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from tests.integration.agent.failover_stage import EAST, Stage
from tests.integration.gateway.conftest import Site
from tests.integration.gateway.jobs_for_agents import REGISTRY, job_state, utc_now
from tests.integration.gateway.test_real_agent import register, running

pytestmark = pytest.mark.spec("SS-3")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path, 0)
    await made.open()
    yield made
    await made.close()


def change(site: Site, provider_id: UUID, stage: Stage, action: str) -> UUID:
    """A job that stops or starts the machine of the stage."""
    inputs: dict[str, object] = {"vm": {"vm_id": stage.vm_id, "host": EAST, "role_epoch": 1}}
    if action == "stop_virtual_machine":
        inputs["turn_off"] = True
    step = StepSpec(
        key=action,
        task="Change",
        kind=StepKind.COMMAND,
        action=action,
        provider=str(provider_id),
        inputs=inputs,
    )
    job = begin_job(
        BeginJob(
            vault_id=site.vault.id,
            scenario="Change",
            friendly_name="Change",
            target=JobTarget("ProtectionEntity", action, "App"),
            graph=Graph((TaskSpec("Change", "Change"),), (step,)),
            queue=QueueName.FAILOVER,
            started_by="tests",
        ),
        utc_now(),
    )
    advance(job.id, REGISTRY, utc_now)
    return job.id


async def carry_out(site: Site, provider_id: UUID, stage: Stage, action: str) -> None:
    job_id = await site.run(lambda: change(site, provider_id, stage, action))
    await site.until(lambda: job_state(job_id) == "Succeeded")


def effects(stage: Stage) -> Counter[tuple[str, str]]:
    """What commands changed at the site, by command."""
    return Counter(
        (each.command_id or "", each.effect)
        for each in stage.agents[EAST].site.effects.read()
        if each.effect in {"vm.started", "vm.turned_off"} and each.command_id
    )


async def fence(site: Site) -> int:
    return await site.run(lambda: Provider.objects.get().fence)


async def copied(folder: StateFolder, to: Path) -> StateFolder:
    await asyncio.to_thread(shutil.copytree, folder.path, to)
    return StateFolder(to)


async def lived(site: Site, stage: Stage, folder: StateFolder, key_file: Path) -> UUID:
    """An agent that has told its inventory and turned the machine off."""
    assert await register(site, stage, folder, key_file) is ExitCode.OK
    provider_id = load_identity(folder.identity).provider_id
    async with running(stage, folder):
        await site.until(lambda: Fabric.objects.get().inventory_revision > 0)
        await carry_out(site, provider_id, stage, "stop_virtual_machine")
    return provider_id


async def test_with_an_older_journal_nothing_is_done_twice_and_everything_goes_on(
    site: Site, stage: Stage, tmp_path: Path
) -> None:
    folder = StateFolder(tmp_path / "agent")
    provider_id = await lived(site, stage, folder, tmp_path / "key.json")
    replicated = await copied(folder, tmp_path / "replicated")
    # After the last replication of the VMM machine: started, and turned off again.
    async with running(stage, folder):
        await carry_out(site, provider_id, stage, "start_virtual_machine")
        await carry_out(site, provider_id, stage, "stop_virtual_machine")
    before, older_fence = effects(stage), await fence(site)
    told = await site.run(lambda: Fabric.objects.get().inventory_revision)

    async with running(stage, replicated):
        await site.until(lambda: Provider.objects.get().fence > older_fence)
        await carry_out(site, provider_id, stage, "start_virtual_machine")
        await site.until(lambda: Fabric.objects.get().inventory_revision >= told)
    after = effects(stage)
    assert sum(after.values()) == sum(before.values()) + 1
    assert all(count == 1 for count in after.values())


async def test_without_its_journal_the_identity_alone_is_enough(
    site: Site, stage: Stage, tmp_path: Path
) -> None:
    folder = StateFolder(tmp_path / "agent")
    provider_id = await lived(site, stage, folder, tmp_path / "key.json")
    before, older_fence = effects(stage), await fence(site)
    told = await site.run(lambda: Fabric.objects.get().inventory_revision)
    bare = StateFolder(tmp_path / "bare")
    bare.path.mkdir(mode=0o700)
    await asyncio.to_thread(shutil.copy2, folder.identity, bare.identity)

    async with running(stage, bare):
        await site.until(lambda: Provider.objects.get().fence > older_fence)
        # Everything is told anew: the new journal knows of no revision.
        await site.until(lambda: Fabric.objects.get().inventory_revision > told)
        await carry_out(site, provider_id, stage, "start_virtual_machine")
    after = effects(stage)
    assert sum(after.values()) == sum(before.values()) + 1
    assert all(count == 1 for count in after.values())
    assert await site.run(Provider.objects.count) == 1


async def test_a_command_that_only_the_older_journal_still_has_open_is_not_done(
    site: Site, stage: Stage, tmp_path: Path
) -> None:
    folder = StateFolder(tmp_path / "agent")
    provider_id = await lived(site, stage, folder, tmp_path / "key.json")
    replicated = await copied(folder, tmp_path / "replicated")
    async with running(stage, folder):
        await carry_out(site, provider_id, stage, "start_virtual_machine")
        await carry_out(site, provider_id, stage, "stop_virtual_machine")
    # The replication caught the start between its arrival and its end.
    newer = Database(folder.journal(provider_id))
    with newer.reading() as connection:
        [body] = connection.execute(
            "SELECT body FROM commands WHERE instr(body, 'start_virtual_machine') > 0"
        ).fetchone()
    newer.close()
    older = Database(replicated.journal(provider_id))
    with older.transaction() as connection:
        command_id = body[2:38].decode()
        connection.execute(
            "INSERT INTO commands (command_id, body, state, received_at) VALUES (?, ?, ?, ?)",
            (command_id, body, "accepted", utc_now().isoformat()),
        )
    assert [each.command.command_id for each in CommandJournal(older, utc_now).unfinished()] == [
        command_id
    ]
    older.close()
    before, older_fence = effects(stage), await fence(site)

    async with running(stage, replicated):
        await site.until(lambda: Provider.objects.get().fence > older_fence)
        # A later command of the same machine has its turn all the same.
        await carry_out(site, provider_id, stage, "stop_virtual_machine")
    assert effects(stage) == before
    site_now = stage.agents[EAST].site
    assert site_now.vm(site_now.host(EAST), name="App").state.value == "Off"
