"""Resources have every property of ASR's models that can mean something between two VMM sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from coordinator.protection.models import (
    ItemAdapter,
    Pairing,
    Policy,
    ProtectedItem,
    RecoveryPoint,
    ReplicationSide,
)
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1", "RE-4")]

# Of adapters and their addresses: what only networks of Azure have.
OF_AZURE = frozenset(
    {
        "recoveryNetworkSecurityGroupId",
        "enableAcceleratedNetworkingOnRecovery",
        "tfoNetworkSecurityGroupId",
        "enableAcceleratedNetworkingOnTfo",
        "recoveryNicName",
        "recoveryNicResourceGroupName",
        "reuseExistingNic",
        "tfoRecoveryNicName",
        "tfoRecoveryNicResourceGroupName",
        "tfoReuseExistingNic",
        "targetNicName",
        "isSeletedForFailover",
        "recoveryPublicIPAddressId",
        "recoveryLBBackendAddressPoolIds",
        "tfoSubnetName",
        "tfoStaticIPAddress",
        "tfoPublicIPAddressId",
        "tfoLBBackendAddressPoolIds",
    }
)


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    RecoveryPoint.objects.create(item=made, point_id="point-1", time=now, type="CrashConsistent")
    ItemAdapter.objects.create(item=made, device_id="nic-1")
    state = ReplicationState(mode="Primary", state="Replicating", vm_state="Running")
    state.disks.add(path="C:\\VMs\\GoldVM1.vhdx", replicated=True)
    ReplicationSide.objects.create(
        item=made,
        location="Primary",
        mode=state.mode,
        state=state.state,
        observed=state.SerializeToString(),
        observed_at=now,
        rpo_span=0,
    )
    return made


def missing(model: type, shown: Mapping[str, object]) -> set[str]:
    """Properties of a model that an answer does not have."""
    names = {
        value._rest_name_input or attribute
        for kind in model.__mro__
        for attribute, value in vars(kind).items()
        if hasattr(value, "_rest_name_input")
    }
    assert names
    return names - set(shown) - OF_AZURE


def properties(program: Program, tail: str) -> dict[str, Any]:
    answer = program.send("GET", f"{program.vault_path}/{tail}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["properties"]
    return found


def cloud(sites: Sites) -> str:
    return (
        f"replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )


def test_servers_clouds_and_policies(program: Program, sites: Sites, item: ProtectedItem) -> None:
    fabric = f"replicationFabrics/{sites.shanghai.name}"
    assert missing(asr.FabricProperties, properties(program, fabric)) == set()
    provider = f"{fabric}/replicationRecoveryServicesProviders/{sites.shanghai.name}"
    assert missing(asr.RecoveryServicesProviderProperties, properties(program, provider)) == set()
    assert missing(asr.ProtectionContainerProperties, properties(program, cloud(sites))) == set()
    policy = properties(program, "replicationPolicies/Policy-1")
    assert missing(asr.PolicyProperties, policy) == set()
    details = policy["providerSpecificDetails"]
    assert missing(asr.HyperVReplicaBluePolicyDetails, details) == set()
    mapping = properties(program, f"{cloud(sites)}/replicationProtectionContainerMappings/Pair-1")
    assert missing(asr.ProtectionContainerMappingProperties, mapping) == set()


def test_machines(program: Program, sites: Sites, item: ProtectedItem) -> None:
    name = f"{cloud(sites)}/replicationProtectableItems/{sites.machines[0].external_id}"
    shown = properties(program, name)
    assert missing(asr.ProtectableItemProperties, shown) == set()
    details = shown["customDetails"]
    assert missing(asr.VmmVirtualMachineDetails, details) == set()
    assert missing(asr.OSDetails, details["osDetails"]) == set()
    assert missing(asr.DiskDetails, details["diskDetails"][0]) == set()


def test_items_and_their_replication(program: Program, sites: Sites, item: ProtectedItem) -> None:
    name = f"{cloud(sites)}/replicationProtectedItems/{item.name}"
    shown = properties(program, name)
    assert missing(asr.ReplicationProtectedItemProperties, shown) == set()
    assert missing(asr.CurrentScenarioDetails, shown["currentScenario"]) == set()
    details = shown["providerSpecificDetails"]
    assert missing(asr.HyperVReplicaBlueReplicationDetails, details) == set()
    copy = details["initialReplicationDetails"]
    assert missing(asr.InitialReplicationDetails, copy) == set()
    [disk] = details["vMDiskDetails"]
    assert missing(asr.DiskDetails, disk) == set()
    assert disk["maxSizeMB"] == 40 * 1024
    [nic] = details["vmNics"]
    assert missing(asr.VMNicDetails, nic) == set()
    assert missing(asr.IPConfigDetails, nic["ipConfigs"][0]) == set()
    point = properties(program, f"{name}/recoveryPoints/point-1")
    assert missing(asr.RecoveryPointProperties, point) == set()


def test_health_errors(program: Program, sites: Sites, item: ProtectedItem) -> None:
    ProtectedItem.objects.update(
        health_errors=[{"errorCode": "RpoHigh", "errorLevel": "Warning"}],
        fabric_errors=[{"code": "Gone", "message": "It is gone.", "recommendedAction": "Look."}],
    )
    shown = properties(program, f"{cloud(sites)}/replicationProtectedItems/{item.name}")
    gone, high = shown["healthErrors"]
    assert missing(asr.HealthError, gone) == set()
    assert high["errorCode"] == "RpoHigh"


@pytest.mark.spec("PO-1")
def test_hosts_of_2012_have_their_own_type_from_the_policy_to_the_item(
    program: Program, sites: Sites
) -> None:
    client = program.site_recovery
    made = client.replication_policies.begin_create(
        *program.scope,
        "For 2012",
        asr.CreatePolicyInput(
            properties=asr.CreatePolicyInputProperties(
                provider_specific_input=asr.HyperVReplicaPolicyInput(
                    recovery_points=15, replication_port=8084, allowed_authentication_type=2
                )
            )
        ),
    ).result()
    details = made.properties.provider_specific_details
    assert type(details) is asr.HyperVReplicaPolicyDetails
    now = timezone.now()
    pairing = pair(sites, now)
    Pairing.objects.filter(id=pairing.id).update(
        policy=Policy.objects.get(name="For 2012"), instance_type="HyperVReplica2012"
    )
    protect(pairing, sites.machines[0], now)
    [shown] = client.replication_protected_items.list(
        *program.scope, filter="instanceType eq 'HyperVReplica2012'"
    )
    assert isinstance(
        shown.properties.provider_specific_details, asr.HyperVReplicaReplicationDetails
    )


@pytest.mark.spec("PO-1")
@pytest.mark.parametrize("word", ["HyperVReplica2016", "HyperVReplica2019", "HyperVReplicaAzure"])
def test_later_hosts_have_no_type_of_their_own(program: Program, sites: Sites, word: str) -> None:
    answer = program.send(
        "PUT",
        f"{program.vault_path}/replicationPolicies/Later",
        json={"properties": {"providerSpecificInput": {"instanceType": word}}},
    )
    assert answer.status_code == 400
    assert "HyperVReplica2012R2" in answer.text
