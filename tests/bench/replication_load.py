"""The load of replication's figure: 25,000 protected machines, both sides reporting every cycle."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from opensiterecovery.provider.v1 import replication_pb2, session_pb2

from coordinator.fabrics.models import Cloud, Fabric
from coordinator.gateway.replication_reports import ReplicationReports
from coordinator.gateway.settings import GatewayContext
from coordinator.protection.models import Pairing, Policy, ProtectedItem
from coordinator.vaults.models import Vault

CYCLE_SECONDS = 30.0
# As often as agents look (replication_seconds): each look finds what replicated since.
LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class Agent:
    """One server of a pair and the machines it reports about."""

    fabric_id: uuid.UUID
    mode: str
    host: str
    other: str
    vm_ids: list[str]

    def report(self, number: int, now: datetime) -> bytes:
        """What a look finds: a sixth of the machines has sent a log since the last."""
        parts = round(CYCLE_SECONDS / LOOK_SECONDS)
        report = replication_pb2.ReplicationReport()
        report.observed_at.FromDatetime(now)
        for vm_id in self.vm_ids[number % parts :: parts]:
            self._add_state(report, vm_id, number, now)
        return session_pb2.AgentMessage(replication=report).SerializeToString()

    def _add_state(
        self, report: replication_pb2.ReplicationReport, vm_id: str, number: int, now: datetime
    ) -> None:
        state = report.states.add(
            vm_id=vm_id,
            host=self.host,
            mode=self.mode,
            state="Replicating",
            health="Normal",
            vm_state="Running" if self.mode == "Primary" else "Off",
            primary_server=self.host if self.mode == "Primary" else self.other,
            replica_server=self.other if self.mode == "Primary" else self.host,
            current_replica_server=self.other if self.mode == "Primary" else self.host,
            pending_replication_bytes=number * 4096,
            average_replication_bytes=2_000_000 + number,
            successful_replications=number,
            frequency_seconds=30,
        )
        state.last_replication_time.FromDatetime(now - timedelta(seconds=2))
        state.average_replication_latency.seconds = 3
        if self.mode == "Primary":
            state.disks.add(
                path=f"C:\\ClusterStorage\\Volume1\\{vm_id}\\disk0.vhdx", replicated=True
            )
            return
        for hour in range(4):
            point = state.recovery_points.add(id=f"{vm_id[:-2]}{hour:02}", type="Replica")
            point.created_at.FromDatetime(now.replace(minute=0, second=0, microsecond=0))


def make_agents(machines: int, pairs: int) -> list[Agent]:
    """Protected machines, spread over pairs of servers."""
    now = datetime.now(UTC)
    vault = Vault.objects.create(
        subscription_id=uuid.uuid4(),
        resource_group="b",
        name=uuid.uuid4().hex,
        location="b",
        created_at=now,
    )
    policy = Policy.objects.create(
        vault=vault,
        name="policy",
        instance_type="HyperVReplica2012R2",
        authentication_type="Certificate",
        replication_port=8084,
        replication_frequency_seconds=30,
        recovery_points=4,
        application_consistent_hours=0,
        compression=True,
        initial_replication_method="OverNetwork",
        created_at=now,
    )
    agents: list[Agent] = []
    for number in range(pairs):
        agents += _pair(vault, policy, number, machines // pairs, now)
    return agents


def _pair(vault: Vault, policy: Policy, number: int, machines: int, now: datetime) -> list[Agent]:
    fabrics = [
        Fabric.objects.create(
            vault=vault,
            name=uuid.uuid4().hex,
            friendly_name=f"vmm-{number}-{side}",
            installation_id=uuid.uuid4().hex,
            registered_at=now,
        )
        for side in range(2)
    ]
    clouds = [
        Cloud.objects.create(vault=vault, fabric=fabric, external_id="c", name="c", details={})
        for fabric in fabrics
    ]
    hosts = [f"hv{number}.primary.contoso.com", f"hv{number}.recovery.contoso.com"]
    pairing = Pairing.objects.create(
        vault=vault,
        name=f"pairing-{number}",
        policy=policy,
        instance_type=policy.instance_type,
        primary_fabric=fabrics[0],
        recovery_fabric=fabrics[1],
        primary_cloud=clouds[0],
        recovery_cloud=clouds[1],
        state="Paired",
        created_at=now,
    )
    vm_ids = [str(uuid.uuid4()) for _ in range(machines)]
    ProtectedItem.objects.bulk_create(
        [
            ProtectedItem(
                vault=vault,
                pairing=pairing,
                name=vm_id,
                friendly_name=vm_id,
                vm_id=vm_id,
                protectable_item_id=vm_id,
                state="Protected",
                primary_host=hosts[0],
                recovery_host=hosts[1],
                created_at=now,
            )
            for vm_id in vm_ids
        ],
        batch_size=1000,
    )
    return [
        Agent(fabrics[side].id, mode, hosts[side], hosts[1 - side], vm_ids)
        for side, mode in enumerate(("Primary", "Replica"))
    ]


def forget(agents: list[Agent]) -> None:
    """Takes the machines away again."""
    vm_ids = [vm_id for agent in agents for vm_id in agent.vm_ids]
    with connection.cursor() as cursor:
        for table in ("rpohistory", "replicationside", "recoverypoint"):
            cursor.execute(
                f"DELETE FROM protection_{table} USING protection_protecteditem AS item"
                " WHERE item.id = item_id AND item.vm_id = ANY(%s)",
                [vm_ids],
            )
        cursor.execute("DELETE FROM protection_protecteditem WHERE vm_id = ANY(%s)", [vm_ids])


@dataclass
class Session:
    """What a gateway does with the reports of one agent: one after the other.

    Attributes:
        made_seconds: Processor time that went into making the reports, which is the agents'.
    """

    agent: Agent
    gateway: GatewayContext
    made_seconds: float = 0.0

    async def serve(self, looks: int, first_at: float, lags: list[float]) -> None:
        """Takes the agent's reports when they come; notes how long each took to be stored."""
        loop = asyncio.get_running_loop()
        reports = ReplicationReports(self.gateway, self.agent.fabric_id)
        for number in range(looks):
            due = first_at + number * LOOK_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
            making = time.thread_time()
            body = self.agent.report(number, datetime.now(UTC))
            self.made_seconds += time.thread_time() - making
            began = loop.time()
            await reports.take(session_pb2.AgentMessage.FromString(body).replication)
            lags.append(max(0.0, began - due) + loop.time() - began)
