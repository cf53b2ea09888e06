"""Where a cluster keeps replicas when nothing is configured: on storage that all nodes reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from google.protobuf import json_format
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics.models import FabricObject


def shared_storage_of(fabric_id: UUID, nodes: Collection[str]) -> str:
    """The cluster's storage with most free space; empty when there is none.

    Its root: Hyper-V takes only a folder that exists, and makes its own below.

    Args:
        fabric_id: The cluster's server.
        nodes: FQDNs of the cluster's nodes, in lower case.
    """
    rows = FabricObject.objects.filter(fabric_id=fabric_id, kind="storage_location", gone_at=None)
    return choose_shared(
        (
            json_format.ParseDict(
                row.details, inventory_pb2.StorageLocation(), ignore_unknown_fields=True
            )
            for row in rows
        ),
        nodes,
    )


def choose_shared(
    locations: Iterable[inventory_pb2.StorageLocation], nodes: Collection[str]
) -> str:
    """As shared_storage_of, from what the provider told; of equals the first by path.

    The broker makes each replica highly available, so its files must be on a cluster shared volume
    or a share.
    """
    fit = [
        location
        for location in locations
        if (location.cluster_shared_volume or location.file_share)
        and not location.closed_to_placement
        and set(nodes) <= {fqdn.lower() for fqdn in location.host_fqdns}
    ]
    if not fit:
        return ""
    best = min(fit, key=lambda location: (-location.free_bytes, location.path))
    return best.path
