"""The queue to the coordinator: urgent first, bounded, and gone with its session."""

from __future__ import annotations

import asyncio

from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.inventory_pb2 import InventoryUpdate
from opensiterecovery.provider.v1.replication_pb2 import ReplicationReport
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, Heartbeat

from agent.session.outbound import Outbound

BULK = AgentMessage(inventory=InventoryUpdate(revision=1))
RESULT = AgentMessage(result=CommandResult(command_id="1"))
BEAT = AgentMessage(heartbeat=Heartbeat())


async def test_without_a_session_nothing_is_taken() -> None:
    outbound = Outbound()
    assert await outbound.send(RESULT) is False
    await outbound.open()
    assert await outbound.send(RESULT) is True
    await outbound.close()
    assert await outbound.send(RESULT) is False


async def test_results_and_heartbeats_overtake_inventory() -> None:
    outbound = Outbound()
    await outbound.open()
    for message in (BULK, RESULT, BULK, BEAT):
        await outbound.send(message)
    assert [await outbound.take() for _ in range(4)] == [RESULT, BEAT, BULK, BULK]


async def test_a_sender_of_inventory_waits_for_room_and_a_result_does_not() -> None:
    outbound = Outbound(capacity=1)
    await outbound.open()
    await outbound.send(BULK)
    waiting = asyncio.create_task(outbound.send(BULK))
    await outbound.send(RESULT)
    assert not waiting.done()
    assert await outbound.take() == RESULT
    assert await outbound.take() == BULK
    assert await waiting is True


async def test_a_sender_waiting_when_the_session_ends_learns_that_its_message_is_gone() -> None:
    outbound = Outbound(capacity=1)
    await outbound.open()
    await outbound.send(BULK)
    waiting = asyncio.create_task(outbound.send(BULK))
    await asyncio.wait({waiting}, timeout=0.01)
    await outbound.close()
    await outbound.open()
    assert await waiting is False
    await outbound.send(RESULT)
    assert await outbound.take() == RESULT


async def test_the_writer_waits_for_a_message() -> None:
    outbound = Outbound()
    await outbound.open()
    taking = asyncio.create_task(outbound.take())
    await asyncio.wait({taking}, timeout=0.01)
    assert not taking.done()
    await outbound.send(BEAT)
    assert await taking == BEAT


async def test_a_sender_of_replication_waits_until_its_report_is_written() -> None:
    outbound = Outbound()
    report = AgentMessage(replication=ReplicationReport())
    await outbound.open()
    await outbound.send(BULK)
    waiting = asyncio.create_task(outbound.send(report))
    await outbound.send(RESULT)
    assert await outbound.take() == RESULT
    assert await outbound.take() == BULK
    assert not waiting.done()
    assert await outbound.take() == report
    assert await waiting is True


async def test_a_sender_of_replication_learns_that_its_session_ended() -> None:
    outbound = Outbound()
    await outbound.open()
    waiting = asyncio.create_task(outbound.send(AgentMessage(replication=ReplicationReport())))
    await outbound.send(RESULT)
    await outbound.close()
    assert await waiting is False
