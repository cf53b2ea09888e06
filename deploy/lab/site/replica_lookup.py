"""Finding the replica VM that a request is about, and refusing strangers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deploy.lab.site.authorization import entry_for
from deploy.lab.site.clusters import nodes_of
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.replication_model import Replication, ReplicationMode
from deploy.lab.site.space import has_room
from deploy.lab.site.storage_places import LOST_SHARE

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Caller
    from deploy.lab.site.model import AuthorizationEntry, Host, VirtualMachine


def authorized_entry(host: Host, caller: Caller) -> AuthorizationEntry:
    entry = entry_for(host, caller.primary_server)
    if entry is None:
        raise LinkError(
            LinkFailure.UNAUTHORIZED,
            f"The Replica server '{host.fqdn}' does not allow replication from the primary server "
            f"'{caller.primary_server}'.",
        )
    return entry


def replica_of(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any]
) -> tuple[VirtualMachine, Replication]:
    """The VM and its replication.

    Raises:
        LinkError: The caller may not send (any more), or there is no such replica here.
    """
    entry = authorized_entry(host, caller)
    vm = site.vm_by_key(host.fqdn, str(header.get("vm_id")))
    replication = vm.replication if vm is not None else None
    if vm is None and _is_on_other_node(site, host, str(header.get("vm_id"))):
        raise LinkError(LinkFailure.ABORTED)  # the primary tries again, and asks the broker then
    if (
        vm is None
        or replication is None
        or replication.mode is not ReplicationMode.REPLICA
        or replication.relationship_id != header.get("relationship_id")
    ):
        raise LinkError(
            LinkFailure.NOT_FOUND,
            "The Replica server has no replica of the virtual machine for this relationship.",
        )
    group = _trust_group(host, replication)
    if group and group != entry.trust_group:
        raise LinkError(
            LinkFailure.UNAUTHORIZED,
            f"The primary server '{caller.primary_server}' is not in the trust group '{group}'.",
        )
    return vm, replication


def _is_on_other_node(site: SiteCore, host: Host, vm_id: str) -> bool:
    return any(site.vm_by_key(node.fqdn, vm_id) is not None for node in nodes_of(site, host))


def _trust_group(host: Host, replication: Replication) -> str:
    """The group of the entry that the replica belongs to, as that entry is now.

    In WMI the virtual machine is tied to an authorization entry (SetAuthorizationEntry), so a group
    changed there holds for it at once. When the entry is gone the lab keeps to the last group.
    """
    for entry in host.replication_server.authorization_entries:
        if entry.allowed_primary_server.lower() == replication.allowed_primary_server.lower():
            return entry.trust_group
    return replication.trust_group


def check_space(
    site: SiteCore, host: Host, paths: Iterable[str] = (), needed_bytes: int = 1
) -> None:
    """Refuse what could not be written.

    Args:
        site: Of the host.
        host: Who receives.
        paths: Windows paths of what would be written.
        needed_bytes: How much.

    Raises:
        LinkError: The host's storage is full, or a share or volume that one of the paths is on.
    """
    paths = tuple(paths)
    if any(site.faults.is_lost(path) for path in paths):
        # Not tried again by itself, unlike a network between the hosts: the harsher possibility.
        raise LinkError(LinkFailure.STORAGE, LOST_SHARE)
    full = host.fqdn in site.faults.full_hosts
    if full or not all(has_room(site, host, path, needed_bytes) for path in paths):
        raise LinkError(
            LinkFailure.STORAGE_FULL, "There is not enough space on the disk. (0x80070070)"
        )
