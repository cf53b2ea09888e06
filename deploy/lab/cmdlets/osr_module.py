"""The functions of the product's own signed PowerShell module, as the lab's hosts have them."""

from datetime import datetime

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import host_named
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject, Value
from deploy.lab.site.certificates import REQUIRED_USAGES, HostCertificate
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host
from deploy.lab.site.site import Site

_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")


def _host(site: Site, call: Invocation) -> Host:
    return host_named(site, arguments.required_text(call, "ComputerName"))


def _has_both_purposes(certificate: HostCertificate) -> bool:
    """The module lists only what Hyper-V Replica could use."""
    return all(usage.dotted_string in certificate.usages for usage in REQUIRED_USAGES)


def _shown(certificate: HostCertificate, host_time: datetime) -> PSObject:
    properties: dict[str, Value] = {
        "Thumbprint": certificate.thumbprint,
        "Subject": certificate.subject,
        "Issuer": certificate.issuer,
        "DnsNameList": list[Value](certificate.dns_names),
        "NotBefore": certificate.not_before,
        "NotAfter": certificate.not_after,
        "HasPrivateKey": certificate.has_private_key,
        "FriendlyName": certificate.friendly_name,
        "HostTime": host_time,
    }
    return PSObject(_CUSTOM, None, properties)


async def install_osr_replication_certificate(
    site: Site, call: Invocation, written: Written
) -> None:
    host = _host(site, call)
    thumbprint = await site.install_certificate(
        host,
        arguments.content(call, "Pfx"),
        arguments.secret(call, "Password").reveal(),
        arguments.content(call, "Root"),
        call.command_id,
    )
    for certificate in site.certificates(host):
        if certificate.thumbprint == thumbprint and _has_both_purposes(certificate):
            written.output(_shown(certificate, site.now_at(host.fqdn)))


async def install_osr_replication_root(site: Site, call: Invocation, written: Written) -> None:
    del written
    root = arguments.content(call, "Root")
    await site.install_root_certificate(_host(site, call), root, call.command_id)


async def get_osr_replication_certificate(site: Site, call: Invocation, written: Written) -> None:
    host = _host(site, call)
    for certificate in site.certificates(host):
        if _has_both_purposes(certificate):
            written.output(_shown(certificate, site.now_at(host.fqdn)))


async def remove_osr_replication_certificate(
    site: Site, call: Invocation, written: Written
) -> None:
    del written
    thumbprint = arguments.required_text(call, "Thumbprint")
    await site.remove_certificate(_host(site, call), thumbprint, call.command_id)


async def enable_osr_replication_firewall_rule(
    site: Site, call: Invocation, written: Written
) -> None:
    del written
    port = arguments.number(call, "Port") or 0
    if not 1 <= port <= 65535:
        raise HyperVError(
            "ParameterArgumentValidationError", "InvalidData", f"{port} is no TCP port."
        )
    await site.open_firewall_port(_host(site, call), port, call.command_id)


async def remove_osr_replication_firewall_rule(
    site: Site, call: Invocation, written: Written
) -> None:
    del written
    port = arguments.number(call, "Port") or 0
    await site.remove_firewall_rule(_host(site, call), port, call.command_id)
