"""Which primary servers a replica server accepts, and where it puts their VMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.clusters import require_broker, spread_settings
from deploy.lab.site.errors import HyperVError, invalid_parameter, not_found
from deploy.lab.site.model import AuthorizationEntry

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

DEFAULT_TRUST_GROUP = "DEFAULT"


def entry_for(host: Host, primary_server: str) -> AuthorizationEntry | None:
    """The entry that lets a primary server in; a literal name goes before a wildcard."""
    server = host.replication_server
    if server.allow_any_server:
        return AuthorizationEntry(
            allowed_primary_server="*",
            replica_storage_location=server.default_storage_location,
            trust_group=DEFAULT_TRUST_GROUP,
        )
    name = primary_server.lower()
    wildcard = "*." + name.partition(".")[2]
    for wanted in (name, wildcard):
        for entry in server.authorization_entries:
            if entry.allowed_primary_server.lower() == wanted:
                return entry
    return None


def storage_classification(site: SiteCore, host: Host, path: str) -> tuple[bool, str | None]:
    """Whether a host can store under a path, and the classification of that storage."""
    wanted = path.lower().rstrip("\\") + "\\"
    best: tuple[int, str | None] | None = None
    places = [
        (volume.mount_point, volume.classification)
        for volume in site.vmm.volumes
        if volume.host_fqdn == host.fqdn
    ]
    places += [
        (share.path, share.classification)
        for share in site.vmm.file_shares
        if host.fqdn in share.hosts
    ]
    for place, classification in places:
        prefix = place.lower().rstrip("\\") + "\\"
        if wanted.startswith(prefix) and (best is None or len(prefix) > best[0]):
            best = (len(prefix), classification)
    return (False, None) if best is None else (True, best[1])


def check_storage(site: SiteCore, host: Host, path: str) -> None:
    """Raises HyperVError when the host cannot store replicas there."""
    if not storage_classification(site, host, path)[0]:
        raise HyperVError(
            "OperationFailed",
            "NotSpecified",
            "Failed to add authorization entry. Unable to open specified location to store "
            f"Replica files '{path}'.",
        )


def _check_server_name(name: str) -> None:
    first, _, rest = name.partition(".")
    if not first or not rest or "*" in rest or ("*" in first and first != "*"):
        raise invalid_parameter(
            f"'{name}' is not a fully qualified name; a wildcard may only be the first label."
        )


def _find(host: Host, name: str) -> AuthorizationEntry:
    for entry in host.replication_server.authorization_entries:
        if entry.allowed_primary_server.lower() == name.lower():
            return entry
    raise not_found(f"There is no authorization entry for '{name}'.", name)


async def add(
    site: SiteCore, host: Host, entry: AuthorizationEntry, command_id: str | None
) -> None:
    """New-VMReplicationAuthorizationEntry; replicas may be received from any server or listed."""
    server = host.replication_server
    _check_server_name(entry.allowed_primary_server)
    if server.allow_any_server:
        raise invalid_parameter(
            "Failed to add authorization entry. The replica server accepts replication from any "
            "server; set ReplicationAllowedFromAnyServer to false first."
        )
    if any(
        each.allowed_primary_server.lower() == entry.allowed_primary_server.lower()
        for each in server.authorization_entries
    ):
        raise HyperVError(
            "InvalidParameter",
            "ResourceExists",
            "Failed to add authorization entry. There is an entry for "
            f"'{entry.allowed_primary_server}' already.",
        )
    check_storage(site, host, entry.replica_storage_location)
    require_broker(site, host)
    server.authorization_entries.append(entry)
    _done(site, host, "added", command_id, entry)


async def change(
    site: SiteCore,
    host: Host,
    wanted: tuple[str, str | None, str | None],
    command_id: str | None,
) -> AuthorizationEntry:
    """Set-VMReplicationAuthorizationEntry: server name, new storage location, new trust group."""
    entry = _find(host, wanted[0])
    location = wanted[1] if wanted[1] is not None else entry.replica_storage_location
    group = wanted[2] if wanted[2] is not None else entry.trust_group
    if (location, group) == (entry.replica_storage_location, entry.trust_group):
        return entry
    check_storage(site, host, location)
    entry.replica_storage_location, entry.trust_group = location, group
    _done(site, host, "changed", command_id, entry)
    return entry


async def remove(site: SiteCore, host: Host, name: str, command_id: str | None) -> None:
    """From now on logs from the server are refused, so replication of its VMs stops."""
    entry = _find(host, name)
    host.replication_server.authorization_entries.remove(entry)
    _done(site, host, "removed", command_id, entry)


def _done(
    site: SiteCore, host: Host, what: str, command_id: str | None, entry: AuthorizationEntry
) -> None:
    site.save_host(host)
    spread_settings(site, host)
    site.record(
        host.fqdn,
        (f"authorization_entry.{what}", entry.allowed_primary_server),
        command_id,
        {
            "replica_storage_location": entry.replica_storage_location,
            "trust_group": entry.trust_group,
        },
    )
