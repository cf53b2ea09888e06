"""The coordinator of two returning sites: its tables, its wheels, its clock; all synchronous."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState
from opensiterecovery.provider.v1.role_pb2 import HeldCopy, RoleAssignment

from coordinator.events.models import Event
from coordinator.events.states import EventType
from coordinator.fabrics.models import Cloud, Fabric, Host, Provider
from coordinator.fabrics.services import (
    SessionOpening,
    close_session,
    heartbeat,
    open_session,
)
from coordinator.failures import RefusedError
from coordinator.gateway.role_assignments import assignments_of
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job, OutboxMessage
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import (
    claim_commands,
    commands_to_resend,
    read_arrival,
    store_result,
)
from coordinator.protection import services as protection
from coordinator.protection import steps as protection_steps
from coordinator.protection.models import PairedHost, Pairing, Policy, ProtectedItem
from coordinator.protection.operations import allowed_operations
from coordinator.protection.queries import picture_of, roles_of
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.roles.rules import Role, role_of
from coordinator.protection.roles.servers import watch_servers
from coordinator.protection.roles.starting import start_machines
from coordinator.protection.services import ingest_replication, ingest_roles, want_started
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery import steps as recovery_steps
from coordinator.recovery.options import UnplannedFailoverOptions
from coordinator.vaults.models import Vault
from tests.chaos.returning.sites import HOSTS, PORT, SITES
from tests.integration.jobs.fake_provider import register

ORIGIN = RequestOrigin(started_by="chaos")
TURN = timedelta(seconds=2)
LOCATIONS = {"Primary": SITES[0], "Recovery": SITES[1]}
COPYING = frozenset(
    {ProtectionState.INITIAL_REPLICATION, ProtectionState.INITIAL_REPLICATION_COMPLETED}
)
Operation = Callable[[ProtectedItem, datetime], Job]

OPERATIONS: Mapping[str, Operation] = {
    "planned": lambda item, now: recovery.planned_failover(item, None, ORIGIN, now),
    "unplanned": lambda item, now: recovery.unplanned_failover(
        item, UnplannedFailoverOptions(source_site_operations=False), ORIGIN, now
    ),
    "unplanned after shutdown": lambda item, now: recovery.unplanned_failover(
        item, UnplannedFailoverOptions(source_site_operations=True), ORIGIN, now
    ),
    "commit": lambda item, now: recovery.commit_failover(item, ORIGIN, now),
    "reverse": lambda item, now: recovery.reverse_replicate(item, ORIGIN, now),
    "cancel": lambda item, now: recovery.cancel_failover(item, ORIGIN, now),
    "abandon": lambda item, now: recovery.abandon_failover(item, ORIGIN, now),
    "repair": lambda item, now: protection.repair_replication(item, ORIGIN, now),
}
ASKED_FOR = {
    "planned": "PlannedFailover",
    "unplanned": "UnplannedFailover",
    "unplanned after shutdown": "UnplannedFailover",
    "commit": "Commit",
    "reverse": "ReverseReplicate",
    "cancel": "CancelFailover",
    "abandon": "AbandonFailover",
    "repair": "RepairReplication",
}


class TurningClock:
    """Goes on with each round of the coordinator's work, not with the wall's clock.

    Deadlines, leases and pauses pass faster than on a wall, and no faster than this computer gets
    on: where everything is slow, nobody is taken for dead who is not.
    """

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def turn(self) -> None:
        """A round begins."""
        self._now += TURN

    def __call__(self) -> datetime:
        # No two moments are the same.
        self._now += timedelta(microseconds=1)
        return self._now


@dataclass(frozen=True)
class Standing:
    """How an item stands.

    Attributes:
        copying: Its copies are being compared, after which it is protected.
        told: For people: its state, and how both sides replicate.
    """

    name: str
    vm_id: str
    state: str
    active_site: str
    decided: bool
    copying: bool
    busy: bool
    told: str


class ChaosCoordinator:
    """What gateway, workers and beat do, one thing after the other."""

    def __init__(self, folder: Path) -> None:
        self.clock = TurningClock()
        self._fences: dict[str, int] = {}
        # Sites whose sessions live.
        self._live: set[str] = set()
        # When hosts started, by their clocks and by this one.
        self._boots: dict[tuple[str, int], datetime] = {}
        self._registry = Registry(
            records={**protection_steps.records(folder), **recovery_steps.RECORDS},
            conditions={**protection_steps.CONDITIONS, **recovery_steps.CONDITIONS},
            finishers={**protection_steps.FINISHERS, **recovery_steps.FINISHERS},
        )
        self._tasks = {**protection_steps.TASKS, **recovery_steps.TASKS}
        now = self.clock()
        self._vault = Vault.objects.create(
            subscription_id=uuid4(),
            resource_group="chaos",
            name=f"chaos-{uuid4()}"[:50],
            location="here",
            created_at=now,
        )
        self._providers = {site: register(self._vault, site, now).id for site in SITES}

    # Set-up

    def pair(self) -> None:
        """Pairs both clouds, as the hosts were configured."""
        now = self.clock()
        clouds = {site: self._cloud(site) for site in SITES}
        policy = Policy.objects.create(
            vault=self._vault,
            name="Chaos",
            instance_type="HyperVReplica2012R2",
            authentication_type="Kerberos",
            replication_port=PORT,
            replication_frequency_seconds=30,
            recovery_points=0,
            application_consistent_hours=0,
            compression=False,
            initial_replication_method="OverNetwork",
            created_at=now,
        )
        pairing = Pairing.objects.create(
            vault=self._vault,
            name="Chaos",
            policy=policy,
            instance_type=policy.instance_type,
            primary_fabric=clouds[SITES[0]].fabric,
            recovery_fabric=clouds[SITES[1]].fabric,
            primary_cloud=clouds[SITES[0]],
            recovery_cloud=clouds[SITES[1]],
            state="Paired",
            created_at=now,
            configured_port=PORT,
            configured_authentication="Kerberos",
        )
        for location, site in LOCATIONS.items():
            PairedHost.objects.create(
                pairing=pairing,
                host=Host.objects.get(fabric=self._fabric(site)),
                storage_location=r"D:\VMs",
                configured_at=now,
                location=location,
                connection_point=HOSTS[site],
            )

    def protect(self, name: str, vm_id: str) -> None:
        """Takes over a machine that replicates."""
        ProtectedItem.objects.create(
            vault=self._vault,
            pairing=Pairing.objects.get(vault=self._vault),
            name=name,
            friendly_name=name,
            vm_id=vm_id.lower(),
            protectable_item_id=vm_id,
            state=ProtectionState.PROTECTED,
            primary_host=HOSTS[SITES[0]],
            recovery_host=HOSTS[SITES[1]],
            created_at=self.clock(),
        )

    def _cloud(self, site: str) -> Cloud:
        fabric = self._fabric(site)
        Host.objects.create(
            vault=self._vault,
            fabric=fabric,
            external_id=site,
            name=HOSTS[site],
            host_group_path="All Hosts",
            details={},
        )
        return Cloud.objects.create(
            vault=self._vault,
            fabric=fabric,
            external_id=site,
            name=site,
            details={"host_group_paths": ["All Hosts"]},
        )

    def _fabric(self, site: str) -> Fabric:
        return Fabric.objects.get(vault=self._vault, name=site)

    # The gateway

    def connect(self, site: str) -> list[bytes]:
        """A session begins: what earlier ones left open is sent again."""
        provider_id, now = self._providers[site], self.clock()
        with transaction.atomic():
            opened = open_session(provider_id, SessionOpening("1", "chaos", "1"), now)
        # Without a list every verb may be sent.
        Provider.objects.filter(id=provider_id).update(capabilities=[])
        self._fences[site] = opened.fence
        self._live.add(site)
        return [each.body for each in commands_to_resend(provider_id, opened.fence, now)]

    def leave(self, site: str) -> None:
        """Nothing is heard of the site's agent any more; nobody has noticed yet."""
        self._live.discard(site)

    def disconnect(self, site: str) -> None:
        """The gateway notices that the connection broke."""
        fence = self._fences.get(site)
        if fence is not None:
            close_session(self._providers[site], fence, self.clock())

    def beat(self, site: str) -> list[bytes]:
        """Gives the commands to send to a site's agent."""
        provider_id, now = self._providers[site], self.clock()
        self._beat_all(now)
        return [each.body for each in claim_commands(provider_id, self._fences[site], now)]

    def _beat_all(self, now: datetime) -> None:
        """Whoever has a session is heard of, however slow this computer is."""
        for site in sorted(self._live):
            heartbeat(self._providers[site], self._fences[site], now)

    def roles(self, site: str) -> list[RoleAssignment]:
        fabric_id = self._fabric(site).id
        return list(assignments_of(roles_of([fabric_id])[fabric_id]).assignments)

    def take_result(self, site: str, body: bytes) -> None:
        result = CommandResult.FromString(body)
        result.finished_at.FromDatetime(self.clock())
        arrival = read_arrival(self._providers[site], result.SerializeToString())
        store_result(arrival, self.clock())

    def take_replication(self, site: str, states: Sequence[ReplicationState]) -> None:
        for state in states:
            if state.HasField("host_booted_at"):
                booted = (site, state.host_booted_at.ToMicroseconds())
                state.host_booted_at.FromDatetime(self._boots.setdefault(booted, self.clock()))
        now = self.clock()
        with transaction.atomic():
            ingest_replication(self._fabric(site).id, states, now, now)

    def take_roles(self, site: str, copies: Iterable[HeldCopy]) -> None:
        with transaction.atomic():
            ingest_roles(self._fabric(site).id, list(copies), self.clock())

    # Workers and beat

    def work(self) -> None:
        """One round of everything that moves by itself."""
        self.clock.turn()
        self._beat_all(self.clock())
        for pk in list(OutboxMessage.objects.values_list("pk", flat=True)):
            carry_out(pk, self._tasks, self.clock)
        roots = Job.objects.filter(finished_at=None).annotate(top=Coalesce(F("root_id"), F("id")))
        for job_id in set(roots.values_list("top", flat=True)):
            advance(job_id, self._registry, self.clock)
        for periodic in (start_machines, watch_servers):
            with transaction.atomic():
                periodic(self.clock())

    # People

    def ask(self, name: str, operation: str) -> str:
        """Asks for an operation; gives why it was refused, or nothing."""
        item = ProtectedItem.objects.get(vault=self._vault, name=name)
        try:
            with transaction.atomic():
                OPERATIONS[operation](item, self.clock())
        except RefusedError as refused:
            return refused.failure.code
        return ""

    def allowed(self, name: str) -> list[str]:
        """What the machine's state allows."""
        item = ProtectedItem.objects.get(vault=self._vault, name=name)
        allowed = allowed_operations(ProtectionState(item.state), picture_of(item))
        words = {str(word) for word in allowed}
        return [asked for asked, word in ASKED_FOR.items() if word in words]

    def start_by_hand(self, name: str) -> None:
        """As a person does who restarts the failover that could not start its machine."""
        with transaction.atomic():
            want_started(ProtectedItem.objects.get(vault=self._vault, name=name).id, self.clock())

    def held(self) -> dict[str, str]:
        """The site at which each machine that has one has its held copy."""
        held = {}
        for item in ProtectedItem.objects.filter(vault=self._vault):
            active = ActiveLocation(item.active_location)
            role = role_of(item.state, active.other, active, item.failover_type)
            if role is Role.HELD:
                held[item.name] = LOCATIONS[active.other]
        return held

    def told_of(self) -> dict[str, list[str]]:
        """What people are told of machines now, by machine."""
        told: dict[str, list[str]] = {}
        events = Event.objects.filter(vault=self._vault, cleared_at=None, type=EventType.VM_HEALTH)
        for event in events.order_by("code").filter(code__startswith="OldPrimary"):
            told.setdefault(event.affected_name, []).append(event.code)
        return told

    def alerts(self) -> int:
        """How often people were told of a held copy."""
        return Event.objects.filter(vault=self._vault, code="OldPrimaryHeld").count()

    def standings(self) -> list[Standing]:
        running = {
            UUID(job.target_id) for job in Job.objects.filter(vault=self._vault, finished_at=None)
        }
        undecided = {
            ProtectionState.PLANNED_FAILOVER_FAILED,
            ProtectionState.UNPLANNED_FAILOVER_FAILED,
            ProtectionState.CHANGING_POINT_FAILED,
            ProtectionState.CANCELLING_FAILED,
        }
        return [
            Standing(
                name=item.name,
                vm_id=item.vm_id,
                state=item.state,
                active_site=LOCATIONS[item.active_location],
                decided=item.state not in undecided,
                copying=item.state in COPYING,
                busy=item.id in running,
                told=f"{item.state} {picture_of(item)}",
            )
            for item in ProtectedItem.objects.filter(vault=self._vault).order_by("name")
        ]
