"""What agents send is fit to be kept once it is through the door."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opensiterecovery.provider.v1 import (
    command_pb2,
    inventory_pb2,
    replication_pb2,
    session_pb2,
)

from coordinator.failures import Failure
from coordinator.gateway.door import LONGEST_TEXT, clean, let_in
from coordinator.jobs.verbs import CommandFailure, read_result

texts = st.text(alphabet=st.one_of(st.just("\0"), st.characters(exclude_categories=["Cs"])))


@given(
    texts,
    st.lists(texts, max_size=3),
    st.integers(-(2**62), 2**62),
    st.integers(-(2**31), 2**31 - 1),
)
@pytest.mark.spec("DI-2")
def test_texts_lose_nul_and_times_that_are_none_are_unset_however_deep(
    text: str, many: list[str], seconds: int, nanos: int
) -> None:
    message = session_pb2.AgentMessage()
    state = message.replication.states.add(vm_id=text, health_details=many)
    state.last_replication_time.seconds = seconds
    state.last_replication_time.nanos = nanos
    state.average_replication_latency.seconds = seconds
    clean(message)
    [cleaned] = message.replication.states
    assert cleaned.vm_id == text.replace("\0", "")
    assert list(cleaned.health_details) == [each.replace("\0", "") for each in many]
    # Fails for a time out of range.
    assert "\0" not in str(MessageToDict(message))


@pytest.mark.parametrize(("seconds", "nanos"), [(1, -5), (-1, 5), (0, 10**9), (10**12, 0)])
def test_a_duration_that_is_none_is_unset(seconds: int, nanos: int) -> None:
    state = replication_pb2.ReplicationState()
    state.average_replication_latency.seconds = seconds
    state.average_replication_latency.nanos = nanos
    clean(state)
    assert not state.HasField("average_replication_latency")


def test_the_answer_to_a_command_loses_what_cannot_be_kept() -> None:
    result = command_pb2.CommandResult()
    result.failure.message = "Stopped\0 working."
    result.failure.possible_causes.append("\0")
    message = session_pb2.AgentMessage(result=result)
    clean(message)
    outcome = read_result("start_failover", message.result.SerializeToString())
    assert isinstance(outcome, CommandFailure)
    assert outcome.failure == Failure("", "Stopped working.", ("",), "")
    result.replication.vm_id = "7\0"
    result.replication.last_replication_time.seconds = 10**15
    message = session_pb2.AgentMessage(result=result)
    clean(message)
    told = read_result("start_failover", message.result.SerializeToString())
    assert not isinstance(told, CommandFailure)
    assert told["vm_id"] == "7"


def test_a_text_longer_than_any_windows_gives_is_cut() -> None:
    item = inventory_pb2.InventoryObject(cloud=inventory_pb2.Cloud(id="a", name="x" * 100_000))
    message = session_pb2.AgentMessage(inventory=inventory_pb2.InventoryUpdate(changed=[item]))
    clean(message)
    assert len(message.inventory.changed[0].cloud.name) == LONGEST_TEXT


async def test_a_large_message_is_cleaned_too() -> None:
    clouds = [
        inventory_pb2.InventoryObject(cloud=inventory_pb2.Cloud(id=str(each), name="a\0b"))
        for each in range(5000)
    ]
    message = session_pb2.AgentMessage(inventory=inventory_pb2.InventoryUpdate(changed=clouds))
    await let_in(message)
    assert {item.cloud.name for item in message.inventory.changed} == {"ab"}


def test_what_is_in_order_stays_as_it_is() -> None:
    message = session_pb2.AgentMessage()
    message.heartbeat.sent_at.GetCurrentTime()
    message.heartbeat.running_commands = 3
    before = message.SerializeToString()
    clean(message)
    assert message.SerializeToString() == before


def test_fields_of_a_newer_agent_are_dropped() -> None:
    newer = session_pb2.AgentMessage()
    newer.hello.agent_version = "9.9"
    unknown = newer.SerializeToString() + bytes([0xC2, 0x3E, 0x01, 0x41])
    message = session_pb2.AgentMessage.FromString(unknown)
    assert message.SerializeToString() != newer.SerializeToString()
    clean(message)
    assert message.SerializeToString() == newer.SerializeToString()
