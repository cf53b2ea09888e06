"""What the fabric tables say, in the terms of protection: machines, hosts, providers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from google.protobuf import json_format
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Fabric, FabricObject, Host, Provider, VirtualMachine
from coordinator.failures import RefusedError, refuse
from coordinator.protection.pairing.prerequisites import broker_failure


def host_message(host: Host) -> inventory_pb2.Host:
    """The host as the provider told of it."""
    return json_format.ParseDict(host.details, inventory_pb2.Host(), ignore_unknown_fields=True)


def machine_message(machine: VirtualMachine) -> inventory_pb2.VirtualMachine:
    """The machine as the provider told of it."""
    return json_format.ParseDict(
        machine.details, inventory_pb2.VirtualMachine(), ignore_unknown_fields=True
    )


def cloud_of(machine: VirtualMachine) -> Cloud | None:
    """The cloud VMM has the machine in; None when it is in none."""
    if not machine.cloud_external_id:
        return None
    return Cloud.objects.filter(
        fabric_id=machine.fabric_id, external_id=machine.cloud_external_id, gone_at=None
    ).first()


def connection_points(hosts: Iterable[Host]) -> dict[int, str]:
    """By host id the name that others replicate to: the host's own, or its cluster's broker.

    Raises:
        RefusedError: A cluster has no replica broker.

    Source: SPEC PR-2.
    """
    hosts = list(hosts)
    clustered = {host.fabric_id for host in hosts if host.cluster_fqdn}
    brokers = brokers_of_clusters(clustered) if clustered else {}
    points: dict[int, str] = {}
    for host in hosts:
        if not host.cluster_fqdn:
            points[host.pk] = host.name
            continue
        broker = brokers.get((host.fabric_id, host.cluster_fqdn.lower()), "")
        if not broker:
            version = host_message(host).operating_system_version
            problem = broker_problems({host.fabric_id}).get(
                (host.fabric_id, host.cluster_fqdn.lower()), ""
            )
            raise RefusedError(broker_failure(host.cluster_fqdn, version, problem), status=409)
        points[host.pk] = broker
    return points


def brokers_of_clusters(fabric_ids: Iterable[UUID]) -> dict[tuple[UUID, str], str]:
    """By fabric and cluster's FQDN in lower case, the FQDN of the replica broker."""
    return {
        key: message.replica_broker_fqdn.lower() for key, message in _clusters(fabric_ids).items()
    }


def broker_problems(fabric_ids: Iterable[UUID]) -> dict[tuple[UUID, str], str]:
    """By fabric and cluster's FQDN in lower case, why it could not be asked for its broker."""
    return {key: message.replica_broker_problem for key, message in _clusters(fabric_ids).items()}


def _clusters(
    fabric_ids: Iterable[UUID],
) -> dict[tuple[UUID, str], inventory_pb2.HostCluster]:
    found: dict[tuple[UUID, str], inventory_pb2.HostCluster] = {}
    for cluster in FabricObject.objects.filter(
        fabric_id__in=set(fabric_ids), kind="host_cluster", gone_at=None
    ):
        message = json_format.ParseDict(
            cluster.details, inventory_pb2.HostCluster(), ignore_unknown_fields=True
        )
        found[cluster.fabric_id, message.fqdn.lower()] = message
    return found


def provider_of(fabric: Fabric) -> Provider:
    """The provider that serves a fabric.

    Raises:
        RefusedError: ProviderNotRegistered, status 409.
    """
    provider = fabrics.provider_for_fabric(fabric.id)
    if provider is None:
        raise refuse(
            "ProviderNotRegistered",
            f"No provider is registered for {fabric.friendly_name}.",
            causes=["It was unregistered."],
            action="Register the provider on the VMM server with a new registration key.",
            status=409,
        )
    return provider


def connected_provider_of(fabric: Fabric, now: datetime) -> Provider:
    """The provider that serves a fabric, if it was heard of within its lease.

    One that has just lost its connection counts: it may be restarting, and commands wait for it.

    Raises:
        RefusedError: ProviderNotRegistered or ProviderNotConnected, status 409. Trying again helps
            once the provider is back.
    """
    provider = provider_of(fabric)
    lease = timedelta(seconds=settings.CONFIGURATION.lease_seconds)
    if provider.last_heartbeat_at is None or now - provider.last_heartbeat_at > lease:
        raise refuse(
            "ProviderNotConnected",
            f"The provider of {fabric.friendly_name} is not connected.",
            causes=[
                "Its service is stopped, or its server is down.",
                "The network between it and the coordinator is interrupted.",
            ],
            action="Start the provider's service and see that it connects, then try again.",
            status=409,
        )
    return provider
