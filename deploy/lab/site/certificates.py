"""The certificate stores of a host, My and Root of LocalMachine, as folders of PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.lab.site.durable_files import write_durably
from deploy.lab.site.errors import HyperVError, not_found

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

REQUIRED_USAGES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "client authentication",
    ExtendedKeyUsageOID.SERVER_AUTH: "server authentication",
}


@dataclass(frozen=True)
class HostCertificate:
    """One certificate as certutil shows it; names are the subject's CN and the SAN's DNS names."""

    thumbprint: str
    subject: str
    issuer: str
    dns_names: tuple[str, ...]
    usages: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    has_private_key: bool
    friendly_name: str = ""

    def names(self, fqdn: str) -> bool:
        """Whether CN or SAN name the host, literally or by a wildcard in the first label."""
        wanted = fqdn.lower()
        wildcard = "*." + wanted.partition(".")[2]
        return any(name.lower() in (wanted, wildcard) for name in self.dns_names)


def thumbprint_of(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - Windows' thumbprint is SHA-1 by definition


def describe(certificate: x509.Certificate, *, has_private_key: bool) -> HostCertificate:
    names = [
        str(attribute.value)
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    usages: tuple[str, ...] = ()
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names += extension.value.get_values_for_type(x509.DNSName)
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            usages = tuple(usage.dotted_string for usage in extension.value)
    return HostCertificate(
        thumbprint=thumbprint_of(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        dns_names=tuple(dict.fromkeys(names)),
        usages=usages,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        has_private_key=has_private_key,
    )


def problem_of(certificate: HostCertificate, fqdn: str, now: datetime) -> str | None:
    """Why Hyper-V Replica would not use the certificate for this host; None when it would."""
    if not certificate.has_private_key:
        return "The certificate has no private key."
    return peer_problem(certificate, fqdn, now)


def peer_problem(certificate: HostCertificate, fqdn: str, now: datetime) -> str | None:
    """The part of the check that one can make of another host's certificate."""
    if not certificate.not_before <= now <= certificate.not_after:
        return "The certificate has expired or is not yet valid. (0x800B0101)"
    missing = [
        name
        for usage, name in REQUIRED_USAGES.items()
        if usage.dotted_string not in certificate.usages
    ]
    if missing:
        return f"The certificate is not valid for {' and '.join(missing)}. (0x800B0110)"
    if not certificate.names(fqdn):
        return f"The certificate's subject name does not match '{fqdn}'. (0x800B010F)"
    return None


def revocation_problem(host: Host) -> str | None:
    """Why the host believes no peer: it asks whether certificates are revoked, and gets no answer.

    No certificate of the lab names a list of revoked ones. Which of them Hyper-V Replica would
    accept all the same is not documented; the lab takes the harsher: none, until the host is told
    not to ask.
    """
    if host.revocation_check_disabled:
        return None
    return "The revocation server was offline or is not named in the certificate. (0x80092013)"


class CertificateStore:
    """My and Root of one host; the private keys' files are readable by their owner only."""

    def __init__(self, host_folder: Path) -> None:
        self._my = host_folder / "My"
        self._root = host_folder / "Root"

    def personal(self) -> tuple[HostCertificate, ...]:
        return tuple(
            describe(
                x509.load_pem_x509_certificate(file.read_bytes()),
                has_private_key=file.with_suffix(".key").exists(),
            )
            for file in sorted(self._my.glob("*.pem"))
        )

    def find(self, thumbprint: str) -> HostCertificate | None:
        wanted = thumbprint.replace(" ", "").upper()
        return next((each for each in self.personal() if each.thumbprint == wanted), None)

    def files(self, thumbprint: str) -> tuple[Path, Path]:
        """Certificate (with its chain) and private key."""
        wanted = thumbprint.replace(" ", "").upper()
        return self._my / f"{wanted}.pem", self._my / f"{wanted}.key"

    def roots_der(self) -> bytes:
        """All trusted roots, one after the other."""
        return b"".join(
            x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(
                serialization.Encoding.DER
            )
            for file in sorted(self._root.glob("*.pem"))
        )

    def inventory(self, thumbprint: str = "") -> tuple[str, ...]:
        """Names of what is in both stores, to see whether something is new.

        Args:
            thumbprint: Of the one certificate in My that counts; empty when all do.
        """
        wanted = f"{thumbprint.upper()}.*" if thumbprint else "*"
        files = [*self._my.glob(wanted), *self._root.glob("*")]
        return tuple(sorted(str(file) for file in files))

    def import_pfx(self, pfx: bytes, password: str) -> str:
        """Keep the certificate and its key.

        Raises:
            HyperVError: The password is wrong, the file is none, or has no certificate with key.
        """
        try:
            bundle = pkcs12.load_pkcs12(pfx, password.encode())
        except ValueError as error:
            raise HyperVError(
                "System.ComponentModel.Win32Exception",
                "InvalidData",
                "The PFX file you are trying to import requires either a different password or "
                "membership in an Active Directory principal to which it is protected.",
                "System.ComponentModel.Win32Exception",
            ) from error
        if bundle.cert is None or bundle.key is None:
            raise HyperVError(
                "InvalidData", "InvalidData", "The PFX file has no certificate with a private key."
            )
        certificate = bundle.cert.certificate
        pem, key = self.files(thumbprint_of(certificate))
        chain = [certificate, *(each.certificate for each in bundle.additional_certs)]
        write_durably(
            key,
            bundle.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            mode=0o600,
        )
        write_durably(
            pem, b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
        )
        return thumbprint_of(certificate)

    def import_root(self, der: bytes) -> None:
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise HyperVError(
                "InvalidData", "InvalidData", "The root certificate cannot be read."
            ) from error
        write_durably(
            self._root / f"{thumbprint_of(certificate)}.pem",
            certificate.public_bytes(serialization.Encoding.PEM),
        )

    def delete(self, thumbprint: str) -> None:
        pem, key = self.files(thumbprint)
        pem.unlink(missing_ok=True)
        key.unlink(missing_ok=True)


def install(
    site: SiteCore, host: Host, material: tuple[bytes, str, bytes], command_id: str | None
) -> str:
    """Import PFX (with its password) and root; see Site.install_certificate."""
    pfx, password, root_der = material
    store = CertificateStore(site.host_folder(host))
    before = store.inventory()
    store.import_root(root_der)
    thumbprint = store.import_pfx(pfx, password)
    if store.inventory() == before and host.revocation_check_disabled:
        return thumbprint
    # The function of the product's module does all three.
    host.revocation_check_disabled = True
    site.save_host(host)
    site.record(
        host.fqdn,
        ("certificate.installed", host.fqdn),
        command_id,
        {"thumbprint": thumbprint},
    )
    return thumbprint


def install_root(site: SiteCore, host: Host, der: bytes, command_id: str | None) -> None:
    """Trust an issuer; nothing is journalled when the host trusts it already."""
    store = CertificateStore(site.host_folder(host))
    before = store.inventory()
    store.import_root(der)
    if store.inventory() != before:
        site.record(host.fqdn, ("root_certificate.installed", host.fqdn), command_id, {})


def remove(site: SiteCore, host: Host, thumbprint: str, command_id: str | None) -> None:
    store = CertificateStore(site.host_folder(host))
    if store.find(thumbprint) is None:
        raise not_found(f"Cannot find the certificate {thumbprint} in LocalMachine\\My.")
    store.delete(thumbprint)
    site.record(
        host.fqdn, ("certificate.removed", host.fqdn), command_id, {"thumbprint": thumbprint}
    )
