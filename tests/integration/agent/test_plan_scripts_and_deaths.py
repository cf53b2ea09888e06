"""An agent that dies while a plan's script runs, or before: no script runs twice (SPEC JB-3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1 import script_pb2
from opensiterecovery.provider.v1.command_pb2 import Command
from opensiterecovery.provider.v1.script_pb2 import RunPlanScript

from agent.clock import utc_now
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.failover_stage import SiteAgent

pytestmark = [pytest.mark.spec("JB-3", "RP-2"), pytest.mark.timeout(120)]

TOPOLOGY = """
[[sites]]
name = "East"
vmm_server = "vmm.east.test"
[[sites.clouds]]
name = "Gold"
hosts = ["hv1.east.test"]
"""
POLL_SECONDS = 0.01
SCRIPT = "Add-Content -Path 'runs.log' -Value 'ran'\nStart-Sleep -Seconds 2\nWrite-Output 'done'\n"
DEATHS = 12


class Server:
    """A VMM server with a script in its share, and the agent on it."""

    def __init__(self, agent: SiteAgent, folder: Path) -> None:
        self.agent = agent
        self.folder = folder
        self.library = agent.site.folder / "library"
        self.library.mkdir(exist_ok=True)
        (self.library / "a.ps1").write_text(SCRIPT, encoding="utf-8")

    def command(self, number: int) -> Command:
        request = RunPlanScript(path="a.ps1", context="{}", script_time_limit=Duration(seconds=60))
        return Command(
            command_id=f"{number:08x}-0000-4000-8000-000000000000",
            time_limit=Duration(seconds=100),
            run_plan_script=request,
        )

    def runs(self) -> int:
        log = self.library / "runs.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    async def until_it_runs(self) -> None:
        async with asyncio.timeout(60):
            while self.runs() == 0:  # noqa: ASYNC110 - a file of the lab tells nobody
                await asyncio.sleep(POLL_SECONDS)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(parse_topology(TOPOLOGY), "East", environment)
    await boot(site)
    yield Server(SiteAgent(site, tmp_path), tmp_path)
    await shut_down(site)


async def test_a_script_under_which_the_agent_died_is_not_run_again(server: Server) -> None:
    command = server.command(1)
    async with server.agent.life() as executor:
        await executor.deliver(command)
        await server.until_it_runs()
    async with server.agent.life() as executor:
        known = await executor.deliver(command)
        result = known or await server.agent.result(command.command_id)
        assert await executor.deliver(command) == result
    assert result.plan_script_run.outcome == script_pb2.PLAN_SCRIPT_OUTCOME_UNKNOWN
    assert "not run again" in result.plan_script_run.error_output
    assert server.runs() == 1


async def test_a_script_that_the_agent_had_only_accepted_when_it_died_is_run(
    server: Server,
) -> None:
    command = server.command(1)
    database = Database(server.folder / "journal-East.sqlite3")
    CommandJournal(database, utc_now).accept(command)
    database.close()
    async with server.agent.life() as executor:
        known = await executor.deliver(command)
        result = known or await server.agent.result(command.command_id)
    assert result.plan_script_run.outcome == script_pb2.PLAN_SCRIPT_OUTCOME_SUCCEEDED
    assert (server.runs(), result.plan_script_run.output) == (1, "done")


async def test_whenever_the_agent_dies_each_script_runs_once_or_is_said_to_be_unknown(
    server: Server,
) -> None:
    chance = random.Random(7)
    (server.library / "a.ps1").write_text(
        "Add-Content -Path 'runs.log' -Value 'ran'\nWrite-Output 'done'\n", encoding="utf-8"
    )
    outcomes = []
    for number in range(1, DEATHS + 1):
        command, before = server.command(number), server.runs()
        async with server.agent.life() as executor:
            delivered = asyncio.create_task(executor.deliver(command))
            # A death at some moment of what usually takes some milliseconds.
            await asyncio.wait({delivered}, timeout=chance.expovariate(60))
            await asyncio.wait({delivered}, timeout=chance.expovariate(60))
            delivered.cancel()
            await asyncio.gather(delivered, return_exceptions=True)
        async with server.agent.life() as executor:
            known = await executor.deliver(command)
            result = known or await server.agent.result(command.command_id)
        outcome, ran = result.plan_script_run.outcome, server.runs() - before
        outcomes.append(outcome)
        assert ran <= 1
        if outcome == script_pb2.PLAN_SCRIPT_OUTCOME_SUCCEEDED:
            assert ran == 1
        else:
            assert outcome == script_pb2.PLAN_SCRIPT_OUTCOME_UNKNOWN
    assert outcomes
