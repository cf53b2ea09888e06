"""Pairs of clouds in answers."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from coordinator.api.paths import MAPPING, VaultId
from coordinator.api.shapes.containers import container_id
from coordinator.api.shapes.envelope import ArmId, Envelope, resource
from coordinator.api.shapes.health import HealthError, health_error
from coordinator.api.shapes.policies import policy_id
from coordinator.protection.models import Pairing


class MappingDetails(TypedDict):
    instanceType: str


class ContainerMappingProperties(TypedDict):
    targetProtectionContainerId: ArmId
    targetProtectionContainerFriendlyName: str
    sourceProtectionContainerFriendlyName: str
    sourceFabricFriendlyName: str
    targetFabricFriendlyName: str
    policyId: ArmId
    policyFriendlyName: str
    state: str
    health: str
    healthErrorDetails: list[HealthError]
    providerSpecificDetails: MappingDetails


class ContainerMappingResource(Envelope):
    """A pair of clouds."""

    properties: ContainerMappingProperties


def mapping_id(ids: VaultId, pairing: Pairing) -> str:
    return ids.child(
        MAPPING,
        fabric_name=pairing.primary_fabric.name,
        container_name=pairing.primary_cloud.external_id,
        mapping_name=pairing.name,
    )


def mapping_resource(ids: VaultId, pairing: Pairing) -> ContainerMappingResource:
    """A protection container mapping; the pairing comes with policy, clouds and fabrics."""
    errors: list[Mapping[str, object]] = [*pairing.errors, *pairing.host_errors]
    return resource(
        mapping_id(ids, pairing),
        {
            "targetProtectionContainerId": container_id(ids, pairing.recovery_cloud),
            "targetProtectionContainerFriendlyName": pairing.recovery_cloud.name,
            "sourceProtectionContainerFriendlyName": pairing.primary_cloud.name,
            "sourceFabricFriendlyName": pairing.primary_fabric.friendly_name,
            "targetFabricFriendlyName": pairing.recovery_fabric.friendly_name,
            "policyId": policy_id(ids, pairing.policy),
            "policyFriendlyName": pairing.policy.name,
            "state": pairing.state,
            "health": "Critical" if errors else "Normal",
            "healthErrorDetails": [health_error(error) for error in errors],
            "providerSpecificDetails": {"instanceType": pairing.policy.instance_type},
        },
    )
