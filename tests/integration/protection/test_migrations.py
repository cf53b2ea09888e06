"""What a database of an earlier release becomes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from coordinator.protection.queries import roles_of
from coordinator.protection.roles.rules import Role
from coordinator.protection.states import ProtectionState

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BELOW = frozenset({"vaults", "fabrics", "events", "jobs"})


def migrate(name: str) -> StateApps:
    """Takes the tables of protection, and what builds on them, to a migration of protection's."""
    executor = MigrationExecutor(connection)
    executor.migrate([("protection", name)])
    graph = executor.loader.graph
    # What protection builds on stays as it is now.
    below = [leaf for leaf in graph.leaf_nodes() if leaf[0] in BELOW]
    return executor.loader.project_state([("protection", name), *below]).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[StateApps]:
    del transactional_db
    leaves = [leaf for leaf in MigrationExecutor(connection).loader.graph.leaf_nodes() if leaf[1]]
    yield migrate("0002_protection_in_full")
    MigrationExecutor(connection).migrate(leaves)


def vault_with_servers(before: StateApps) -> tuple[Any, list[Any]]:
    vault = before.get_model("vaults", "Vault").objects.create(
        subscription_id=uuid4(), resource_group="rg", name="v", location="here", created_at=NOW
    )
    fabrics = [
        before.get_model("fabrics", "Fabric").objects.create(
            vault=vault, name=name, friendly_name=name, registered_at=NOW, installation_id=name
        )
        for name in ("one", "two")
    ]
    return vault, fabrics


def pair(before: StateApps, vault: Any, fabrics: list[Any], number: int, kind: str) -> Any:
    """A pairing of two clouds of its own, with a policy of its own."""
    clouds = [
        before.get_model("fabrics", "Cloud").objects.create(
            vault=vault, fabric=fabric, external_id=str(number), name=str(number), details={}
        )
        for fabric in fabrics
    ]
    policy = before.get_model("protection", "Policy").objects.create(
        vault=vault,
        name=kind,
        instance_type=kind,
        authentication_type="Kerberos",
        replication_port=8083,
        replication_frequency_seconds=300,
        recovery_points=1,
        application_consistent_hours=0,
        compression=True,
        initial_replication_method="OverNetwork",
        delete_replica=False,
        created_at=NOW,
    )
    return before.get_model("protection", "Pairing").objects.create(
        vault=vault,
        name=f"pair-{number}",
        policy=policy,
        primary_fabric=fabrics[0],
        recovery_fabric=fabrics[1],
        primary_cloud=clouds[0],
        recovery_cloud=clouds[1],
        state="Paired",
        created_at=NOW,
    )


@pytest.mark.spec("PO-2")
def test_pairings_are_of_the_generation_that_their_policy_names(before: StateApps) -> None:
    vault, fabrics = vault_with_servers(before)
    for number, kind in enumerate(("HyperVReplica2012", "HyperVReplica2012R2")):
        pair(before, vault, fabrics, number, kind)
    after = migrate("0003_policy_per_generation")
    pairings = after.get_model("protection", "Pairing").objects.order_by("name")
    assert list(pairings.values_list("instance_type", flat=True)) == [
        "HyperVReplica2012",
        "HyperVReplica2012R2",
    ]


@pytest.mark.spec("FO-7")
def test_machines_that_were_protected_before_there_were_roles_have_theirs(
    before: StateApps,
) -> None:
    """Only planned failovers existed then; nothing that they left is held."""
    vault, fabrics = vault_with_servers(before)
    pairing = pair(before, vault, fabrics, 0, "HyperVReplica2012R2")
    stood = {
        "protected": (ProtectionState.PROTECTED, "Primary", 1),
        "failed-over": (ProtectionState.COMMIT_PENDING, "Recovery", 2),
        "over-for-good": (ProtectionState.COMMITTED, "Recovery", 2),
        "reversed": (ProtectionState.PROTECTED, "Recovery", 4),
    }
    for number, (name, (state, active, epoch)) in enumerate(stood.items()):
        before.get_model("protection", "ProtectedItem").objects.create(
            vault=vault,
            pairing=pairing,
            name=name,
            friendly_name=name,
            vm_id=str(UUID(int=number)),
            protectable_item_id=name,
            state=state,
            active_location=active,
            role_epoch=epoch,
            primary_host="hv1.one",
            recovery_host="hv1.two",
            created_at=NOW,
        )
    migrate("0005_remembered_stops")
    roles = roles_of([fabric.id for fabric in fabrics])
    for number, (_, active, epoch) in enumerate(stood.values()):
        found = [
            role for each in roles.values() for role in each if role.vm_id == str(UUID(int=number))
        ]
        assert {role.location: role.role for role in found} == {
            "Primary": Role.ACTIVE if active == "Primary" else Role.REPLICA,
            "Recovery": Role.ACTIVE if active == "Recovery" else Role.REPLICA,
        }
        assert {role.epoch for role in found} == {epoch}
        # Not known until an agent tells: until then hosts are left as they are.
        assert {role.start_action for role in found} == {""}
