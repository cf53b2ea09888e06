"""A host as replica server: Set-VMReplicationServer and the firewall rules of its listeners."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from deploy.lab.site.authorization import check_storage
from deploy.lab.site.certificates import CertificateStore, problem_of
from deploy.lab.site.clusters import (
    certificate_names,
    nodes_of,
    require_broker,
    spread_settings,
)
from deploy.lab.site.errors import HyperVError, invalid_parameter, not_found
from deploy.lab.site.model import AuthenticationType, FirewallRule, ReplicationServer

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host
    from deploy.lab.site.replication_model import ReplicationServerChanges

MONITORING_INTERVALS = frozenset(
    {timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12, 24)}
    | {timedelta(days=days) for days in range(2, 8)}
)


def built_in_rules() -> list[FirewallRule]:
    """The two rules that come with the Hyper-V role, disabled."""
    return [
        FirewallRule(
            name="VIRT-HVRHTTPL-In-TCP-NoScope",
            display_name="Hyper-V Replica HTTP Listener (TCP-In)",
            local_port=80,
        ),
        FirewallRule(
            name="VIRT-HVRHTTPSL-In-TCP-NoScope",
            display_name="Hyper-V Replica HTTPS Listener (TCP-In)",
            local_port=443,
        ),
    ]


async def change(
    site: SiteCore, host: Host, changes: ReplicationServerChanges, command_id: str | None
) -> None:
    """Set-VMReplicationServer; nothing is journalled when nothing differs."""
    require_broker(site, host)
    server = host.replication_server
    given = {
        field.name: getattr(changes, field.name)
        for field in fields(changes)
        if getattr(changes, field.name) is not None
    }
    if "authentication" in given:
        given["authentication"] = AuthenticationType(given["authentication"])
    if "certificate_thumbprint" in given:
        given["certificate_thumbprint"] = given["certificate_thumbprint"].upper()
    after = replace(server, **given)
    differing = {name: value for name, value in given.items() if getattr(server, name) != value}
    _check(site, host, after)
    if differing:
        host.replication_server = after
        site.save_host(host)
        spread_settings(site, host)
    for node in nodes_of(site, host):
        await site.listeners.refresh(site, node)
    if differing:
        details = {name: str(value) for name, value in differing.items()}
        site.record(host.fqdn, ("replication_server.changed", host.fqdn), command_id, details)


def _check(site: SiteCore, host: Host, after: ReplicationServer) -> None:
    if after.monitoring_interval not in MONITORING_INTERVALS:
        raise invalid_parameter("MonitoringInterval is not one of the allowed intervals.")
    if not all(1 <= port <= 65535 for port in (after.kerberos_port, after.certificate_port)):
        raise invalid_parameter("A port must be between 1 and 65535.")
    if not after.enabled:
        return
    if after.authentication is None:
        raise invalid_parameter("AllowedAuthenticationType must be given to enable replication.")
    if after.allow_any_server and not after.default_storage_location:
        raise invalid_parameter(
            "DefaultStorageLocation must be given when replication is allowed from any server."
        )
    if after.default_storage_location:
        check_storage(site, host, after.default_storage_location)
    if after.authentication is not AuthenticationType.KERBEROS:
        check_own_certificate(site, host, after.certificate_thumbprint)


def check_own_certificate(site: SiteCore, host: Host, thumbprint: str) -> None:
    """Raises HyperVError when the host cannot replicate with the certificate."""
    certificate = CertificateStore(site.host_folder(host)).find(thumbprint)
    if certificate is None:
        raise HyperVError(
            "InvalidParameter",
            "InvalidArgument",
            f"The certificate with thumbprint '{thumbprint}' was not found in the local "
            "computer's personal store. (0x80092004)",
        )
    now = site.now_at(host.fqdn)
    problems = [problem_of(certificate, name, now) for name in certificate_names(site, host)]
    problem = next((each for each in problems if each is not None), None)
    if problem is not None:
        raise HyperVError(
            "InvalidParameter",
            "InvalidArgument",
            f"The specified certificate is not valid for replication. {problem}",
        )


async def set_firewall_rule(
    site: SiteCore, host: Host, name: str, command_id: str | None, *, enabled: bool
) -> None:
    """Enable- or Disable-NetFirewallRule by name or display name."""
    for rule in host.firewall_rules:
        if name.lower() in (rule.name.lower(), rule.display_name.lower()):
            await _set_rule(site, host, rule, command_id, enabled=enabled)
            return
    raise not_found(f"No MSFT_NetFirewallRule objects found with name equal to '{name}'.", name)


async def open_firewall_port(site: SiteCore, host: Host, port: int, command_id: str | None) -> None:
    """The product's own rule for a port is made, or enabled; others stay as they are."""
    rule = next((each for each in host.firewall_rules if each.name == _own_rule(port)), None)
    if rule is None:
        rule = FirewallRule(
            name=_own_rule(port),
            display_name=f"Hyper-V Replica on port {port} (TCP-In)",
            local_port=port,
        )
        host.firewall_rules.append(rule)
    await _set_rule(site, host, rule, command_id, enabled=True)


async def remove_firewall_rule(
    site: SiteCore, host: Host, port: int, command_id: str | None
) -> None:
    """Removes the rule that open_firewall_port made; the built-in ones stay."""
    rule = next((each for each in host.firewall_rules if each.name == _own_rule(port)), None)
    if rule is None:
        return
    host.firewall_rules.remove(rule)
    site.save_host(host)
    await site.listeners.refresh(site, host)
    site.record(host.fqdn, ("firewall_rule.removed", host.fqdn), command_id, {"name": rule.name})


def _own_rule(port: int) -> str:
    return f"OSR-Replica-{port}-In-TCP"


async def _set_rule(
    site: SiteCore, host: Host, rule: FirewallRule, command_id: str | None, *, enabled: bool
) -> None:
    if rule.enabled == enabled:
        return
    rule.enabled = enabled
    site.save_host(host)
    await site.listeners.refresh(site, host)
    what = "enabled" if enabled else "disabled"
    site.record(
        host.fqdn,
        (f"firewall_rule.{what}", host.fqdn),
        command_id,
        {"rule": rule.name, "port": rule.local_port},
    )
