"""A provider without a gateway: takes commands as a session does and answers as told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import transaction
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
    # By command received: the job whose advance takes its result.
    roots: dict[str, UUID] = field(default_factory=dict)

    def fetch(self, limit: int = 20) -> list[command_pb2.Command]:
        if self.lost:
            return []
        return self._receive(services.claim_commands(self.id, self.fence, self.now, limit))

    def reconnect(self) -> list[command_pb2.Command]:
        self.fence += 1
        Provider.objects.filter(id=self.id).update(fence=self.fence)
        return self._receive(services.commands_to_resend(self.id, self.fence, self.now))

    def answer(self, command: command_pb2.Command, now: datetime, how: Answer = succeed) -> bool:
        return services.store_result(self._arrival(command, now, how), now)

    def hand_in(
        self,
        commands: Sequence[command_pb2.Command],
        engine: services.Engine,
        how: Answer = succeed,
        behind: Collection[UUID] = (),
    ) -> services.Intake:
        """Answers as through the gateway of its session: what follows is received at once."""
        arrivals = [
            replace(
                self._arrival(command, engine.clock(), how),
                root_id=self.roots.get(command.command_id),
                # A gateway knows both of what it sent itself, else neither.
                job_id=UUID(command.job_id) if command.command_id in self.roots else None,
            )
            for command in commands
        ]
        with transaction.atomic():
            intake = services.take_in(arrivals, self.listener, behind, engine)
        for claimed in intake.claimed.values():
            self._receive(claimed)
        return intake

    def listener(self, provider_id: UUID) -> services.Listener | None:
        return services.Listener(self.fence) if provider_id == self.id and not self.lost else None

    def _arrival(
        self, command: command_pb2.Command, now: datetime, how: Answer
    ) -> services.Arrival:
        result = command_pb2.CommandResult(command_id=command.command_id)
        result.finished_at.FromDatetime(now)
        how(command, result)
        return services.read_arrival(self.id, result.SerializeToString())

    def _receive(self, claimed: list[services.ClaimedCommand]) -> list[command_pb2.Command]:
        commands = [command_pb2.Command.FromString(each.body) for each in claimed]
        self.roots |= {str(each.command_id): each.root_id for each in claimed}
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
        certificate_not_after=now + timedelta(days=30),
        agent_version="1",
        registered_at=now,
        fence=1,
    )
    return FakeProvider(vault.id, provider.id, now)
