"""Get-, Connect- and Disconnect-VMNetworkAdapter."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_objects import network_adapter
from deploy.lab.cmdlets.hyperv_targets import Target, every_vm, of_object, targets
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host, NetworkAdapter, VirtualMachine
from deploy.lab.site.site import Site


@dataclass(frozen=True)
class FoundAdapter:
    """An adapter with the machine and the host it is of."""

    host: Host
    vm: VirtualMachine
    adapter: NetworkAdapter


def _named(call: Invocation, found: list[Target], parameter: str) -> Iterator[FoundAdapter]:
    """The adapters of the VMs with the name given, which several may bear."""
    value = call.parameters.get(parameter)
    names = [value] if isinstance(value, str) else arguments.texts(call, parameter)
    wanted = {name.lower() for name in names}
    for host, vm in found:
        for adapter in vm.adapters:
            if not wanted or adapter.name.lower() in wanted:
                yield FoundAdapter(host, vm, adapter)


async def get_vm_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    if call.parameter_set == "ManagementOS":
        written.error(refusal("not_emulated", "adapters of the management operating system"))
        return
    snapshot = next(iter(arguments.objects(call, "VMSnapshot")), None)
    if snapshot is not None:
        found = [of_object(site, snapshot)]
    elif call.parameter_set == "All":
        found = list(every_vm(site, call, written))
    else:
        found = list(targets(site, call, written))
    adapters = list(_named(call, found, "Name"))
    for each in adapters:
        written.output(network_adapter(each.host, each.vm, each.adapter))
    if found and not adapters and call.parameters.get("Name"):
        written.error(refusal("adapter_not_found", str(call.parameters["Name"])))


def given_adapters(
    site: Site, call: Invocation, written: Written, name_parameter: str = "Name"
) -> list[FoundAdapter]:
    """The adapters that a call means: objects, or those of machines, all or by name."""
    found: list[FoundAdapter] = []
    for item in arguments.objects(call, "VMNetworkAdapter"):
        identifier = arguments.property_text(item, "AdapterId").lower()
        host, vm = of_object(site, item)
        found.extend(
            FoundAdapter(host, vm, each) for each in vm.adapters if each.id.lower() == identifier
        )
    if "VMNetworkAdapter" in call.parameters:
        return found
    return list(_named(call, list(targets(site, call, written)), name_parameter))


def _connect(site: Site, call: Invocation, found: FoundAdapter, switch: str | None) -> None:
    if found.adapter.switch_name == switch:
        return
    if switch is not None and switch not in {each.name for each in found.host.switches}:
        raise refusal("switch_not_found", switch)
    found.adapter.switch_name = switch
    site.save_vm(found.vm)
    what = "disconnected" if switch is None else "connected"
    site.record(
        found.host.fqdn,
        (f"network_adapter.{what}", found.vm.vm_id),
        call.command_id,
        {"adapter": found.adapter.id, "switch": switch},
    )


def _connect_each(site: Site, call: Invocation, written: Written, switch: str | None) -> None:
    for found in given_adapters(site, call, written):
        try:
            _connect(site, call, found, switch)
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(network_adapter(found.host, found.vm, found.adapter))


async def connect_vm_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    switch = arguments.text(call, "SwitchName")
    if switch is None:
        written.error(refusal("not_emulated", "Connect-VMNetworkAdapter without -SwitchName"))
        return
    _connect_each(site, call, written, switch)


async def disconnect_vm_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    _connect_each(site, call, written, None)
