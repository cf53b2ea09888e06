"""What all of VMM's objects share, and how a VMM cmdlet finds its connection."""

from collections.abc import Iterable, Iterator
from typing import TypeVar
from uuid import UUID, uuid5

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.invocation import Invocation, PSObject, Value
from deploy.lab.site.site import Site

NAMESPACE = "Microsoft.SystemCenter.VirtualMachineManager."
CONNECTION_TYPE = NAMESPACE + "Remoting.ServerConnection"

_T = TypeVar("_T")

# Ancestors between a class and ClientObject, where the class has any.
_ANCESTORS: dict[str, tuple[str, ...]] = {
    "VM": ("VMBase", "PhysicalObjectBase", "LibObjectBase"),
    "VirtualDiskDrive": ("LibObjectBase",),
    "VirtualNetworkAdapter": ("LibObjectBase",),
    "StandaloneVirtualHardDisk": ("ItemBase", "PhysicalObjectBase", "LibObjectBase"),
    "StorageClassification": ("LibObjectBase",),
}

# CarmineObjectType as text, where it is not the class's name.
_OBJECT_TYPES = {
    "Host": "VMHost",
    "HostGroup": "VMHostGroup",
    "StandaloneVirtualHardDisk": "VirtualHardDisk",
    "StorageVolume": "VMHostVolume",
}


def vmm_object(
    site: Site, type_name: str, identifier: str | UUID, name: str, properties: dict[str, Value]
) -> PSObject:
    """An object of VMM's database; its text is its name, as of most of them."""
    return shown_as(name, site, type_name, identifier, properties | {"Name": name})


def shown_as(
    shown: str, site: Site, type_name: str, identifier: str | UUID, properties: dict[str, Value]
) -> PSObject:
    """An object of VMM's database with a text of its own."""
    common: dict[str, Value] = {
        "ID": identifier if isinstance(identifier, UUID) else UUID(identifier),
        "ObjectType": _OBJECT_TYPES.get(type_name, type_name),
        "ServerConnection": site.vmm.server.fqdn,
        "IsViewOnly": False,
        "MarkedForDeletion": False,
        "IsFullyCached": True,
        "MostRecentTask": None,
    }
    names = (type_name, *_ANCESTORS.get(type_name, ()), "ClientObject")
    full = (*(NAMESPACE + each for each in names), "System.Object")
    return PSObject(full, shown, properties | common)


def derived_id(owner: str, what: str) -> UUID:
    """VMM's id of something that Hyper-V knows by another: the same every time."""
    return uuid5(UUID(owner), what)


def is_this_server(site: Site, name: str) -> bool:
    server = site.vmm.server
    short = server.fqdn.partition(".")[0]
    return name.lower() in {"localhost", server.fqdn.lower(), short.lower(), server.name.lower()}


def check_connection(site: Site, call: Invocation) -> None:
    """Refuses a -VMMServer that is another server.

    Raises:
        HyperVError: The connection named is not one to this site's server.
    """
    given = call.parameters.get("VMMServer")
    if isinstance(given, PSObject):
        given = arguments.property_text(given, "FullyQualifiedDomainName")
    if isinstance(given, str) and not is_this_server(site, given):
        raise refusal("vmm_server_mismatch", given)


def by_name_or_id(
    call: Invocation, items: Iterable[_T], name_parameter: str = "Name"
) -> Iterator[_T]:
    """Those that -Name and -ID leave; VMM writes no error when nothing is left."""
    name = arguments.text(call, name_parameter)
    identifier = arguments.guid(call, "ID")
    for item in items:
        own_id = UUID(str(getattr(item, "vmm_id", None) or getattr(item, "id", "")))
        own_name = str(getattr(item, "fqdn", None) or getattr(item, "name", ""))
        if identifier is not None and own_id != identifier:
            continue
        if name is None or name.lower() in {own_name.lower(), own_name.lower().partition(".")[0]}:
            yield item


def given_id(call: Invocation, parameter: str) -> str | None:
    """The VMM id of the object given as a parameter, lower case; None when none was given."""
    item = next(iter(arguments.objects(call, parameter)), None)
    return None if item is None else arguments.property_text(item, "ID").lower()
