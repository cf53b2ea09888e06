"""What an offline first copy needs of its two paths, and what to grant where it is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from coordinator.failures import Failure

FULL_CONTROL = "FullControl"
READ_AND_WRITE = frozenset({FULL_CONTROL, "Modify"})
VMM_SERVICE, RUN_AS = "VmmService", "RunAs"
GROUPS = "Administrators, Power Users, Print Operators or Server Operators"


@dataclass(frozen=True)
class Access:
    """What one account may do in a path; see the wire's PathAccess."""

    account: str
    role: str
    ntfs: str
    share_permission: str = ""
    local_groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PathFacts:
    """A path as a host's provider sees it; see the wire's ReplicationPath."""

    host: str
    path: str
    exists: bool
    file_server: str = ""
    access: tuple[Access, ...] = ()
    delegated_services: tuple[str, ...] = ()
    protocol_transition: bool = False

    @property
    def where(self) -> str:
        """The computer that has it."""
        return self.file_server or self.host


def path_facts(told: Mapping[str, object]) -> PathFacts:
    """Reads the wire's ReplicationPath as JSON."""
    return PathFacts(
        host=str(told["host"]),
        path=str(told["path"]),
        exists=bool(told["exists"]),
        file_server=str(told.get("file_server", "")),
        access=tuple(
            Access(
                str(each["account"]),
                str(each["role"]),
                str(each["ntfs"]),
                str(each.get("share_permission", "")),
                tuple(cast("Sequence[str]", each.get("local_groups", ()))),
            )
            for each in cast("Sequence[Mapping[str, object]]", told.get("access", ()))
        ),
        delegated_services=tuple(cast("Sequence[str]", told.get("delegated_services", ()))),
        protocol_transition=bool(told.get("protocol_transition", False)),
    )


def check_paths(
    export: PathFacts, import_: PathFacts, hyperv_hosts: Collection[str]
) -> tuple[Failure, ...]:
    """Everything that stands against an offline first copy.

    Args:
        export: The export path as the primary's host has it.
        import_: The import path as the recovery host has it.
        hyperv_hosts: FQDNs of all hosts in use, of both sites.

    Returns:
        A failure for each missing thing, which says what to grant, to whom, and where; none when
        the copy may begin. The hosts' own accounts are not looked at: they are granted their
        rights.

    Source: SPEC OF-2.
    """
    found: list[Failure] = []
    for purpose, facts in (("export", export), ("import", import_)):
        if not facts.exists:
            found.append(_missing(purpose, facts))
            continue
        if _is_one_of(facts.file_server, hyperv_hosts):
            found.append(_on_a_host(purpose, facts))
        found.extend(_rights(purpose, facts))
    servers = {each.file_server.lower(): each.file_server for each in (export, import_)}
    servers.pop("", None)
    found.extend(
        _undelegated(export, server)
        for server in servers.values()
        if not _is_delegated(export, server)
    )
    return tuple(found)


def one_failure(failures: Sequence[Failure]) -> Failure:
    """Several missing things as one failure; each remedy is numbered."""
    if len(failures) == 1:
        return failures[0]
    return Failure(
        "OfflineReplicationNotReady",
        f"{len(failures)} things are missing for the offline first copy.",
        tuple(failure.message for failure in failures),
        " ".join(
            f"{number}. {failure.recommended_action}"
            for number, failure in enumerate(failures, start=1)
        ),
    )


def _missing(purpose: str, facts: PathFacts) -> Failure:
    return Failure(
        "OfflinePathMissing",
        f"The {purpose} path {facts.path} does not exist on {facts.where}.",
        ("The folder or the share was not made, or is spelt otherwise in the policy.",),
        f"Make the folder{' and its share' if facts.file_server else ''} {facts.path} on "
        f"{facts.where}, or correct the policy; then enable protection again.",
    )


def _on_a_host(purpose: str, facts: PathFacts) -> Failure:
    return Failure(
        "OfflinePathOnHyperVHost",
        f"The {purpose} path {facts.path} is a share of {facts.file_server}, which is a Hyper-V "
        "host in use.",
        ("Hyper-V does not support a host that is its own file server (loopback).",),
        f"Move the share of {facts.path} to a file server that is no Hyper-V host, and put its "
        "path into the policy.",
    )


def _rights(purpose: str, facts: PathFacts) -> Iterator[Failure]:
    for access in facts.access:
        if access.role == VMM_SERVICE:
            yield from _service_rights(purpose, facts, access)
        elif access.role == RUN_AS and not _may(facts, access, READ_AND_WRITE):
            yield _ungranted(purpose, facts, access, "the Run As account", "read and write")


def _service_rights(purpose: str, facts: PathFacts, access: Access) -> Iterator[Failure]:
    if not _may(facts, access, frozenset({FULL_CONTROL})):
        yield _ungranted(purpose, facts, access, "the VMM service account", "Full Control")
    if facts.file_server and not access.local_groups:
        yield Failure(
            "OfflinePathGroupMissing",
            f"The VMM service account {access.account} is in none of the groups of "
            f"{facts.file_server} that may manage the share of the {purpose} path {facts.path}.",
            (f"On a remote share it must be in {GROUPS} of that computer.",),
            f"Add {access.account} to the local group Administrators, Power Users, Print Operators "
            f"or Server Operators on {facts.file_server}.",
        )


def _may(facts: PathFacts, access: Access, rights: frozenset[str]) -> bool:
    return access.ntfs in rights and (not facts.file_server or access.share_permission in rights)


def _ungranted(purpose: str, facts: PathFacts, access: Access, who: str, what: str) -> Failure:
    share = f", on the share {access.share_permission or 'None'}" if facts.file_server else ""
    also = f" and share permission {what}" if facts.file_server else ""
    return Failure(
        "OfflinePathRightsMissing",
        f"{who[0].upper()}{who[1:]} {access.account} lacks rights on the {purpose} path "
        f"{facts.path} on {facts.where}: it has NTFS {access.ntfs}{share}.",
        (f"{who[0].upper()}{who[1:]} needs NTFS {what}{also}.",),
        f"Grant {access.account} NTFS {what}{also} on {facts.path} on {facts.where}.",
    )


def _undelegated(export: PathFacts, server: str) -> Failure:
    host = export.host
    trusted = ", ".join(export.delegated_services) or "nothing"
    if not export.protocol_transition and _trusts(export, server):
        trusted += ", with Kerberos only"
    return Failure(
        "ConstrainedDelegationMissing",
        f"{host} is not trusted for delegation to cifs on {server} (it is trusted for {trusted}).",
        (
            (
                "Constrained delegation is configured in Active Directory for each source host, for"
                " the computers of the export and of the import path."
            ),
        ),
        f"In Active Directory Users and Computers open the computer account of {host}, tab "
        "Delegation: trust it for delegation to specified services only, use any authentication "
        f"protocol, and add the service cifs of {server}.",
    )


def _is_delegated(export: PathFacts, server: str) -> bool:
    return export.protocol_transition and _trusts(export, server)


def _trusts(export: PathFacts, server: str) -> bool:
    services = [service.partition("/") for service in export.delegated_services]
    return any(
        kind.lower() == "cifs" and _same_computer(name, server) for kind, _, name in services
    )


def _is_one_of(server: str, hosts: Collection[str]) -> bool:
    return bool(server) and any(_same_computer(server, host) for host in hosts)


def _same_computer(one: str, other: str) -> bool:
    """A short name is taken for the computer of that first label, whatever its domain."""
    one, other = one.lower(), other.lower()
    if "." in one and "." in other:
        return one == other
    return one.partition(".")[0] == other.partition(".")[0]
