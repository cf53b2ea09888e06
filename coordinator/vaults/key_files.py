"""Files of private keys and certificates, made once however many processes want them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyFileError(Exception):
    """A file of keys or certificates holds something else than was written to it."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: one process at a time makes keys in it.

    The folder is made when missing, for its owner only. The lock goes with the process, so one
    that was killed leaves nothing to clean up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def ensure_secret(file: Path, make: Callable[[], str]) -> str:
    """What a secret's file says; made with mode 0600 when there is none.

    Args:
        file: Of one line.
        make: Gives a new secret, ASCII.

    Idempotent, also when several processes start at once.
    """
    if not file.exists():
        with exclusive(file.parent):
            if not file.exists():
                write_file(file, make().encode("ascii"), 0o600)
    return file.read_text(encoding="ascii").strip()


def write_file(file: Path, content: bytes, mode: int) -> None:
    """Writes the file whole or not at all, with `mode` from its first byte on."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in the folder outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private_key(file: Path, key: PrivateKey) -> None:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_file(file, text, 0o600)


def read_private_key(file: Path) -> PrivateKey:
    """Reads a key that `write_private_key` wrote.

    Raises:
        KeyFileError: The file holds a key of another kind.
        ValueError: The file holds no key.
    """
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise KeyFileError(f"{file} holds a key of a kind that is not used here")
    return key


def write_certificates(file: Path, *certificates: x509.Certificate) -> None:
    text = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    write_file(file, text, 0o644)


def read_certificate(file: Path) -> x509.Certificate:
    """The first certificate of a PEM file."""
    return x509.load_pem_x509_certificate(file.read_bytes())
