"""The gateway's TLS credentials, read again when the certificate was renewed."""

from __future__ import annotations

from pathlib import Path

import grpc
import structlog

from coordinator.vaults.services import ServerCertificate

log = structlog.get_logger(__name__)


class CertificateFiles:
    """Key and certificate as gRPC wants them, and whether they have changed."""

    def __init__(self, files: ServerCertificate, client_authority: Path | None) -> None:
        """Makes a reader.

        Args:
            files: The server's.
            client_authority: PEM of who issues client certificates; None: none are asked for.
        """
        self._files = files
        self._client_authority = client_authority
        self._read_at = 0

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files."""
        return grpc.dynamic_ssl_server_credentials(
            self._read(),
            self._read_if_changed,  # type: ignore[arg-type]  # documented: None is "no change"
            require_client_authentication=self._client_authority is not None,
        )

    def _read(self) -> grpc.ServerCertificateConfiguration:
        self._read_at = self._files.certificate_file.stat().st_mtime_ns
        pair = self._files.key_file.read_bytes(), self._files.certificate_file.read_bytes()
        authority = self._client_authority
        return grpc.ssl_server_certificate_configuration(
            [pair], root_certificates=None if authority is None else authority.read_bytes()
        )

    def _read_if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """For each handshake; None: the same as before."""
        try:
            if self._files.certificate_file.stat().st_mtime_ns == self._read_at:
                return None
            log.info("certificate.read_again")
            return self._read()
        except OSError as error:
            log.warning("certificate.unreadable", reason=type(error).__name__)
            return None
