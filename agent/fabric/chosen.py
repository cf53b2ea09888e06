"""What may be told of a fabric when only chosen clouds are to be: they, their hosts, machines."""

from collections.abc import Collection

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.inventory import Inventory


def told_of(inventory: Inventory, chosen_paths: Collection[str] | None) -> Inventory:
    """Leaves out what belongs to clouds that were not chosen.

    A machine in no cloud is told of when it is a replica: the product puts those into the cloud.

    Args:
        inventory: Everything; its clouds are the chosen ones already.
        chosen_paths: Host group paths of the chosen clouds, lower case; None: all may be told.
    """
    if chosen_paths is None:
        return inventory
    clouds = {key.id for key in inventory if key.kind == "cloud"}
    hosts = {
        item.host.fqdn.casefold()
        for key, item in inventory.items()
        if key.kind == "host" and _below(item.host.host_group_path, chosen_paths)
    }
    return {
        key: item for key, item in inventory.items() if _is_told(item, clouds, hosts, chosen_paths)
    }


def _is_told(
    item: inventory_pb2.InventoryObject,
    clouds: Collection[str],
    hosts: Collection[str],
    paths: Collection[str],
) -> bool:
    match item.WhichOneof("object"):
        case "host":
            return item.host.fqdn.casefold() in hosts
        case "host_group":
            return _below(item.host_group.path, paths)
        case "host_cluster":
            return _below(item.host_cluster.host_group_path, paths)
        case "virtual_machine":
            machine = item.virtual_machine
            replica = machine.recovery and not machine.cloud_id
            return machine.cloud_id in clouds or (replica and machine.host_fqdn.casefold() in hosts)
        case _:
            # Names no cloud and no machine.
            return True


def _below(path: str, chosen_paths: Collection[str]) -> bool:
    """Whether a host group is a chosen one or below one."""
    place = path.lower()
    return any(place == chosen or place.startswith(f"{chosen}\\") for chosen in chosen_paths)
