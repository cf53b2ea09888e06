"""`labctl fault`: what is wrong with links, hosts, storage, clocks, the VMM server, cmdlets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.options import JsonOption, show, show_one, site_name, site_of_host
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.admin import SiteAdmin
from deploy.lab.site.admin_records import Condition
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.links import EVERYWHERE, LinkRule

fault_app = typer.Typer(no_args_is_help=True, help="Faults: list, set, clear.")

_COLUMNS = {"site": "site", "kind": "kind", "target": "target", "detail": "detail"}


@dataclass(frozen=True)
class Wanted:
    """What `fault set` was told."""

    targets: list[str]
    site: str
    one_way: bool
    bytes_per_second: int | None
    seconds: float
    times: int
    how: str


def _ends(stage: Stage, targets: list[str]) -> tuple[str, str]:
    """Two hosts or sites, or one and all others; sites by their folder's name."""
    if len(targets) not in (1, 2):
        raise _mistake("name one or two sites or hosts")
    names = {n.lower(): s.name for s in stage.topology.sites for n in (s.name, s.fabric_name)}
    first, *rest = [names.get(each.lower(), each) for each in targets]
    return first, rest[0] if rest else EVERYWHERE


def _mistake(text: str) -> typer.BadParameter:
    return typer.BadParameter(text)


def _one(wanted: Wanted) -> str:
    if len(wanted.targets) != 1:
        raise _mistake("name one target")
    return wanted.targets[0]


def _site(stage: Stage, wanted: Wanted) -> SiteAdmin:
    """The site named as target, or by --site, or the only one."""
    named = wanted.targets[0] if wanted.targets else wanted.site
    return _named(stage, named)


def _storage_site(stage: Stage, wanted: Wanted) -> SiteAdmin:
    """The site of --site, or the only one; the target is a path or a cmdlet."""
    return _named(stage, wanted.site)


def _named(stage: Stage, site: str) -> SiteAdmin:
    if not site and len(stage.topology.sites) > 1:
        raise _mistake("say at which site (--site)")
    return Sites(stage).admin(site_name(stage, site or stage.topology.sites[0].name))


def _partition(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    source, target = _ends(stage, wanted.targets)
    links = Sites(stage).admins()[0].links
    if on:
        links.add(LinkRule(source=source, target=target, one_way=wanted.one_way, cut=True))
    else:
        links.remove(source, target)


def _slow(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    source, target = _ends(stage, wanted.targets)
    links = Sites(stage).admins()[0].links
    if not on:
        links.remove(source, target)
        return
    if wanted.bytes_per_second is None and not wanted.seconds:
        raise _mistake("--bytes-per-second or --seconds says how slow")
    links.add(
        LinkRule(
            source=source,
            target=target,
            one_way=wanted.one_way,
            bytes_per_second=wanted.bytes_per_second,
            delay_seconds=wanted.seconds,
        )
    )


def _disk_full(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    target = _one(wanted)
    if "\\" in target:
        _storage_site(stage, wanted).fill_place(target, full=on)
    else:
        site_of_host(stage, target).fill_disk(target, full=on)


def _share_lost(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    _storage_site(stage, wanted).lose_share(_one(wanted), lost=on)


def _log_full(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    if not on:
        raise _mistake("only a resynchronisation helps")
    machine = _one(wanted)
    sites = Sites(stage)
    sites.admin(sites.machine(machine, wanted.site or None).site).fill_log(machine)


def _host_crash(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    admin = site_of_host(stage, _one(wanted))
    (admin.crash_host if on else admin.boot_host)(_one(wanted))


def _certificate(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    if not on:
        raise _mistake("a certificate that is gone must be installed again")
    site_of_host(stage, _one(wanted)).forget_certificates(_one(wanted))


def _clock(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    site_of_host(stage, _one(wanted)).set_clock(_one(wanted), wanted.seconds if on else 0.0)


def _vmm_down(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    _site(stage, wanted).stop_vmm(down=on)


def _powershell_down(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    _site(stage, wanted).break_powershell(down=on)


def _bandwidth(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    if on and wanted.bytes_per_second is None:
        raise _mistake("--bytes-per-second says how much")
    _site(stage, wanted).limit_bandwidth(wanted.bytes_per_second if on else None)


def _cmdlet(stage: Stage, wanted: Wanted, *, on: bool) -> None:
    admin = _storage_site(stage, wanted)
    if not on:
        admin.clear_faults()
        return
    try:
        kind = FaultKind(wanted.how)
    except ValueError as error:
        raise _mistake(f"--how is one of {', '.join(FaultKind)}") from error
    admin.add_fault(
        Fault(kind=kind, cmdlet=_one(wanted), remaining=wanted.times, seconds=wanted.seconds)
    )


KINDS: dict[str, Callable[..., None]] = {
    "partition": _partition,
    "slow": _slow,
    "bandwidth": _bandwidth,
    "disk-full": _disk_full,
    "share-lost": _share_lost,
    "log-full": _log_full,
    "host-crash": _host_crash,
    "certificate": _certificate,
    "clock": _clock,
    "vmm-down": _vmm_down,
    "powershell-down": _powershell_down,
    "cmdlet": _cmdlet,
}

KindArgument = Annotated[str, typer.Argument(help=", ".join(KINDS))]
TargetsArgument = Annotated[
    list[str] | None, typer.Argument(help="Sites, hosts, a volume, a share, a machine, a cmdlet.")
]
WhereOption = Annotated[str, typer.Option("--site", help="Site of a volume, share or cmdlet.")]


def _change(kind: str) -> Callable[..., None]:
    if kind not in KINDS:
        raise _mistake(f"'{kind}' is none of {', '.join(KINDS)}")
    return KINDS[kind]


@fault_app.command("set")
def set_fault(  # noqa: PLR0913, PLR0917 - an option of the command each
    kind: KindArgument,
    targets: TargetsArgument = None,
    site: WhereOption = "",
    one_way: Annotated[
        bool, typer.Option("--one-way", help="Only connections the first opens to the second.")
    ] = False,
    bytes_per_second: Annotated[int | None, typer.Option(min=1)] = None,
    seconds: Annotated[
        float, typer.Option(help="Delay of a link, of a cmdlet; how far a clock is ahead.")
    ] = 0.0,
    times: Annotated[int, typer.Option(min=1, help="Calls of a cmdlet.")] = 1,
    how: Annotated[str, typer.Option(help=f"Of a cmdlet: {', '.join(FaultKind)}.")] = "fail",
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Makes something go wrong."""
    wanted = Wanted(targets or [], site, one_way, bytes_per_second, seconds, times, how)
    _change(kind)(open_stage(state), wanted, on=True)
    show_one({"fault": kind, "target": " ".join(wanted.targets), "state": "set"}, as_json=as_json)


@fault_app.command("clear")
def clear(
    kind: Annotated[str, typer.Argument(help="all, or a kind as for `set`.")],
    targets: TargetsArgument = None,
    site: WhereOption = "",
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Mends something, or everything; what only an administrator can mend stays."""
    stage = open_stage(state)
    if kind == "all":
        Sites(stage).clear_all_faults()
    else:
        wanted = Wanted(
            targets or [], site, one_way=False, bytes_per_second=None, seconds=0.0, times=1, how=""
        )
        _change(kind)(stage, wanted, on=False)
    show_one({"fault": kind, "target": " ".join(targets or []), "state": "clear"}, as_json=as_json)


@fault_app.command("list")
def list_faults(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Everything that is wrong because the lab was told so."""
    found: list[Condition] = Sites(open_stage(state)).conditions()
    if not found and not as_json:
        console.print("Nothing is wrong.")
        return
    show(found, _COLUMNS, as_json=as_json)
