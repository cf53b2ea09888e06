"""Mapping storage classifications: made and deleted, never changed, as in ASR."""

from __future__ import annotations

from datetime import datetime

import structlog

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, FabricObject
from coordinator.failures import RefusedError, refuse
from coordinator.protection.models import Pairing, StorageMapping
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.storage.places import locations_of
from coordinator.protection.storage.rules import Classification, CloudHosts, mapping_failure

log = structlog.get_logger(__name__)


def map_storage(
    name: str, source: FabricObject, target: FabricObject, now: datetime
) -> StorageMapping:
    """Maps a storage classification to another; replicas placed from now on follow it.

    Returns:
        The mapping; the one that is there when exactly it is asked for again.

    Raises:
        RefusedError: InvalidResourceName (400); 409: StorageClassificationNotAvailable, or the
            classification is mapped to another one of that server (StorageMappingExists), or the
            name is another mapping's (NameInUse).

    Idempotent: Asked for again nothing changes.

    Source: SPEC ST-1.
    """
    check_resource_name(name)
    # One mapping at a time is made of a classification: both its uniquenesses are told in words.
    FabricObject.objects.select_for_update(no_key=True).get(pk=source.pk)
    for known in StorageMapping.objects.filter(
        source_fabric_id=source.fabric_id, source_external_id=source.external_id
    ).select_related("target_fabric"):
        same_name = known.name.lower() == name.lower()
        same_fabric = known.target_fabric_id == target.fabric_id
        if same_name and same_fabric and known.target_external_id == target.external_id:
            return known
        if same_name or same_fabric:
            raise _taken(known, source, name)
    failure = mapping_failure(
        _classification(source), _classification(target), _pairs(source, target)
    )
    if failure is not None:
        raise RefusedError(failure, status=409, field="targetStorageClassificationId")
    mapping = StorageMapping.objects.create(
        vault_id=source.vault_id,
        name=name,
        source_fabric_id=source.fabric_id,
        source_external_id=source.external_id,
        target_fabric_id=target.fabric_id,
        target_external_id=target.external_id,
        created_at=now,
    )
    log.info(
        "storage.mapped",
        vault_id=str(source.vault_id),
        mapping_id=str(mapping.id),
        source=source.name,
        target=target.name,
    )
    return mapping


def unmap_storage(mapping: StorageMapping) -> None:
    """Deletes a mapping; replicas stay where they are. Source: ASR."""
    log.info("storage.unmapped", vault_id=str(mapping.vault_id), mapping_id=str(mapping.id))
    mapping.delete()


def _taken(known: StorageMapping, source: FabricObject, name: str) -> RefusedError:
    if known.name.lower() == name.lower():
        return refuse(
            "NameInUse",
            f"{source.name} has a mapping called {known.name} already, to another classification.",
            causes=["A storage mapping is not changed, it is deleted and made anew."],
            action="Delete the existing mapping first, or choose another name.",
            status=409,
        )
    return refuse(
        "StorageMappingExists",
        f"{source.name} is mapped to a classification of {known.target_fabric.friendly_name} "
        f"already, by {known.name}.",
        causes=["A classification is mapped to one classification of each server."],
        action=f"Delete the mapping {known.name} first.",
        status=409,
    )


def _classification(found: FabricObject) -> Classification:
    return Classification(
        found.name,
        found.fabric.friendly_name,
        tuple(
            location
            for location in locations_of(found.fabric_id)
            if location.classification == found.name
        ),
    )


def _pairs(source: FabricObject, target: FabricObject) -> tuple[tuple[CloudHosts, CloudHosts], ...]:
    """Clouds that the mapping would serve: the paired ones, else all that could be paired."""
    paired = Pairing.objects.filter(
        primary_fabric_id=source.fabric_id, recovery_fabric_id=target.fabric_id
    ).select_related("primary_cloud", "recovery_cloud")
    # Once, however many generations of hosts two clouds are paired for.
    pairs = list(dict.fromkeys((each.primary_cloud, each.recovery_cloud) for each in paired))
    if not pairs:
        pairs = [
            (one, other)
            for one in fabrics.list_clouds(source.vault_id, source.fabric_id)
            for other in fabrics.list_clouds(target.vault_id, target.fabric_id)
            if one.pk != other.pk
        ]
    hosts = {cloud.pk: _hosts(cloud) for pair in pairs for cloud in pair}
    return tuple((hosts[one.pk], hosts[other.pk]) for one, other in pairs)


def _hosts(cloud: Cloud) -> CloudHosts:
    names = (host.name.lower() for host in fabrics.hosts_of_cloud(cloud))
    return CloudHosts(cloud.name, frozenset(names))
