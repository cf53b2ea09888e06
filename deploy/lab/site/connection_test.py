"""Test-VMReplicationConnection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.errors import operation_failed
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.replica_connection import Endpoint, connect
from deploy.lab.site.replication_model import Authentication
from deploy.lab.site.replication_servers import check_own_certificate

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host


async def test(
    site: SiteCore,
    host: Host,
    replica_server: str,
    port: int,
    credentials: tuple[Authentication, str],
) -> None:
    """Connect and introduce oneself.

    Whether the real cmdlet also checks the authorization entries is not known; this one does not.

    Raises:
        HyperVError: With WinHTTP's text and number, as Hyper-V passes them on.
    """
    authentication, thumbprint = credentials
    if authentication is Authentication.CERTIFICATE:
        check_own_certificate(site, host, thumbprint)
    try:
        async with connect(site, host, Endpoint(replica_server, port, authentication, thumbprint)):
            return
    except LinkError as error:
        raise operation_failed(
            f"The connection to the specified Replica server '{replica_server}' on port {port} "
            f"failed. {error.text}"
        ) from error
