"""Reading storage classifications and their mappings."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db.models import QuerySet

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Fabric, FabricObject
from coordinator.protection.models import StorageMapping

CLASSIFICATION = "storage_classification"


def classifications_of(vault_id: UUID, fabric: Fabric | None = None) -> QuerySet[FabricObject]:
    """Storage classifications of a vault's registered servers, or of one of them, by name."""
    found = FabricObject.objects.filter(vault_id=vault_id, kind=CLASSIFICATION, gone_at=None)
    if fabric is not None:
        found = found.filter(fabric=fabric)
    else:
        found = found.filter(fabric__in=fabrics.list_fabrics(vault_id))
    return found.select_related("fabric").order_by("name", "fabric__friendly_name", "id")


def find_classification(fabric: Fabric, external_id: str) -> FabricObject | None:
    """A server's storage classification by VMM's id."""
    found = FabricObject.objects.filter(
        fabric=fabric, kind=CLASSIFICATION, external_id__iexact=external_id, gone_at=None
    )
    return found.select_related("fabric").first()


def storage_mappings_of(
    vault_id: UUID, classification: FabricObject | None = None
) -> QuerySet[StorageMapping]:
    """Storage mappings of a vault, or of one source classification, by name."""
    mappings = StorageMapping.objects.filter(vault_id=vault_id)
    if classification is not None:
        mappings = mappings.filter(
            source_fabric_id=classification.fabric_id,
            source_external_id=classification.external_id,
        )
    return mappings.select_related("source_fabric", "target_fabric").order_by("name", "id")


def find_storage_mapping(classification: FabricObject, name: str) -> StorageMapping | None:
    mappings = storage_mappings_of(classification.vault_id, classification)
    return mappings.filter(name__iexact=name).first()


def mapped_names(source_fabric_id: UUID, target_fabric_id: UUID) -> Mapping[str, str]:
    """Names of a server's storage classifications to those of another that they are mapped to.

    A mapping counts while VMM has both classifications.
    """
    mappings = list(
        StorageMapping.objects.filter(
            source_fabric_id=source_fabric_id, target_fabric_id=target_fabric_id
        ).values_list("source_external_id", "target_external_id")
    )
    if not mappings:
        return {}
    names = {
        fabric_id: dict(
            FabricObject.objects.filter(
                fabric_id=fabric_id, kind=CLASSIFICATION, gone_at=None
            ).values_list("external_id", "name")
        )
        for fabric_id in {source_fabric_id, target_fabric_id}
    }
    return {
        names[source_fabric_id][source]: names[target_fabric_id][target]
        for source, target in mappings
        if source in names[source_fabric_id] and target in names[target_fabric_id]
    }
