"""Commands to providers and results back, as the gateway asks for them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import DecodeError
from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs import services
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import begin_job
from coordinator.jobs.states import CommandState
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, fail, register
from tests.integration.jobs.jobs_for_tests import Clock, command, request

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(provider: FakeProvider, clock: Clock) -> Job:
    """A job with three commands under way."""
    steps = [command(f"a{number}", provider.id) for number in range(3)]
    job = begin_job(request(provider.vault_id, *steps), clock())
    advance(job.id, Registry(), clock)
    return job


def keys(commands: list[command_pb2.Command]) -> list[str]:
    return [each.step_key for each in commands]


def test_commands_are_claimed_once_and_in_order(job: Job, provider: FakeProvider) -> None:
    assert keys(provider.fetch(limit=2)) == ["a0", "a1"]
    assert keys(provider.fetch(limit=2)) == ["a2"]
    assert provider.fetch() == []
    assert set(Command.objects.values_list("state", flat=True)) == {CommandState.SENT}


def seconds_of(commands: list[command_pb2.Command]) -> list[float]:
    return [each.time_limit.ToTimedelta().total_seconds() for each in commands]


def test_a_command_that_waited_has_only_the_time_its_step_has_left(
    job: Job, provider: FakeProvider, clock: Clock
) -> None:
    assert seconds_of(provider.fetch(limit=1)) == [600]
    provider.now = clock() + timedelta(seconds=500)
    assert seconds_of(provider.fetch(limit=1)) == [100]
    assert seconds_of(provider.reconnect()) == [100, 100]


def test_a_command_never_sent_whose_time_is_over_is_not_sent_any_more(
    job: Job, provider: FakeProvider, clock: Clock
) -> None:
    provider.fetch(limit=1)
    provider.now = clock() + timedelta(seconds=600)
    assert provider.fetch() == []
    # This one may be in the provider's journal, with its result.
    assert seconds_of(provider.reconnect()) == [0.001]


def test_another_provider_gets_none_of_them(job: Job, vault: Vault, clock: Clock) -> None:
    other = register(vault, "vmm-beijing", clock())
    assert other.fetch() == []
    assert other.reconnect() == []


def test_a_new_session_gets_what_was_sent_and_not_answered(
    job: Job, provider: FakeProvider, clock: Clock
) -> None:
    first, second = provider.fetch(limit=2)
    services.acknowledge_commands({UUID(first.command_id): provider.id}, clock())
    provider.answer(second, clock())
    assert keys(provider.reconnect()) == ["a0"]
    assert provider.reconnect()[0].command_id == first.command_id
    assert keys(provider.fetch()) == ["a2"]


def test_what_an_older_session_took_meanwhile_reaches_the_newer_one(
    job: Job, provider: FakeProvider
) -> None:
    assert services.commands_to_resend(provider.id, 2, provider.now) == []
    provider.fetch(limit=1)
    newer = services.claim_commands(provider.id, 2, provider.now)
    assert len(newer) == 3
    assert provider.fetch() == [], "the older session takes nothing from the newer"


def test_an_acknowledgement_is_noted_once(job: Job, provider: FakeProvider, clock: Clock) -> None:
    (sent,) = provider.fetch(limit=1)
    command_id = UUID(sent.command_id)
    services.acknowledge_commands({command_id: provider.id}, clock())
    first = Command.objects.get(command_id=command_id).acknowledged_at
    clock.pass_(5)
    services.acknowledge_commands({command_id: provider.id}, clock())
    provider.answer(sent, clock())
    services.acknowledge_commands({command_id: provider.id}, clock())
    stored = Command.objects.get(command_id=command_id)
    assert (stored.acknowledged_at, stored.state) == (first, CommandState.FINISHED)


def test_progress_never_falls_and_never_passes_a_hundred(job: Job, provider: FakeProvider) -> None:
    (sent,) = provider.fetch(limit=1)
    seen = []
    for percent in (10, 60, 30, 250):
        services.record_progress(provider.id, UUID(sent.command_id), percent, "x" * 300)
        seen.append(Step.objects.get(key="a0").percent)
    assert seen == [10, 60, 60, 100]


@pytest.mark.spec("AC-3")
def test_a_provider_cannot_touch_another_s_command(
    job: Job, provider: FakeProvider, vault: Vault, clock: Clock
) -> None:
    other = register(vault, "vmm-beijing", clock())
    (sent,) = provider.fetch(limit=1)
    command_id = UUID(sent.command_id)
    services.acknowledge_commands({command_id: other.id}, clock())
    services.record_progress(other.id, command_id, 50, "")
    assert other.answer(sent, clock()) is False
    stored = Command.objects.get(command_id=command_id)
    assert (stored.state, stored.result) == (CommandState.SENT, None)
    assert Step.objects.get(key="a0").percent == 0


def test_the_first_result_stays(job: Job, provider: FakeProvider, clock: Clock) -> None:
    (sent,) = provider.fetch(limit=1)
    assert provider.answer(sent, clock())
    first = Command.objects.get(command_id=UUID(sent.command_id))
    clock.pass_(5)
    assert provider.answer(sent, clock(), fail())
    second = Command.objects.get(command_id=UUID(sent.command_id))
    assert (second.result, second.finished_at) == (first.result, first.finished_at)


def test_a_result_nobody_asked_for_is_unknown(
    job: Job, provider: FakeProvider, clock: Clock
) -> None:
    unknown = command_pb2.Command(command_id=str(uuid4()), refresh_host=command_pb2.RefreshHost())
    assert provider.answer(unknown, clock()) is False


def test_bytes_that_are_no_result_are_an_error(provider: FakeProvider) -> None:
    with pytest.raises(DecodeError):
        services.read_arrival(provider.id, b"\xff\xff\xff")
    with pytest.raises(ValueError, match="UUID"):
        services.read_arrival(provider.id, b"")
