"""Sessions: one a provider, seen to live, ended when they do not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import grpc
import pytest
from django.db import connection
from opensiterecovery.provider.v1.session_pb2 import CommandAcknowledgement, Heartbeat, Hello

from coordinator.fabrics.models import Provider
from coordinator.fabrics.services import SessionOpening, open_session
from coordinator.gateway.settings import GatewaySettings
from tests.integration.gateway.agents import Agent, told_failure
from tests.integration.gateway.conftest import Site


async def test_a_newer_session_ends_the_older(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as older, shanghai.session() as newer:
        end = await older.end()
        assert end.code() is grpc.StatusCode.ABORTED
        assert told_failure(end).code == "SessionSuperseded"
        await newer.beat()
        provider = await site.provider(shanghai)
        assert provider.disconnected_at is None


async def test_a_session_at_another_gateway_ends_the_one_here(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        provider = await site.provider(shanghai)
        opening = SessionOpening(provider.certificate_serial, "another gateway", "0.1.0")
        await site.run(lambda: open_session(provider.id, opening, datetime.now(UTC)))
        end = await session.end()
    assert end.code() is grpc.StatusCode.ABORTED


async def test_two_providers_do_not_disturb_each_other(site: Site, shanghai: Agent) -> None:
    beijing = await site.register("VMM-Beijing")
    async with shanghai.session() as first, beijing.session() as second:
        assert first.welcome.welcome.session_id != second.welcome.welcome.session_id
        assert len(site.gateway.live.all()) == 2


async def test_heartbeats_are_written_down(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        before = (await site.provider(shanghai)).last_heartbeat_at
        assert before is not None
        await session.beat()
        await site.until(
            lambda: Provider.objects.filter(
                pk=shanghai.provider_id, last_heartbeat_at__gt=before
            ).exists()
        )


async def test_the_end_of_a_session_is_written_down(site: Site, shanghai: Agent) -> None:
    async with shanghai.session():
        pass
    await site.until(
        lambda: Provider.objects.filter(
            pk=shanghai.provider_id, disconnected_at__isnull=False
        ).exists()
    )
    assert site.gateway.live.all() == []


async def test_an_agent_may_leave_politely(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        await session.call.done_writing()
        assert (await session.end()).code() is grpc.StatusCode.OK


class TestShortLease:
    """A gateway that gives agents little time."""

    @pytest.fixture
    def settings(self) -> GatewaySettings:
        return GatewaySettings(round_seconds=0.05, lease_seconds=0.5)

    @pytest.mark.spec("EN-10")
    async def test_an_agent_that_falls_silent_is_lost(self, site: Site, shanghai: Agent) -> None:
        async with shanghai.session() as session:
            end = await session.end()
        assert end.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert told_failure(end).code == "AgentLost"
        await site.until(
            lambda: Provider.objects.filter(
                pk=shanghai.provider_id, disconnected_at__isnull=False
            ).exists()
        )

    async def test_an_agent_that_never_greets_is_sent_away(
        self, site: Site, shanghai: Agent
    ) -> None:
        async with shanghai.stream() as session:
            assert (await session.end()).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert site.gateway.live.all() == []


async def test_what_the_protocol_does_not_allow_ends_the_session(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.stream() as session:
        await session.say(heartbeat=Heartbeat())
        assert (await session.end()).code() is grpc.StatusCode.INVALID_ARGUMENT
    async with shanghai.stream() as session:
        await session.say(hello=Hello())
        assert (await session.end()).code() is grpc.StatusCode.INVALID_ARGUMENT
    async with shanghai.session() as session:
        await session.say(hello=shanghai.hello)
        assert (await session.end()).code() is grpc.StatusCode.INVALID_ARGUMENT
    async with shanghai.session() as session:
        await session.say(acknowledgement=CommandAcknowledgement(command_id="no uuid"))
        end = await session.end()
    assert told_failure(end).code == "ProtocolViolation"
    assert site.gateway.live.all() == []


async def test_a_gateway_that_stops_tells_its_agents(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        end, _ = await asyncio.gather(session.end(), site.gateway.stop())
    assert end.code() is grpc.StatusCode.UNAVAILABLE
    assert told_failure(end).transient
    provider = await site.provider(shanghai)
    assert provider.disconnected_at is not None


def cut_connections() -> None:
    """Ends every connection to the database but the one this runs on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_sessions_outlive_the_connections_to_the_database(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        for _ in range(3):
            await site.run(cut_connections)
            before = datetime.now(UTC)
            await session.beat()
            await site.until(
                lambda: Provider.objects.filter(
                    pk=shanghai.provider_id,
                    last_heartbeat_at__gt=before,  # noqa: B023 - used before it changes
                ).exists()
            )
        assert len(site.gateway.live.all()) == 1
