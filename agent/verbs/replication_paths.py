"""Commands about the paths of offline first copies: who may do what there, and granting it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.first_copy_pb2 import (
    CheckReplicationPath,
    GrantReplicationPath,
    PathAccess,
    ReplicationPath,
)

from agent.failures import CommandError
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext

VMM_SERVICE = "VmmService"
RUN_AS = "RunAs"
HOST_COMPUTER = "HostComputer"

PATH_PROPERTIES = (
    "Exists",
    "FileServer",
    "Share",
    "Account",
    "NtfsRights",
    "SharePermission",
    "LocalGroups",
)

_LOCAL_SYSTEM = frozenset({"localsystem", "nt authority\\system"})
"""On the network these are their computer's account."""


@dataclass(frozen=True)
class _Delegation:
    account: str
    services: tuple[str, ...]
    protocol_transition: bool


async def check_replication_path(
    request: CheckReplicationPath, context: VerbContext
) -> ReplicationPath:
    """Looks at a path, at the rights of everybody who needs it, and at the host's delegation.

    Changes nothing; what the findings mean is the coordinator's to say.

    Raises:
        PowerShellError: VMM, the domain, or the computer that has the path could not be asked.
    """
    return await _look(context, request.host, request.path)


async def grant_replication_path(
    request: GrantReplicationPath, context: VerbContext
) -> ReplicationPath:
    """Gives the host's computer account full control of the path.

    Idempotent: an account that has it already is left alone.

    Raises:
        CommandError: 31218: the agent may not grant it; the failure says what to grant by hand.
    """

    async def act(seen: ReplicationPath) -> None:
        await context.powershell.run(
            cmdlet(
                "Grant-OsrReplicationPath",
                ComputerName=request.host,
                Path=request.path,
                Account=_host_account(seen),
            ),
            time_limit_seconds=context.action_seconds(),
        )

    goal: Goal[ReplicationPath] = Goal(
        action="Grant-OsrReplicationPath",
        expected="the host's computer account in full control",
        observe=lambda: _look(context, request.host, request.path),
        reached=_host_may,
        describe=_described,
    )
    try:
        return await reach(context, goal, act)
    except CommandError as error:
        seen = await _look(context, request.host, request.path)
        raise CommandError(_not_granted(seen, error.failure)) from error


async def _look(context: VerbContext, host: str, path: str) -> ReplicationPath:
    delegation = await _delegation(context, host)
    accounts = {
        HOST_COMPUTER: delegation.account,
        VMM_SERVICE: await _vmm_service_account(context),
        RUN_AS: await _run_as_account(context, host),
    }
    named = list(dict.fromkeys(account for account in accounts.values() if account))
    found = await context.reader.run(
        cmdlet("Test-OsrReplicationPath", ComputerName=host, Path=path, Account=tuple(named)),
        select(*PATH_PROPERTIES),
        time_limit_seconds=context.read_seconds(),
    )
    answer = ReplicationPath(
        host=host,
        path=path,
        delegated_services=delegation.services,
        protocol_transition=delegation.protocol_transition,
    )
    if found:
        answer.exists = found[0].boolean("Exists")
        answer.file_server = found[0].optional_text("FileServer") or ""
        answer.share = found[0].optional_text("Share") or ""
    for role, account in accounts.items():
        if account:
            answer.access.append(_access(role, account, found))
    return answer


def _access(role: str, account: str, found: Iterable[PSRecord]) -> PathAccess:
    for record in found:
        if (record.optional_text("Account") or "").casefold() == account.casefold():
            return PathAccess(
                role=role,
                account=account,
                ntfs=record.optional_text("NtfsRights") or "None",
                share_permission=record.optional_text("SharePermission") or "",
                local_groups=record.strings("LocalGroups"),
            )
    return PathAccess(role=role, account=account, ntfs="None")


async def _delegation(context: VerbContext, computer: str) -> _Delegation:
    """What the domain says of a computer's account.

    Raises:
        PowerShellError: The domain could not be asked, or has no such computer.
    """
    found = await context.reader.run(
        cmdlet("Get-OsrDelegation", ComputerName=computer),
        select("Account", "AllowedToDelegateTo", "ProtocolTransition"),
        time_limit_seconds=context.read_seconds(),
    )
    if not found:
        return _Delegation("", (), protocol_transition=False)
    record = found[0]
    return _Delegation(
        record.text("Account"),
        tuple(record.strings("AllowedToDelegateTo")),
        protocol_transition=record.boolean("ProtocolTransition"),
    )


async def _vmm_service_account(context: VerbContext) -> str:
    found = await context.reader.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        select("VMMServiceAccount", "FullyQualifiedDomainName"),
        time_limit_seconds=context.read_seconds(),
    )
    account = found[0].optional_text("VMMServiceAccount") or "" if found else ""
    if found and account.casefold() in _LOCAL_SYSTEM:
        return (await _delegation(context, found[0].text("FullyQualifiedDomainName"))).account
    return account


async def _run_as_account(context: VerbContext, host: str) -> str:
    """The account VMM manages the host with; empty when it is VMM's own.

    The RunAs account's own name, which is what the host would show of it, is any name in VMM.
    """
    found = await context.reader.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        cmdlet("Get-SCVMHost", ComputerName=host),
        Cmdlet("Select-Object", {"ExpandProperty": "RunAsAccount"}),
        select("Domain", "UserName"),
        time_limit_seconds=context.read_seconds(),
    )
    if not found:
        return ""
    domain, user = (found[0].optional_text(name) or "" for name in ("Domain", "UserName"))
    return rf"{domain}\{user}" if domain and "\\" not in user else user


def _host_access(seen: ReplicationPath) -> PathAccess:
    return next((each for each in seen.access if each.role == HOST_COMPUTER), PathAccess())


def _host_account(seen: ReplicationPath) -> str:
    return _host_access(seen).account


def _host_may(seen: ReplicationPath) -> bool:
    access = _host_access(seen)
    return access.ntfs == "FullControl" and access.share_permission in {"", "FullControl"}


def _described(seen: ReplicationPath) -> str:
    access = _host_access(seen)
    share = f", share {access.share_permission}" if access.share_permission else ""
    return f"{access.account}: NTFS {access.ntfs}{share}"


def _not_granted(seen: ReplicationPath, problem: Failure) -> Failure:
    where = f"{seen.path} on {seen.file_server or seen.host}"
    return Failure(
        code="31218",
        message=f"{seen.host} has no permission on the folder of the offline copy, {where}, and the"
        f" agent could not grant it ({_described(seen)}). {problem.message}",
        possible_causes=[
            f"The agent's account is no administrator of {seen.file_server or seen.host}.",
            "The share is on a device whose permissions cannot be changed from Windows.",
        ],
        recommended_action=f"Grant {_host_account(seen)} NTFS Full Control"
        + (" and share permission Full Control" if seen.file_server else "")
        + f" on {where}, then run the operation again.",
        transient=problem.transient,
        powershell=problem.powershell,
    )
