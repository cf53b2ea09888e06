"""Reading servers and what they hold; every query is of one vault."""

from __future__ import annotations

import ntpath
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.fabrics.models import Cloud, Fabric, FabricObject, Host, Provider, VirtualMachine
from coordinator.vaults.services import VaultContent


def list_fabrics(vault_id: UUID) -> list[Fabric]:
    """Servers of a vault that are registered, by friendly name."""
    fabrics = Fabric.objects.filter(vault_id=vault_id, providers__unregistered_at=None)
    return list(fabrics.order_by("friendly_name", "id").distinct())


def find_fabric(vault_id: UUID, name: str) -> Fabric | None:
    """The server whose name in resource ids, or whose friendly name, is this."""
    fabrics = {fabric.name: fabric for fabric in list_fabrics(vault_id)}
    if name.lower() in fabrics:
        return fabrics[name.lower()]
    friendly = [one for one in fabrics.values() if one.friendly_name.lower() == name.lower()]
    return friendly[0] if friendly else None


def list_providers(vault_id: UUID, fabric_id: UUID | None = None) -> list[Provider]:
    """Registered providers of a vault, or of one of its servers, with their fabrics."""
    providers = Provider.objects.filter(vault_id=vault_id, unregistered_at=None)
    if fabric_id is not None:
        providers = providers.filter(fabric_id=fabric_id)
    return list(providers.select_related("fabric").order_by("registered_at", "id"))


def registered_providers() -> list[Provider]:
    """Registered providers of all vaults, with their fabrics: for metrics."""
    return list(Provider.objects.filter(unregistered_at=None).select_related("fabric"))


def find_provider(vault_id: UUID, name: str) -> Provider | None:
    """The registered provider of that name in resource ids."""
    providers = Provider.objects.filter(vault_id=vault_id, unregistered_at=None)
    return providers.select_related("fabric").filter(name__iexact=name).first()


def provider_for_fabric(fabric_id: UUID) -> Provider | None:
    """The provider to send a server's commands to; None when it is unregistered."""
    return Provider.objects.filter(fabric_id=fabric_id, unregistered_at=None).first()


def fabrics_of_providers(provider_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The ids of providers' servers, also of providers that are no longer registered."""
    found = Provider.objects.filter(id__in=list(provider_ids))
    return dict(found.values_list("id", "fabric_id"))


def is_connected(provider: Provider, now: datetime, lease_seconds: float) -> bool:
    """Whether the provider has a session that was heard of within the lease (SPEC EN-10)."""
    if provider.last_heartbeat_at is None or provider.disconnected_at is not None:
        return False
    return now - provider.last_heartbeat_at <= timedelta(seconds=lease_seconds)


def was_heard_of(provider: Provider, now: datetime, lease_seconds: float) -> bool:
    """Whether the provider was there within the lease; its session may have ended just now.

    One that a gateway's restart cut off is back in a moment.
    """
    heard_at = provider.last_heartbeat_at
    return heard_at is not None and now - heard_at <= timedelta(seconds=lease_seconds)


def lost_providers(
    now: datetime, lease_seconds: float, among: Collection[UUID] | None = None
) -> set[UUID]:
    """Providers that are away while others of their vault are there.

    When nobody is heard of, it is the coordinator's gateways that are away; and who comes back
    first afterwards must not count against the others: so somebody must have been there for a
    whole lease in which they were not heard of.

    Args:
        now: The time.
        lease_seconds: One not heard of for so long is away.
        among: Only these; None: all.
    """
    since = now - timedelta(seconds=lease_seconds)
    there = Provider.objects.filter(
        unregistered_at=None,
        disconnected_at=None,
        last_heartbeat_at__gte=since,
        connected_at__lte=since,
    )
    away = Provider.objects.filter(vault__in=there.values("vault_id")).exclude(
        last_heartbeat_at__gte=since
    )
    if among is not None:
        away = away.filter(id__in=list(among))
    return set(away.values_list("id", flat=True))


def current_fences(provider_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Fence of the newest session of each provider that is still registered."""
    providers = Provider.objects.filter(pk__in=list(provider_ids), unregistered_at=None)
    return dict(providers.values_list("pk", "fence"))


def list_clouds(vault_id: UUID, fabric_id: UUID | None = None) -> list[Cloud]:
    """Clouds of a vault's servers, or of one of them, that VMM still has, by name."""
    clouds = Cloud.objects.filter(vault_id=vault_id, gone_at=None)
    clouds = clouds.filter(fabric__providers__unregistered_at=None)
    if fabric_id is not None:
        clouds = clouds.filter(fabric_id=fabric_id)
    return list(clouds.select_related("fabric").order_by("name", "external_id").distinct())


def find_cloud(fabric_id: UUID, external_id: str) -> Cloud | None:
    """A server's cloud by VMM's id, also when it is gone."""
    clouds = Cloud.objects.filter(fabric_id=fabric_id, external_id__iexact=external_id)
    return clouds.select_related("fabric").first()


def hosts_of_cloud(cloud: Cloud) -> list[Host]:
    """Hosts in the host groups of a cloud, and in groups below those, by FQDN."""
    paths = [str(path).lower() for path in cloud.details.get("host_group_paths", [])]
    hosts = Host.objects.filter(fabric_id=cloud.fabric_id, gone_at=None).order_by("name")
    return [host for host in hosts if in_host_groups(host.host_group_path, paths)]


def in_host_groups(host_group_path: str, paths: Iterable[str]) -> bool:
    """Whether a group is one of those at `paths` (lower case), or below one."""
    path = host_group_path.lower()
    return any(path == group or path.startswith(f"{group}\\") for group in paths)


def find_host(fabric_id: UUID, fqdn: str) -> Host | None:
    """A server's host by FQDN."""
    return Host.objects.filter(fabric_id=fabric_id, name=fqdn.lower(), gone_at=None).first()


def machines_of_cloud(cloud: Cloud) -> list[VirtualMachine]:
    """Machines VMM has in a cloud, by name."""
    machines = VirtualMachine.objects.filter(
        fabric_id=cloud.fabric_id, cloud_external_id=cloud.external_id, gone_at=None
    )
    return list(machines.order_by("name", "external_id"))


def find_machine(fabric_id: UUID, external_id: str) -> VirtualMachine | None:
    """A server's machine by VMM's id, also when it is gone."""
    machines = VirtualMachine.objects.filter(fabric_id=fabric_id, external_id__iexact=external_id)
    return machines.select_related("fabric").first()


def machines_with_vm_id(fabric_id: UUID, vm_id: str) -> list[VirtualMachine]:
    """Machines of a server with Hyper-V's id: one, or more while VMM sees a move."""
    machines = VirtualMachine.objects.filter(fabric_id=fabric_id, vm_id=vm_id.lower(), gone_at=None)
    return list(machines.order_by("id"))


def disk_sizes_bytes(
    vault_id: UUID, vm_ids: Collection[str]
) -> dict[tuple[UUID, str], dict[str, int]]:
    """How large the disks of machines may become.

    Returns:
        By server and Hyper-V's id of the machine the sizes, by the name of the disk's file in lower
        case; of a machine that is not there, or has no disks, nothing.
    """
    rows = VirtualMachine.objects.filter(vault_id=vault_id, vm_id__in=vm_ids, gone_at=None)
    found: dict[tuple[UUID, str], dict[str, int]] = {}
    for fabric_id, vm_id, disks in rows.values_list("fabric_id", "vm_id", "details__disks"):
        sizes = found.setdefault((fabric_id, vm_id), {})
        for disk in disks or ():
            name = ntpath.basename(str(disk.get("path", ""))).lower()
            # protobuf's JSON writes 64-bit numbers as text.
            sizes[name] = int(disk.get("maximum_size_bytes") or disk.get("size_bytes") or 0)
    return found


def list_objects(fabric_id: UUID, kind: str) -> list[FabricObject]:
    """A server's objects of another kind, for example "vm_network", by name."""
    objects = FabricObject.objects.filter(fabric_id=fabric_id, kind=kind, gone_at=None)
    return list(objects.order_by("name", "external_id"))


def vault_contents(vault_id: UUID) -> list[VaultContent]:
    """Registered servers, which keep a vault from being deleted (SPEC VA-5)."""
    return [
        VaultContent("registered server", fabric.friendly_name) for fabric in list_fabrics(vault_id)
    ]
