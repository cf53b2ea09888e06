"""The names in the addresses of routes, as django-ninja reads them."""

from __future__ import annotations

from uuid import UUID

from ninja import Schema


class SubscriptionPath(Schema):
    subscription_id: str


class GroupPath(SubscriptionPath):
    resource_group: str


class VaultPath(GroupPath):
    vault_name: str


class SubscriptionRolePath(SubscriptionPath):
    role_name: str


class GroupRolePath(GroupPath):
    role_name: str


class VaultRolePath(VaultPath):
    role_name: str


class FabricPath(VaultPath):
    fabric_name: str


class ProviderPath(FabricPath):
    provider_name: str


class ContainerPath(FabricPath):
    container_name: str


class ProtectableItemPath(ContainerPath):
    protectable_item_name: str


class MappingPath(ContainerPath):
    mapping_name: str


class ItemPath(ContainerPath):
    item_name: str


class PointPath(ItemPath):
    point_name: str


class StorageClassificationPath(FabricPath):
    storage_classification_name: str


class StorageMappingPath(StorageClassificationPath):
    storage_mapping_name: str


class BandwidthLimitPath(FabricPath):
    limit_name: str


class PolicyPath(VaultPath):
    policy_name: str


class PlanPath(VaultPath):
    plan_name: str


class RecordPath(VaultPath):
    record_name: str


class EventPath(VaultPath):
    event_name: str


class JobPath(VaultPath):
    job_name: str


class JobActionPath(JobPath):
    action_name: str


class KeyPath(VaultPath):
    key_name: str


def read_uuid(text: str) -> UUID | None:
    """A UUID, or None: what is none cannot be the id of anything."""
    try:
        return UUID(text)
    except ValueError:
        return None
