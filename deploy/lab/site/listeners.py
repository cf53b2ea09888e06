"""The replication listeners of a site's hosts, kept as their settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

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


class Listeners:
    """At most two a host: Kerberos over HTTP, certificates over HTTPS."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Authentication], tuple[tuple[object, ...], Listener]] = {}

    def _wanted(
        self, site: SiteCore, host: Host
    ) -> dict[Authentication, tuple[int, tuple[object, ...]]]:
        """Authentication to port and everything else that a listener was opened with."""
        server = host.replication_server
        if not server.enabled or not host.powered or server.authentication is None:
            return {}
        wanted: dict[Authentication, tuple[int, tuple[object, ...]]] = {}
        for authentication in _ACCEPTED[server.authentication]:
            certificate = authentication is Authentication.CERTIFICATE
            port = server.certificate_port if certificate else server.kerberos_port
            # A closed firewall drops packets; for a caller that is a listener that is not there.
            if firewall_open(host, port):
                thumbprint = server.certificate_thumbprint if certificate else ""
                stores = site.certificate_inventory(host, thumbprint) if certificate else ()
                wanted[authentication] = (port, (port, thumbprint, stores))
        return wanted

    async def refresh(self, site: SiteCore, host: Host) -> None:
        """Open, close or open again what the settings ask; note the outcome in the settings."""
        wanted = self._wanted(site, host)
        problems = []
        for authentication in Authentication:
            key = (host.fqdn, authentication)
            current = self._open.get(key)
            port, signature = wanted.get(authentication, (0, ()))
            if current is not None and current[0] == signature:
                continue
            if current is not None:
                del self._open[key]
                await current[1].close()
            if authentication in wanted:
                listener = Listener(site, host, authentication, receive)
                try:
                    await listener.open(port)
                except (OSError, LinkError) as error:
                    log.warning("listener.failed", host=host.fqdn, port=port, reason=str(error))
                    problems.append(f"The listener on port {port} is not running: {error}")
                else:
                    self._open[key] = (signature, listener)
        host.replication_server.operational_status = "Error" if problems else "Ok"
        host.replication_server.status_descriptions = problems
        site.save_host(host)

    async def close(self) -> None:
        while self._open:
            _, (_, listener) = self._open.popitem()
            await listener.close()
