"""Paths that offline first copies travel through: where they are, who may use them, delegation."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site.durable_files import read_json, write_json
from deploy.lab.site.errors import HyperVError, operation_failed
from deploy.lab.site.json_codec import from_json, to_json

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

FULL_CONTROL, MODIFY, NONE = "FullControl", "Modify", "None"
LOCAL_PATH = r"C:\InitialReplication"
RECORDS_FILE = "transfer_paths.json"


@dataclass(kw_only=True)
class PathRights:
    """One account's NTFS rights, share permission, and local groups of the file server."""

    ntfs: str = NONE
    share: str = NONE
    groups: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class TransferPath:
    r"""A share (\\server\share), or a local folder that every host has for itself.

    ``grantable`` is false where the agent's account may not change permissions.
    """

    path: str
    rights: dict[str, PathRights] = field(default_factory=dict)
    grantable: bool = True

    @property
    def server(self) -> str:
        """Computer that shares it; empty for a local path."""
        return self.path.strip("\\").partition("\\")[0] if self.path.startswith("\\\\") else ""

    @property
    def share(self) -> str:
        return self.path.strip("\\").split("\\")[1] if self.server else ""


@dataclass(kw_only=True)
class Delegation:
    """A computer account's Delegation tab: trusted for these services only."""

    services: list[str] = field(default_factory=list)
    protocol_transition: bool = True


@dataclass(kw_only=True)
class TransferRecords:
    """What is written down; a host without a record of its own is trusted for every share."""

    paths: list[TransferPath] = field(default_factory=list)
    delegations: dict[str, Delegation] = field(default_factory=dict)


@dataclass(frozen=True)
class Accounts:
    """Names in the domain; one for the whole lab."""

    domain: str

    @property
    def vmm_service(self) -> str:
        return rf"{self.domain}\svc-vmm"

    @property
    def run_as(self) -> str:
        return rf"{self.domain}\svc-hosts"

    def computer(self, fqdn: str) -> str:
        return rf"{self.domain}\{fqdn.partition('.')[0].upper()}$"


def accounts(site: SiteCore) -> Accounts:
    return Accounts(site.vmm.server.fqdn.split(".")[1].upper())


class TransferPaths:
    """The paths of one site, kept in its folder; files below them are real files."""

    def __init__(self, site: SiteCore) -> None:
        self._site = site
        self._file = site.folder / RECORDS_FILE

    def load(self) -> TransferRecords:
        """The records; at first every file share of VMM and one local folder, with all rights."""
        if self._file.exists():
            return from_json(TransferRecords, read_json(self._file))
        known = accounts(self._site)
        records = TransferRecords()
        for path in (LOCAL_PATH, *(share.path for share in self._site.vmm.file_shares)):
            rights = {
                known.vmm_service: PathRights(
                    ntfs=FULL_CONTROL, share=FULL_CONTROL, groups=["Administrators"]
                ),
                known.run_as: PathRights(ntfs=MODIFY, share=FULL_CONTROL),
            }
            records.paths.append(TransferPath(path=path, rights=rights))
        return records

    def save(self, records: TransferRecords) -> None:
        write_json(self._file, to_json(records))

    def root_of(self, path: str) -> TransferPath | None:
        """The share or folder with rights of its own that a path lies in."""
        wanted = path.lower().rstrip("\\") + "\\"
        found = [
            each
            for each in self.load().paths
            if wanted.startswith(each.path.lower().rstrip("\\") + "\\")
        ]
        return max(found, key=lambda each: len(each.path), default=None)

    def folder(self, host_fqdn: str, path: str) -> Path | None:
        """The real folder of a path as a host sees it; None when there is no such path."""
        root = self.root_of(path)
        if root is None:
            return None
        place = self._site.folder / "transfer" / (root.server.lower() or host_fqdn)
        parts = [part for part in path.replace(":", "").split("\\") if part not in {"", ".", ".."}]
        inside = parts[1:] if root.server else parts
        folder = place.joinpath(*inside)
        if len(inside) == len([part for part in root.path.split("\\") if part]) - bool(root.server):
            folder.mkdir(parents=True, exist_ok=True)
        return folder if folder.is_dir() else None

    def delegation(self, host: Host) -> Delegation:
        known = self.load().delegations.get(host.fqdn)
        return known or Delegation(services=sorted(self._all_services()))

    def _all_services(self) -> set[str]:
        """Service names of every file server of the lab."""
        found = set()
        for file in self._site.environment.state_dir.glob("*/vmm.json"):
            shares = [share["path"] for share in read_json(file).get("file_shares", [])]
            found |= {f"cifs/{TransferPath(path=path).server}" for path in shares}
        return found | {f"cifs/{each.server}" for each in self.load().paths if each.server}


def check_use(site: SiteCore, host: Host, path: str, *, delegated: bool) -> Path:
    """The real folder, if Windows would let the host work in it.

    Args:
        site: The host's site.
        host: Who reads or writes.
        path: As Windows names it.
        delegated: The host acts for the caller, which a share allows only by delegation.

    Raises:
        HyperVError: There is no such path, or access is denied.
    """
    paths = TransferPaths(site)
    root = paths.root_of(path)
    folder = paths.folder(host.fqdn, path)
    if root is None or folder is None:
        raise operation_failed(f"The system cannot find the path specified: '{path}'. (0x80070003)")
    known = accounts(site)
    for account in (known.computer(host.fqdn), known.vmm_service):
        rights = root.rights.get(account, PathRights())
        if rights.ntfs != FULL_CONTROL or (root.server and rights.share != FULL_CONTROL):
            raise access_denied(path)
    if root.server:
        _check_share(site, host, root, path, delegated=delegated)
    return folder


def _check_share(
    site: SiteCore, host: Host, root: TransferPath, path: str, *, delegated: bool
) -> None:
    names = {name for each in site.hosts for name in (each.fqdn, each.fqdn.partition(".")[0])}
    if root.server.lower() in names:  # a host cannot reach itself, or a neighbour, as a file server
        raise access_denied(path)
    delegation = TransferPaths(site).delegation(host)
    services = {service.lower() for service in delegation.services}
    trusted = f"cifs/{root.server.lower()}" in services and delegation.protocol_transition
    if delegated and not trusted:
        raise access_denied(path)


def access_denied(path: str) -> HyperVError:
    return HyperVError(
        "AccessDenied",
        "PermissionDenied",
        f"You do not have permission to perform the operation on '{path}'. "
        "Error: 0x80070005 (General access denied error).",
    )


def carry(source: Path, target: Path, name: str = "") -> list[str]:
    """What the operator does with a disk in a bag: copies folders of exports, whole.

    Args:
        source: Real folder they are in.
        target: Real folder they go to.
        name: Only those whose name begins so; empty for all.

    Returns:
        Names of the folders.
    """
    folders = sorted(each for each in source.iterdir() if each.is_dir() and "_" in each.name)
    chosen = [each for each in folders if each.name.lower().startswith(name.lower())]
    for each in chosen:
        shutil.copytree(each, target / each.name, dirs_exist_ok=True)
    return [each.name for each in chosen]
