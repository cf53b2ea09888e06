"""A provider without a gateway: takes commands as a session does and answers as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from opensiterecovery.provider.v1 import command_pb2, failure_pb2

from coordinator.fabrics.models import Fabric, Provider
from coordinator.jobs import services
from coordinator.jobs.verbs import VERBS
from coordinator.vaults.models import Vault

Answer = Callable[[command_pb2.Command, command_pb2.CommandResult], None]


def succeed(command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
    """Answers with an empty result of the verb's type."""
    verb = command.WhichOneof("verb")
    assert verb is not None
    getattr(result, VERBS[verb].result_field).SetInParent()


def fail(*, transient: bool = False, code: str = "HostBusy") -> Answer:
    def answer(_command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        result.failure.CopyFrom(
            failure_pb2.Failure(
                code=code,
                message="hv1 is busy.",
                possible_causes=["A checkpoint is merging."],
                recommended_action="Wait.",
                transient=transient,
            )
        )

    return answer


@dataclass
class FakeProvider:
    """A registered provider; `received` has every delivery in order, repeated ones too.

    `now` is the time of its gateway, which stands still unless a test moves it.
    """

    vault_id: UUID
    id: UUID
    now: datetime
    fence: int = 1
    received: list[command_pb2.Command] = field(default_factory=list)
    # Its site is gone: it takes nothing.
    lost: bool = False

    def fetch(self, limit: int = 20) -> list[command_pb2.Command]:
        if self.lost:
            return []
        return self._receive(services.claim_commands(self.id, self.fence, self.now, limit))

    def reconnect(self) -> list[command_pb2.Command]:
        self.fence += 1
        return self._receive(services.commands_to_resend(self.id, self.fence, self.now))

    def answer(self, command: command_pb2.Command, now: datetime, how: Answer = succeed) -> bool:
        result = command_pb2.CommandResult(command_id=command.command_id)
        result.finished_at.FromDatetime(now)
        how(command, result)
        arrival = services.read_arrival(self.id, result.SerializeToString())
        return services.store_result(arrival, now)

    def _receive(self, claimed: list[services.ClaimedCommand]) -> list[command_pb2.Command]:
        commands = [command_pb2.Command.FromString(each.body) for each in claimed]
        self.received += commands
        return commands


def register(vault: Vault, name: str, now: datetime) -> FakeProvider:
    """A provider of a fabric of its own."""
    fabric = Fabric.objects.create(
        vault=vault, name=name, friendly_name=name, installation_id=name, registered_at=now
    )
    provider = Provider.objects.create(
        vault=vault,
        fabric=fabric,
        name=name,
        public_key_sha256=sha256(f"{vault.id}{name}".encode()).digest(),
        certificate_serial="1",
        certificate_not_after=now,
        agent_version="1",
        registered_at=now,
    )
    return FakeProvider(vault.id, provider.id, now)
