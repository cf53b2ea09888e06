"""Sessions against a coordinator that comes, goes, refuses and repeats itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from opensiterecovery.provider.v1.command_pb2 import Command, HostRefreshed, RefreshHost
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace, FirstCopyWatch
from opensiterecovery.provider.v1.inventory_pb2 import InventoryRequest, InventoryStored
from opensiterecovery.provider.v1.replication_pb2 import ReplicationWatch
from opensiterecovery.provider.v1.session_pb2 import ResultStored
from structlog.testing import capture_logs

from agent.identity import load_identity
from agent.journal.states import CommandState
from agent.verbs.context import VerbContext
from agent.verbs.registry import VERBS
from tests.unit.agent.authority import Authority
from tests.unit.agent.fake_coordinator import FakeCoordinator, Refusal
from tests.unit.agent.session.conftest import (
    HOST,
    Connected,
    LivingAgent,
    StartAgent,
    made_identity,
)


def number(n: int) -> str:
    return f"{n:08d}-0000-4000-8000-000000000000"


def refresh(n: int = 1, host: str = HOST) -> Command:
    return Command(command_id=number(n), refresh_host=RefreshHost(host=host))


async def until_stored(agent: LivingAgent, count: int) -> None:
    """Polls the journal, which has no events, with a deadline."""
    async with asyncio.timeout(5):
        while agent.journal.counts()[CommandState.STORED] < count:
            await asyncio.to_thread(agent.journal.counts)


@pytest.mark.spec("EN-1")
async def test_the_agent_introduces_itself_and_beats(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    async with coordinator.serving() as endpoint:
        identity = made_identity(coordinator.authority, endpoint)
        async with start_agent(identity) as agent:
            session = await coordinator.session()
            await coordinator.until(lambda: len(session.of("heartbeat")) >= 3)
            assert session.certificate == identity.certificate
            assert session.hello.protocol_version == 1
            assert set(session.hello.capabilities) == set(VERBS)
            assert session.hello.inventory_revision == 7
            assert session.hello.vmm_product_version == "10.22"
            assert session.hello.instance_id
            assert len(agent.heard.opened) == 1
            first, second = session.of("heartbeat")[:2]
            assert second.sent_at.ToNanoseconds() > first.sent_at.ToNanoseconds()


async def test_a_command_is_answered_and_forgotten_when_stored(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    async with connected() as agent:
        session = await coordinator.session()
        session.send(command=refresh())
        await coordinator.until(lambda: session.of("result"))
        [result] = session.of("result")
        assert result.host_refreshed.host == HOST
        assert agent.journal.unstored_results() == [result]
        session.send(command=refresh(2))
        await coordinator.until(lambda: len(session.of("result")) == 2)
        session.send(result_stored=ResultStored(command_id=number(1), more_command_ids=[number(2)]))
        await until_stored(agent, 2)
        assert agent.journal.unstored_results() == []


async def test_only_a_command_that_takes_long_is_acknowledged(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    release = asyncio.Event()

    async def slow(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        if request.host != HOST:
            await release.wait()
        return HostRefreshed(host=request.host)

    async with (
        coordinator.serving() as endpoint,
        start_agent(made_identity(coordinator.authority, endpoint), refresh_host=slow) as agent,
    ):
        session = await coordinator.session()
        session.send(command=refresh())
        await coordinator.until(lambda: session.of("result"))
        session.send(command=refresh(2, host="slow.contoso.com"))
        await coordinator.until(lambda: session.of("acknowledgement"))
        assert [each.command_id for each in session.of("acknowledgement")] == [number(2)]
        assert agent.journal.unstored_results() == session.of("result")
        release.set()
        await coordinator.until(lambda: len(session.of("result")) == 2)


@pytest.mark.spec("EN-10")
@pytest.mark.spec("JB-3")
async def test_a_result_goes_again_to_every_coordinator_until_one_has_stored_it(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    async with coordinator.serving() as endpoint:
        identity = made_identity(coordinator.authority, endpoint)
    async with start_agent(identity) as agent:
        async with coordinator.serving():
            session = await coordinator.session()
            session.send(command=refresh())
            await coordinator.until(lambda: session.of("result"))
        for life in (2, 3):
            async with coordinator.serving():
                session = await coordinator.session(life)
                await coordinator.until(lambda: session.of("result"))  # noqa: B023 (awaited here)
                if life == 3:
                    session.send(result_stored=ResultStored(command_id=number(1)))
                    await until_stored(agent, 1)
        async with coordinator.serving():
            session = await coordinator.session(4)
            session.send(command=refresh(2))
            await coordinator.until(lambda: session.of("result"))
            assert [each.command_id for each in session.of("result")] == [number(2)]
        assert len(agent.hyperv.effects) == 2


@pytest.mark.spec("EN-10")
async def test_a_command_goes_on_while_the_coordinator_is_away(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    release, started = asyncio.Event(), asyncio.Event()

    async def slow(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        started.set()
        await release.wait()
        return HostRefreshed(host=request.host)

    async with coordinator.serving() as endpoint:
        identity = made_identity(coordinator.authority, endpoint)
    async with start_agent(identity, refresh_host=slow):
        async with coordinator.serving():
            session = await coordinator.session()
            session.send(command=refresh())
            await started.wait()
            await coordinator.until(
                lambda: any(beat.running_commands == 1 for beat in session.of("heartbeat"))
            )
        release.set()
        async with coordinator.serving():
            session = await coordinator.session(2)
            await coordinator.until(lambda: session.of("result"))
            [result] = session.of("result")
            assert (result.command_id, result.host_refreshed.host) == (number(1), HOST)


async def test_a_command_delivered_twice_is_done_once(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    async with connected() as agent:
        session = await coordinator.session()
        session.send(command=refresh())
        await coordinator.until(lambda: session.of("result"))
        session.send(command=refresh())
        await coordinator.until(lambda: len(session.of("result")) == 2)
        first, second = session.of("result")
        assert first == second
        assert len(agent.hyperv.effects) == 1


async def test_what_concerns_the_fabric_is_passed_on(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    async with connected() as agent:
        session = await coordinator.session()
        session.send(inventory_stored=InventoryStored(revision=9))
        session.send(inventory_request=InventoryRequest(full=True))
        session.send(replication_watch=ReplicationWatch(vm_ids=["a", "b"]))
        session.send(first_copy_watch=FirstCopyWatch(places=[FirstCopyPlace(vm_id="c")]))
        session.send(command=refresh())
        await coordinator.until(lambda: session.of("result"))
        assert agent.heard.stored == [9]
        assert agent.heard.requested == [True]
        assert agent.heard.watched == [["a", "b"]]
        assert agent.heard.first_copies == [["c"]]


async def test_a_confirmation_of_something_unknown_does_no_harm(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    async with connected():
        session = await coordinator.session()
        session.send(result_stored=ResultStored(command_id=number(5)))
        session.send(command=refresh())
        await coordinator.until(lambda: session.of("result"))
        assert len(coordinator.sessions) == 1


@pytest.mark.spec("EN-9")
@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED]
)
async def test_a_refused_agent_says_why_and_comes_back_slowly(
    coordinator: FakeCoordinator, start_agent: StartAgent, code: grpc.StatusCode
) -> None:
    failure = Failure(
        code="ProviderNotRegistered",
        message="This provider was removed from the vault.",
        recommended_action="Register the server again.",
    )
    coordinator.refusal = Refusal(code, failure)
    with capture_logs() as logs:
        async with coordinator.serving() as endpoint:
            identity = made_identity(coordinator.authority, endpoint)
            async with start_agent(identity) as agent:
                await coordinator.until(lambda: coordinator.refused == 1)
                coordinator.refusal = None
                await coordinator.session()
                assert agent.waits == [0.25]
    [refused] = [entry for entry in logs if entry["event"] == "session.refused"]
    assert refused["log_level"] == "error"
    assert refused["code"] == "ProviderNotRegistered"
    assert refused["reason"] == "This provider was removed from the vault."
    assert refused["action"] == "Register the server again."


async def test_a_coordinator_of_another_protocol_is_left_alone_for_a_while(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    coordinator.protocol_version = 2
    with capture_logs() as logs:
        async with connected() as agent:
            await coordinator.session()
            coordinator.protocol_version = 1
            await coordinator.session(2)
            assert agent.waits == [0.25]
    assert "session.incompatible" in {entry["event"] for entry in logs}


async def test_an_agent_thrown_out_by_its_double_slows_down(
    coordinator: FakeCoordinator, connected: Connected
) -> None:
    async with connected() as agent:
        for life in (1, 2, 3):
            session = await coordinator.session(life)
            session.end(Refusal(grpc.StatusCode.ABORTED))
        await coordinator.session(4)
        assert agent.waits == [0.01, 0.02, 0.04]


async def test_a_coordinator_of_another_authority_learns_nothing(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    async with coordinator.serving() as endpoint:
        identity = made_identity(coordinator.authority, endpoint)
    async with start_agent(identity) as agent:
        with capture_logs() as logs:
            async with coordinator.serving(authority=Authority("Somebody else")):
                async with asyncio.timeout(5):
                    while len(agent.waits) < 2:
                        await asyncio.to_thread(agent.journal.counts)
        assert coordinator.sessions == []
        assert "session.lost" in {entry["event"] for entry in logs}
        async with coordinator.serving():
            await coordinator.session()


@pytest.mark.spec("EN-9")
async def test_a_certificate_in_its_last_third_is_renewed_and_used_at_once(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    async with coordinator.serving() as endpoint:
        old = made_identity(
            coordinator.authority, endpoint, left=timedelta(days=9), age=timedelta(days=21)
        )
        async with start_agent(old) as agent:
            first = await coordinator.session()
            second = await coordinator.session(2)
            assert first.certificate == old.certificate
            renewed = load_identity(agent.folder.identity)
            assert second.certificate == renewed.certificate
            assert renewed.certificate.public_key() != old.certificate.public_key()
            assert renewed.provider_id == old.provider_id
            assert not agent.folder.pending_key.exists()
            await coordinator.until(lambda: len(second.of("heartbeat")) >= 2)
            assert len(coordinator.renewals) == 1


async def test_a_certificate_that_is_not_due_is_left_alone(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    async with coordinator.serving() as endpoint:
        identity = made_identity(
            coordinator.authority, endpoint, left=timedelta(days=11), age=timedelta(days=19)
        )
        async with start_agent(identity):
            session = await coordinator.session()
            await coordinator.until(lambda: len(session.of("heartbeat")) >= 5)
            assert coordinator.renewals == []


async def test_no_private_key_is_logged(
    coordinator: FakeCoordinator, start_agent: StartAgent
) -> None:
    with capture_logs() as logs:
        async with coordinator.serving() as endpoint:
            identity = made_identity(coordinator.authority, endpoint)
            async with start_agent(identity):
                session = await coordinator.session()
                session.send(command=refresh())
                await coordinator.until(lambda: session.of("result"))
    written: list[Any] = [logs, identity]
    assert "PRIVATE KEY" not in repr(written)
