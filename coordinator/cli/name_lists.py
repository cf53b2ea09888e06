"""Fills the cache of names that completion reads; a process of its own: see `completion`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from coordinator.cli.clients import Clients
from coordinator.cli.completion import Names, cache_of
from coordinator.cli.machines import list_machines
from coordinator.cli.names import friendly_name
from coordinator.cli.session import open_clients

# The newest; nobody completes older ones.
JOBS = 30


def _friendly(about: Callable[[Any], object]) -> Callable[[Any], tuple[str, str]]:
    return lambda one: (friendly_name(one), str(about(one) or ""))


def _vaults(clients: Clients) -> Names:
    vaults = clients.recovery_services.vaults.list_by_resource_group(clients.resource_group)
    return [(str(vault.name), str(vault.location)) for vault in vaults]


def _servers(clients: Clients) -> Names:
    found = clients.site_recovery.replication_fabrics.list(*clients.scope)
    return [(friendly_name(one), str(one.name)) for one in found]


def _clouds(clients: Clients) -> Names:
    found = clients.site_recovery.replication_protection_containers.list(*clients.scope)
    about = _friendly(lambda one: one.properties.fabric_friendly_name)
    return [about(one) for one in found]


def _machines(clients: Clients) -> Names:
    about = _friendly(lambda one: one.properties.protection_status)
    return [about(one) for one in list_machines(clients, None, None)]


def _protected(clients: Clients) -> Names:
    found = clients.site_recovery.replication_protected_items.list(*clients.scope)
    about = _friendly(lambda one: one.properties.protection_state_description)
    return [about(one) for one in found]


def _plans(clients: Clients) -> Names:
    found = clients.site_recovery.replication_recovery_plans.list(*clients.scope)
    return [(str(one.name), "") for one in found]


def _jobs(clients: Clients) -> Names:
    found: Any = clients.site_recovery.replication_jobs.list(*clients.scope)
    return [(str(one.name), _job_title(one.properties)) for one in islice(found, JOBS)]


def _job_title(job: Any) -> str:
    return f"{job.friendly_name} of {job.target_object_name}: {job.state}"


def _policies(clients: Clients) -> Names:
    found = clients.site_recovery.replication_policies.list(*clients.scope)
    return [(str(one.name), "") for one in found]


def _networks(clients: Clients) -> Names:
    found = clients.site_recovery.replication_networks.list(*clients.scope)
    about = _friendly(lambda one: one["properties"].get("fabricFriendlyName"))
    return [about(one) for one in found]


def _classifications(clients: Clients) -> Names:
    found = clients.site_recovery.replication_storage_classifications.list(*clients.scope)
    about = _friendly(lambda one: one.properties.get("fabricFriendlyName"))
    return [about(one) for one in found]


def _pairs(clients: Clients) -> Names:
    mappings = clients.site_recovery.replication_protection_container_mappings
    found: Any = mappings.list(*clients.scope)
    return [
        (str(one.properties.source_protection_container_friendly_name), str(one.name))
        for one in found
    ]


LISTS: Mapping[str, Callable[[Clients], Names]] = {
    "vaults": _vaults,
    "servers": _servers,
    "clouds": _clouds,
    "machines": _machines,
    "protected": _protected,
    "plans": _plans,
    "jobs": _jobs,
    "policies": _policies,
    "networks": _networks,
    "classifications": _classifications,
    "pairs": _pairs,
}


def main(kind: str) -> None:
    """Asks the coordinator for the names of a kind, and keeps them."""
    clients = open_clients()
    names = LISTS[kind](clients)
    cache_of(clients.connection, clients.vault, kind, time.time()).write(names)


if __name__ == "__main__":
    main(sys.argv[1])
