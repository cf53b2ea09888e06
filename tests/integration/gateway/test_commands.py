"""Commands reach their agent, in order, until the result is in PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.session_pb2 import CommandAcknowledgement, CommandProgress

from coordinator.gateway.hints import CHANNEL, HintListener
from coordinator.gateway.settings import GatewaySettings
from coordinator.jobs import hints
from coordinator.jobs.models import Command as StoredCommand
from coordinator.jobs.models import Job, Step
from coordinator.jobs.states import CommandState
from tests.integration.gateway.agents import Agent, Session
from tests.integration.gateway.conftest import Site
from tests.integration.gateway.jobs_for_agents import begin, job_state, result_of, state_of


def finished_at() -> datetime | None:
    return StoredCommand.objects.get().finished_at


async def next_command(session: Session) -> Command:
    return (await session.next("command")).command


async def test_a_command_is_delivered_acknowledged_and_its_result_stored(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        job_id = await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
        command = await next_command(session)
        assert command.refresh_host.host == "hv1"
        assert command.job_id == str(job_id)
        await session.say(acknowledgement=CommandAcknowledgement(command_id=command.command_id))
        await site.until(lambda: state_of(command.command_id) is CommandState.ACKNOWLEDGED)
        await session.say(
            progress=CommandProgress(command_id=command.command_id, percent=40, activity="half\0")
        )
        await site.until(lambda: Step.objects.filter(percent=40, activity="half").exists())
        await session.say(result=result_of(command.command_id))
        stored = await session.next("result_stored")
        assert stored.result_stored.command_id == command.command_id
        # It is in PostgreSQL before the agent hears so.
        assert await site.run(lambda: state_of(command.command_id)) is CommandState.FINISHED
        assert await site.run(lambda: job_state(job_id)) == "Succeeded"


async def test_a_failure_with_a_character_that_cannot_be_kept_ends_the_job_all_the_same(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        job_id = await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
        command = await next_command(session)
        failed = CommandResult(command_id=command.command_id)
        failed.failure.code, failed.failure.message = "Host\0Busy", "Not now\0."
        await session.say(result=failed)
        await session.next("result_stored")
    assert await site.run(lambda: job_state(job_id)) == "Failed"
    errors = await site.run(lambda: Job.objects.get(id=job_id).errors)
    assert [error["code"] for error in errors] == ["HostBusy"]


async def test_commands_come_in_the_order_they_were_written(site: Site, shanghai: Agent) -> None:
    hosts = [f"hv{number}" for number in range(50)]
    await site.run(begin(site.vault.id, shanghai.provider_id, *hosts))
    async with shanghai.session() as session:
        received = [(await next_command(session)).refresh_host.host for _ in hosts]
    assert received == hosts


@pytest.mark.spec("EN-10")
async def test_a_command_without_a_result_comes_again_in_the_next_session(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        await site.run(begin(site.vault.id, shanghai.provider_id, "hv1", "hv2"))
        first, second = await next_command(session), await next_command(session)
        await session.say(acknowledgement=CommandAcknowledgement(command_id=first.command_id))
        await site.until(lambda: state_of(first.command_id) is CommandState.ACKNOWLEDGED)
    async with shanghai.session() as session:
        again = [await next_command(session), await next_command(session)]
        assert [each.command_id for each in again] == [first.command_id, second.command_id]
        await session.say(result=result_of(first.command_id))
        await session.next("result_stored")
    async with shanghai.session() as session:
        assert (await next_command(session)).command_id == second.command_id


async def test_a_result_that_comes_twice_is_stored_once_and_answered_twice(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
        command = await next_command(session)
        await session.say(result=result_of(command.command_id))
        await session.next("result_stored")
        first = await site.run(finished_at)
        await session.say(result=result_of(command.command_id))
        await session.next("result_stored")
    async with shanghai.session() as session:
        await session.say(result=result_of(command.command_id))
        await session.next("result_stored")
    assert await site.run(finished_at) == first


async def test_a_result_of_an_unknown_or_foreign_command_changes_nothing(
    site: Site, shanghai: Agent
) -> None:
    beijing = await site.register("VMM-Beijing")
    async with shanghai.session() as owner, beijing.session() as other:
        await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
        command = await next_command(owner)
        await other.say(acknowledgement=CommandAcknowledgement(command_id=command.command_id))
        for command_id in (command.command_id, str(uuid4())):
            await other.say(result=result_of(command_id))
            # The agent may forget it: nobody here waits for it.
            await other.next("result_stored")
        assert await site.run(lambda: state_of(command.command_id)) is CommandState.SENT


async def test_the_newer_of_two_sessions_gets_the_commands(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as older, shanghai.session() as newer:
        await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
        assert (await next_command(newer)).refresh_host.host == "hv1"
        await older.end()


class TestHints:
    """A gateway whose rounds come so late that only hints can wake it."""

    @pytest.fixture
    def settings(self) -> GatewaySettings:
        return GatewaySettings(round_seconds=3600)

    async def test_a_hint_brings_the_command_at_once(
        self, site: Site, shanghai: Agent, redis_url: str
    ) -> None:
        listener = HintListener(redis_url, site.gateway.wake, retry_seconds=0.05)
        listening = asyncio.create_task(listener.run())
        try:
            await listener.listening.wait()
            async with shanghai.session() as session:
                await site.run(begin(site.vault.id, shanghai.provider_id, "hv1"))
                publish = hints.HintPublisher(redis_url)
                await asyncio.to_thread(publish, [uuid4(), shanghai.provider_id])
                assert (await next_command(session)).refresh_host.host == "hv1"
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def test_a_redis_that_is_away_does_no_harm() -> None:
    woken: list[UUID] = []
    listener = HintListener("redis://127.0.0.1:1/0", woken.append, retry_seconds=0.01)
    listening = asyncio.create_task(listener.run())
    done, _ = await asyncio.wait([listening], timeout=0.2)
    assert not done
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


def test_engine_and_gateway_speak_of_the_same_channel() -> None:
    assert hints.CHANNEL == CHANNEL
