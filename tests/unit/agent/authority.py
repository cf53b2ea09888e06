"""Certificates of the tests' coordinator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Authority:
    """A coordinator's CA."""

    def __init__(self, name: str = "Coordinator CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(
            self.name, self.key.public_key(), timedelta(days=3650), timedelta(days=1), ()
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)

    def server(self, *names: str) -> tuple[bytes, bytes]:
        """Private key and chain in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            _name("coordinator"), key.public_key(), timedelta(days=1), timedelta(days=1), names
        )
        private = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private, certificate.public_bytes(PEM) + self.pem

    def sign_request(
        self, request: bytes, *, left: timedelta = timedelta(days=30), age: timedelta | None = None
    ) -> bytes:
        """A client certificate in DER.

        Args:
            request: PKCS #10, DER.
            left: Until it expires.
            age: Since it became valid.
        """
        key = x509.load_der_x509_csr(request).public_key()
        assert isinstance(key, PublicKey)
        signed = self._sign(_name("provider"), key, left, age or timedelta(minutes=1), ())
        return signed.public_bytes(DER)

    def sign(self, content: bytes) -> bytes:
        return self.key.sign(content, ec.ECDSA(hashes.SHA256()))

    def _sign(
        self,
        subject: x509.Name,
        key: PublicKey,
        left: timedelta,
        age: timedelta,
        names: tuple[str, ...],
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - age)
            .not_valid_after(now + left)
            .add_extension(
                x509.BasicConstraints(ca=subject == self.name, path_length=None), critical=True
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
