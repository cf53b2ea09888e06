"""What a vault has, as resources; everything is read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.cli.apply.catalog import Catalog, Named
from coordinator.cli.apply.kinds import Kind, Spec
from coordinator.cli.apply.plan_words import groups_for_file
from coordinator.cli.apply.resources import Key, Resource, resource_of
from coordinator.cli.clients import Clients
from coordinator.cli.names import friendly_name, segment_after
from coordinator.cli.outputs import as_plain

PAIRED = frozenset({"Paired", "Pairing"})
HOST_VERSIONS = {"HyperVReplica2012": "2012", "HyperVReplica2012R2": "2012R2"}
AUTHENTICATIONS = {1: "kerberos", 2: "certificate"}


@dataclass(frozen=True)
class Present:
    """A resource of the vault, and how it is addressed.

    Attributes:
        etag: What a change has to be made from; empty when nobody asks.
    """

    resource: Resource
    id: str
    etag: str = ""

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return self.id.rpartition("/")[2]


@dataclass(frozen=True)
class VaultState:
    """What a vault has.

    Attributes:
        catalog: Names that documents may use.
        present: Its resources by what tells them apart.
    """

    catalog: Catalog
    present: Mapping[Key, Present]

    @property
    def resources(self) -> Sequence[Resource]:
        return [one.resource for one in self.present.values()]


def read_vault(clients: Clients) -> VaultState:
    """Reads everything that documents can say of a vault.

    Raises:
        AzureError: The service did not answer, or refused.
    """
    catalog = read_catalog(clients)
    found = [
        *_policies(clients),
        *_pairings(clients, catalog),
        *_network_mappings(clients, catalog),
        *_storage_mappings(clients, catalog),
        *_limits(clients, catalog),
        *_plans(clients, catalog),
        *_alert_settings(clients),
    ]
    return VaultState(catalog, {one.resource.key: one for one in found})


def read_catalog(clients: Clients) -> Catalog:
    """The names of a vault."""
    sdk = clients.site_recovery
    servers = Catalog(servers=list(_named(sdk.replication_fabrics.list(*clients.scope))))
    scope = clients.scope
    return Catalog(
        servers=servers.servers,
        clouds=list(_of_servers(sdk.replication_protection_containers.list(*scope), servers)),
        networks=list(_of_servers(sdk.replication_networks.list(*scope), servers)),
        classifications=list(
            _of_servers(sdk.replication_storage_classifications.list(*scope), servers)
        ),
        machines=list(_named(sdk.replication_protected_items.list(*scope))),
        policies=list(_named(sdk.replication_policies.list(*scope))),
    )


def _named(resources: Iterable[Any]) -> Iterator[Named]:
    for one in resources:
        yield Named(friendly_name(one), str(one.name), str(one.id))


def _of_servers(resources: Iterable[Any], servers: Catalog) -> Iterator[Named]:
    for one in resources:
        server = server_of(str(one.id), servers)
        yield Named(friendly_name(one), str(one.name), str(one.id), server)


def server_of(resource_id: str, catalog: Catalog) -> str:
    """What files call the server that an id is below."""
    name = segment_after("replicationFabrics", resource_id).casefold()
    known = next((one for one in catalog.servers if one.name.casefold() == name), None)
    return name if known is None else catalog.name_for("server", known.id)


def _place(catalog: Catalog, kind: str, thing_id: str) -> dict[str, str]:
    return {"server": server_of(thing_id, catalog), kind: catalog.name_for(kind, thing_id)}


def _policies(clients: Clients) -> Iterator[Present]:
    for policy in clients.site_recovery.replication_policies.list(*clients.scope):
        details = as_plain(policy)["properties"]["providerSpecificDetails"]
        spec: Spec = {
            "hostVersion": HOST_VERSIONS[details["instanceType"]],
            "replicationFrequencySeconds": details.get("replicationFrequencyInSeconds") or 300,
            "recoveryPoints": details["recoveryPoints"],
            "applicationConsistentHours": details["applicationConsistentSnapshotFrequencyInHours"],
            "authentication": AUTHENTICATIONS[details["allowedAuthenticationType"]],
            "port": details["replicationPort"],
            "compression": details["compression"] == "Enabled",
            "deleteReplica": details["replicaDeletionOption"] != "None",
            "firstCopy": (
                "offline" if details["initialReplicationMethod"] == "Offline" else "network"
            ),
            "startTime": details.get("onlineReplicationStartTime") or "",
            "exportPath": details.get("offlineReplicationExportPath") or "",
            "importPath": details.get("offlineReplicationImportPath") or "",
        }
        yield Present(resource_of(Kind.POLICY, str(policy.name), spec), str(policy.id))


def _pairings(clients: Clients, catalog: Catalog) -> Iterator[Present]:
    mappings = clients.site_recovery.replication_protection_container_mappings
    for pair in mappings.list(*clients.scope):
        properties = as_plain(pair)["properties"]
        source_id = str(pair.id).split("/replicationProtectionContainerMappings/", maxsplit=1)[0]
        spec: Spec = {
            "source": _place(catalog, "cloud", source_id),
            "target": _place(catalog, "cloud", properties["targetProtectionContainerId"]),
            "policy": properties["policyFriendlyName"],
        }
        state = str(properties["state"])
        unfinished = "" if state in PAIRED else f"its state is {state}"
        resource = resource_of(Kind.PAIRING, str(pair.name), spec, unfinished)
        yield Present(resource, str(pair.id))


def _network_mappings(clients: Clients, catalog: Catalog) -> Iterator[Present]:
    mappings = clients.site_recovery.replication_network_mappings
    for one in mappings.list(*clients.scope):
        source_id = str(one.id).split("/replicationNetworkMappings/", maxsplit=1)[0]
        target_id = as_plain(one)["properties"]["recoveryNetworkId"]
        spec: Spec = {
            "source": _place(catalog, "network", source_id),
            "target": _place(catalog, "network", target_id),
        }
        yield Present(resource_of(Kind.NETWORK_MAPPING, str(one.name), spec), str(one.id))


def _storage_mappings(clients: Clients, catalog: Catalog) -> Iterator[Present]:
    mappings = clients.site_recovery.replication_storage_classification_mappings
    for one in mappings.list(*clients.scope):
        source_id = str(one.id).split("/replicationStorageClassificationMappings/", maxsplit=1)[0]
        target_id = as_plain(one)["properties"]["targetStorageClassificationId"]
        spec: Spec = {
            "source": _place(catalog, "classification", source_id),
            "target": _place(catalog, "classification", target_id),
        }
        yield Present(resource_of(Kind.STORAGE_MAPPING, str(one.name), spec), str(one.id))


def _limits(clients: Clients, catalog: Catalog) -> Iterator[Present]:
    for limit in clients.list("/replicationBandwidthLimits"):
        properties = limit["properties"]
        spec: Spec = {
            "limit": properties["bitsPerSecond"],
            "timeZone": properties["timeZone"],
            "windows": [
                {
                    "days": window["days"],
                    "start": window["start"],
                    "end": window["end"],
                    "limit": window["bitsPerSecond"],
                }
                for window in properties["windows"]
            ],
        }
        name = server_of(str(limit["id"]), catalog)
        yield Present(resource_of(Kind.BANDWIDTH_LIMIT, name, spec), str(limit["id"]))


def _plans(clients: Clients, catalog: Catalog) -> Iterator[Present]:
    for plan in clients.site_recovery.replication_recovery_plans.list(*clients.scope):
        plain = as_plain(plan)
        properties = plain["properties"]
        words = groups_for_file(properties["groups"], lambda id_: catalog.name_for("machine", id_))
        if not words["groups"]:
            # Nothing of it is protected any more; a plan without machines cannot be made.
            continue
        spec: Spec = {
            "primaryServer": catalog.name_for("server", properties["primaryFabricId"]),
            "recoveryServer": catalog.name_for("server", properties["recoveryFabricId"]),
            **words,
        }
        resource = resource_of(Kind.RECOVERY_PLAN, str(plan.name), spec)
        yield Present(resource, str(plan.id), str(plain["etag"]))


def _alert_settings(clients: Clients) -> Iterator[Present]:
    for one in clients.site_recovery.replication_alert_settings.list(*clients.scope):
        properties = as_plain(one)["properties"]
        spec: Spec = {
            "sendToOwners": properties["sendToOwners"] == "Send",
            "addresses": properties["customEmailAddresses"],
            "locale": properties["locale"],
        }
        yield Present(resource_of(Kind.ALERT_SETTINGS, str(one.name), spec), str(one.id))
