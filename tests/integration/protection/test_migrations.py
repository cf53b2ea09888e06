"""What a database of an earlier release becomes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def migrate(name: str) -> StateApps:
    """Takes the tables of protection, and what builds on them, to a migration of protection's."""
    executor = MigrationExecutor(connection)
    executor.migrate([("protection", name)])
    return executor.loader.project_state([("protection", name)]).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[StateApps]:
    del transactional_db
    leaves = [leaf for leaf in MigrationExecutor(connection).loader.graph.leaf_nodes() if leaf[1]]
    yield migrate("0002_protection_in_full")
    MigrationExecutor(connection).migrate(leaves)


@pytest.mark.spec("PO-2")
def test_pairings_are_of_the_generation_that_their_policy_names(before: StateApps) -> None:
    vault = before.get_model("vaults", "Vault").objects.create(
        subscription_id=uuid4(), resource_group="rg", name="v", location="here", created_at=NOW
    )
    fabrics = [
        before.get_model("fabrics", "Fabric").objects.create(
            vault=vault, name=name, friendly_name=name, registered_at=NOW, installation_id=name
        )
        for name in ("one", "two")
    ]
    for number, kind in enumerate(("HyperVReplica2012", "HyperVReplica2012R2")):
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
        before.get_model("protection", "Pairing").objects.create(
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
    after = migrate("0003_policy_per_generation")
    pairings = after.get_model("protection", "Pairing").objects.order_by("name")
    assert list(pairings.values_list("instance_type", flat=True)) == [
        "HyperVReplica2012",
        "HyperVReplica2012R2",
    ]
