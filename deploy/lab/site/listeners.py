"""The replication listeners of a site's hosts, kept as their settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import clusters
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.listener import Listener
from deploy.lab.site.model import AuthenticationType
from deploy.lab.site.receiver import receive
from deploy.lab.site.replication_model import Authentication

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

log = structlog.get_logger(__name__)

_ACCEPTED = {
    AuthenticationType.KERBEROS: (Authentication.KERBEROS,),
    AuthenticationType.CERTIFICATE: (Authentication.CERTIFICATE,),
    AuthenticationType.CERTIFICATE_AND_KERBEROS: (
        Authentication.KERBEROS,
        Authentication.CERTIFICATE,
    ),
}


def firewall_open(host: Host, port: int) -> bool:
    return any(rule.enabled and rule.local_port == port for rule in host.firewall_rules)


@dataclass(frozen=True)
class _Wanted:
    """A listener as the settings ask for it; another signature means opening it again."""

    address: str
    port: int
    signature: tuple[object, ...]


_Key = tuple[str, Authentication]  # the name it answers to


class Listeners:
    """At most two a host, Kerberos over HTTP and certificates over HTTPS; as many for a broker.

    The broker's are opened by the node that owns it.
    """

    def __init__(self) -> None:
        self._open: dict[_Key, tuple[str, _Wanted, Listener]] = {}

    def _wanted(self, site: SiteCore, host: Host) -> dict[_Key, _Wanted]:
        server = host.replication_server
        if not server.enabled or not host.powered or server.authentication is None:
            return {}
        cluster = clusters.cluster_of(site, host)
        names = [(host.fqdn, host.address)]
        if cluster is not None and clusters.owns_broker(site, host):
            names.append((clusters.replication_name(site, host), cluster.broker_address))
        wanted = {}
        for authentication in _ACCEPTED[server.authentication]:
            certificate = authentication is Authentication.CERTIFICATE
            port = server.certificate_port if certificate else server.kerberos_port
            # A closed firewall drops packets; for a caller that is a listener that is not there.
            if not firewall_open(host, port):
                continue
            thumbprint = server.certificate_thumbprint if certificate else ""
            stores = site.certificate_inventory(host, thumbprint) if certificate else ()
            for name, address in names:
                signature = (port, thumbprint, stores)
                wanted[(name, authentication)] = _Wanted(address, port, signature)
        return wanted

    async def refresh(self, site: SiteCore, host: Host) -> None:
        """Open, close or open again what the settings ask; note the outcome in the settings."""
        wanted = self._wanted(site, host)
        for key, (owner, current, listener) in list(self._open.items()):
            if owner == host.fqdn and wanted.get(key) != current:
                del self._open[key]
                await listener.close()
        problems = []
        for key, each in wanted.items():
            if key in self._open:
                continue
            listener = Listener(site, host, key[1], receive, key[0])
            try:
                await listener.open(each.address, each.port)
            except (OSError, LinkError) as error:
                log.warning("listener.failed", host=host.fqdn, port=each.port, reason=str(error))
                problems.append(f"The listener on port {each.port} is not running: {error}")
            else:
                self._open[key] = (host.fqdn, each, listener)
        host.replication_server.operational_status = "Error" if problems else "Ok"
        host.replication_server.status_descriptions = problems
        site.save_host(host)

    async def sever(self, host: Host) -> None:
        """A host is gone, with all its connections."""
        for key, (owner, _, listener) in list(self._open.items()):
            if owner == host.fqdn:
                del self._open[key]
                await listener.sever()

    async def close(self) -> None:
        while self._open:
            _, (_, _, listener) = self._open.popitem()
            await listener.close()
