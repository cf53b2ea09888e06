"""Which host of a replica cluster has a replica, or is to take a new one: asking and answering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deploy.lab.site import clusters
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.replica_connection import Endpoint, connect
from deploy.lab.site.replica_lookup import authorized_entry

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import Host, VirtualMachine
    from deploy.lab.site.replication_model import Replication


def endpoint_of(replication: Replication, server: str = "") -> Endpoint:
    """Where the replica is, as far as known; or another server, reached in the same way."""
    known = replication.current_replica_server or replication.replica_server
    return Endpoint(
        server or known,
        replication.port,
        replication.authentication,
        replication.certificate_thumbprint,
    )


async def locate(site: SiteCore, host: Host, vm_id: str, replication: Replication) -> None:
    """Ask the replica server, which may be a broker, and note the answer in the record.

    Raises:
        LinkError: It cannot be asked, does not accept this server, or has no node to offer.
    """
    endpoint = endpoint_of(replication, replication.replica_server)
    async with connect(site, host, endpoint) as connection:
        answer, _ = await connection.request("locate", {"vm_id": vm_id})
    replication.current_replica_server = str(answer["server"])


async def find_again(
    site: SiteCore, host: Host, vm: VirtualMachine, replication: Replication
) -> None:
    """Ask the broker when the replica is not on the node where it was.

    Raises:
        LinkError: As ``locate``.
    """
    known = replication.current_replica_server.lower()
    if not known or known == replication.replica_server.lower():
        return
    try:
        async with connect(site, host, endpoint_of(replication)) as connection:
            await connection.request("present", {"vm_id": vm.vm_id})
    except LinkError as error:
        if not error.recoverable and error.failure is not LinkFailure.NOT_FOUND:
            raise
        await locate(site, host, vm.vm_id, replication)
        site.save_vm(vm)


async def answer_present(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Whether the VM is on this host."""
    del body
    authorized_entry(host, caller)
    if site.vm_by_key(host.fqdn, str(header["vm_id"])) is None:
        raise LinkError(LinkFailure.NOT_FOUND, "The virtual machine is not on this server.")
    return {}, b""


async def answer_locate(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """The node that has the VM; for a new one, a node chosen at random of those that can take it.

    A host that stands alone answers with its own name.
    """
    del body
    authorized_entry(host, caller)
    nodes = clusters.nodes_of(site, host)
    for node in nodes:
        if site.vm_by_key(node.fqdn, str(header["vm_id"])) is not None:
            return {"server": node.fqdn}, b""
    able = [
        node
        for node in nodes
        if node.powered and node.replication_server.operational_status == "Ok"
    ]
    if not able:
        raise LinkError(LinkFailure.REFUSED, "No node of the cluster can take the replica.")
    return {"server": site.environment.random.choice(able).fqdn}, b""
