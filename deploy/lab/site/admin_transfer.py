"""The admin socket's request about paths of offline first copies: rights and delegation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deploy.lab.site.transfer_paths import (
    FULL_CONTROL,
    NONE,
    Delegation,
    PathRights,
    TransferPath,
    TransferPaths,
    TransferRecords,
    accounts,
)

if TYPE_CHECKING:
    from deploy.lab.site.json_lines import Request
    from deploy.lab.site.site import Site


def change_paths(site: Site, request: Request) -> dict[str, Any]:
    """Does what ``action`` says and tells the paths with their rights.

    Actions: ``show``; ``add`` a path with all rights for VMM's accounts; ``right`` sets an
    account's (``vmm-service``, ``run-as``, a host's name, or a full name) NTFS and share rights;
    ``lock`` takes the agent's right to grant; ``delegate`` sets a host's delegated services.

    Raises:
        KeyError, ValueError: The request makes no sense.
    """
    paths = TransferPaths(site)
    records = paths.load()
    action = str(request["action"])
    if action == "add":
        records.paths.append(_new_path(site, str(request["path"])))
    elif action == "right":
        rights = PathRights(
            ntfs=str(request.get("ntfs", NONE)),
            share=str(request.get("share", NONE)),
            groups=list(request.get("groups", [])),
        )
        _path(records, request).rights[_account(site, str(request["account"]))] = rights
    elif action == "lock":
        _path(records, request).grantable = not request.get("locked", True)
    elif action == "delegate":
        records.delegations[site.host(str(request["host"])).fqdn] = Delegation(
            services=[str(each) for each in request["services"]],
            protocol_transition=bool(request.get("protocol_transition", True)),
        )
    elif action != "show":
        raise ValueError(f"unknown action {action!r}")
    paths.save(records)
    return {
        each.path: {name: [rights.ntfs, rights.share] for name, rights in each.rights.items()}
        for each in records.paths
    }


def _new_path(site: Site, path: str) -> TransferPath:
    full = PathRights(ntfs=FULL_CONTROL, share=FULL_CONTROL, groups=["Administrators"])
    known = accounts(site)
    return TransferPath(path=path, rights={known.vmm_service: full, known.run_as: full})


def _path(records: TransferRecords, request: Request) -> TransferPath:
    for each in records.paths:
        if each.path.lower() == str(request["path"]).lower():
            return each
    raise ValueError(f"there is no path {request['path']!r}")


def _account(site: Site, name: str) -> str:
    known = accounts(site)
    by_role = {"vmm-service": known.vmm_service, "run-as": known.run_as}
    if name in by_role:
        return by_role[name]
    return name if "\\" in name else known.computer(site.host(name).fqdn)
