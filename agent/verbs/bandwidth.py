"""The command that limits what a host sends to the ports of replica servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opensiterecovery.provider.v1.bandwidth_pb2 import (
    BandwidthLimit,
    PortLimit,
    SetBandwidthLimit,
)

from agent.powershell.cmdlet import Value, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext

PREFIX = "Open Site Recovery replication to port "
"""Of the names of our policies; all others on the host are somebody else's."""

# NetQos keeps rates in whole KiB a second and rounds up.
_STEP_BITS_PER_SECOND = 8 * 1024


@dataclass(frozen=True)
class _Policies:
    """Our policies on the host: port to bits a second; and how those differ from what is wanted."""

    present: Mapping[int, int]
    missing: tuple[PortLimit, ...]
    different: tuple[PortLimit, ...]
    surplus: tuple[str, ...]

    @property
    def as_wanted(self) -> bool:
        return not (self.missing or self.different or self.surplus)

    def __str__(self) -> str:
        limits = ", ".join(f"port {port}: {bits} bit/s" for port, bits in self.present.items())
        return limits or "no limit"


async def set_bandwidth_limit(request: SetBandwidthLimit, context: VerbContext) -> BandwidthLimit:
    """Makes the host's limits for replication those of the command, by destination port.

    The policies are kept in the host's own persistent store, so they hold after it restarts. The
    host is named in -CimSession, which takes a computer name: the NetQos cmdlets have no
    -ComputerName.

    Idempotent: policies that are as wanted stay; those of other names are never looked at.

    Raises:
        CommandError: The host refuses.

    Source: SPEC CA-2; New-, Set- and Remove-NetQosPolicy.
    """

    async def act(policies: _Policies) -> None:
        for limit in policies.missing:
            await _run(
                context,
                request.host,
                "New-NetQosPolicy",
                _name(limit.port),
                IPProtocolMatchCondition="TCP",
                IPDstPortMatchCondition=limit.port,
                ThrottleRateActionBitsPerSecond=limit.bits_per_second,
            )
        for limit in policies.different:
            await _run(
                context,
                request.host,
                "Set-NetQosPolicy",
                _name(limit.port),
                ThrottleRateActionBitsPerSecond=limit.bits_per_second,
            )
        for name in policies.surplus:
            await _run(context, request.host, "Remove-NetQosPolicy", name)

    goal = Goal(
        action="Set-NetQosPolicy",
        expected=", ".join(
            f"port {limit.port}: {limit.bits_per_second} bit/s" for limit in request.limits
        )
        or "no limit",
        observe=lambda: _look(request, context),
        reached=lambda policies: policies.as_wanted,
        describe=str,
    )
    found = await reach(context, goal, act)
    return BandwidthLimit(
        host=request.host,
        limits=[
            PortLimit(port=port, bits_per_second=bits)
            for port, bits in sorted(found.present.items())
        ],
    )


async def _run(
    context: VerbContext, host: str, name: str, policy: str, **parameters: Value
) -> None:
    await context.powershell.run(
        cmdlet(name, Name=policy, CimSession=host, Confirm=False, **parameters),
        time_limit_seconds=context.action_seconds(),
    )


async def _look(request: SetBandwidthLimit, context: VerbContext) -> _Policies:
    found = await context.reader.run(
        cmdlet("Get-NetQosPolicy", CimSession=request.host),
        select("Name", "IPDstPortStartMatchCondition", "ThrottleRateAction"),
        time_limit_seconds=context.read_seconds(),
    )
    ours = {record.text("Name"): record for record in found if _is_ours(record)}
    by_name = {name.casefold(): record for name, record in ours.items()}
    wanted = {_name(limit.port).casefold(): limit for limit in request.limits}
    return _Policies(
        present={_port(record): _bits(record) for record in ours.values()},
        missing=tuple(limit for name, limit in wanted.items() if name not in by_name),
        different=tuple(
            limit
            for name, limit in wanted.items()
            if name in by_name and not _same_rate(limit.bits_per_second, _bits(by_name[name]))
        ),
        surplus=tuple(name for name in ours if name.casefold() not in wanted),
    )


def _same_rate(wanted: int, present: int) -> bool:
    rounded = -(-wanted // _STEP_BITS_PER_SECOND) * _STEP_BITS_PER_SECOND
    return present in (wanted, rounded)


def _is_ours(record: PSRecord) -> bool:
    return record.text("Name").casefold().startswith(PREFIX.casefold())


def _port(record: PSRecord) -> int:
    return record.optional_integer("IPDstPortStartMatchCondition") or 0


def _bits(record: PSRecord) -> int:
    return record.optional_integer("ThrottleRateAction") or 0


def _name(port: int) -> str:
    return f"{PREFIX}{port}"
