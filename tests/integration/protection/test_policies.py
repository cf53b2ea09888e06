from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.failures import RefusedError
from coordinator.protection import services
from coordinator.protection.models import Policy
from tests.integration.protection.world import POLICY_INPUT, World

pytestmark = pytest.mark.django_db


@pytest.mark.spec("PO-1")
def test_a_policy_is_kept_as_it_was_asked_for(world: World) -> None:
    policy = world.policy(compression="Enable", replicaDeletion="Required")
    stored = Policy.objects.get(id=policy.id)
    assert (stored.instance_type, stored.authentication_type) == (
        "HyperVReplica2012R2",
        "Certificate",
    )
    assert (stored.replication_port, stored.replication_frequency_seconds) == (8084, 30)
    assert stored.recovery_points == 4
    assert stored.compression
    assert stored.delete_replica


def test_the_same_policy_again_is_the_same_row_and_a_free_one_can_change(world: World) -> None:
    policy = world.policy()
    assert world.policy() == policy
    changed = world.policy(replicationFrequencyInSeconds=900)
    assert changed == policy
    assert Policy.objects.get(id=policy.id).replication_frequency_seconds == 900


@pytest.mark.spec("PO-4")
def test_a_policy_in_use_is_neither_changed_nor_deleted(world: World) -> None:
    world.pair()
    policy = world.policy()
    for refused in (
        lambda: world.policy(replicationFrequencyInSeconds=900),
        lambda: services.delete_policy(policy),
    ):
        with pytest.raises(RefusedError) as error:
            refused()
        assert error.value.status == 409
        assert error.value.failure.code == "PolicyInUse"
        assert "GoldCloud1 and GoldCloud2" in error.value.failure.possible_causes[0]


@pytest.mark.spec("PO-4")
def test_a_free_policy_is_deleted(world: World) -> None:
    with transaction.atomic():
        services.delete_policy(world.policy())
    assert not Policy.objects.filter(vault=world.vault).exists()


@pytest.mark.spec("OF-1", "PO-1")
def test_a_policy_for_carried_first_copies_keeps_its_two_paths(world: World) -> None:
    with transaction.atomic():
        policy = services.create_policy(
            world.vault,
            "Seeded",
            {
                **POLICY_INPUT,
                "initialReplicationMethod": "Offline",
                "offlineReplicationExportPath": r"\\files\seed",
                "offlineReplicationImportPath": r"D:\seed",
            },
            world.now,
        )
    policy.refresh_from_db()
    assert policy.initial_replication_method == "Offline"
    assert (policy.offline_export_path, policy.offline_import_path) == (
        r"\\files\seed",
        r"D:\seed",
    )
