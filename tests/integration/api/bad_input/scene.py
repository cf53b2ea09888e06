"""Two vaults with the same things in them, and who may use the first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from django.db import connection
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from coordinator.access.models import ServicePrincipal
from coordinator.access.services import create_principal
from coordinator.fabrics.models import Cloud, FabricObject
from coordinator.jobs.engine import advance
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.models import (
    ItemAdapter,
    NetworkMapping,
    ProtectedItem,
    RecoveryPoint,
    ReplicationSide,
)
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, Server
from tests.integration.api.sites import (
    Sites,
    add_networks,
    add_storage,
    make_plan,
    make_sites,
    pair,
    protect,
)

GROUP = "group-1"
# Of frameworks; and the audit, which tells of who asked also when nothing came of it.
NOT_CHANGED_BY_REQUESTS = ("django_", "oauth2_provider_", "auth_", "events_audit")


@dataclass(frozen=True)
class Scene:
    """What bad requests are made against.

    Attributes:
        program: May use the first vault.
        names: What stands for the texts in braces of examples.
    """

    program: Program
    names: dict[str, str]

    def fill(self, value: object) -> object:
        """Replaces the texts in braces of a JSON value."""
        text = json.dumps(value)
        for name, known in self.names.items():
            text = text.replace(f"{{{name}}}", known)
        return json.loads(text)

    def path(self, tail: str) -> str:
        """Address of something in the first vault."""
        return self.program.vault_path + str(self.fill(tail))


def make_scene(server: Server, folder: Path, now: datetime) -> Scene:
    """Sites, a pair and a protected machine in each of two vaults."""
    tenant, subscription = uuid4(), uuid4()
    client_id, secret = create_principal(tenant, subscription, "tests", now)
    program = Program(
        server=server,
        tenant_id=str(tenant),
        client_id=client_id,
        client_secret=secret.reveal(),
        subscription_id=str(subscription),
        vault="Vault-1",
        folder=folder,
        resource_group=GROUP,
    )
    own = furnish(subscription, "Vault-1", now)
    furnish(uuid4(), "Vault-2", now)
    path = program.vault_path
    names = {
        **names_in(own, now),
        "vault": path,
        "principal": str(ServicePrincipal.objects.get(application__client_id=client_id).id),
        "other": path.replace("Vault-1", "Vault-2"),
    }
    return Scene(program, names)


def names_in(own: Sites, now: datetime) -> dict[str, str]:
    """What stands for the texts in braces, of a furnished vault; a job that waits is begun."""
    clouds = dict(Cloud.objects.filter(vault=own.vault).values_list("name", "external_id"))
    return {
        "shanghai": own.shanghai.name,
        "beijing": own.beijing.name,
        "gold1": clouds["GoldCloud1"],
        "gold2": clouds["GoldCloud2"],
        "silver1": clouds["SilverCloud1"],
        "silver2": clouds["SilverCloud2"],
        "item": own.machines[0].external_id,
        "vm_id": own.machines[0].vm_id,
        "machine": own.machines[1].external_id,
        "job": _suspended_job(own.vault, now),
        "gold": _storage(own.vault, "GOLD"),
        "gold_target": _storage(own.vault, "GOLD_TARGET"),
    }


def _replicate(item: ProtectedItem, now: datetime) -> None:
    """So that what can be done with a replication that runs could be done."""
    state = ReplicationState(mode="Primary", state="Replicating", vm_state="Running")
    state.disks.add(path="C:\\Disks\\one.vhdx", replicated=True)
    state.disks.add(path="C:\\Disks\\two.vhdx", replicated=True)
    ReplicationSide.objects.create(
        item=item,
        location="Primary",
        mode=state.mode,
        state=state.state,
        observed=state.SerializeToString(),
        observed_at=now,
        rpo_span=0,
    )


def furnish(subscription: UUID, name: str, now: datetime) -> Sites:
    """A vault with sites, a pair, a protected machine, a plan, networks and storage."""
    vault = Vault.objects.create(
        subscription_id=subscription,
        resource_group=GROUP,
        name=name,
        location="here",
        created_at=now,
    )
    sites = make_sites(vault, now)
    item = protect(pair(sites, now), sites.machines[0], now)
    _replicate(item, now)
    ItemAdapter.objects.create(
        item=item,
        device_id="nic-1",
        target_network_id="bj1",
        target_network="VMNetwork1-Beijing",
        target_subnet="Frontend",
        address="10.1.0.15",
        reserved=True,
    )
    RecoveryPoint.objects.create(item=item, point_id="point-1", time=now, type="CrashConsistent")
    make_plan(sites, "Plan-1", [[item]], now)
    add_networks(sites)
    NetworkMapping.objects.create(
        vault=vault,
        name="Map-2",
        source_fabric=sites.shanghai,
        target_fabric=sites.beijing,
        source_network_id="sh2",
        source_network="VMNetwork2-Shanghai",
        target_network_id="bj1",
        target_network="VMNetwork1-Beijing",
        state="Paired",
        created_at=now,
        changed_at=now,
    )
    add_storage(sites.shanghai, "GOLD", r"\\FS\Source1", "hv1.shanghai.example")
    add_storage(sites.beijing, "GOLD_TARGET", r"\\FS\Target1", "hv1.beijing.example")
    return sites


def _suspended_job(vault: Vault, now: datetime) -> str:
    """A job that waits for a person."""
    ask = StepSpec(key="ask", task="Ask", kind=StepKind.MANUAL, action="", time_limit_seconds=0)
    job = begin_job(
        BeginJob(
            vault_id=vault.id,
            scenario="PlannedFailover",
            friendly_name="Planned failover",
            target=JobTarget("RecoveryPlan", "plan-2", "Plan-2"),
            graph=Graph((TaskSpec("Ask", "Ask"),), (ask,)),
            queue=QueueName.FAILOVER,
            started_by="tests",
        ),
        now,
    )
    advance(job.id, Registry(), lambda: now)
    return str(job.id)


def _storage(vault: Vault, name: str) -> str:
    return FabricObject.objects.get(
        vault=vault, kind="storage_classification", name=name
    ).external_id


def fingerprint() -> dict[str, str]:
    """By table of the coordinator what is in it, as a digest."""
    with connection.cursor() as cursor:
        tables = [
            table
            for table in connection.introspection.table_names(cursor)
            if not table.startswith(NOT_CHANGED_BY_REQUESTS)
        ]
        digests = {}
        for table in tables:
            cursor.execute(
                f'SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), $$$$)) FROM "{table}" t'  # noqa: E501 - a table's name, from the database itself
            )
            digests[table] = str(cursor.fetchone()[0])
    return digests
