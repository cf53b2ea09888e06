"""Mutual TLS between hosts with the certificates in their stores."""

from __future__ import annotations

import ssl
from datetime import datetime

from cryptography import x509

from deploy.lab.site.certificates import (
    CertificateStore,
    describe,
    peer_problem,
    revocation_problem,
)
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.model import Host


def _context(protocol: int, store: CertificateStore, thumbprint: str) -> ssl.SSLContext:
    certificate, key = store.files(thumbprint)
    if not certificate.exists() or not key.exists():
        raise LinkError(
            LinkFailure.SECURITY,
            f"The certificate {thumbprint} is not in the store LocalMachine\\My or has no "
            "private key.",
        )
    context = ssl.SSLContext(protocol)
    context.check_hostname = False  # names are checked below, CN included, as Windows does
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    roots = store.roots_der()
    if roots:
        context.load_verify_locations(cadata=roots)
    return context


def client_context(store: CertificateStore, thumbprint: str) -> ssl.SSLContext:
    """Raises LinkError (security) when the certificate is not there."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, store, thumbprint)


def server_context(store: CertificateStore, thumbprint: str) -> ssl.SSLContext:
    """Raises LinkError (security) when the certificate is not there."""
    return _context(ssl.PROTOCOL_TLS_SERVER, store, thumbprint)


def check_peer(host: Host, peer_der: bytes | None, fqdn: str, now: datetime) -> None:
    """Check expiry, purposes, revocation and name of a peer whose chain OpenSSL accepted.

    Raises:
        LinkError: (security) with the reason.
    """
    if peer_der is None:
        raise LinkError(LinkFailure.SECURITY, "The peer has no certificate.")
    certificate = describe(x509.load_der_x509_certificate(peer_der), has_private_key=False)
    problem = peer_problem(certificate, fqdn, now) or revocation_problem(host)
    if problem is not None:
        raise LinkError(LinkFailure.SECURITY, problem)
