"""Removing a server from its vault, once nothing of protection is left on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from django.db.models import Q

from coordinator.events.services import forget_fabric_events
from coordinator.fabrics.models import Fabric
from coordinator.fabrics.queries import list_providers
from coordinator.fabrics.services import unregister_provider
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.protection.discovery.services import look_lock
from coordinator.protection.models import (
    BandwidthLimit,
    HostBandwidth,
    NetworkMapping,
    Pairing,
    ProtectedItem,
    StorageMapping,
)
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.unregistering.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    plan_unregistering,
)

# So many of what is left are named.
NAMED = 20


def nothing_else(fabric: Fabric) -> Sequence[str]:
    """For vaults without anything above protection."""
    del fabric
    return ()


def unregister_server(
    fabric: Fabric,
    origin: RequestOrigin,
    now: datetime,
    *,
    vault_only: bool = False,
    find_more: Callable[[Fabric], Sequence[str]] = nothing_else,
) -> Job:
    """Removes a server from its vault: its certificate ends at once, its inventory goes.

    Whether its provider is connected makes no difference: its session ends, or never comes back.

    Args:
        fabric: A registered server.
        origin: Who asked.
        now: Time of the change.
        vault_only: Do not mind limits that its hosts still keep to.
        find_more: What domains above this one have of the server, in words, called while its row
            is held: recovery plans.

    Returns:
        The job UnregisterFabric, which tells what was done.

    Raises:
        RefusedError: ServerInUse (409) naming what is left of protection; 532 while the server is
            being looked at.

    Source: SPEC EN-8, PV-1.
    """
    # Whoever maps its networks holds its row too, and its clouds are protected by their pairings.
    Fabric.objects.select_for_update(of=("self",), no_key=True).get(id=fabric.id)
    left = [*find_more(fabric), *_left(fabric, vault_only=vault_only)]
    if left:
        raise _in_use(fabric, left)
    name = fabric.friendly_name
    for provider in list_providers(fabric.vault_id, fabric.id):
        unregister_provider(provider.id, now)
    forget_fabric_events(fabric.vault_id, fabric.name)
    return begin_job(
        BeginJob(
            vault_id=fabric.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget("Server", str(fabric.id), name, origin.target_resource),
            graph=plan_unregistering(),
            locks=(look_lock(fabric),),
            queue=QueueName.INVENTORY,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
        ),
        now,
    )


def _left(fabric: Fabric, *, vault_only: bool) -> Iterator[str]:
    """What is in the way, in the order in which to take it away."""
    of_pairing = Q(pairing__primary_fabric=fabric) | Q(pairing__recovery_fabric=fabric)
    items = ProtectedItem.objects.filter(of_pairing).order_by("friendly_name")
    for item in items.values_list("friendly_name", flat=True):
        yield f'the protected item "{item}"'
    either = Q(source_fabric=fabric) | Q(target_fabric=fabric)
    for mapping in NetworkMapping.objects.filter(either).order_by("name"):
        yield f'the network mapping "{mapping.name}" of {mapping.source_network}'
    storage = StorageMapping.objects.filter(either).order_by("name")
    for name in storage.values_list("name", flat=True):
        yield f'the storage mapping "{name}"'
    clouds = Q(primary_fabric=fabric) | Q(recovery_fabric=fabric)
    for name in Pairing.objects.filter(clouds).order_by("name").values_list("name", flat=True):
        yield f'the pairing "{name}"'
    for name in BandwidthLimit.objects.filter(fabric=fabric).values_list("name", flat=True):
        yield f'the bandwidth limit "{name}"'
    if not vault_only:
        hosts = HostBandwidth.objects.filter(host__fabric=fabric).order_by("host__name")
        for host in hosts.values_list("host__name", flat=True):
            yield f"the bandwidth limit that {host} still keeps to"


def _in_use(fabric: Fabric, left: list[str]) -> RefusedError:
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return refuse(
        "ServerInUse",
        f"{fabric.friendly_name} cannot be removed. There are still: "
        f"{', '.join(left[:NAMED])}{more}.",
        causes=["Its clouds, networks, storage, hosts or machines are used for protection."],
        action="Delete its recovery plans, disable protection of its machines, delete the mappings "
        "of its networks and storage, dissociate the policies of its clouds and remove its "
        "bandwidth limit; then remove the server.",
        status=409,
    )
