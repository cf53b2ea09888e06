"""Get-, New-, Set- and Remove-NetQosPolicy on the hosts that -CimSession names."""

from collections.abc import Iterator

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import U16, U64, Invocation, PSObject, Value
from deploy.lab.site import qos
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host
from deploy.lab.site.qos_model import QosPolicy
from deploy.lab.site.site import Site

_CLASS = "Microsoft.Management.Infrastructure.CimInstance"
# What the lab's throttle looks at; a policy with other conditions or actions would look kept.
_EMULATED = {
    "Name",
    "PolicyStore",
    "CimSession",
    "ThrottleLimit",
    "PassThru",
    "WhatIf",
    "Confirm",
    "Precedence",
    "NetworkProfile",
    "IPProtocolMatchCondition",
    "IPDstPortMatchCondition",
    "IPDstPortStartMatchCondition",
    "IPDstPortEndMatchCondition",
    "ThrottleRateActionBitsPerSecond",
    "ErrorAction",
}


def _shown(host: Host, policy: QosPolicy) -> PSObject:
    properties: dict[str, Value] = {
        "Name": policy.name,
        "Owner": "Group Policy (Machine)",
        "NetworkProfile": policy.network_profile,
        "Precedence": policy.precedence,
        "IPProtocolMatchCondition": policy.protocol,
        "IPDstPortStartMatchCondition": U16(policy.destination_port_start),
        "IPDstPortEndMatchCondition": U16(policy.destination_port_end),
        "ThrottleRateAction": U64(policy.bits_per_second),
        "PSComputerName": host.fqdn,
    }
    return PSObject(
        (f"{_CLASS}#ROOT/StandardCimv2/MSFT_NetQosPolicySettingData", _CLASS, "System.Object"),
        f"MSFT_NetQosPolicySettingData (Name = '{policy.name}')",
        properties,
    )


def _hosts(site: Site, call: Invocation, written: Written) -> Iterator[Host]:
    """Without -CimSession the VMM server itself is meant, whose policies the lab does not keep."""
    names = arguments.texts(call, "CimSession")
    if not names:
        written.error(refusal("not_emulated", f"{call.cmdlet} on the VMM server"))
    for name in names:
        try:
            yield site.host(name)
        except HyperVError:
            # Text and id of WinRM, which CIM goes over.
            written.error(
                HyperVError(
                    "HRESULT 0x80338126",
                    "ConnectionError",
                    "WinRM cannot complete the operation. Verify that the specified computer name"
                    f" '{name}' is valid and that the computer is accessible over the network.",
                    qos.CIM_EXCEPTION,
                    name,
                )
            )


def _refuse_unknown(call: Invocation, written: Written) -> bool:
    """Also refuses a policy store: the lab knows the persistent one of the host only."""
    given = {name for name, value in call.parameters.items() if value not in (None, False)}
    if unknown := sorted(given - _EMULATED) or sorted(given & {"PolicyStore"}):
        what = f"the parameter '{unknown[0]}' of {call.cmdlet}"
        written.error(refusal("not_emulated", what))
    return bool(unknown)


def _named(call: Invocation, host: Host, written: Written) -> Iterator[QosPolicy]:
    for name in arguments.texts(call, "Name"):
        policy = qos.find(host, name)
        if policy is not None:
            yield policy
            continue
        written.error(
            HyperVError(
                "CmdletizationQuery_NotFound_Name",
                "ObjectNotFound",
                "No MSFT_NetQosPolicySettingData objects found with property 'Name' equal to"
                f" '{name}'.  Verify the value of the property and retry.",
                "Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
                name,
            )
        )


async def get_net_qos_policy(site: Site, call: Invocation, written: Written) -> None:
    if _refuse_unknown(call, written):
        return
    for host in _hosts(site, call, written):
        every = not arguments.texts(call, "Name")
        for policy in host.qos_policies if every else _named(call, host, written):
            written.output(_shown(host, policy))


async def new_net_qos_policy(site: Site, call: Invocation, written: Written) -> None:
    if _refuse_unknown(call, written):
        return
    exact = arguments.number(call, "IPDstPortMatchCondition") or 0
    first = arguments.number(call, "IPDstPortStartMatchCondition") or exact
    for host in _hosts(site, call, written):
        policy = QosPolicy(
            name=arguments.required_text(call, "Name"),
            protocol=arguments.enum_name(call, "IPProtocolMatchCondition") or "Both",
            destination_port_start=first,
            destination_port_end=arguments.number(call, "IPDstPortEndMatchCondition") or first,
            bits_per_second=arguments.number(call, "ThrottleRateActionBitsPerSecond") or 0,
            precedence=arguments.number(call, "Precedence") or 127,
            network_profile=arguments.enum_name(call, "NetworkProfile") or "All",
        )
        try:
            qos.add(site, host, policy, call.command_id)
        except HyperVError as error:
            written.error(error)
        else:
            written.output(_shown(host, policy))


async def set_net_qos_policy(site: Site, call: Invocation, written: Written) -> None:
    if _refuse_unknown(call, written):
        return
    rate = arguments.number(call, "ThrottleRateActionBitsPerSecond")
    if rate is None:
        written.error(refusal("not_emulated", "Set-NetQosPolicy of anything but the rate"))
        return
    for host in _hosts(site, call, written):
        for policy in list(_named(call, host, written)):
            qos.change_rate(site, host, policy, rate, call.command_id)
            if arguments.switch(call, "PassThru"):
                written.output(_shown(host, policy))


async def remove_net_qos_policy(site: Site, call: Invocation, written: Written) -> None:
    if _refuse_unknown(call, written):
        return
    for host in _hosts(site, call, written):
        for policy in list(_named(call, host, written)):
            qos.remove(site, host, policy, call.command_id)
            if arguments.switch(call, "PassThru"):
                written.output(_shown(host, policy))
