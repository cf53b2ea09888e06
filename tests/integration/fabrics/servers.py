"""VMM servers that want to register: keys, requests, and what they send."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest, VmmServer

from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority, KeyIssuer, generate_registration_key

ENDPOINT = "localhost:9444"


def make_key_file(vault: Vault, authority: Authority, now: datetime, max_uses: int = 10) -> bytes:
    issuer = KeyIssuer(authority, ENDPOINT)
    generated = generate_registration_key(vault, issuer, "Li Wei", now, max_uses)
    return generated.file.reveal().encode()


def make_certificate_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


class VmmServerToRegister:
    """A server with a key pair of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.installation_id = str(uuid4())
        self.private_key = ec.generate_private_key(ec.SECP256R1())

    def request(self, key_file: bytes) -> RegisterRequest:
        return RegisterRequest(
            registration_key=key_file,
            certificate_request=make_certificate_request(self.private_key),
            friendly_name=self.name,
            vmm_server=VmmServer(
                fqdn=f"{self.name.lower()}.example.com",
                product_version="4.2.8928.0",
                installation_id=self.installation_id,
            ),
            agent_version="0.1.0",
            synchronize_all_clouds=True,
        )
