"""Get- and Set-VMNetworkAdapterFailoverConfiguration."""

from ipaddress import IPv4Address

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_network import FoundAdapter, given_adapters
from deploy.lab.cmdlets.hyperv_objects import hyper_v_object
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject, Value
from deploy.lab.site.errors import HyperVError, invalid_parameter
from deploy.lab.site.site import Site

_IPV4 = (
    "IPv4Address",
    "IPv4SubnetMask",
    "IPv4DefaultGateway",
    "IPv4PreferredDNSServer",
    "IPv4AlternateDNSServer",
)
_IPV6 = (
    "IPv6Address",
    "IPv6SubnetPrefixLength",
    "IPv6DefaultGateway",
    "IPv6PreferredDNSServer",
    "IPv6AlternateDNSServer",
)


def _setting(found: FoundAdapter) -> PSObject:
    properties: dict[str, Value] = {
        **{name: found.adapter.failover_ipv4.get(name, "") for name in _IPV4},
        **{name: found.adapter.failover_ipv6.get(name, "") for name in _IPV6},
        "ProtocolIFType": "IPv4",
    }
    shown = "Microsoft.HyperV.PowerShell.VMNetworkAdapterFailoverSetting"
    return hyper_v_object("VMNetworkAdapterFailoverSetting", found.host, shown, properties)


async def get_failover_configuration(site: Site, call: Invocation, written: Written) -> None:
    for found in given_adapters(site, call, written, "VMNetworkAdapterName"):
        written.output(_setting(found))


async def set_failover_configuration(site: Site, call: Invocation, written: Written) -> None:
    for found in given_adapters(site, call, written, "VMNetworkAdapterName"):
        try:
            _change(site, call, found)
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(_setting(found))


def _change(site: Site, call: Invocation, found: FoundAdapter) -> None:
    if found.vm.replication is None:
        # "Not for VMs without replication"; the real error's id is not publicly known.
        raise refusal("not_replicating", found.vm.name)
    given = {name: text for name in _IPV4 if (text := arguments.text(call, name)) is not None}
    if set(_IPV6) & call.parameters.keys() or arguments.switch(call, "ClearFailoverIPv6Settings"):
        raise refusal("not_emulated", "failover addresses of IPv6")
    clear = arguments.switch(call, "ClearFailoverIPv4Settings")
    _check(given, clear=clear)
    wanted = {} if clear else {**found.adapter.failover_ipv4, **given}
    if wanted == found.adapter.failover_ipv4:
        return
    found.adapter.failover_ipv4 = wanted
    site.save_vm(found.vm)
    what = "cleared" if clear else "written"
    site.record(
        found.host.fqdn,
        (f"failover_address.{what}", found.vm.vm_id),
        call.command_id,
        {"adapter": found.adapter.id, "address": wanted.get("IPv4Address", "")},
    )


def _check(given: dict[str, str], *, clear: bool) -> None:
    if clear == bool(given):
        raise invalid_parameter("Give either failover addresses or -ClearFailoverIPv4Settings.")
    if ("IPv4Address" in given) != ("IPv4SubnetMask" in given):
        raise invalid_parameter("IPv4Address and IPv4SubnetMask must be specified together.")
    for name, text in given.items():
        try:
            IPv4Address(text)
        except ValueError:
            raise invalid_parameter(f"'{text}' is not a valid value of {name}.") from None
