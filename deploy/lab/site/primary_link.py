"""The primary's requests for one VM over a connection to its replica server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.replica_connection import ReplicaConnection, connect
from deploy.lab.site.replica_location import endpoint_of, find_again
from deploy.lab.site.storage_places import LOST_SHARE, lost_share

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine
    from deploy.lab.site.replication_model import Replication


class PrimaryLink:
    """Adds to each request which VM and which relationship it is about."""

    def __init__(
        self,
        site: SiteCore,
        vm: VirtualMachine,
        replication: Replication,
        connection: ReplicaConnection,
    ) -> None:
        self._site = site
        self._host = site.host(vm.host_fqdn)
        self._port = replication.port
        self._about = {"vm_id": vm.vm_id, "relationship_id": replication.relationship_id}
        self._connection = connection

    async def request(
        self, kind: str, body: bytes = b"", **header: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Send, held back to the bandwidth of the lab and of the host's QoS policies.

        Raises:
            LinkError: As ReplicaConnection.request.
        """
        bandwidth = self._site.faults.bandwidth_bytes_per_second
        if bandwidth is not None and body:
            await self._site.clock.pause(len(body) / bandwidth)
        now = asyncio.get_running_loop().time()
        held_back = self._site.throttle.seconds_to_wait(self._host, self._port, len(body), now)
        if held_back > 0:
            await self._site.clock.pause(held_back)
        return await self._connection.request(kind, {**self._about, **header}, body)


@asynccontextmanager
async def primary_link(
    site: SiteCore, vm: VirtualMachine, replication: Replication
) -> AsyncIterator[PrimaryLink]:
    """Connect from the VM's host to the server that has the replica, wherever it moved.

    Raises:
        LinkError: As ``connect``.
    """
    host = site.host(vm.host_fqdn)
    if lost_share(site, vm):
        # Change logs lie beside the disks. Needing somebody afterwards is the harsher possibility.
        raise LinkError(LinkFailure.STORAGE, LOST_SHARE)
    await find_again(site, host, vm, replication)
    async with connect(site, host, endpoint_of(replication)) as connection:
        yield PrimaryLink(site, vm, replication, connection)
