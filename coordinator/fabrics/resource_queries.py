"""Reading servers, providers, clouds and machines by the names that resource ids have.

Names are compared whatever their case, as ids are. Objects VMM no longer has are left out.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from coordinator.fabrics.models import Cloud, Fabric, Provider, VirtualMachine


def fabrics_of(vault_id: UUID) -> QuerySet[Fabric]:
    """Servers of a vault, by name."""
    return Fabric.objects.filter(vault_id=vault_id).order_by("friendly_name", "name")


def find_fabric(vault_id: UUID, name: str) -> Fabric | None:
    return fabrics_of(vault_id).filter(name__iexact=name).first()


def providers_of(vault_id: UUID, fabric_name: str | None = None) -> QuerySet[Provider]:
    """Registered providers with their servers, of a vault or of one of its servers."""
    providers = Provider.objects.filter(vault_id=vault_id, unregistered_at__isnull=True)
    if fabric_name is not None:
        providers = providers.filter(fabric__name__iexact=fabric_name)
    return providers.select_related("fabric").order_by("fabric__friendly_name", "name")


def find_provider(vault_id: UUID, fabric_name: str, name: str) -> Provider | None:
    return providers_of(vault_id, fabric_name).filter(name__iexact=name).first()


def clouds_of(vault_id: UUID, fabric_name: str | None = None) -> QuerySet[Cloud]:
    """Clouds with their servers, of a vault or of one of its servers."""
    clouds = Cloud.objects.filter(vault_id=vault_id, gone_at__isnull=True)
    if fabric_name is not None:
        clouds = clouds.filter(fabric__name__iexact=fabric_name)
    return clouds.select_related("fabric").order_by("fabric__friendly_name", "name", "id")


def find_cloud(vault_id: UUID, fabric_name: str, external_id: str) -> Cloud | None:
    return clouds_of(vault_id, fabric_name).filter(external_id__iexact=external_id).first()


def machines_in(cloud: Cloud) -> QuerySet[VirtualMachine]:
    """Machines of a cloud, by name."""
    return VirtualMachine.objects.filter(
        vault_id=cloud.vault_id,
        fabric_id=cloud.fabric_id,
        cloud_external_id=cloud.external_id,
        gone_at__isnull=True,
    ).order_by("name", "id")


def find_machine(cloud: Cloud, external_id: str) -> VirtualMachine | None:
    return machines_in(cloud).filter(external_id__iexact=external_id).first()
