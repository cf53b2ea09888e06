"""Which hosts and virtual machines a Hyper-V cmdlet acts on."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host, VirtualMachine
from deploy.lab.site.site import Site

Target = tuple[Host, VirtualMachine]

_THIS_COMPUTER = {"localhost", ".", "127.0.0.1"}


def host_named(site: Site, name: str) -> Host:
    """A Hyper-V host by the name in -ComputerName.

    Raises:
        HyperVError: Unknown, without power, or the VMM server, which has no Hyper-V role.
    """
    server = site.vmm.server.fqdn
    if name.lower() in _THIS_COMPUTER | {server.lower(), server.partition(".")[0].lower()}:
        raise refusal("no_hyper_v_role", server)
    return site.host(name)


def hosts(site: Site, call: Invocation, written: Written) -> Iterator[Host]:
    """The hosts of -ComputerName or -CimSession; without, the machine that PowerShell runs on."""
    given = arguments.texts(call, "ComputerName") or arguments.texts(call, "CimSession")
    for name in given or [site.vmm.server.fqdn]:
        try:
            yield host_named(site, name)
        except HyperVError as error:
            written.error(error)


def is_wildcard(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _named(site: Site, host: Host, name: str) -> list[VirtualMachine]:
    """All VMs of that name (names are not unique), or those that a wildcard matches."""
    found = (
        [vm for vm in site.vms_on(host) if fnmatchcase(vm.name.lower(), name.lower())]
        if is_wildcard(name)
        else [vm for vm in site.vms_on(host) if vm.name.lower() == name.lower()]
    )
    if not found and not is_wildcard(name):
        site.vm(host, name=name)
    return found


def of_object(site: Site, item: PSObject) -> Target:
    """The VM behind a VirtualMachine, VMReplication or VMSnapshot object.

    Raises:
        HyperVError: It or its host is gone.
    """
    vm_id = arguments.property_text(item, "VMId") or arguments.property_text(item, "Id")
    host = host_named(site, arguments.property_text(item, "ComputerName"))
    return host, site.vm(host, vm_id=vm_id)


def targets(
    site: Site, call: Invocation, written: Written, name_parameter: str = "VMName"
) -> Iterator[Target]:
    """The VMs named or given as objects; each that cannot be found is an error of its own."""
    for parameter in ("VM", "VMReplication"):
        for item in arguments.objects(call, parameter):
            try:
                found = of_object(site, item)
            except HyperVError as error:
                written.error(error)
            else:
                yield found
    names = arguments.texts(call, name_parameter)
    if not names:
        return
    for host in hosts(site, call, written):
        for name in names:
            try:
                machines = _named(site, host, name)
            except HyperVError as error:
                written.error(error)
            else:
                yield from ((host, vm) for vm in machines)


def every_vm(site: Site, call: Invocation, written: Written) -> Iterator[Target]:
    """All VMs of the hosts of -ComputerName."""
    for host in hosts(site, call, written):
        yield from ((host, vm) for vm in site.vms_on(host))


def names_machines(call: Invocation) -> bool:
    """Whether the call says which VMs it means."""
    return any(call.parameters.get(name) for name in ("VM", "VMName", "Name", "VMReplication"))
